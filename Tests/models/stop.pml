/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sources/VioNet/Port/Ports.swift, burst(), and how a queue is stopped and started again: a burst marks the queue as entered
 * and loads its function only then; whoever stops it replaces the function, makes all processors agree, and waits until
 * nobody is inside. No burst works on a ring that was taken apart, or sees one half made; what a burst did is seen by the
 * stop. Faults: NO_BARRIER; FUNCTION_FIRST, the function is loaded before the mark; with WEAK also PLAIN_LEAVE, the mark
 * goes without a release, and PLAIN_FUNCTION, the ring may be read before the function.
 */
#define THREADS 2
#define BURSTS 3
/* Words: the mark, the function (0: none, else which ring it is for), the ring's state. */
#define INSIDE 0
#define FUNCTION 1
#define RING 2
#define WORDS 3
#include "memory.pml"

byte life = 1;   /* of the ring that there is; 0 while there is none */
byte done;       /* the last burst that changed the ring */

inline barrier()
{
#ifndef NO_BARRIER
	atomic { buffer[0].count == 0 && buffer[1].count == 0 }
#else
	skip
#endif
}

proctype bursts()
{
	byte turn, function, ring;
	for (turn : 1 .. BURSTS) {
#ifdef FUNCTION_FIRST
		load(0, FUNCTION, function);
		store(0, INSIDE, 1);
#else
		store(0, INSIDE, 1);
#ifdef PLAIN_FUNCTION
		if
		:: load(0, RING, ring); load(0, FUNCTION, function)
		:: load(0, FUNCTION, function); load(0, RING, ring)
		fi;
#else
		load(0, FUNCTION, function);
#endif
#endif
		if
		:: function != 0 ->
#ifndef PLAIN_FUNCTION
			load(0, RING, ring);
#endif
			assert(function == life);
			assert(ring / 16 == life);
			done = turn;
			store(0, RING, 16 * life + turn)
		:: else
		fi;
#ifdef PLAIN_LEAVE
		store(0, INSIDE, 0)
#else
		store_release(0, INSIDE, 0)
#endif
	}
}

proctype stops()
{
	byte seen;
	store(1, FUNCTION, 0);
	barrier();
	do
	:: load(1, INSIDE, seen);
		if
		:: seen == 0 -> break
		:: else
		fi
	od;
	life = 0;
	load(1, RING, seen);
	assert(seen % 16 == done);
	/* A new ring in the same memory. */
	life = 2;
	store(1, RING, 32 + done);
	store_release(1, FUNCTION, 2)
}

init
{
	atomic {
		word[FUNCTION] = 1;
		word[RING] = 16;
		run drain(0); run drain(1); run bursts(); run stops()
	}
}
