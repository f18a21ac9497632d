/* SPDX-License-Identifier: BSD-2-Clause */
/* deadline: 900 */
/*
 * Hundreds of lives of each kind of port, whole and cut short, or as many as the first number on the command line says:
 * descriptors, mappings, threads and memory as before.
 */
#include "../support/cases.h"
#include "../support/frame.h"

#include <sys/stat.h>

static char folder[] = "/tmp/vionet-test-XXXXXX";

static void traffic(uint16_t port)
{
	struct vionet_packet *packets[16];
	for (uint32_t i = 0; i < 16; i++)
		packets[i] = frame_packet(0, 60 + i, i);
	send_all(port, packets, 16);
	uint16_t n = vionet_rx_burst(port, 0, packets, 16);
	vionet_packet_free_bulk(packets, n);
}

static void life(const char *device, int kind)
{
	uint16_t port = VIONET_PORT_NONE;
	ok(vionet_probe(device, &port));
	if (kind % 4 > 0)
		ok(vionet_init(port, NULL));
	if (kind % 4 > 1) {
		ok(vionet_start(port));
		ok(vionet_rx_fd(port, 0));
		traffic(port);
	}
	if (kind % 4 > 2) {
		ok(vionet_stop(port));
		ok(vionet_start(port));
		traffic(port);
		ok(vionet_stop(port));
		ok(vionet_init(port, NULL));
	}
	vionet_close(port);
}

static int lives_of(int usual) { return (int)case_argument(0, usual); }

static void lives(const char *device, int count)
{
	for (int i = 0; i < 40; i++)
		life(device, i);
	struct holdings before = holdings();
	int own = status_value("RssAnon"); /* without pages of the pool, which are used one after another */
	for (int i = 0; i < count; i++)
		life(device, i);
	printf("# %d lives of %s: %d descriptors, before %d; %d KiB of its own, before %d\n", count, device, holdings().fds,
	       before.fds, status_value("RssAnon"), own);
	held_as_before(before, 1024);
}

static void pools(int count)
{
	vionet_pool_destroy(pool_made(1024));
	struct holdings before = holdings();
	for (int i = 0; i < count; i++) {
		uint16_t pool = pool_made(1024);
		struct vionet_packet *p = vionet_packet_alloc(pool);
		err(vionet_pool_destroy(pool), -EBUSY);
		vionet_packet_free(p);
		ok(vionet_pool_destroy(pool));
	}
	held_as_before(before, 1024);
}

/* A served device and a port to it. */
static void served(int count)
{
	char path[100], address[120];
	struct holdings before = {0};
	snprintf(path, sizeof(path), "%s/s", folder);
	snprintf(address, sizeof(address), "vhost-user:%s", path);
	for (int i = -20; i < count; i++) {
		uint16_t device;
		if (i == 0)
			before = holdings();
		ok(vionet_soft_serve(path, "loopback", &device));
		life(address, i & 3);
		vionet_soft_stop(device);
		same(access(path, F_OK), -1);
	}
	held_as_before(before, 1024);
}

static void begin(void) { yes(mkdtemp(folder) != NULL); }
static void end(void) { same(rmdir(folder), 0); }

CASE("lives of soft:sink") { lives("soft:sink", lives_of(1000)); }
CASE("lives of soft:loopback") { lives("soft:loopback,queue_size=1024", lives_of(300)); }
CASE("lives of soft:generate") { lives("soft:generate,length=100", lives_of(300)); }
CASE("lives of soft:pipe") { lives("soft:pipe=leaks", lives_of(300)); }

CASE("lives of soft:pcap")
{
	char text[120];
	begin();
	snprintf(text, sizeof(text), "soft:pcap=,out=%s/out.pcap", folder);
	lives(text, lives_of(300));
	snprintf(text, sizeof(text), "%s/out.pcap", folder);
	unlink(text);
	end();
}

CASE("lives of pools") { pools(lives_of(300)); }

CASE("lives of a served device and a port on it")
{
	begin();
	served(lives_of(300));
	end();
}
