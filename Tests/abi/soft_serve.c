/* SPDX-License-Identifier: BSD-2-Clause */
/* A device of our own on a socket: served, connected to again and again, counted, refused where it must be. */
#include "../support/cases.h"
#include "../support/frame.h"

#include <sys/stat.h>

static char folder[] = "/tmp/vionet-test-XXXXXX", path[64], address[128];
static uint16_t device;

static struct vionet_soft_stats counted(void)
{
	struct vionet_soft_stats stats = VIONET_SIZED(struct vionet_soft_stats);
	ok(vionet_soft_stats(device, &stats));
	return stats;
}

CASE("a device that cannot be served is refused, and other files are left alone")
{
	uint16_t other;
	char longest[300];

	err(vionet_soft_serve(path, "nothing", &other), -EINVAL);
	says("nothing");
	err(vionet_soft_serve(path, "loopback,colour=red", &other), -EINVAL);
	says("colour");
	err(vionet_soft_serve("/nonexistent/folder/s", "sink", &other), -ENOENT);
	says("/nonexistent/folder/s");
	memset(longest, 'x', sizeof(longest));
	longest[0] = '/';
	longest[299] = 0;
	yes(vionet_soft_serve(longest, "sink", &other) < 0);
	same(access(path, F_OK), -1);

	/* A file that exists, of any kind, is left alone. */
	fclose(fopen(path, "we"));
	err(vionet_soft_serve(path, "sink", &other), -EADDRINUSE);
	says(path);
	same(access(path, F_OK), 0);
	unlink(path);
	ok(vionet_soft_serve(path, "sink", &device));
	err(vionet_soft_serve(path, "sink", &other), -EADDRINUSE);
	vionet_soft_stop(device);
	same(access(path, F_OK), -1);
	vionet_soft_stop(device);
}

static void traffic(uint16_t port, uint32_t number)
{
	struct vionet_packet *packets[32];
	for (uint32_t i = 0; i < 32; i++)
		packets[i] = frame_packet(0, 60 + i * 46, number + i);
	send_all(port, packets, 32);
	receive_all(port, packets, 32);
	for (uint32_t i = 0; i < 32; i++)
		yes(frame_right(packets[i]->data, 60 + i * 46, number + i));
	vionet_packet_free_bulk(packets, 32);
}

static void end(void) { same(rmdir(folder), 0); }

BEFORE_EACH
{
	yes(mkdtemp(folder) != NULL);
	snprintf(path, sizeof(path), "%s/s", folder);
	snprintf(address, sizeof(address), "vhost-user:%s", path);
}

AFTER_EACH { end(); }

CASE("a served device is used by one port after the other, and counts")
{
	struct stat s;
	ok(vionet_soft_serve(path, "loopback", &device));
	same(stat(path, &s), 0);
	yes(S_ISSOCK(s.st_mode));
	same(counted().connections, 0);
	for (uint32_t life = 0; life < 20; life++) {
		uint16_t port = opened(address);
		for (uint32_t i = 0; i < 10; i++)
			traffic(port, life * 1000 + i * 32);
		soon(counted().from_driver == (life + 1) * 320);
		same(counted().to_driver, (life + 1) * 320);
		same(counted().to_driver_drops, 0);
		same(counted().from_driver_drops, 0);
		same(counted().connections, life + 1);
		vionet_close(port);
	}
	vionet_soft_stop(device);
}

CASE("a port whose device is stopped is broken")
{
	ok(vionet_soft_serve(path, "loopback", &device));
	uint16_t port = opened(address);
	traffic(port, 1);
	vionet_soft_stop(device);
	soon(info_of(port).state == VIONET_STATE_BROKEN);
	vionet_close(port);
	same(access(path, F_OK), -1);
	err(vionet_open(address, &port), -ENOENT);
}
