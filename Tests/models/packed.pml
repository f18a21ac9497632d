/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A packed ring (virtio 1.4, 2.8): the driver makes descriptors available, singly or two in a run whose first one it writes
 * last; the device takes them, uses them in any order, and writes what it used from the first free place on. The device sees
 * each buffer once, whole and in order, and the driver gets each back once. Faults: ONE_LAP, the driver's flags do not change
 * with the lap; with WEAK also PLAIN_FLAGS, flags are no release store; FIRST_FIRST, a run is begun before it is written;
 * EARLY_BODY, the descriptor may be read before its flags.
 */
#define THREADS 2
#define SIZE 2
#ifndef BUFFERS
#define BUFFERS 5 /* two and a half laps */
#endif
/* Words: flags and the rest of each descriptor. Flags: 2 is AVAIL, 1 is USED. */
#define FLAGS(place) (place)
#define BODY(place) (SIZE + (place))
#define WORDS (2 * SIZE)
#include "memory.pml"

#define AVAILABLE(lap) ((lap) % 2 == 0 -> 2 : 1)
#define USED(lap) ((lap) % 2 == 0 -> 3 : 0)
#ifdef ONE_LAP
#define DRIVERS_LAP(count) 0
#else
#define DRIVERS_LAP(count) ((count) / SIZE)
#endif
#ifdef PLAIN_FLAGS
#define store_flags(thread, at, what) store(thread, at, what)
#else
#define store_flags(thread, at, what) store_release(thread, at, what)
#endif

bool is_out[SIZE];      /* by id: with the device, in the driver's own record */
byte is_in[BUFFERS + 1]; /* by buffer: how often the device has seen it */

/* Buffer number count + 1 with an idle id, at the place of count. */
inline post_body(count)
{
	d_step {
		id = 0;
		do
		:: is_out[id] -> id++
		:: else -> break
		od;
		is_out[id] = true
	}
	store(0, BODY((count) % SIZE), 16 * id + (count) + 1)
}

proctype driver()
{
	byte posted, used, body, id;
	do
	:: used == BUFFERS -> break
	:: posted < BUFFERS && posted - used < SIZE ->
		post_body(posted);
		store_flags(0, FLAGS(posted % SIZE), AVAILABLE(DRIVERS_LAP(posted)));
		posted++
	:: posted + 1 < BUFFERS && posted == used ->
		/* A run. */
#ifdef FIRST_FIRST
		post_body(posted);
		store_flags(0, FLAGS(posted % SIZE), AVAILABLE(DRIVERS_LAP(posted)));
		post_body(posted + 1);
		store(0, FLAGS((posted + 1) % SIZE), AVAILABLE(DRIVERS_LAP(posted + 1)));
#else
		post_body(posted + 1);
		store(0, FLAGS((posted + 1) % SIZE), AVAILABLE(DRIVERS_LAP(posted + 1)));
		post_body(posted);
		store_flags(0, FLAGS(posted % SIZE), AVAILABLE(DRIVERS_LAP(posted)));
#endif
		posted = posted + 2
	:: used < posted && word[FLAGS(used % SIZE)] == USED(used / SIZE) ->
		load(0, BODY(used % SIZE), body);
		assert(is_out[body / 16]);
		is_out[body / 16] = false;
		used++
	od
}

proctype device()
{
	byte taken, used, body, hand[SIZE];
	do
	:: used == BUFFERS -> break
	:: taken < BUFFERS && taken - used < SIZE ->
#ifdef EARLY_BODY
		load(1, BODY(taken % SIZE), body);
#endif
		if
		:: word[FLAGS(taken % SIZE)] == AVAILABLE(taken / SIZE)
		:: taken > used -> goto use
		fi;
#ifndef EARLY_BODY
		load(1, BODY(taken % SIZE), body);
#endif
		assert(body % 16 == taken + 1);
		is_in[body % 16]++;
		assert(is_in[body % 16] == 1);
		hand[taken - used] = body;
		taken++
	:: taken > used ->
use:
		/* One of those in hand. */
		if
		:: true -> body = hand[0]; hand[0] = hand[1]
		:: taken - used == 2 -> body = hand[1]
		fi;
		hand[1] = 0;
		store(1, BODY(used % SIZE), body);
		store_flags(1, FLAGS(used % SIZE), USED(used / SIZE));
		used++
	od
}

init
{
	atomic { run drain(0); run drain(1); run driver(); run device() }
}
