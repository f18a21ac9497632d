/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PCI ports in a guest, beyond forwarding:
 *
 *     pci-port group A B     two functions of one IOMMU group, used and closed one by one
 *     pci-port memory A      pools in this program's own memory; prints "ready" and then waits for broadcasts
 *     pci-port revive A      a port whose device goes and returns; prints what it waits for, and then reads a line
 *     pci-port as UID KIB COMMAND...   runs it as that user with a limit on locked memory (-1: no limit)
 *
 * A and B are addresses for vionet_probe().
 */
#include "frame.h"

#include <grp.h>
#include <sys/mman.h>
#include <sys/resource.h>

enum { FRAMES = 32, MEMORY = 4 << 20 };

static int locked_kib(void) { return status_value("VmLck"); }

/* Sends FRAMES packets of the pool. */
static void sends(uint16_t port, uint16_t pool)
{
	struct vionet_packet *packets[FRAMES];
	uint64_t before = stats_of(port).tx.packets;
	for (uint32_t i = 0; i < FRAMES; i++)
		yes((packets[i] = frame_packet(pool, 60 + i, i)) != NULL);
	send_all(port, packets, FRAMES);
	soon((vionet_tx_burst(port, 0, NULL, 0), stats_of(port).tx.packets == before + FRAMES));
}

static void state(uint16_t port, enum vionet_state wanted) { same(info_of(port).state, wanted); }

/* ---- one IOMMU group --------------------------------------------------------------------------------------------- */

static void group(const char *a, const char *b)
{
	uint16_t one = opened(a), other, again = VIONET_PORT_NONE;
	int pool_kib = (int)(pool_of(info_of(one).pool).memory / 1024), first = locked_kib(), both;
	int rings_kib = first - pool_kib;

	/* One port locks its pool and its rings. The second port has the same pool, which is locked already. */
	yes(rings_kib > 0 && rings_kib < 1024);
	err(vionet_open(a, &again), -EBUSY);
	says("another port's of this process");
	other = opened(b);
	same(info_of(other).pool, info_of(one).pool);
	both = locked_kib();
	same(both, pool_kib + 2 * rings_kib);
	sends(one, 0);
	sends(other, 0);

	/* Closing one port, whichever it is, takes nothing from the other. */
	vionet_close(one);
	same(locked_kib(), pool_kib + rings_kib);
	sends(other, 0);
	one = opened(a);
	same(locked_kib(), both);
	vionet_close(other);
	sends(one, 0);
	ok(vionet_stop(one));
	same(locked_kib(), 0);
	vionet_close(one);
	same(locked_kib(), 0);
	printf("%d KiB locked by one port, %d by both\n", first, both);
}

/* ---- the program's own memory ------------------------------------------------------------------------------------- */

static uint16_t pool_in(void *memory, int fd)
{
	struct vionet_pool_config config = VIONET_SIZED(struct vionet_pool_config);
	uint16_t pool;
	config.memory = memory;
	config.memory_length = MEMORY;
	config.memory_fd = fd;
	ok(vionet_pool_create(&config, &pool));
	return pool;
}

static void *mapped(uintptr_t place, int fd)
{
	int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	void *memory = mmap((void *)place, MEMORY, PROT_READ | PROT_WRITE, flags, fd, 0);
	yes(memory != MAP_FAILED && (place == 0 || (uintptr_t)memory == place));
	return memory;
}

/* mmap() by itself chooses addresses above the 39 bits of this IOMMU. */
static void too_high(uint16_t port)
{
	struct vionet_config with = VIONET_SIZED(struct vionet_config);
	void *memory = mapped(0, -1);
	with.pool = pool_in(memory, -1);
	yes((uintptr_t)memory >> 39 != 0);
	err(vionet_init(port, &with), -ERANGE);
	says("out of reach of this IOMMU");
	says("0x7fffffffff");
	says("mmap()");
	same(locked_kib(), 0);
	ok(vionet_pool_destroy(with.pool));
	munmap(memory, MEMORY);
}

/* Receives FRAMES broadcasts, all of them in that memory. */
static void receives(uint16_t port, const unsigned char *memory)
{
	uint64_t end = microseconds() + LONG_WAIT * 1000ull;
	for (int got = 0; got < FRAMES;) {
		struct vionet_packet *packets[FRAMES];
		uint16_t count = vionet_rx_burst(port, 0, packets, FRAMES);
		for (uint16_t i = 0; i < count; i++) {
			const unsigned char *data = packets[i]->data;
			yes(data >= memory && data + packets[i]->length <= memory + MEMORY);
			got += packets[i]->length >= 42 && memcmp(data, "\xff\xff\xff\xff\xff\xff", 6) == 0;
		}
		vionet_packet_free_bulk(packets, count);
		if (microseconds() > end)
			FAILED("only %d of %d broadcasts came", got, FRAMES);
		usleep(1000);
	}
}

static void memory(const char *a)
{
	struct vionet_config with = VIONET_SIZED(struct vionet_config);
	int fd = memfd_create("caller", MFD_CLOEXEC);
	uint16_t port, from_file, own;

	same(ftruncate(fd, MEMORY), 0);
	ok(vionet_probe(a, &port));
	too_high(port);
	unsigned char *near = mapped((uintptr_t)0x1800000000, -1), *file = mapped((uintptr_t)0x1900000000, fd);
	with.pool = pool_in(near, -1); /* a PCI device needs no file to see it */
	with.rx_descriptors = 128;
	from_file = pool_in(file, fd);
	own = pool_made(1024);
	ok(vionet_pool_share(from_file, port));
	ok(vionet_pool_share(own, port));
	ok(vionet_init(port, &with));
	int rings_kib = locked_kib() - (int)((2 * MEMORY + pool_of(own).memory) / 1024);
	yes(rings_kib > 0 && rings_kib < 1024);
	for (int turn = 0; turn < 2; turn++) {
		ok(vionet_start(port));
		sends(port, with.pool);
		sends(port, from_file);
		sends(port, own);
		printf("ready\n");
		fflush(stdout);
		receives(port, near);
		ok(vionet_stop(port));
		same(locked_kib(), 0);
	}
	vionet_close(port);
	ok(vionet_pool_destroy(with.pool));
	ok(vionet_pool_destroy(from_file));
	ok(vionet_pool_destroy(own));
	memset(near, 0, MEMORY); /* it is still mapped */
	memset(file, 0, MEMORY);
}

/* ---- a device that goes and returns ------------------------------------------------------------------------------ */

static int gone;

static void note(uint16_t port, int event, void *user)
{
	(void)port, (void)user;
	gone += event == VIONET_EVENT_GONE;
}

static void await(const char *what)
{
	char line[64];
	printf("%s\n", what);
	fflush(stdout);
	yes(fgets(line, sizeof(line), stdin) != NULL);
}

static void revive(const char *a)
{
	uint16_t port = opened(a);
	ok(vionet_event_add(note, NULL));
	sends(port, 0);
	await("take it away while it runs");
	state(port, VIONET_STATE_BROKEN);
	same(gone, 1);
	ok(vionet_stop(port));
	ok(vionet_start(port));
	state(port, VIONET_STATE_STARTED);
	sends(port, 0);
	ok(vionet_stop(port));
	await("take it away while it is stopped");
	state(port, VIONET_STATE_BROKEN);
	ok(vionet_start(port));
	state(port, VIONET_STATE_STARTED);
	sends(port, 0);
	await("take it away before it is closed");
	vionet_close(port);
	port = opened(a);
	sends(port, 0);
	vionet_close(port);
	printf("revived\n");
}

/* ---- another user ------------------------------------------------------------------------------------------------ */

static void as(char **argv)
{
	long kib = atol(argv[1]);
	rlim_t bytes = kib < 0 ? RLIM_INFINITY : (rlim_t)kib * 1024;
	struct rlimit limit = {bytes, bytes};
	uid_t user = (uid_t)atoi(argv[0]);
	same(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
	same(setgroups(0, NULL), 0);
	same(setgid(user), 0);
	same(setuid(user), 0);
	execvp(argv[2], argv + 2);
	FAILED("%s cannot be run", argv[2]);
}

int main(int argc, char **argv)
{
	const char *deed = argc > 2 ? argv[1] : "";
	if (strcmp(deed, "group") == 0 && argc == 4)
		group(argv[2], argv[3]);
	else if (strcmp(deed, "memory") == 0)
		memory(argv[2]);
	else if (strcmp(deed, "revive") == 0)
		revive(argv[2]);
	else if (strcmp(deed, "as") == 0 && argc > 4)
		as(argv + 2);
	else
		FAILED("unknown case %s", deed);
	return 0;
}
