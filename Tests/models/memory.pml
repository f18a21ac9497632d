/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that several threads share, as processors with store buffers show it. A thread's stores go into its buffer, and
 * drain into memory later: in order, as on x86 (TSO), or with -DWEAK in any order that keeps stores to one word in order
 * and a release store behind all that came before it, as on arm64. A thread sees its own stores at once. Loads happen in
 * program order; a model that needs two relaxed loads in either order says so itself.
 *
 * A model defines THREADS and WORDS before it includes this file, and starts one drain() for each thread that stores.
 */
#ifndef DEPTH
#define DEPTH 4
#endif

typedef Buffer {
	byte place[DEPTH];
	byte value[DEPTH];
	bit release[DEPTH];
	byte count
}

byte word[WORDS];
Buffer buffer[THREADS];
hidden byte memory_i;

inline store_as(thread, at, what, is_release)
{
	atomic {
		buffer[thread].count < DEPTH;
		buffer[thread].place[buffer[thread].count] = at;
		buffer[thread].value[buffer[thread].count] = what;
		buffer[thread].release[buffer[thread].count] = is_release;
		buffer[thread].count++
	}
}
#define store(thread, at, what) store_as(thread, at, what, 0)
#define store_release(thread, at, what) store_as(thread, at, what, 1)

inline load(thread, at, into)
{
	d_step {
		into = word[at];
		for (memory_i : 0 .. DEPTH - 1) {
			if
			:: memory_i < buffer[thread].count && buffer[thread].place[memory_i] == at ->
				into = buffer[thread].value[memory_i]
			:: else
			fi
		}
		memory_i = 0
	}
}

/* Waits until all that this thread stored is in memory. */
inline fence(thread)
{
	buffer[thread].count == 0
}

/* An atomic instruction that sees memory as it is: from before to after, and did tells whether it was before. */
inline compare_and_swap(thread, at, before, after, did)
{
	atomic {
		buffer[thread].count == 0;
		if
		:: word[at] == before -> word[at] = after; did = true
		:: else -> did = false
		fi
	}
}

/* Whether entry e may drain: nothing before it that must come first. */
#ifdef WEAK
#define AHEAD(t, e, f) (f < e && (buffer[t].release[e] || buffer[t].place[f] == buffer[t].place[e]))
#define MAY_DRAIN(t, e) (e < buffer[t].count && \
	!AHEAD(t, e, 0) && !AHEAD(t, e, 1) && !AHEAD(t, e, 2))
#else
#define MAY_DRAIN(t, e) (e == 0 && e < buffer[t].count)
#endif

inline drain_one(t, e)
{
	d_step {
		MAY_DRAIN(t, e) ->
		word[buffer[t].place[e]] = buffer[t].value[e];
		buffer[t].count--;
		for (memory_i : e .. DEPTH - 2) {
			buffer[t].place[memory_i] = buffer[t].place[memory_i + 1];
			buffer[t].value[memory_i] = buffer[t].value[memory_i + 1];
			buffer[t].release[memory_i] = buffer[t].release[memory_i + 1]
		}
		buffer[t].place[DEPTH - 1] = 0;
		buffer[t].value[DEPTH - 1] = 0;
		buffer[t].release[DEPTH - 1] = 0;
		memory_i = 0
	}
}

proctype drain(byte thread)
{
end:
	do
	:: drain_one(thread, 0)
#ifdef WEAK
	:: drain_one(thread, 1)
	:: drain_one(thread, 2)
	:: drain_one(thread, 3)
#endif
	od
}
