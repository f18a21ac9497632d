/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The handler for SIGBUS. A fault is handled by the thread that has it, so that the handler reads nothing but the table of
 * threads, this thread's own guard, which no other thread changes, and the table of shared hugepages, whose entries stay
 * as long as somebody may touch their memory: it takes no lock and waits for nobody.
 */
#include "CLinux.h"

#include <signal.h>

enum { THREADS = 64, SHARED = 64, HUGEPAGE = 2 << 20 };

/* A slot is free while its thread is 0. The guard is written before the thread, by that thread. */
static struct { _Atomic uint64_t thread; struct memory_guard *guard; } slots[THREADS];

/* An entry is free while its start is 0, which is written last. */
static struct { _Atomic uintptr_t start; size_t length; } shared[SHARED];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sigaction previous;
static int installed;
static uintptr_t page; /* bytes; written before the handler is there, since a handler may not ask */

static struct memory_guard *mine(void)
{
	for (int i = 0; i < THREADS; i++)
		if (slots[i].thread == thread_address())
			return slots[i].guard;
	return NULL;
}

/* Zeroes from now on. mmap is a plain system call, which a handler may make. */
static bool zeroes(uintptr_t start, size_t length)
{
	void *place = (void *)start; // NOLINT: it was a pointer
	return mmap(place, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) !=
	       MAP_FAILED;
}

/* Puts zeroes in place of the range that has the address; false if there is none. */
static bool replaced(struct memory_guard *guard, uintptr_t address)
{
	for (uint32_t i = 0; i < guard->count; i++) {
		if (address - guard->range[i].start >= guard->range[i].length)
			continue;
		__atomic_store_n(&guard->hit, 1, __ATOMIC_RELAXED);
		/* A limit of this process may be too small for so much private memory, but not for one page. */
		return zeroes(guard->range[i].start, guard->range[i].length) || zeroes(address & ~(page - 1), page);
	}
	return false;
}

/* Puts zeroes in place of the hugepage that has the address; false if it is in no shared range. */
static bool replaced_hugepage(uintptr_t address)
{
	for (int i = 0; i < SHARED; i++) {
		uintptr_t start = shared[i].start;
		if (start != 0 && address - start < shared[i].length)
			return zeroes(address & ~(uintptr_t)(HUGEPAGE - 1), HUGEPAGE);
	}
	return false;
}

/* What would happen without this handler. */
static void pass_on(int number, siginfo_t *info, void *context)
{
	if (previous.sa_flags & SA_SIGINFO) {
		previous.sa_sigaction(number, info, context);
	} else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
		previous.sa_handler(number);
	} else if (previous.sa_handler == SIG_DFL || info->si_code > 0) {
		/* A fault comes again when this returns; a signal that was sent has to be sent again. */
		const struct sigaction by_default = {.sa_handler = SIG_DFL};
		sigaction(number, &by_default, NULL);
		if (info->si_code <= 0)
			raise(number);
	}
}

static void on_bus_error(int number, siginfo_t *info, void *context)
{
	int error = errno;
	struct memory_guard *guard = mine();
	bool is_fault = info->si_code == BUS_ADRERR || info->si_code == BUS_MCEERR_AR;
	bool done = guard != NULL && is_fault && replaced(guard, (uintptr_t)info->si_addr);
	done = done || (is_fault && replaced_hugepage((uintptr_t)info->si_addr));
	errno = error;
	if (!done)
		pass_on(number, info, context);
}

/* The threads are the parent's. */
static void leave(void)
{
	for (int i = 0; i < THREADS; i++)
		slots[i].thread = 0;
	lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
}

static int install(void)
{
	struct sigaction ours = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	int result = 0;
	sigemptyset(&ours.sa_mask);
	fork_leaves(FORK_GUARDS, leave);
	pthread_mutex_lock(&lock);
	page = sys_page_size();
	if (!installed)
		result = RESULT(sigaction(SIGBUS, NULL, &previous));
	if (!installed && result == 0)
		result = RESULT(sigaction(SIGBUS, &ours, NULL));
	installed |= result == 0;
	pthread_mutex_unlock(&lock);
	return result;
}

/* Gives this thread a slot with its guard. */
static int enter(struct memory_guard *guard)
{
	if (mine() == guard)
		return 0;
	int result = -ENOSPC;
	pthread_mutex_lock(&lock);
	for (int i = 0; i < THREADS && result != 0; i++) {
		if (slots[i].thread == 0) {
			slots[i].guard = guard;
			slots[i].thread = thread_address();
			result = 0;
		}
	}
	pthread_mutex_unlock(&lock);
	return result;
}

int memory_guard_watch(struct memory_guard *guard, const void *start, size_t length)
{
	if (guard->count == MEMORY_GUARD_RANGES)
		return -ENOSPC;
	int result = install();
	if (result == 0)
		result = enter(guard);
	if (result != 0)
		return result;
	guard->range[guard->count].start = (uintptr_t)start;
	guard->range[guard->count].length = length;
	guard->count++;
	return 0;
}

void memory_guard_forget(struct memory_guard *guard, const void *start)
{
	for (uint32_t i = 0; i < guard->count; i++) {
		if (guard->range[i].start == (uintptr_t)start) {
			guard->range[i] = guard->range[guard->count - 1];
			guard->count--;
			return;
		}
	}
}

int memory_guard_share(const void *start, size_t length)
{
	int result = install(), place = 0;
	pthread_mutex_lock(&lock);
	while (place < SHARED && shared[place].start != 0 && shared[place].start != (uintptr_t)start)
		place++;
	if (result == 0 && place == SHARED)
		result = -ENOSPC;
	if (result == 0 && shared[place].start == 0) {
		shared[place].length = length;
		shared[place].start = (uintptr_t)start;
	}
	pthread_mutex_unlock(&lock);
	return result;
}

void memory_guard_unshare(const void *start)
{
	pthread_mutex_lock(&lock);
	for (int i = 0; i < SHARED; i++)
		if (shared[i].start == (uintptr_t)start)
			shared[i].start = 0;
	pthread_mutex_unlock(&lock);
}

void memory_guard_end(struct memory_guard *guard)
{
	for (int i = 0; i < THREADS; i++)
		if (slots[i].thread == thread_address() && slots[i].guard == guard)
			slots[i].thread = 0;
}

/* When the library is unloaded, unless the program has a handler of its own since then. */
__attribute__((destructor)) static void uninstall(void)
{
	struct sigaction now;
	if (installed && sigaction(SIGBUS, NULL, &now) == 0 && now.sa_sigaction == on_bus_error)
		(void)sigaction(SIGBUS, &previous, NULL);
}
