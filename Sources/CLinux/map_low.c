/* SPDX-License-Identifier: BSD-2-Clause */
#include "CLinux.h"

static const uintptr_t bottom = (uintptr_t)64 << 30, top = (uintptr_t)256 << 30;

void *sys_map_low(size_t length, size_t alignment, int fd)
{
	static uintptr_t next; /* where the last one ended: what was tried is seldom free */
	const int protection = PROT_READ | PROT_WRITE;
	size_t step = alignment > 2 << 20 ? alignment : 2 << 20;
	uintptr_t place = __atomic_load_n(&next, __ATOMIC_RELAXED);
	for (int tries = 0; tries < 64; tries++) {
		if (place < bottom || place > top - length)
			place = bottom;
		void *mapped = mmap((void *)place, length, protection, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
		if (mapped == (void *)place) {
			__atomic_store_n(&next, (place + length + step - 1) / step * step, __ATOMIC_RELAXED);
			return mapped;
		}
		/* A kernel that does not know the flag takes the address for a hint. */
		if (mapped != MAP_FAILED)
			munmap(mapped, length);
		place += (length + step - 1) / step * step;
	}
	return sys_map(NULL, length, protection, MAP_SHARED, fd, 0);
}
