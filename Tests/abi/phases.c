/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every edge between the phases of a port that a real peer shows (docs/architecture.md, "A port's phases"). Those of
 * the quarantine take a device that ignores resets: device_resets.c.
 */
#include "../support/cases.h"

#include <sys/stat.h>

static char folder[] = "/tmp/vionet-phases-XXXXXX", path[64], address[128];
static uint16_t port, device;

static void shows(uint32_t state)
{
	same(info_of(port).state, state);
}

/* A port on a socket of its own, to which back-ends come. */
static void probe_server(void)
{
	yes(mkdtemp(folder) != NULL);
	snprintf(path, sizeof(path), "%s/socket", folder);
	snprintf(address, sizeof(address), "vhost-user:%s,server=1", path);
	ok(vionet_probe(address, &port));
	shows(VIONET_STATE_ATTACHED);
}

static void back_end_comes(void)
{
	ok(vionet_soft_serve(path, "sink,client=1", &device));
	soon(vionet_event_handle(port) >= 0 && info_of(port).state == VIONET_STATE_STARTED);
}

static void back_end_goes(void)
{
	vionet_soft_stop(device);
	soon(vionet_event_handle(port) >= 0 && info_of(port).state == VIONET_STATE_WAITING);
}

static void close_server(void)
{
	vionet_close(port);
	rmdir(folder);
}

static int looks;

static void look(uint16_t number, int event, void *user)
{
	(void)user;
	if (event != VIONET_EVENT_NEW)
		return;
	port = number;
	shows(0);
	err(vionet_init(number, NULL), -EBUSY);
	err(vionet_start(number), -EBUSY);
	vionet_close(number);
	shows(0);
	looks++;
}

CASE("probing to probed: callbacks see a port that nobody can change")
{
	ok(vionet_event_add(look, NULL));
	ok(vionet_probe("soft:sink", &port));
	same(looks, 1);
	shows(VIONET_STATE_ATTACHED);
	ok(vionet_init(port, NULL));
	vionet_close(port);
	ok(vionet_event_remove(look, NULL));
}

CASE("probed to initialised to running to stopped to running")
{
	ok(vionet_probe("soft:sink", &port));
	ok(vionet_init(port, NULL));
	shows(VIONET_STATE_INITIALISED);
	ok(vionet_start(port));
	shows(VIONET_STATE_STARTED);
	ok(vionet_stop(port));
	shows(VIONET_STATE_STOPPED);
	ok(vionet_start(port));
	shows(VIONET_STATE_STARTED);
	vionet_close(port);
}

CASE("initialised to probed, and stopped to probed, by a vionet_init that fails")
{
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	config.features_off = 1ull << 32;
	ok(vionet_probe("soft:sink", &port));
	ok(vionet_init(port, NULL));
	err(vionet_init(port, &config), -EINVAL);
	shows(VIONET_STATE_ATTACHED);
	err(vionet_start(port), -EINVAL);
	ok(vionet_init(port, NULL));
	ok(vionet_start(port));
	ok(vionet_stop(port));
	err(vionet_init(port, &config), -EINVAL);
	shows(VIONET_STATE_ATTACHED);
	vionet_close(port);
}

CASE("stopped to initialised")
{
	ok(vionet_probe("soft:sink", &port));
	ok(vionet_init(port, NULL));
	ok(vionet_start(port));
	ok(vionet_stop(port));
	ok(vionet_init(port, NULL));
	shows(VIONET_STATE_INITIALISED);
	vionet_close(port);
}

CASE("initialised to waiting to running to waiting to running to stopped")
{
	probe_server();
	ok(vionet_init(port, NULL));
	shows(VIONET_STATE_INITIALISED);
	ok(vionet_start(port));
	shows(VIONET_STATE_WAITING);
	back_end_comes();
	back_end_goes();
	back_end_comes();
	ok(vionet_stop(port));
	shows(VIONET_STATE_STOPPED);
	vionet_soft_stop(device);
	close_server();
}

CASE("waiting to stopped to waiting, and closed there")
{
	probe_server();
	ok(vionet_init(port, NULL));
	ok(vionet_start(port));
	shows(VIONET_STATE_WAITING);
	ok(vionet_stop(port));
	shows(VIONET_STATE_STOPPED); /* a server that is not started misses no back-end */
	ok(vionet_start(port));
	shows(VIONET_STATE_WAITING);
	close_server();
}

CASE("a started port is neither started nor initialised again")
{
	ok(vionet_open("soft:sink", &port));
	err(vionet_start(port), -EALREADY);
	err(vionet_init(port, NULL), -EBUSY);
	shows(VIONET_STATE_STARTED);
	vionet_close(port);
	err(vionet_start(port), -ENODEV);
}
