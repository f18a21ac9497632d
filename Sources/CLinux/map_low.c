/* SPDX-License-Identifier: BSD-2-Clause */
#include "CLinux.h"

static const uintptr_t bottom = (uintptr_t)64 << 30, top = (uintptr_t)256 << 30;
/* Below are a program that does not move and its heap, above is the kernel. */
static const uintptr_t lowest = 1 << 20, highest = ((uintptr_t)1 << 47) - (2 << 20);

enum { TRIES = 64 };

/* There and nowhere else, or NULL. */
static void *map_at(uintptr_t place, size_t length, int fd)
{
	void *mapped = mmap((void *)place, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
	if (mapped == (void *)place)
		return mapped;
	/* A kernel that does not know the flag takes the address for a hint. */
	if (mapped != MAP_FAILED)
		munmap(mapped, length);
	return NULL;
}

static void *map_usually(size_t length, size_t alignment, int fd)
{
	static uintptr_t next; /* where the last one ended: what was tried is seldom free */
	size_t step = alignment > 2 << 20 ? alignment : 2 << 20;
	uintptr_t place = __atomic_load_n(&next, __ATOMIC_RELAXED);
	for (int tries = 0; tries < TRIES; tries++) {
		if (place < bottom || place > top - length)
			place = bottom;
		void *mapped = map_at(place, length, fd);
		if (mapped != NULL) {
			__atomic_store_n(&next, (place + length + step - 1) / step * step, __ATOMIC_RELAXED);
			return mapped;
		}
		place += (length + step - 1) / step * step;
	}
	return NULL;
}

/* From the end down, since a heap grows from below. */
static void *map_between(uintptr_t first, uintptr_t last, size_t length, size_t alignment, int fd)
{
	first = first > lowest ? first : lowest;
	last = last < highest ? last : highest;
	if (last < first || last - first < length - 1)
		return NULL;
	/* Steps that lead through all of it, since what is in the way may be much larger than this. */
	size_t part = (last - first) / TRIES, most = part > length ? part : length;
	size_t step = (most + alignment - 1) / alignment * alignment;
	uintptr_t place = (last - (length - 1)) / alignment * alignment;
	for (int tries = 0; tries < TRIES && place >= first; tries++) {
		void *mapped = map_at(place, length, fd);
		if (mapped != NULL || place < step)
			return mapped;
		place -= step;
	}
	return NULL;
}

void *sys_map_low(size_t length, size_t alignment, int fd, uint64_t first, uint64_t last)
{
	void *mapped = first <= bottom && last >= top - 1 ? map_usually(length, alignment, fd)
	                                                  : map_between(first, last, length, alignment, fd);
	return mapped != NULL ? mapped : sys_map(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}
