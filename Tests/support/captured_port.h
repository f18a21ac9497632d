/* SPDX-License-Identifier: BSD-2-Clause */
/* For each case a port with a pool of its own, and a client of its control socket that may capture it. */
#ifndef CAPTURED_PORT_H
#define CAPTURED_PORT_H

#include "cases.h"
#include "control_client.h"
#include "capture_client.h"
#include "frame.h"

static uint16_t port, pool;
static struct capture c;

static uint16_t opened_with(const char *address)
{
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	uint16_t number;
	config.pool = pool;
	ok(vionet_open_config(address, &config, &number));
	return number;
}

BEFORE_EACH
{
	pool = pool_made(4096);
	port = opened_with("soft:loopback");
	control_made("capture");
	c.connection = caller();
}

AFTER_EACH
{
	vionet_control_close(control);
	vionet_close(port);
	same(pool_of(pool).available, 4096);
}

/* The client goes. */
OK_UNUSED static void over(void)
{
	close(c.connection);
	served();
}

#endif
