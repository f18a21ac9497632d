/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ports on the kernel's vhost, in a guest, with every frame compared in full:
 *
 *     vhost-net-port life NAME KEYS BYTES an interface made by the port, whose address has these keys, too: headers of so many
 *                                         bytes; address, link, deletion, return, queue restarts
 *     vhost-net-port queues NAME PAIRS    an interface that exists before and after, with so many queue pairs in use
 *     vhost-net-port make NAME KIND UID   makes a persistent interface owned by that user: KIND is one, many or tun
 */
#include "flow-frames.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum { FRAMES = 64 };

static int raw = -1;
static int events[16];

static void note(uint16_t port, int event, void *user)
{
	(void)port, (void)user;
	events[event & 15]++;
}

__attribute__((format(printf, 1, 2))) static void shell(const char *form, ...)
{
	char line[200];
	va_list arguments;
	va_start(arguments, form);
	vsnprintf(line, sizeof(line), form, arguments);
	va_end(arguments);
	if (system(line) != 0)
		FAILED("%s", line);
}

/* The first number in a sysfs file of the interface. */
static int value_of(const char *name, const char *what)
{
	char path[100];
	int value = -1;
	snprintf(path, sizeof(path), "/sys/class/net/%s/%s", name, what);
	FILE *f = fopen(path, "re");
	if (f != NULL && fscanf(f, "%d", &value) != 1)
		value = -1;
	if (f != NULL)
		fclose(f);
	return value;
}

/* Opens the other end, which has the frames as the interface has them. */
static void attach_raw(const char *name)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(0x0003)};
	struct timeval patience = {LONG_WAIT_SECONDS, 0};
	int on = 1;
	at.sll_ifindex = (int)if_nametoindex(name);
	if (raw >= 0)
		close(raw);
	raw = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, at.sll_protocol);
	yes(raw >= 0);
	same(setsockopt(raw, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)), 0);
	same(setsockopt(raw, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	same(bind(raw, (struct sockaddr *)&at, sizeof(at)), 0);
}

/* Sends FRAMES from the port, on that queue, to the interface. */
static void outwards(uint16_t port, uint16_t queue, uint16_t pool)
{
	struct vionet_packet *packets[FRAMES];
	unsigned char frame[LONGEST];
	uint32_t first = next_number;
	unsigned sent = 0;
	for (int i = 0; i < FRAMES; i++)
		packets[i] = packet_of(pool, next_number++);
	soon((sent += vionet_tx_burst(port, queue, packets + sent, (uint16_t)(FRAMES - sent))) == FRAMES);
	for (uint32_t i = 0; i < FRAMES; i++) {
		ssize_t length = recv(raw, frame, sizeof(frame), 0);
		yes(length >= HEAD);
		compare(frame, (uint32_t)length, first + i);
	}
}

/* Sends FRAMES from the interface. Returns the set of queues on which they came, one bit each. */
static unsigned inwards(uint16_t port, uint16_t queues)
{
	unsigned char frame[LONGEST];
	uint32_t first = next_number;
	uint64_t seen = 0, end = microseconds() + LONG_WAIT * 1000ull;
	unsigned used = 0;
	for (int i = 0; i < FRAMES; i++) {
		uint32_t length = fill(frame, next_number++);
		same(send(raw, frame, length, 0), length);
	}
	while (seen != ~0ull) {
		struct vionet_packet *packets[32];
		for (uint16_t queue = 0; queue < queues; queue++) {
			uint16_t count = vionet_rx_burst(port, queue, packets, 32);
			for (uint16_t i = 0; i < count; i++) {
				uint32_t number = number_in(packets[i]->data);
				yes(number - first < FRAMES && !(seen >> (number - first) & 1));
				compare(packets[i]->data, packets[i]->length, number);
				seen |= 1ull << (number - first);
				used |= 1u << queue;
			}
			vionet_packet_free_bulk(packets, count);
		}
		if (microseconds() > end)
			FAILED("%d of %d frames came", __builtin_popcountll(seen), FRAMES);
	}
	return used;
}

static void both_ways(uint16_t port)
{
	for (int turn = 0; turn < 8; turn++) {
		outwards(port, 0, 0);
		inwards(port, 1);
	}
}

static void link_is(uint16_t port, int up)
{
	soon((vionet_event_handle(port), info_of(port).link_up == up));
}

/* ---- an interface that the port makes ----------------------------------------------------------------------------- */

static void sleeps(uint16_t port)
{
	unsigned char frame[LONGEST];
	struct vionet_packet *packet;
	same(vionet_rx_wait(port, 0, 50), 0);
	uint32_t length = fill(frame, next_number);
	same(send(raw, frame, length, 0), length);
	same(vionet_rx_wait(port, 0, LONG_WAIT), 1);
	soon(vionet_rx_burst(port, 0, &packet, 1) == 1);
	compare(packet->data, packet->length, next_number++);
	vionet_packet_free(packet);
}

/* Writes to every packet of the shared pool, so that pages which are used for the first time are no growth later. */
static void use_pool(void)
{
	static struct vionet_packet *packets[1 << 15];
	uint32_t count = 0;
	while (count < 1 << 15 && (packets[count] = vionet_packet_alloc(0)) != NULL)
		memset(vionet_packet_append(packets[count++], 1500), 1, 1500);
	yes(count > 1000);
	while (count > 0)
		vionet_packet_free(packets[--count]);
}

static void life(const char *name, const char *keys, int header)
{
	char device[96];
	uint16_t port, pool = pool_made(512);

	snprintf(device, sizeof(device), "vhost-net:%s,mac=02:00:00:00:07:07%s", name, keys);
	/* The shared pool and all else that is made once is made now, so that it is no growth later. */
	vionet_close(opened(device));
	use_pool();
	struct holdings before = holdings();
	ok(vionet_event_add(note, NULL));
	ok(vionet_probe(device, &port));
	shell("grep -qx 02:00:00:00:07:07 /sys/class/net/%s/address", name);
	ok(vionet_pool_share(pool, port));
	ok(vionet_init(port, NULL));
	ok(vionet_start(port));
	same(info_of(port).header_size, header);
	link_is(port, 0);
	shell("ip link set %s up", name);
	link_is(port, 1);
	yes(events[VIONET_EVENT_LINK] > 0);
	attach_raw(name);
	both_ways(port);
	outwards(port, 0, pool);
	sleeps(port);
	/* A stopped port leaves the interface without a carrier. */
	soon(value_of(name, "carrier") == 1);
	ok(vionet_stop(port));
	soon(value_of(name, "carrier") == 0);
	ok(vionet_start(port));
	soon(value_of(name, "carrier") == 1);
	both_ways(port);
	ok(vionet_rx_queue_restart(port, 0, 64));
	ok(vionet_tx_queue_restart(port, 0, 32));
	both_ways(port);
	shell("ip link set %s down", name);
	link_is(port, 0);
	shell("ip link set %s up", name);
	link_is(port, 1);
	attach_raw(name);
	both_ways(port);
	/* The interface is deleted from outside; the next start makes it again. */
	shell("ip link del %s", name);
	soon((vionet_event_handle(port), events[VIONET_EVENT_GONE] > 0));
	same(info_of(port).state, VIONET_STATE_BROKEN);
	ok(vionet_stop(port));
	ok(vionet_start(port));
	same(info_of(port).state, VIONET_STATE_STARTED);
	shell("grep -qx 02:00:00:00:07:07 /sys/class/net/%s/address; ip link set %s up", name, name);
	attach_raw(name);
	both_ways(port);
	sends_asleep(port);
	vionet_close(port);
	same(if_nametoindex(name), 0);
	close(raw);
	held_as_before(before, 4096);
	ok(vionet_pool_destroy(pool));
	printf("%u frames\n", next_number);
}

/* ---- an interface that exists --------------------------------------------------------------------------------------- */

static void make(const char *name, const char *kind, int uid)
{
	struct ifreq request = {0};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	snprintf(request.ifr_name, IFNAMSIZ, "%s", name);
	request.ifr_flags = strcmp(kind, "tun") == 0 ? IFF_TUN : IFF_TAP;
	if (strcmp(kind, "many") == 0)
		request.ifr_flags |= IFF_MULTI_QUEUE;
	same(ioctl(fd, TUNSETIFF, &request), 0);
	same(ioctl(fd, TUNSETOWNER, uid), 0);
	same(ioctl(fd, TUNSETPERSIST, 1), 0);
}

static void queues(const char *name, uint16_t pairs)
{
	char device[64];
	snprintf(device, sizeof(device), "vhost-net:%s,queues=%u", name, pairs);
	yes(if_nametoindex(name) != 0);
	uint16_t port = opened(device);
	same(info_of(port).queue_pairs, pairs);
	shell("ip link set %s up", name);
	soon(value_of(name, "carrier") == 1);
	attach_raw(name);
	for (uint16_t use = pairs; use > 0; use = use / 2) {
		ok(vionet_queue_pairs_set(port, use));
		/* Flows come back on the queue on which they went out, all 64 of them. */
		for (uint16_t queue = 0; queue < use; queue++)
			for (int turn = 0; turn < 2; turn++) {
				outwards(port, queue, 0);
				same(inwards(port, pairs), 1u << queue);
			}
	}
	ok(vionet_queue_pairs_set(port, pairs));
	outwards(port, (uint16_t)(pairs - 1), 0);
	same(inwards(port, pairs), 1u << (pairs - 1));
	vionet_close(port);
	yes(if_nametoindex(name) != 0);
	printf("%u frames\n", next_number);
}

int main(int argc, char **argv)
{
	const char *deed = argc > 2 ? argv[1] : "";
	if (strcmp(deed, "life") == 0 && argc == 5)
		life(argv[2], argv[3], atoi(argv[4]));
	else if (strcmp(deed, "queues") == 0 && argc == 4)
		queues(argv[2], (uint16_t)atoi(argv[3]));
	else if (strcmp(deed, "make") == 0 && argc == 5)
		make(argv[2], argv[3], atoi(argv[4]));
	else
		FAILED("unknown case %s", deed);
	return 0;
}
