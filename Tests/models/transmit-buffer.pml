/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sources/VioNet/Transmit/ProducerRing.swift and Port/TransmitBuffer.swift: threads put packets into a ring, and whoever finds
 * one there sends, unless another thread does. Nobody waits for anybody, and when all have returned, no packet is left behind;
 * each is sent once. Faults: NO_PUT_FENCE, NO_LEAVE_FENCE, NO_LOOK_AFTER (the sender returns without a last look); with WEAK
 * also PLAIN_MARK, a run is published without a release.
 */
#ifndef THREADS
#define THREADS 2
#define EACH 2
#endif
#define PACKETS (THREADS * EACH)
/* Words: behind the last reserved place, the first not taken, whether somebody sends, a mark and a packet for each place. */
#define TAIL 0
#define HEAD 1
#define ENTERED 2
#define MARK(position) (3 + (position))
#define PACKET(position) (3 + PACKETS + (position))
#define WORDS (3 + 2 * PACKETS)
#include "memory.pml"

byte sent[PACKETS + 1];

proctype thread(byte me)
{
	byte turn, position, head, tail, seen;
	bool did;
	for (turn : 1 .. EACH) {
		do
		:: load(me, TAIL, position);
			compare_and_swap(me, TAIL, position, position + 1, did);
			if
			:: did -> break
			:: else
			fi
		od;
		store(me, PACKET(position), me * EACH + turn);
#ifdef PLAIN_MARK
		store(me, MARK(position), 1);
#else
		store_release(me, MARK(position), 1);
#endif
#ifndef NO_PUT_FENCE
		fence(me);
#endif
		do
		:: load(me, TAIL, tail);
			load(me, HEAD, head);
			if
			:: tail == head -> break
			:: else
			fi;
			load(me, ENTERED, seen);
			if
			:: seen != 0 -> break
			:: else
			fi;
			compare_and_swap(me, ENTERED, 0, 1, did);
			if
			:: !did -> break
			:: else
			fi;
			load(me, HEAD, head);
			do
			:: head == PACKETS -> break
			:: head < PACKETS ->
				load(me, MARK(head), seen);
				if
				:: seen == 0 -> break
				:: else
				fi;
				load(me, PACKET(head), seen);
				sent[seen]++;
				assert(seen != 0 && sent[seen] == 1);
				store(me, MARK(head), 0);
				head++;
				store_release(me, HEAD, head)
			od;
			store_release(me, ENTERED, 0);
#ifdef NO_LOOK_AFTER
			break;
#endif
#ifndef NO_LEAVE_FENCE
			fence(me);
#endif
			/* Behind a place that is not published nothing can be sent: its thread sends when it has published it. */
			load(me, HEAD, head);
			load(me, MARK(head), seen);
			if
			:: seen == 0 -> break
			:: else
			fi
		od
	}
}

init
{
	byte i;
	atomic {
		for (i : 0 .. THREADS - 1) {
			run drain(i)
		}
		for (i : 0 .. THREADS - 1) {
			run thread(i)
		}
	}
	_nr_pr == 1 + THREADS; /* none but the drains */
	for (i : 0 .. THREADS - 1) {
		fence(i)
	}
	for (i : 1 .. PACKETS) {
		assert(sent[i] == 1)
	}
}
