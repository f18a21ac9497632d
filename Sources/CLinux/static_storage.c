/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Static storage that Swift code lays out: the tables of ports, pools and the like, which bursts find at a fixed
 * address. In C because a Swift global that is not a plain constant takes a lock on first use and leaks when the library
 * is unloaded.
 */
#include "CLinux.h"

_Alignas(64) char storage_ports_block[STORAGE_PORTS_BYTES];
_Alignas(64) char storage_events_block[STORAGE_EVENTS_BYTES];
_Alignas(64) char storage_pools_block[STORAGE_POOLS_BYTES];
_Alignas(64) char storage_groups_block[STORAGE_GROUPS_BYTES];
_Alignas(64) char storage_served_block[STORAGE_SERVED_BYTES];

struct retained {
	struct retained *next;
	_Alignas(64) char bytes[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct retained *all;
static int (*in_use)(void);
static void (*release)(void);

/* Another thread of the parent may have held the lock. */
static void in_child(void)
{
	lock = (pthread_mutex_t)PTHREAD_MUTEX_INITIALIZER;
}

void *storage_retain(size_t bytes)
{
	fork_leaves(FORK_STORAGE, in_child);
	struct retained *made = aligned_alloc(64, sizeof(*made) + ((bytes + 63) & ~(size_t)63));
	if (made == NULL)
		return NULL;
	memset(made->bytes, 0, bytes);
	pthread_mutex_lock(&lock);
	made->next = all;
	all = made;
	pthread_mutex_unlock(&lock);
	return made->bytes;
}

void storage_keep_while(int (*callback)(void))
{
	in_use = callback;
}

void storage_on_unload(void (*callback)(void))
{
	release = callback;
}

/* Runs at dlclose, but also at exit while other threads may still be inside a burst: then nothing is freed. */
__attribute__((destructor)) static void unload(void)
{
	if (in_use != NULL && in_use())
		return;
	if (release != NULL)
		release();
	while (all != NULL) {
		struct retained *next = all->next;
		free(all);
		all = next;
	}
}
