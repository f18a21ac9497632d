/* SPDX-License-Identifier: BSD-2-Clause */
/* deadline: 900 */
/*
 * Hundreds of lives of each kind of port, whole and cut short, or as many as the first number on the command line says:
 * descriptors, mappings and threads as before, and memory of its own within one per cent.
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

/* Without pages of the pool, which are used one after another, and without what the allocator keeps of freed memory. */
static int own_kib(void)
{
	malloc_trim(0);
	return status_value_of("/proc/self/smaps_rollup", "Anonymous"); /* RssAnon may be off by pages of each processor */
}

static void as_before(struct holdings before, int own)
{
	held_as_before(before, 1024);
	if (getenv("VIONET_TEST_EMULATOR") == NULL) /* one keeps translated code there */
		soon(own_kib() * 100 <= own * 101);
}

static int lives_of(int usual) { return (int)case_argument(0, usual); }

static void lives(const char *device, int count)
{
	for (int i = 0; i < 40; i++)
		life(device, i);
	struct holdings before = holdings();
	int own = own_kib();
	for (int i = 0; i < count; i++)
		life(device, i);
	as_before(before, own);
	printf("# %d lives of %s: %d descriptors, before %d; %d KiB of its own, before %d\n", count, device, holdings().fds,
	       before.fds, own_kib(), own);
}

static void life_of_pool(void)
{
	uint16_t pool = pool_made(1024);
	struct vionet_packet *p = vionet_packet_alloc(pool);
	err(vionet_pool_destroy(pool), -EBUSY);
	vionet_packet_free(p);
	ok(vionet_pool_destroy(pool));
}

static void pools(int count)
{
	for (int i = 0; i < 40; i++)
		life_of_pool();
	struct holdings before = holdings();
	int own = own_kib();
	for (int i = 0; i < count; i++)
		life_of_pool();
	as_before(before, own);
	printf("# %d lives of pools: %d KiB of its own, before %d\n", count, own_kib(), own);
}

/* A served device and a port to it. */
static void served(int count)
{
	char path[100], address[120];
	struct holdings before = {0};
	int own = 0;
	snprintf(path, sizeof(path), "%s/s", folder);
	snprintf(address, sizeof(address), "vhost-user:%s", path);
	for (int i = -20; i < count; i++) {
		uint16_t device;
		if (i == 0) {
			before = holdings();
			own = own_kib();
		}
		ok(vionet_soft_serve(path, "loopback", &device));
		life(address, i & 3);
		vionet_soft_stop(device);
		same(access(path, F_OK), -1);
	}
	as_before(before, own);
	printf("# %d lives of a served device: %d KiB of its own, before %d\n", count, own_kib(), own);
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
