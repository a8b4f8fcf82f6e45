// SPDX-License-Identifier: GPL-2.0
//
// Kicks by mailbox: post, queue the target's irq_work, clear its pending bit, take, carry out.
// See ../README.md for what pairs with what.
//
// A CPU is some processes, of which irqs_off lets one run at a time: its kicks, the irq_work,
// what turns it off and on. Memory is sequentially consistent.
//
// Size:    N         CPUs
//          SOURCES   how many of them send kicks
//          KICKS     kicks of every source, plain or PREEMPT, to any CPU
//          NMI_KICKS kicks of CPU 0 besides, from NMIs in the middle of anything that it does
//          CYCLES    times that CPU 0 goes offline and comes back
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
#ifndef CYCLES
#define CYCLES 0
#endif

#define RESCHED	1
#define PREEMPT	2
#define SETS	4

// What is in a CPU's mailbox.
byte box[N];

// Its irq_work, and the interrupt.
bit pending[N];
bit raised[N];

bit irqs_off[N];
bit online[N];

// The set of CPU 0: whom its NMIs have asked for.
bit set[N];

bit need[N];

// What has been asked for and not been done, and of that, what the CPU has been told and does in
// its next pass. By mailbox and, of RESCHED only, by NMI.
byte owed[N];
byte told[N];
bit owed_nmi[N];
bit told_nmi[N];

inline queue(t)
{
	if
	:: d_step { !pending[t] -> pending[t] = 1; raised[t] = 1 }
	:: else
	fi
}

inline choose_target(t)
{
	if
	:: t = 0
	:: t = 1
#if N > 2
	:: t = 2
#endif
	fi
}

#define post(t, kinds, first) d_step { \
		first = !box[t]; \
		box[t] = box[t] | kinds; \
		owed[t] = owed[t] | (kinds & (RESCHED | PREEMPT)) \
	}

// kick(), send(): with IRQs off. The mask is looked at once.
inline send(s, t, kinds, first)
{
#ifdef MUTANT_QUEUE_FIRST
	queue(t);
	post(t, kinds, first);
#else
	post(t, kinds, first);
	if
#ifdef MUTANT_QUEUE_IF_NOT_EMPTY
	:: !first -> queue(t)
#else
	:: first -> queue(t)
#endif
	:: else
	fi;
#endif
	first = 0
}

proctype kicker(byte s)
{
	byte t, kinds, left = KICKS;
	bit first, reachable;

	do
	:: left ->
		left--;
		choose_target(t);
		if
		:: kinds = RESCHED
		:: kinds = RESCHED | PREEMPT
		fi;
#ifdef MUTANT_IRQS_ON
		reachable = online[t];
#endif
		atomic { online[s] && !irqs_off[s] -> irqs_off[s] = 1 }
#ifndef MUTANT_IRQS_ON
		reachable = online[t];
#endif
		if
		:: reachable -> send(s, t, kinds, first)
		:: else
		fi;
		t = 0;
		kinds = 0;
		reachable = 0;
		irqs_off[s] = 0
	:: !left -> break
	od
}

#if NMI_KICKS
// note() and call_for_sets(), on CPU 0.
proctype nmi()
{
	byte t, left = NMI_KICKS;
	bit first;

	do
	:: atomic {
		left && online[0] ->
		left--;
		choose_target(t);
		set[t] = 1;
		owed_nmi[t] = 1;
		post(0, SETS, first);
#ifdef MUTANT_SETS_IF_EMPTY
		if
		:: first -> queue(0)
		:: else
		fi;
#else
		queue(0);
#endif
		t = 0;
		first = 0
	}
	:: !left -> break
	od
}
#endif

// kick_cpus(), on CPU t with IRQs off.
inline kick_cpus(t, taken, x)
{
#ifndef MUTANT_PENDING_LATE
	pending[t] = 0;
#endif
#ifdef MUTANT_LOAD_STORE
	taken = box[t];
	box[t] = 0;
#else
	d_step { taken = box[t]; box[t] = 0 }
#endif
	if
	:: taken & (RESCHED | PREEMPT) ->
		// Under the lock, so in one step.
		d_step {
			told[t] = told[t] | (owed[t] & taken);
			told_nmi[t] = told_nmi[t] | owed_nmi[t];
			need[t] = 1
		}
	:: else
	fi;
	if
	:: taken & SETS ->
		for (x : 0 .. N - 1) {
			if
			:: set[x] ->
				set[x] = 0;
				if
				:: d_step {
					online[x] || x == t ->
					told_nmi[x] = told_nmi[x] | owed_nmi[x];
					need[x] = 1
				}
				:: else
				fi
			:: else
			fi
		}
		x = 0
	:: else
	fi;
	taken = 0;
#ifdef MUTANT_PENDING_LATE
	pending[t] = 0;
#endif
}

proctype irq_work(byte t)
{
	byte taken, x;

end:
	do
	:: atomic { raised[t] && !irqs_off[t] -> irqs_off[t] = 1; raised[t] = 0 }
		kick_cpus(t, taken, x);
		irqs_off[t] = 0
	od
}

// A CPU goes through the scheduler, under its lock.
proctype pass(byte t)
{
end:
	do
	:: d_step {
		need[t] ->
		need[t] = 0;
		owed[t] = owed[t] & ~told[t];
		told[t] = 0;
		owed_nmi[t] = owed_nmi[t] && !told_nmi[t];
		told_nmi[t] = 0
	}
	od
}

#if CYCLES
inline all_irqs(off)
{
	irqs_off[0] = off;
	irqs_off[1] = off;
#if N > 2
	irqs_off[2] = off;
#endif
}

// take_cpu_down() while stop_machine() has all IRQs off, smpcfd_dying_cpu() with the flush of
// irq_works, and start_secondary(), which takes IRQs when it is online.
proctype hotplug()
{
	byte taken, x, left = CYCLES;
#ifdef MUTANT_LATE
	bit first;
#endif

	do
	:: left ->
		left--;
		atomic {
#if N > 2
			!irqs_off[0] && !irqs_off[1] && !irqs_off[2] ->
#else
			!irqs_off[0] && !irqs_off[1] ->
#endif
			all_irqs(1)
		}
		online[0] = 0;
#ifndef MUTANT_NO_FLUSH
		if
		:: raised[0] ->
			raised[0] = 0;
			kick_cpus(0, taken, x)
		:: else
		fi;
#endif
#ifdef MUTANT_LATE
		send(0, 0, RESCHED, first);
#endif
		// Nobody owes anything to a CPU that is gone, and it takes no NMIs since it is not online.
		d_step {
			need[0] = 0;
			owed[0] = 0;
			told[0] = 0;
			owed_nmi[0] = 0;
			told_nmi[0] = 0;
			all_irqs(0);
			irqs_off[0] = 1
		}
		// What was sent to it meanwhile is gone.
		d_step { raised[0] = 0; online[0] = 1 }
		irqs_off[0] = 0
	:: !left -> break
	od
}
#endif

init {
	byte x;

	atomic {
		for (x : 0 .. N - 1) {
			online[x] = 1;
			run irq_work(x);
			run pass(x)
		}
		for (x : 0 .. SOURCES - 1) {
			// From the last on: CPU 0 is the one that goes.
			run kicker(N - 1 - x)
		}
#if NMI_KICKS
		run nmi();
#endif
#if CYCLES
		run hotplug();
#endif
		x = 0
	}

	// When nobody can go on, nothing is owed to anyone, and nothing is left that a later kick
	// would take for somebody's who is about to queue the irq_work.
	timeout;
	for (x : 0 .. N - 1) {
		assert(!owed[x] && !owed_nmi[x]);
		assert(!box[x] && !pending[x] && !set[x])
	}
}
