/* SPDX-License-Identifier: BSD-2-Clause */
/* deadline: 900 */
/*
 * Hundreds of lives of each kind of port, whole and cut short, or as many as the first number on the command line says:
 * descriptors, mappings, threads and shared memory as before, and private memory within one per cent.
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

/* Lives take packets of the default pool one after another: all of its pages are used before anything is compared. */
static void use_default_pool(void)
{
	uint32_t count = 0, most = pool_of(0).packets;
	struct vionet_packet **packets = calloc(most, sizeof(struct vionet_packet *));
	while (count < most && (packets[count] = vionet_packet_alloc(0)) != NULL) {
		uint32_t room = vionet_packet_tailroom(packets[count]);
		memset(vionet_packet_append(packets[count++], room), 0, room);
	}
	same(count, most);
	for (uint32_t i = 0; i < count; i++)
		vionet_packet_free(packets[i]);
	free(packets);
}

struct kept {
	struct holdings holdings;
	int private_kib, shared_kib;
};

/* Without what the allocator keeps of freed memory. */
static struct kept kept(void)
{
	static const char rollup[] = "/proc/self/smaps_rollup"; /* RssAnon may be off by pages of each processor */
	struct holdings h = holdings();
	return (struct kept){h, status_value_of(rollup, "Anonymous"), status_value_of(rollup, "Pss_Shmem")};
}

static void as_before(struct kept before, int count, const char *what)
{
	held_as_before(before.holdings, 1024); /* code is resident when it first runs */
	if (getenv("VIONET_TEST_EMULATOR") == NULL) { /* one keeps translated code there */
		soon(kept().private_kib * 100 <= before.private_kib * 101);
		soon(kept().shared_kib <= before.shared_kib);
	}
	struct kept now = kept();
	printf("# %d lives of %s: %d descriptors, before %d; %d KiB private, before %d; %d KiB shared, before %d\n", count, what,
	       now.holdings.fds, before.holdings.fds, now.private_kib, before.private_kib, now.shared_kib, before.shared_kib);
}

static int lives_of(int usual) { return (int)case_argument(0, usual); }

static void lives(const char *device, int count)
{
	for (int i = 0; i < 40; i++)
		life(device, i);
	use_default_pool();
	struct kept before = kept();
	for (int i = 0; i < count; i++)
		life(device, i);
	as_before(before, count, device);
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
	struct kept before = kept();
	for (int i = 0; i < count; i++)
		life_of_pool();
	as_before(before, count, "pools");
}

/* A served device and a port to it. */
static void served(int count)
{
	char path[100], address[120];
	struct kept before = {0};
	snprintf(path, sizeof(path), "%s/s", folder);
	snprintf(address, sizeof(address), "vhost-user:%s", path);
	for (int i = -20; i < count; i++) {
		uint16_t device;
		if (i == 0) {
			use_default_pool();
			before = kept();
		}
		ok(vionet_soft_serve(path, "loopback", &device));
		life(address, i & 3);
		vionet_soft_stop(device);
		same(access(path, F_OK), -1);
	}
	as_before(before, count, "a served device");
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
