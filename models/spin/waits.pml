// SPDX-License-Identifier: GPL-2.0
//
// SCX_KICK_WAIT: record, wait, leave, advance. See ../README.md for what pairs with what.
//
// Each CPU is a process. It runs a task, takes IRQs, goes through the scheduler when it is told
// to, and waits at the end of that. A loop that spins is a statement that blocks here, so a CPU
// that would spin for good is a process that is stuck outside of its end state, which spin
// reports. Memory is sequentially consistent here; loom looks at the orderings.
//
// Size:    N         CPUs
//          KICKS     kicks with SCX_KICK_WAIT that each CPU, or the first KICKERS, may send to any
//                    other
//          TICKS     times each CPU reschedules for a reason of its own
//          FLUSHES   TLB flushes of each CPU, or of the last FLUSHERS: it waits for the others'
//                    acknowledgement, with preemption off
//          CHANGES   times that a running task's class is changed from outside
// World:   STUCK     the last CPU does not schedule any more
//          BYPASS    the scheduler is thrown out at any time
//          TIMEOUT   waits end after a while
//          ANY_CLASS CPUs begin with any class, not with tasks of sched_ext
// Mutants: see ../README.md

#ifndef N
#define N 2
#endif
#ifndef KICKS
#define KICKS 1
#endif
#ifndef KICKERS
#define KICKERS N
#endif
#ifndef TICKS
#define TICKS 0
#endif
#ifndef FLUSHES
#define FLUSHES 0
#endif
#ifndef FLUSHERS
#define FLUSHERS N
#endif
#ifndef CHANGES
#define CHANGES 0
#endif

#ifdef STUCK
#define LAST (N - 2)
#else
#define LAST (N - 1)
#endif

// What a CPU runs.
#define EXT	0
#define FAIR	1	/* or any other class above ext */
#define IDLE	2

byte curr[N];
byte seq[N];		/* pnt_seq */
bit need[N];		/* need_resched */
bit locked[N];		/* the run queue's lock */
bit bypass[N];

// The records: who waits for whom, and for the sequence to become what.
bit waits[N * N];
byte noted[N * N];

// acks[x * N + y]: y has yet to acknowledge a flush of x.
bit acks[N * N];

// How often `stopping` ran on the CPU, or it was decided there that the task goes on. Modulo 256
// as the sequence is, with no run near that.
byte passes[N];
byte passes_then[N * N];

byte kicks[N];
byte ticks[N];
byte flushes[N];
byte changes = CHANGES;

#define AT(x, y) ((x) * N + (y))

#if N == 2
#define WAITS_ANY(c) (waits[AT(c, 0)] || waits[AT(c, 1)])
#define FLUSHED(c) (!acks[AT(c, 0)] && !acks[AT(c, 1)])
#define TO_ACK(c) (acks[AT(0, c)] || acks[AT(1, c)])
#define NONE_LOCKED (!locked[0] && !locked[1])
#else
#define WAITS_ANY(c) (waits[AT(c, 0)] || waits[AT(c, 1)] || waits[AT(c, 2)])
#define FLUSHED(c) (!acks[AT(c, 0)] && !acks[AT(c, 1)] && !acks[AT(c, 2)])
#define TO_ACK(c) (acks[AT(0, c)] || acks[AT(1, c)] || acks[AT(2, c)])
#define NONE_LOCKED (!locked[0] && !locked[1] && !locked[2])
#endif

#define MOVED(c, t) (waits[AT(c, t)] && seq[t] != noted[AT(c, t)])

// A section under a lock is one atomic step, as long as it has no more than one access that
// others make without the lock: the rest cannot be seen from outside. Where it has more, the
// lock is held from one step to the next.
inline lock(x)
{
	atomic {
		!locked[x];
		locked[x] = 1
	}
}

inline unlock(x)
{
	locked[x] = 0
}

// The IPI of a TLB flush, where IRQs are on.
inline acknowledge(c)
{
	d_step {
		acks[AT(0, c)] = 0;
		acks[AT(1, c)] = 0;
#if N > 2
		acks[AT(2, c)] = 0;
#endif
	}
}

// A kick of some other CPU and the irq_work that carries it out, in hardirq context.
inline kick_irq(c)
{
	atomic {
		kicks[c]--;
		if
		:: c != 0 -> t = 0
		:: c != 1 -> t = 1
#if N > 2
		:: c != 2 -> t = 2
#endif
		fi;

		lock(t);
		if
#ifdef MUTANT_K4
		// 6.12 waits whatever runs there.
		:: true ->
#else
		:: curr[t] == EXT ->
#endif
			again = 1;
#ifndef MUTANT_SNAPSHOT_LATE
			record(c, t);
#endif
			need[t] = 1
#ifndef MUTANT_K4
		:: else
#endif
		fi;
		unlock(t)
	}
#ifdef MUTANT_SNAPSHOT_LATE
	record(c, t);
#endif
	if
	:: !again
#ifdef MUTANT_K2
	// 6.12 waits here, where this CPU neither takes IRQs nor schedules.
	:: again -> MOVED(c, t) -> end_wait(c, t)
#else
	// So that this CPU comes to its wait.
	:: atomic {
		again -> lock(c);
		if
		:: curr[c] == EXT -> need[c] = 1
		:: else
		fi;
		unlock(c)
	}
#endif
	fi;
	d_step {
		t = 0;
		again = 0
	}
}

inline record(c, t)
{
	d_step {
		waits[AT(c, t)] = 1;
		noted[AT(c, t)] = seq[t];
		passes_then[AT(c, t)] = passes[t]
	}
}

inline end_wait(c, t)
{
	d_step {
		// The promise: the target has been through the scheduler.
		assert(passes[t] != passes_then[AT(c, t)]);
		waits[AT(c, t)] = 0;
		noted[AT(c, t)] = 0;
		passes_then[AT(c, t)] = 0
	}
}

// Not a promise kept, but nobody is kept by it.
inline drop_waits(c)
{
	d_step {
		waits[AT(c, 0)] = 0;
		noted[AT(c, 0)] = 0;
		passes_then[AT(c, 0)] = 0;
		waits[AT(c, 1)] = 0;
		noted[AT(c, 1)] = 0;
		passes_then[AT(c, 1)] = 0;
#if N > 2
		waits[AT(c, 2)] = 0;
		noted[AT(c, 2)] = 0;
		passes_then[AT(c, 2)] = 0;
#endif
	}
}

#ifdef MUTANT_NO_LEAVE
#define LEAVE(c) false
#else
#define LEAVE(c) need[c]
#endif
#ifdef MUTANT_NO_BYPASS
#define BYPASSED(c) false
#else
#define BYPASSED(c) bypass[c]
#endif

// The balance callback: no run queue locked, IRQs on, preemption off.
inline wait(c)
{
	do
	:: !WAITS_ANY(c) -> break
	:: MOVED(c, 0) -> end_wait(c, 0)
	:: MOVED(c, 1) -> end_wait(c, 1)
#if N > 2
	:: MOVED(c, 2) -> end_wait(c, 2)
#endif
	// The records stay: this CPU goes on waiting when it has been through the scheduler.
	:: LEAVE(c) -> break
	:: BYPASSED(c) -> drop_waits(c); break
#ifdef TIMEOUT
	:: true -> drop_waits(c); break
#endif
	:: TO_ACK(c) -> acknowledge(c)
	:: kicks[c] && !bypass[c] -> kick_irq(c)
	od
}

inline schedule(c)
{
	atomic {
		lock(c);

		// What runs next is up to others. If it is of a class above, ext is not asked.
		if
		:: next = FAIR
		:: next = IDLE; callback = WAITS_ANY(c)
		:: next = EXT; callback = WAITS_ANY(c)
		fi;

		if
		:: curr[c] == EXT ->
			if
			:: next == EXT ->
				if
				:: keep = 1
				:: true
				fi
			:: else
			fi;
#ifndef MUTANT_EARLY
			// What the pass has to do for the task, and only then the sequence.
			passes[c]++;
#endif
			if
#ifdef MUTANT_K1
			// 6.12 moves it when the CPU leaves sched_ext.
			:: next == EXT
#endif
#ifdef MUTANT_NO_KEEP
			:: keep
#endif
			:: else -> seq[c]++
			fi
		:: else
		fi
#ifdef MUTANT_EARLY
	}
	atomic {
		if
		:: curr[c] == EXT -> passes[c]++
		:: else
		fi;
#endif
		curr[c] = next;
		need[c] = 0;
		next = 0;
		keep = 0;
		unlock(c)
	}
	if
	:: callback ->
		callback = 0;
		wait(c)
	:: else
	fi
}

proctype cpu(byte c)
{
	byte t, next;
	bit callback, again, keep;

end:
	do
	:: need[c] && c <= LAST -> schedule(c)
	:: kicks[c] && !bypass[c] -> kick_irq(c)
#if TICKS
	:: ticks[c] -> ticks[c]--; need[c] = 1
#endif
#if FLUSHES
	:: TO_ACK(c) -> acknowledge(c)
	:: flushes[c] ->
		d_step {
			flushes[c]--;
			acks[AT(c, 0)] = (c != 0);
			acks[AT(c, 1)] = (c != 1);
#if N > 2
			acks[AT(c, 2)] = (c != 2);
#endif
		}
		do
		:: FLUSHED(c) -> break
		:: TO_ACK(c) -> acknowledge(c)
		:: kicks[c] && !bypass[c] -> kick_irq(c)
		od
#endif
	od
}

#if CHANGES
// sched_setscheduler() on what a CPU runs: `stopping` and the sequence, but no pass.
proctype changer()
{
	byte x;

	do
	:: atomic {
		changes ->
		changes--;
		select(x : 0 .. N - 1);
		lock(x);
		if
		:: curr[x] == EXT ->
			passes[x]++;
#ifndef MUTANT_CLASS_CHANGE
			seq[x]++;
#endif
			curr[x] = FAIR
		:: curr[x] == FAIR -> curr[x] = EXT
		:: else
		fi
	}
	atomic {
		// It may reschedule on top.
		if
		:: need[x] = 1
		:: true
		fi;
		unlock(x);
		x = 0
	}
	:: !changes -> break
	od
}
#endif

#ifdef BYPASS
proctype disabler()
{
	byte x;

	for (x : 0 .. N - 1) {
		atomic {
			lock(x);
			bypass[x] = 1
		}
		atomic {
			need[x] = 1;
			unlock(x)
		}
	}
}
#endif

init {
	byte x;

	atomic {
		for (x : 0 .. N - 1) {
			kicks[x] = (x < KICKERS -> KICKS : 0);
			ticks[x] = TICKS;
			flushes[x] = (x >= N - FLUSHERS -> FLUSHES : 0);
#ifdef ANY_CLASS
			if
			:: curr[x] = EXT
			:: curr[x] = FAIR
			:: curr[x] = IDLE
			fi
#endif
		}
		for (x : 0 .. N - 1) {
			run cpu(x)
		}
#if CHANGES
		run changer();
#endif
#ifdef BYPASS
		run disabler();
#endif
		x = 0
	}

	// When nobody can go on, no wait may have been forgotten: a CPU that runs a task of
	// sched_ext has come past its waits. But a task that becomes one while it runs has not been
	// through the scheduler, and the last CPU may not be able to.
	timeout;
	assert(NONE_LOCKED);
#if !CHANGES
	for (x : 0 .. LAST) {
		assert(curr[x] != EXT || !WAITS_ANY(x))
	}
#endif
}
