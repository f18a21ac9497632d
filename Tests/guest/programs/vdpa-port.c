/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ports on vDPA devices, in a guest:
 *
 *     vdpa-port loop DEVICE      the simulator returns frames to its own address; its control queue; compared in full
 *     vdpa-port reach DEVICE     memory that is outside the device's address range is refused
 *     vdpa-port link DEVICE      prints "up", "down" and "up" when the event descriptor reports a change of the link
 *     vdpa-port listed DEVICE... these vDPA devices are listed in this order, with what this user may open
 *     vdpa-port held DEVICE      keeps a port open until it reads a line
 */
#include "flow-frames.h"

#include <poll.h>
#include <sys/mman.h>

/* Few frames are under way at a time: the simulator drops those that find no buffer. */
static void round_trip(uint16_t port, uint16_t pool)
{
	struct vionet_packet *packets[8];
	uint32_t first = next_number;
	for (int i = 0; i < 8; i++)
		packets[i] = packet_of(pool, next_number++);
	send_all(port, packets, 8);
	receive_all(port, packets, 8);
	for (uint32_t i = 0; i < 8; i++)
		compare(packets[i]->data, packets[i]->length, first + i);
	vionet_packet_free_bulk(packets, 8);
}

static void loop(const char *device)
{
	static const uint8_t own[6] = {2, 0, 0, 0, 0, 2}, other[6] = {6, 5, 4, 3, 2, 1};
	struct vionet_packet *packet, *none[1];
	uint16_t port = opened(device), second = VIONET_PORT_NONE, pool = pool_made(512);
	err(vionet_open(device, &second), -EBUSY);
	ok(vionet_mac_set(port, own));
	for (int turn = 0; turn < 50; turn++)
		round_trip(port, 0);
	/* Frames to another address do not come back. The simulator compares addresses up to the first zero. */
	ok(vionet_mac_set(port, other));
	packet = packet_of(0, next_number++);
	send_all(port, &packet, 1);
	same(vionet_rx_wait(port, 0, 300), 0);
	same(vionet_rx_burst(port, 0, none, 1), 0);
	sends_asleep(port);
	/* What the simulator has not taken yet would come back, once the address is the port's again. */
	ok(vionet_stop(port));
	ok(vionet_start(port));
	ok(vionet_mac_set(port, own));
	packet = packet_of(0, next_number);
	send_all(port, &packet, 1);
	same(vionet_rx_wait(port, 0, LONG_WAIT), 1);
	soon(vionet_rx_burst(port, 0, &packet, 1) == 1);
	compare(packet->data, packet->length, next_number++);
	vionet_packet_free(packet);
	/* A restart, once with more memory, after which the library sets the device's address again. */
	for (int turn = 0; turn < 3; turn++) {
		ok(vionet_stop(port));
		if (turn == 1)
			ok(vionet_pool_share(pool, port));
		ok(vionet_start(port));
		for (int i = 0; i < 10; i++)
			round_trip(port, turn == 0 ? 0 : pool);
	}
	vionet_close(port);
	ok(vionet_pool_destroy(pool));
	port = opened(device);
	vionet_close(port);
	printf("%u frames\n", next_number);
}

/* mmap() by itself chooses addresses above the 39 bits of this IOMMU. */
static void reach(const char *device)
{
	struct vionet_pool_config far = VIONET_SIZED(struct vionet_pool_config);
	struct vionet_config with = VIONET_SIZED(struct vionet_config);
	uint16_t port;
	far.memory_length = 4 << 20;
	far.memory_fd = -1;
	far.memory = mmap(NULL, far.memory_length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	yes(far.memory != MAP_FAILED && (uintptr_t)far.memory >> 39 != 0);
	ok(vionet_pool_create(&far, &with.pool));
	ok(vionet_probe(device, &port));
	err(vionet_init(port, &with), -ERANGE);
	says("out of reach of this device");
	says("0x7fffffffff");
	ok(vionet_init(port, NULL));
	vionet_close(port);
}

static void say(const char *what)
{
	printf("%s\n", what);
	fflush(stdout);
}

static void link_changes(const char *device)
{
	uint16_t port = opened(device);
	same(info_of(port).link_up, 1);
	say("up");
	for (int up = 0; up < 2; up++) {
		struct pollfd events = {.fd = vionet_event_fd(port), .events = POLLIN};
		uint64_t end = microseconds() + LONG_WAIT * 1000ull;
		while (info_of(port).link_up != up) {
			yes(microseconds() < end && poll(&events, 1, LONG_WAIT) == 1);
			yes(vionet_event_handle(port) >= 0);
		}
		say(up ? "up" : "down");
	}
	vionet_close(port);
}

static void listed(char **devices, int count)
{
	struct vionet_device list[64] = {VIONET_SIZED(struct vionet_device)};
	int all = vionet_devices(list, 64), first = 0;
	yes(all > 0 && all <= 64);
	while (first < all && list[first].kind != VIONET_DEVICE_VDPA)
		first++;
	same(all - first, count);
	for (int i = 0; i < count; i++) {
		const struct vionet_device *device = &list[first + i];
		same(strcmp(device->address, devices[i]), 0);
		same(strcmp(device->driver, "vhost_vdpa"), 0);
		same(device->ready, access(strchr(devices[i], ':') + 1, R_OK | W_OK) == 0);
		yes(device->ready ? device->reason[0] == 0 : strstr(device->reason, "Permission denied") != NULL);
	}
}

int main(int argc, char **argv)
{
	const char *deed = argc > 2 ? argv[1] : "";
	if (strcmp(deed, "loop") == 0) {
		loop(argv[2]);
	} else if (strcmp(deed, "reach") == 0) {
		reach(argv[2]);
	} else if (strcmp(deed, "link") == 0) {
		link_changes(argv[2]);
	} else if (strcmp(deed, "listed") == 0) {
		listed(argv + 2, argc - 2);
	} else if (strcmp(deed, "held") == 0) {
		uint16_t port = opened(argv[2]);
		say("ready");
		getchar();
		vionet_close(port);
	} else {
		FAILED("unknown case %s", deed);
	}
	return 0;
}
