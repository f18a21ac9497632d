/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who publishes entries and who sleeps until there are some, on a split ring: the driver's available ring and the device's
 * sleep, or the used ring and the driver's (virtio 1.4, 2.7.7, 2.7.10, 2.7.13.4.1). With FLAGS the sleeper says only whether
 * it wants notifications; else it names the entry (EVENT_IDX). Entries may be exposed without the question whether a
 * notification is wanted, which is made up for before the publisher waits. Every entry arrives, in order, and nobody sleeps
 * for ever. Faults: NO_PUBLISH_FENCE, NO_ARM_FENCE, NO_SECOND_LOOK, WRONG_EVENT (a comparison that is off by one), NO_ASK
 * (no question before the publisher waits); with WEAK also PLAIN_INDEX.
 */
#define THREADS 2
#define SIZE 2
#ifndef ENTRIES
#define ENTRIES 5
#endif
#define COUNTER 8 /* at which the indexes start again */
/* Words: the publisher's index, the sleeper's, what the sleeper wants, the entries. */
#define INDEX 0
#define TAKEN 1
#define WANTED 2
#define ENTRY(place) (3 + (place) % SIZE)
#define WORDS (3 + SIZE)
#include "memory.pml"

byte signals; /* an eventfd */

proctype publisher()
{
	byte next, published, taken, wanted;
	do
	:: next == ENTRIES && published == next -> break
	:: else ->
		load(0, TAKEN, taken);
		if
		:: next < ENTRIES && (next - taken + COUNTER) % COUNTER < SIZE ->
			store(0, ENTRY(next), next + 1);
			next++;
#ifdef PLAIN_INDEX
			store(0, INDEX, next % COUNTER)
#else
			store_release(0, INDEX, next % COUNTER)
#endif
		:: else
		fi;
		if
		:: next != published ->
#ifndef NO_PUBLISH_FENCE
			fence(0);
#endif
			load(0, WANTED, wanted);
#ifdef FLAGS
			if
			:: wanted == 0 -> signals = 1
			:: else
			fi;
#else
			if
#ifdef WRONG_EVENT
			:: (next - wanted + COUNTER) % COUNTER < next - published -> signals = 1
#else
			:: (next - wanted - 1 + COUNTER) % COUNTER < next - published -> signals = 1
#endif
			:: else
			fi;
#endif
			published = next
		:: next != published && next < published + SIZE && next < ENTRIES -> skip /* asks later */
#ifdef NO_ASK
		:: next != published -> published = next
#endif
		:: next == published ->
			/* Waits for room. */
			word[TAKEN] != taken || next < ENTRIES && (next - taken + COUNTER) % COUNTER < SIZE || next == ENTRIES
		fi
	od
}

proctype sleeper()
{
	byte seen, index, what;
	do
	:: seen == ENTRIES -> break
	:: else ->
		load(1, INDEX, index);
		if
		:: index != seen % COUNTER ->
			load(1, ENTRY(seen), what);
			assert(what == seen + 1);
			seen++;
			store_release(1, TAKEN, seen % COUNTER)
		:: else ->
#ifdef FLAGS
			store(1, WANTED, 0);
#else
			store(1, WANTED, seen % COUNTER);
#endif
#ifndef NO_ARM_FENCE
			fence(1);
#endif
#ifdef NO_SECOND_LOOK
			index = seen % COUNTER;
#else
			load(1, INDEX, index);
#endif
			if
			:: index == seen % COUNTER -> atomic { signals == 1 -> signals = 0 }
			:: else
			fi;
#ifdef FLAGS
			store(1, WANTED, 1)
#else
			store(1, WANTED, (seen + COUNTER - 1) % COUNTER)
#endif
		fi
	od
}

init
{
	atomic {
#ifdef FLAGS
		word[WANTED] = 1;
#else
		word[WANTED] = COUNTER - 1;
#endif
		run drain(0); run drain(1); run publisher(); run sleeper()
	}
}
