// SPDX-License-Identifier: GPL-2.0
//
// Requests for kicks: note, queue the irq_work, take, carry out. See ../README.md for what pairs
// with what.
//
// A CPU is up to four processes, of which IRQS_OFF lets one run at a time: a kick from wherever
// IRQs were turned off for it, the irq_work, the end of a wait, and the CPU's next pass through
// the scheduler. Memory is sequentially consistent, which a CPU is to itself.
//
// Size:    N         CPUs
//          SOURCES   how many of them send kicks
//          KICKS     kicks of every source, of any kind and to any other CPU
//          FULL      times that there is no room to note a wait
// World:   RT        the irq_work is a thread that a kick may preempt (6.12 with PREEMPT_RT)
//          NMI       NMI_KICKS of the kicks come in the middle of anything the CPU does
// Mutants: see ../README.md

#ifndef N
#define N 2
#endif
#ifndef SOURCES
#define SOURCES N
#endif
#ifndef KICKS
#define KICKS 2
#endif
#ifndef NMI_KICKS
#define NMI_KICKS 0
#endif
#ifndef FULL
#define FULL 0
#endif

#define AT(x, y) ((x) * N + (y))

// The sets of each source.
bit kick[N * N];
bit idle[N * N];
bit preempt[N * N];
bit wait[N * N];

// The irq_work of each source, and its interrupt.
bit pending[N];
bit raised[N];

bit irqs_off[N];
bit overflown[N];

byte kicks[N];
byte nmis[N];
byte no_room = FULL;

bit need[N];

// What has been asked for and not been done, and of that, what the target has been told and does
// in its next pass.
#define KICK	1
#define IDLE	2
#define PREEMPT	4
#define WAIT	8
byte owed[N * N];
byte told[N * N];

#define ask(set, s, t, kind) d_step { set[AT(s, t)] = 1; owed[AT(s, t)] = owed[AT(s, t)] | kind }

inline queue(s)
{
	if
	:: d_step { !pending[s] -> pending[s] = 1; raised[s] = 1 }
	:: else
	fi
}

inline choose_target(s, t)
{
	if
	:: s != 0 -> t = 0
	:: s != 1 -> t = 1
#if N > 2
	:: s != 2 -> t = 2
#endif
	fi
}

// kick(): of which kind first, the kick last.
inline note(s, t)
{
	choose_target(s, t);
	if
	:: ask(idle, s, t, IDLE)
	:: true ->
		if
		:: ask(preempt, s, t, PREEMPT)
		:: ask(wait, s, t, WAIT)
		:: true
		fi;
		ask(kick, s, t, KICK)
	fi;
	queue(s);
	t = 0
}

proctype kicker(byte s)
{
	byte t;

	do
	:: kicks[s] ->
#ifdef RT
		// The irq_work's thread is preempted for all of it.
		atomic {
			kicks[s]--;
			note(s, t)
		}
#else
		atomic { !irqs_off[s] -> irqs_off[s] = 1; kicks[s]-- }
		note(s, t);
		irqs_off[s] = 0
#endif
	:: !kicks[s] -> break
	od
}

#if NMI_KICKS
proctype nmi(byte s)
{
	byte t;

	do
	:: atomic {
		nmis[s] ->
		nmis[s]--;
		note(s, t)
	}
	:: !nmis[s] -> break
	od
}
#endif

// Under the target's lock, so in one step.
inline resched(s, t, kinds)
{
	d_step {
		told[AT(s, t)] = told[AT(s, t)] | (owed[AT(s, t)] & (kinds));
		need[t] = 1
	}
}

#define take(set, s, t, into) d_step { into = set[AT(s, t)]; set[AT(s, t)] = 0 }

inline kick_one_cpu(s, t)
{
#ifdef MUTANT_K5
	// 6.12 looks first, and clears when it is done.
	has_preempt = preempt[AT(s, t)];
	if
	:: has_preempt -> preempt[AT(s, t)] = 0
	:: else
	fi;
	has_wait = wait[AT(s, t)];
	resched(s, t, KICK | IDLE | has_preempt * PREEMPT | has_wait * WAIT);
	if
	:: has_wait -> wait[AT(s, t)] = 0
	:: else
	fi;
	kick[AT(s, t)] = 0;
	idle[AT(s, t)] = 0;
#else
#ifndef MUTANT_KINDS_FIRST
	kick[AT(s, t)] = 0;
	idle[AT(s, t)] = 0;
#endif
	take(preempt, s, t, has_preempt);
	take(wait, s, t, has_wait);
#ifdef MUTANT_KINDS_FIRST
	kick[AT(s, t)] = 0;
	idle[AT(s, t)] = 0;
#endif
	if
	:: has_wait && no_room ->
		no_room--;
		has_wait = 0;
		overflown[s] = 1;
		wait[AT(s, t)] = 1;
		kick[AT(s, t)] = 1
	:: true
	fi;
	resched(s, t, KICK | IDLE | has_preempt * PREEMPT | has_wait * WAIT);
#endif
	has_preempt = 0;
	has_wait = 0
}

proctype irq_work(byte s)
{
	byte t;
	bit has_preempt, has_wait;

end:
	do
	:: atomic {
#ifdef RT
		raised[s] ->
#else
		raised[s] && !irqs_off[s] -> irqs_off[s] = 1;
#endif
		raised[s] = 0
	}
#ifndef MUTANT_PENDING_LATE
		pending[s] = 0;
#endif
		for (t : 0 .. N - 1) {
			if
			:: kick[AT(s, t)] -> kick_one_cpu(s, t)
			:: else
			fi
		}
		for (t : 0 .. N - 1) {
			if
			:: idle[AT(s, t)] ->
#ifdef MUTANT_K5
				resched(s, t, IDLE);
				idle[AT(s, t)] = 0
#else
				idle[AT(s, t)] = 0;
				resched(s, t, IDLE)
#endif
			:: else
			fi
		}
		t = 0;
#ifdef MUTANT_PENDING_LATE
		pending[s] = 0;
#endif
#ifndef RT
		irqs_off[s] = 0
#endif
	od
}

#if FULL
// The waits that took the room are over.
proctype drained(byte s)
{
end:
	do
	:: atomic { overflown[s] && !irqs_off[s] -> irqs_off[s] = 1; overflown[s] = 0 }
#ifndef MUTANT_NO_RETRY
		queue(s);
#endif
		irqs_off[s] = 0
	od
}
#endif

// The target's pass, under its lock.
proctype pass(byte t)
{
end:
	do
	:: d_step {
		need[t] ->
		need[t] = 0;
		owed[AT(0, t)] = owed[AT(0, t)] & (15 - told[AT(0, t)]);
		told[AT(0, t)] = 0;
		owed[AT(1, t)] = owed[AT(1, t)] & (15 - told[AT(1, t)]);
		told[AT(1, t)] = 0;
#if N > 2
		owed[AT(2, t)] = owed[AT(2, t)] & (15 - told[AT(2, t)]);
		told[AT(2, t)] = 0;
#endif
	}
	od
}

init {
	byte x;

	atomic {
		for (x : 0 .. N - 1) {
			run pass(x)
		}
		for (x : 0 .. SOURCES - 1) {
			kicks[x] = KICKS - NMI_KICKS;
			nmis[x] = NMI_KICKS;
			run kicker(x);
			run irq_work(x);
#if NMI_KICKS
			run nmi(x);
#endif
#if FULL
			run drained(x);
#endif
		}
		x = 0
	}

	// When nobody can go on, nothing is owed to anyone, and nothing is left for a later kick to
	// be mistaken for.
	timeout;
	for (x : 0 .. N * N - 1) {
		assert(!owed[x]);
		assert(!kick[x] && !idle[x] && !preempt[x] && !wait[x])
	}
}
