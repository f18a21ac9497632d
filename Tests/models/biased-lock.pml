/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sources/Linux/BiasedLock.swift: three threads take a lock that is biased to one of them at a time, until its numbers are
 * used up. At most one is inside, and sees what the others did there. Faults: NO_BARRIER, the revoking thread does not reach all others; NO_SECOND_LOOK, the
 * owner does not look again after its mark; ONE_BYTE, all biases share one mark; PLAIN_UNLOCK, the
 * spin lock is left without a release.
 */
#define THREADS 3
#define NUMBERS 3
#define ROUNDS 2
/* Words: the spin lock, the bias (16 * owner + number; owner 0 is nobody), what the lock guards, a mark for each bias. */
#define LOCK 0
#define BIAS 1
#define DATA 2
#ifdef ONE_BYTE
#define MARK(number) 3
#else
#define MARK(number) (3 + (number))
#endif
#define WORDS (3 + NUMBERS)
#include "memory.pml"
#ifdef PLAIN_UNLOCK
#define UNLOCK(me) store(me, LOCK, 0)
#else
#define UNLOCK(me) store_release(me, LOCK, 0)
#endif

byte inside, uses;

/* Every other thread's stores are in memory, and it loads anew. */
inline barrier()
{
#ifndef NO_BARRIER
	atomic { buffer[0].count == 0 && buffer[1].count == 0 && buffer[2].count == 0 }
#else
	skip
#endif
}

/* Nobody else is inside, and all that they did there is seen. */
inline use()
{
	inside++;
	assert(inside == 1);
	load(me, DATA, seen);
	assert(seen == uses);
	uses++;
	store(me, DATA, seen + 1);
	inside--
}

proctype thread(byte me)
{
	byte seen, again, number, round;
	bool did, is_mine;
	for (round : 1 .. ROUNDS) {
		is_mine = false;
		load(me, BIAS, seen);
		if
		:: seen / 16 == me + 1 ->
			number = seen % 16;
			store_release(me, MARK(number), 1);
#ifndef NO_SECOND_LOOK
			load(me, BIAS, again);
#else
			again = seen;
#endif
			if
			:: again == seen -> is_mine = true
			:: else -> store_release(me, MARK(number), 0)
			fi
		:: else
		fi;
		if
		:: is_mine ->
			use();
			store_release(me, MARK(number), 0)
		:: else ->
			/* lockSlowly() */
			do
			:: compare_and_swap(me, LOCK, 0, 1, did);
				if
				:: did -> break
				:: else
				fi
			od;
			load(me, BIAS, seen);
			if
			:: seen / 16 != 0 ->
				store(me, BIAS, seen % 16 + 1);
				barrier();
				do
				:: load(me, MARK(seen % 16), again);
					if
					:: again == 0 -> break
					:: else
					fi
				od;
				use();
				UNLOCK(me)
			:: seen / 16 == 0 && seen < NUMBERS - 1 ->
				number = seen;
				store_release(me, MARK(number), 1);
				store_release(me, BIAS, 16 * (me + 1) + number);
				store_release(me, LOCK, 0);
				use();
				store_release(me, MARK(number), 0)
			:: else ->
				use();
				UNLOCK(me)
			fi
		fi
	}
}

init
{
	atomic {
		run drain(0); run drain(1); run drain(2);
		run thread(0); run thread(1); run thread(2)
	}
}
