/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Static storage that Swift code lays out (VioNet/Registry.swift): the tables of ports and pools, found by every burst
 * at a fixed address. In C because a Swift global that is not a plain constant costs a lock on first use and leaks
 * when the library is unloaded.
 */
#include "CLinux.h"

_Alignas(64) char registry_block[REGISTRY_BYTES];

struct retained {
	struct retained *next;
	_Alignas(64) char bytes[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct retained *all;
static int (*may_release)(void);

void *registry_retain(size_t bytes)
{
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

void registry_on_unload(int (*callback)(void))
{
	may_release = callback;
}

/* Runs at dlclose, but also at exit while other threads may still be inside a burst: then nothing is taken away. */
__attribute__((destructor)) static void unload(void)
{
	if (may_release == NULL || !may_release())
		return;
	while (all != NULL) {
		struct retained *next = all->next;
		free(all);
		all = next;
	}
}
