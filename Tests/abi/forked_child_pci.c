/* SPDX-License-Identifier: BSD-2-Clause */
/* fork() in a program with a port on a PCI function: the child leaves the function alone and may drive one of its own. */
#if defined(__x86_64__)
#include "../support/cases.h"
#include "../support/forked.h"
#include "../support/trapped_function.h"

static uint16_t pool;

static uint16_t running(void)
{
	struct vionet_config with = VIONET_SIZED(struct vionet_config);
	uint16_t port;
	with.pool = pool;
	ok(vionet_open_config("pci:0000:00:05.0", &with, &port));
	return port;
}

CASE("a child leaves a PCI function alone, and may drive one of its own")
{
	made_begin();
	int files = entries("/proc/self/fd");
	pool = pool_made(1024);
	made_correct();
	uint16_t port = running();
	same(trapped_get(DEVICE_STATUS, 1), 15);
	child_leaves(port, files);
	same(trapped_get(DEVICE_STATUS, 1), 15);
	same(info_of(port).state, VIONET_STATE_STARTED);
	/* The registers of this function are memory that a child shares. */
	in_child({
		pool = pool_made(1024);
		port = running(); /* the group is opened anew: the one that the library knew is the parent's */
		vionet_close(port);
	});
	vionet_close(port);
	ok(vionet_pool_destroy(pool));
}

#else
#include "../support/cases.h"
CASE("a child and a PCI function") { skip("only x86-64 can take a single step"); }
#endif
