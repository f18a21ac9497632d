/* SPDX-License-Identifier: BSD-2-Clause */
#pragma clang assume_nonnull begin

/*
 * Memory shared with a device, or between threads: each call is one access that the compiler keeps, once and in order.
 * Part of CLinux.h, which defines SHIM.
 */
SHIM uint8_t shared_load8(const void *p) { return __atomic_load_n((const uint8_t *)p, __ATOMIC_RELAXED); }
SHIM uint16_t shared_load16(const void *p) { return __atomic_load_n((const uint16_t *)p, __ATOMIC_RELAXED); }
SHIM uint32_t shared_load32(const void *p) { return __atomic_load_n((const uint32_t *)p, __ATOMIC_RELAXED); }
SHIM uint64_t shared_load64(const void *p) { return __atomic_load_n((const uint64_t *)p, __ATOMIC_RELAXED); }
SHIM void shared_store8(void *p, uint8_t v) { __atomic_store_n((uint8_t *)p, v, __ATOMIC_RELAXED); }
SHIM void shared_store16(void *p, uint16_t v) { __atomic_store_n((uint16_t *)p, v, __ATOMIC_RELAXED); }
SHIM void shared_store32(void *p, uint32_t v) { __atomic_store_n((uint32_t *)p, v, __ATOMIC_RELAXED); }
SHIM void shared_store64(void *p, uint64_t v) { __atomic_store_n((uint64_t *)p, v, __ATOMIC_RELAXED); }

/*
 * With order: what comes after an acquire is not done before it, what comes before a release not after it, and a fence is
 * both, also for a store and a load behind it. docs/memory-order.md says why each of them stands where it does.
 */
SHIM uint16_t shared_load16_acquire(const void *p) { return __atomic_load_n((const uint16_t *)p, __ATOMIC_ACQUIRE); }
SHIM uint32_t shared_load32_acquire(const void *p) { return __atomic_load_n((const uint32_t *)p, __ATOMIC_ACQUIRE); }
SHIM uint64_t shared_load64_acquire(const void *p) { return __atomic_load_n((const uint64_t *)p, __ATOMIC_ACQUIRE); }
SHIM void shared_store8_release(void *p, uint8_t v) { __atomic_store_n((uint8_t *)p, v, __ATOMIC_RELEASE); }
SHIM void shared_store16_release(void *p, uint16_t v) { __atomic_store_n((uint16_t *)p, v, __ATOMIC_RELEASE); }
SHIM void shared_store32_release(void *p, uint32_t v) { __atomic_store_n((uint32_t *)p, v, __ATOMIC_RELEASE); }
SHIM void shared_store64_release(void *p, uint64_t v) { __atomic_store_n((uint64_t *)p, v, __ATOMIC_RELEASE); }

/*
 * The same towards a device. The language's own orders reach the processors. A device may lie behind a bus, in what arm64
 * calls the outer shareable domain, and these reach it too (virtio 1.4, 6.1, VIRTIO_F_ORDER_PLATFORM).
 */
#if defined(__aarch64__)
#define LOADED(type, p) type v = __atomic_load_n((const type *)(p), __ATOMIC_RELAXED); __asm__ volatile("dmb oshld" ::: "memory"); return v
#define STORED(type, p, v) __asm__ volatile("dmb osh" ::: "memory"); __atomic_store_n((type *)(p), v, __ATOMIC_RELAXED)
SHIM void shared_fence(void) { __asm__ volatile("dmb osh" ::: "memory"); }
#else
#define LOADED(type, p) return __atomic_load_n((const type *)(p), __ATOMIC_ACQUIRE)
#define STORED(type, p, v) __atomic_store_n((type *)(p), v, __ATOMIC_RELEASE)
SHIM void shared_fence(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
#endif
SHIM uint16_t device_load16_acquire(const void *p) { LOADED(uint16_t, p); }
SHIM uint64_t device_load64_acquire(const void *p) { LOADED(uint64_t, p); }
SHIM void device_store16_release(void *p, uint16_t v) { STORED(uint16_t, p, v); }
SHIM void device_store32_release(void *p, uint32_t v) { STORED(uint32_t, p, v); }
SHIM void device_store64_release(void *p, uint64_t v) { STORED(uint64_t, p, v); }
SHIM uint8_t shared_exchange8_acquire(void *p, uint8_t v) { return __atomic_exchange_n((uint8_t *)p, v, __ATOMIC_ACQUIRE); }
SHIM uint32_t shared_exchange32_acquire(void *p, uint32_t v)
{
	return __atomic_exchange_n((uint32_t *)p, v, __ATOMIC_ACQUIRE);
}
/* One of a few bytes that are marks between threads. What was stored before a mark is seen by who sees the mark. */
SHIM void shared_mark(void *marks, uint64_t number, uint8_t v)
{
	__atomic_store_n((uint8_t *)marks + number, v, __ATOMIC_RELEASE);
}
SHIM bool shared_marked(const void *marks, uint64_t number)
{
	return __atomic_load_n((const uint8_t *)marks + number, __ATOMIC_ACQUIRE) != 0;
}
/* Stores v if there is old; true if it did. */
SHIM bool shared_replace64(void *p, uint64_t old, uint64_t v)
{
	return __atomic_compare_exchange_n((uint64_t *)p, &old, v, 0, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}
SHIM void shared_add64(void *p, uint64_t v) { (void)__atomic_fetch_add((uint64_t *)p, v, __ATOMIC_RELAXED); }
SHIM uint16_t shared_add16(void *p, uint16_t v) { return __atomic_add_fetch((uint16_t *)p, v, __ATOMIC_ACQ_REL); }

/* Whether it is one. A plain load does for an acquire on x86-64, and is one instruction with the comparison. */
SHIM bool shared_is_one(const uint16_t *p)
{
#if defined(__x86_64__)
	return *p == 1;
#else
	return shared_load16_acquire(p) == 1;
#endif
}

/* The compiler moves no access to memory across this. */
SHIM void compiler_barrier(void) { __asm__ volatile("" ::: "memory"); }

SHIM void cpu_pause(void)
{
#if defined(__x86_64__)
	__asm__ volatile("pause");
#elif defined(__aarch64__)
	__asm__ volatile("isb"); /* yield is over at once; this takes some ten nanoseconds */
#else
	__asm__ volatile("" ::: "memory");
#endif
}
SHIM void cpu_prefetch(const void *_Nullable p) { __builtin_prefetch(p, 0, 3); }
/* Not only to be read soon: nobody else's any more. What a processor does not know, it leaves out. */
SHIM void cpu_prefetch_write(const void *_Nullable p)
{
#if defined(__x86_64__)
	/* The compiler takes the plain one, unless it is told of a processor that has this for sure. */
	__asm__ volatile("prefetchw %0" : : "m"(*(const char *)p));
#else
	__builtin_prefetch(p, 1, 3);
#endif
}

#pragma clang assume_nonnull end
