// SPDX-License-Identifier: GPL-2.0
//
// Whose is a task: claim, hold, own, dequeue. See ../README.md for what pairs with what.
//
// Each CPU is a process with IRQs off: it dispatches, consumes, dequeues, enqueues again, one
// thing after the other. Locks that are waited for and loops that spin are statements that block,
// so a deadlock is a state without an end, which spin reports. Memory is sequentially consistent.
//
// Size:    N          CPUs
//          T          tasks
//          DISPATCHES batches of up to ENTRIES notes that are carried out, by whichever CPU
//          CONSUMES   looks into the DSQ
//          MOVES      calls of scx_bpf_dispatch_from_dsq()
//          DEQUEUES   dequeues: the task sleeps, or is enqueued again, here or on another CPU
// World:   SMT        core scheduling: CPUs 0 and 1 share one lock, and dispatch for each other
//          ALL_FIT    every task may run everywhere
// Mutants: see ../README.md

#ifndef N
#define N 2
#endif
#ifndef T
#define T 1
#endif
#ifndef ENTRIES
#define ENTRIES 1
#endif
#ifndef DISPATCHES
#define DISPATCHES 0
#endif
#ifndef CONSUMES
#define CONSUMES 0
#endif
#ifndef MOVES
#define MOVES 0
#endif
#ifndef DEQUEUES
#define DEQUEUES 0
#endif

#ifdef SMT
#define LOCK(r) ((r) >> 1)
#else
#define LOCK(r) (r)
#endif

// The states of p->scx.ops_state; the sequence is above these bits.
#define NONE		0
#define QUEUEING	1
#define QUEUED		2
#define DISPATCHING	3
#define STATE(p) (opss[p] & 3)
#define QSEQ(p) (opss[p] >> 2)

// DSQs: the shared one, and a local one for each CPU.
#define SHARED	1
#define LOCAL(r) ((r) + 2)

// 0 is no DSQ, no CPU. CPUs are counted from 1 where they may be missing.
byte opss[T];
byte qseq[T];		/* p->scx.ops_qseq */
byte sign[T];		/* p->scx.holding_cpu */
byte dsq[T];		/* p->scx.dsq */
byte cpu_of[T];
bit on_rq[T];
bit migrating[T];
byte list[T];		/* the DSQ whose list it really is on */
byte seq[T];		/* p->scx.dsq_seq */

// The books: who may touch the task just now.
byte whose[T];

byte rq_lock[N];
byte dsq_lock;

byte dispatches = DISPATCHES;
byte consumes = CONSUMES;
byte moves = MOVES;
byte dequeues = DEQUEUES;

// In the processes below: which CPU they are, and the run queue whose lock they have.
#define me (c + 1)

// Run queue first, then DSQ, and one of each.
inline lock_rq(r)
{
	atomic {
		assert(!at && dsq_lock != me);
		!rq_lock[LOCK(r)];
		rq_lock[LOCK(r)] = me;
		at = r + 1
	}
}

inline unlock_rq()
{
	d_step {
		assert(at && rq_lock[LOCK(at - 1)] == me && dsq_lock != me);
		rq_lock[LOCK(at - 1)] = 0;
		at = 0
	}
}

inline lock_dsq()
{
	atomic {
		assert(dsq_lock != me);
		!dsq_lock;
		dsq_lock = me
	}
}

inline unlock_dsq()
{
	d_step {
		assert(dsq_lock == me);
		dsq_lock = 0
	}
}

// task_rq_lock(): that of the run queue it is on, and it is not on its way between two.
inline lock_task_rq(p)
{
	atomic {
		assert(!at && dsq_lock != me);
		on_rq[p] && !migrating[p] && !rq_lock[LOCK(cpu_of[p])];
		rq_lock[LOCK(cpu_of[p])] = me;
		at = cpu_of[p] + 1
	}
}

#define LOCKED(p) (at && LOCK(at - 1) == LOCK(cpu_of[p]))

inline any_cpu(r)
{
	if
	:: r = 0
	:: r = 1
#if N > 2
	:: r = 2
#endif
	fi
}

// --- what C does ---

inline put_on_local(p)
{
	d_step {
		assert(whose[p] == me && at == cpu_of[p] + 1);
		assert(!sign[p] && !dsq[p] && !list[p] && STATE(p) != QUEUED);
		list[p] = LOCAL(cpu_of[p]);
		dsq[p] = LOCAL(cpu_of[p]);
		opss[p] = NONE;
		whose[p] = 0
	}
}

// dispatch_enqueue(). Whoever looks at the task without its run queue's lock has to find it
// DISPATCHING until it is on the DSQ.
inline put_on_shared(p)
{
#ifdef MUTANT_NONE_EARLY
	d_step {
		whose[p] = 0;
		opss[p] = NONE
	}
#endif
	lock_dsq();
	d_step {
#ifndef MUTANT_NONE_EARLY
		assert(whose[p] == me);
#endif
		assert(!sign[p] && !dsq[p] && !list[p] && STATE(p) != QUEUED);
		list[p] = SHARED;
		seq[p]++
	}
	dsq[p] = SHARED;
#ifndef MUTANT_NONE_EARLY
	d_step {
		whose[p] = 0;
		opss[p] = NONE
	}
#endif
	unlock_dsq()
}

inline ops_dequeue(p)
{
	atomic {
		assert(LOCKED(p) && on_rq[p]);
		if
		:: STATE(p) == NONE
		:: STATE(p) == QUEUED -> opss[p] = NONE
#ifdef MUTANT_NO_WAIT
		:: STATE(p) == DISPATCHING
#endif
		// Blocks while it is DISPATCHING. QUEUEING cannot be, with the lock.
		:: STATE(p) == QUEUEING -> assert(false)
		fi;
		// Nobody else touches it from here on.
		assert(!whose[p] || whose[p] == me);
		whose[p] = me;
		on_rq[p] = 0
	}
}

inline dispatch_dequeue(p)
{
	if
	:: !dsq[p] ->
		d_step {
			assert(!list[p]);
#ifndef MUTANT_SIGN_STAYS
			sign[p] = 0
#endif
		}
	:: dsq[p] == SHARED ->
		lock_dsq();
		d_step {
			if
			:: !sign[p] ->
				assert(list[p] == SHARED);
				list[p] = 0
			:: else ->
				assert(!list[p]);
				sign[p] = 0
			fi;
			dsq[p] = 0
		}
		unlock_dsq()
	:: else ->
		d_step {
			assert(!sign[p] && dsq[p] == LOCAL(cpu_of[p]) && list[p] == dsq[p]);
			list[p] = 0;
			dsq[p] = 0
		}
	fi
}

// do_enqueue_task(), with ops.enqueue(), which may dispatch at once.
inline enqueue(p)
{
	d_step {
		assert(whose[p] == me && LOCKED(p) && !on_rq[p] && STATE(p) == NONE);
		assert(!sign[p] && !dsq[p] && !list[p]);
		on_rq[p] = 1;
		migrating[p] = 0;
		qseq[p]++;
		opss[p] = QUEUEING + qseq[p] * 4
	}
	if
	:: d_step {
		whose[p] = 0;
		opss[p] = QUEUED + qseq[p] * 4
	}
	:: put_on_shared(p)
	:: put_on_local(p)
	fi
}

// A task goes to sleep, or its affinity, class, priority changes.
inline dequeue(p)
{
	lock_task_rq(p);
	ops_dequeue(p);
	dispatch_dequeue(p);
	if
	:: d_step {
		// Asleep: nobody has it, nothing has been left.
		assert(whose[p] == me && !list[p] && !dsq[p] && !sign[p] && opss[p] == NONE);
		whose[p] = 0
	}
	:: enqueue(p)
	:: atomic {
		migrating[p] = 1;
		any_cpu(t);
		cpu_of[p] = t
	};
		unlock_rq();
		lock_rq(t);
		enqueue(p)
	fi;
	unlock_rq()
}

inline wake_up(p)
{
	any_cpu(t);
	cpu_of[p] = t;
	lock_rq(t);
	enqueue(p);
	unlock_rq()
}

// move_remote_task_to_local_dsq(), by which a task is on another CPU's local DSQ.
inline move_remote(p, to)
{
	d_step {
		assert(whose[p] == me && LOCKED(p) && cpu_of[p] != to);
		migrating[p] = 1
	}
	ops_dequeue(p);
	dispatch_dequeue(p);
	cpu_of[p] = to;
	unlock_rq();
	lock_rq(to);
	d_step {
		assert(whose[p] == me);
		on_rq[p] = 1;
		migrating[p] = 0
	}
	put_on_local(p)
}

// --- what the module does ---

// Relock::go()
inline go(r)
{
	if
	:: at == r + 1
	:: else ->
		unlock_rq();
		lock_rq(r)
	fi
}

// Task::claim() with the loop around it.
inline claim(p)
{
	do
	:: seen = opss[p];
		if
		:: (seen & 3) == QUEUEING -> opss[p] != seen
#ifdef MUTANT_NO_QSEQ
		:: (seen & 3) == QUEUED ->
#else
		:: (seen & 3) == QUEUED && (seen >> 2) == noted[i] ->
#endif
			d_step {
				if
#ifdef MUTANT_PLAIN_CLAIM
				:: true ->
#else
				:: opss[p] == seen ->
#endif
					// It is still what the BPF scheduler has decided about.
					assert(!whose[p] && qseq[p] == noted[i]);
					opss[p] = DISPATCHING;
					whose[p] = me;
					has = 1
#ifndef MUTANT_PLAIN_CLAIM
				:: else
#endif
				fi
			}
			if
			:: has -> break
			:: else
			fi
		:: else -> break
		fi
	od;
	seen = 0
}

// Held::new()
inline hold(p)
{
	d_step {
		assert(!sign[p]);
		sign[p] = me;
		src = cpu_of[p]
	}
}

inline regain(p)
{
	go(src);
	d_step {
		if
#if defined(MUTANT_NO_RECHECK)
		:: true ->
#elif defined(MUTANT_ANY_SIGN)
		:: sign[p] ->
#else
		:: sign[p] == me ->
#endif
			// That it is on another CPU by now need not be asked.
			assert(!whose[p] && LOCKED(p) && src == cpu_of[p]);
			whose[p] = me;
			has = 1
#ifndef MUTANT_NO_RECHECK
		:: else
#endif
		fi;
		src = 0
	}
}

// Owned::migrate()
inline migrate(p, to)
{
#ifdef MUTANT_SIGN_RESET
	sign[p] = 0;
#endif
	move_remote(p, to)
}

// What Owned::enqueue() does before the enqueue.
inline reset(p)
{
	d_step {
		assert(whose[p] == me && LOCKED(p) && !dsq[p]);
#ifndef MUTANT_SIGN_KEPT
		sign[p] = 0
#endif
	}
}

inline finish_dispatch(p)
{
	claim(p);
	if
	:: !has
	:: has ->
		has = 0;
		if
		:: put_on_shared(p)
		:: any_cpu(t);
			if
			// Claimed::own()
			:: at == cpu_of[p] + 1 ->
				opss[p] = NONE;
				has = 1
			// Claimed::let_go(), Held::regain()
			:: else ->
#if defined(MUTANT_LOCK_CLAIMED)
				src = cpu_of[p];
				go(src);
				d_step {
					opss[p] = NONE;
					src = 0;
					has = 1
				}
#else
#ifndef MUTANT_SIGN_LATE
				hold(p);
#endif
				d_step {
					whose[p] = 0;
					opss[p] = NONE
				}
#ifdef MUTANT_SIGN_LATE
				hold(p);
#endif
				regain(p)
#endif
			fi;
			// put_on_local()
			if
			:: !has
			:: has && t == cpu_of[p] ->
				reset(p);
				put_on_local(p)
			:: has && t != cpu_of[p] -> migrate(p, t)
#ifndef ALL_FIT
			:: has && t != cpu_of[p] ->
				reset(p);
				put_on_shared(p)
#endif
			fi;
			d_step {
				t = 0;
				has = 0
			}
		fi
	fi
}

inline consume(p)
{
	lock_dsq();
	if
	:: list[p] != SHARED -> unlock_dsq()
#ifndef ALL_FIT
	:: list[p] == SHARED && cpu_of[p] != home -> unlock_dsq()
#endif
	// Candidate::move_to_local()
	:: list[p] == SHARED && cpu_of[p] == home ->
		d_step {
			assert(!whose[p] && !sign[p] && dsq[p] == SHARED && LOCKED(p));
			list[p] = LOCAL(home);
			dsq[p] = LOCAL(home)
		}
		unlock_dsq()
	// Candidate::take()
	:: list[p] == SHARED && cpu_of[p] != home ->
#ifdef MUTANT_UNLINK_LATE
		unlock_dsq();
#endif
		d_step {
			assert(list[p] == SHARED);
			list[p] = 0
		}
#ifdef MUTANT_SIGN_LATE
		unlock_dsq();
#endif
		hold(p);
#if !defined(MUTANT_UNLINK_LATE) && !defined(MUTANT_SIGN_LATE)
		unlock_dsq();
#endif
		regain(p);
		if
		:: !has
		:: has ->
			has = 0;
			migrate(p, home)
		fi
	fi
}

// scx_bpf_dispatch_from_dsq(), which is C's: `p` has been seen on the DSQ.
inline dispatch_from_dsq(p)
{
	d_step {
		seen = seq[p];
		src = cpu_of[p]
	}
	go(src);
	lock_dsq();
	if
	:: dsq[p] != SHARED || seq[p] != seen || sign[p] -> unlock_dsq()
	:: else ->
		atomic {
			assert(!whose[p] && src == cpu_of[p] && list[p] == SHARED);
			whose[p] = me;
			any_cpu(t)
		}
		if
		:: t != cpu_of[p] ->
			unlock_dsq();
			move_remote(p, t)
		:: t == cpu_of[p] ->
			d_step {
				list[p] = LOCAL(t);
				dsq[p] = LOCAL(t);
				whose[p] = 0
			}
			unlock_dsq()
		fi;
		t = 0
	fi;
	d_step {
		seen = 0;
		src = 0
	}
}

proctype cpu(byte c)
{
	byte at, home, src, t, i, p, seen;
	byte noted[ENTRIES], whom[ENTRIES];
	bit has;

#ifdef SMT
#define any_home() \
	if \
	:: home = c \
	:: c < 2 -> home = 1 - c \
	fi
#else
#define any_home() home = c
#endif

end:
	do
	:: atomic {
		dispatches ->
		dispatches--;
		any_home()
	}
		lock_rq(home);
		// ops.dispatch() takes notes, and names whom it likes.
		do
		:: atomic {
			i < ENTRIES ->
			if
			:: p = 0
#if T > 1
			:: p = 1
#endif
			fi;
			noted[i] = QSEQ(p);
			whom[i] = p;
			i++
		}
		:: d_step {
			i == ENTRIES ->
			i = 0;
			p = whom[0]
		}
			break
		od;
		do
		:: i < ENTRIES ->
			finish_dispatch(p);
			d_step {
				noted[i] = 0;
				whom[i] = 0;
				i++;
				if
				:: i < ENTRIES -> p = whom[i]
				:: else -> p = 0
				fi
			}
		:: else -> break
		od;
		go(home);
		unlock_rq();
		d_step {
			i = 0;
			home = 0
		}

#if CONSUMES
	:: atomic {
		consumes ->
		consumes--;
		any_home();
#if T > 1
		if
		:: p = 0
		:: p = 1
		fi
#endif
	}
		lock_rq(home);
		consume(p);
		go(home);
		unlock_rq();
		d_step {
			p = 0;
			home = 0
		}
#endif

#if MOVES
	:: atomic {
		moves && list[0] == SHARED ->
		moves--;
		any_home()
	}
		lock_rq(home);
		dispatch_from_dsq(0);
		go(home);
		unlock_rq();
		home = 0
#endif

#if DEQUEUES
	:: atomic {
		dequeues ->
		dequeues--;
#if T > 1
		if
		:: p = 0
		:: p = 1
		fi
#endif
	}
		if
		:: dequeue(p)
		// Asleep.
		:: !on_rq[p] && !whose[p]
		fi;
		d_step {
			p = 0;
			t = 0
		}

	:: atomic {
		!on_rq[0] && !whose[0] ->
		whose[0] = me
	}
		wake_up(0);
		t = 0
#if T > 1
	:: atomic {
		!on_rq[1] && !whose[1] ->
		whose[1] = me
	}
		wake_up(1);
		t = 0
#endif
#endif
	od
}

init {
	byte x;

	atomic {
		for (x : 0 .. T - 1) {
			qseq[x] = 1;
			opss[x] = QUEUED + 4;
			on_rq[x] = 1;
			any_cpu(cpu_of[x])
		}
		for (x : 0 .. N - 1) {
			run cpu(x)
		}
		x = 0
	}

	// When nobody can go on every task is runnable, and in exactly one place.
	timeout;
	for (x : 0 .. N - 1) {
		assert(!rq_lock[x])
	}
	assert(!dsq_lock);
	for (x : 0 .. T - 1) {
		assert(on_rq[x] && !whose[x] && !sign[x] && !migrating[x]);
		assert(dsq[x] == list[x] && (list[x] != 0) + (STATE(x) == QUEUED) == 1)
	}
}
