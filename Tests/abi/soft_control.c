/* SPDX-License-Identifier: BSD-2-Clause */
/* What our own driver gets of our own device: its speed, what it has counted, and interrupts that wait. */
#include "../support/cases.h"
#include "../support/frame.h"
#include "../support/xstats.h"

static uint16_t port;

static uint64_t valued(const char *name) { return xstat(port, name); }

CASE("a speed is the port's, with full duplex, and is offered only if it was given")
{
	uint16_t device;
	port = opened("soft:loopback,speed=25000");
	same(info_of(port).speed, 25000);
	same(info_of(port).duplex, VIONET_DUPLEX_FULL);
	yes(info_of(port).negotiated[0] >> 63 & 1);
	vionet_close(port);
	port = opened("soft:loopback");
	same(info_of(port).speed, 0);
	same(info_of(port).duplex, VIONET_DUPLEX_UNKNOWN);
	yes(!(info_of(port).offered[0] >> 63 & 1));
	vionet_close(port);
	/* Here nothing but the device's configuration says it. */
	char path[64], address[96];
	snprintf(path, sizeof(path), "/tmp/soft-control-%d.sock", getpid());
	snprintf(address, sizeof(address), "vhost-user:%s", path);
	ok(vionet_soft_serve(path, "sink,speed=2147483647", &device));
	port = opened(address);
	same(info_of(port).speed, 2147483647);
	same(info_of(port).duplex, VIONET_DUPLEX_FULL);
	vionet_close(port);
	vionet_soft_stop(device);
}

static void round_trips(uint16_t queue, int count, uint32_t length)
{
	for (int i = 0; i < count; i++) {
		struct vionet_packet *p = frame_packet(0, length, (uint32_t)i), *back;
		same(vionet_tx_burst(port, queue, &p, 1), 1);
		for (int rounds = 0; vionet_rx_burst(port, queue, &back, 1) == 0; rounds++) {
			yes(rounds < 50000);
			usleep(100);
		}
		same(back->length, length);
		vionet_packet_free(back);
	}
}

static void counted(const char *keys)
{
	char address[128];
	snprintf(address, sizeof(address), "soft:loopback,cq=1,queues=2,mtu=3000%s", keys);
	port = opened(address);
	round_trips(0, 7, 100);
	round_trips(1, 3, 1900);
	same(valued("rx_q0_device_packets"), 7);
	same(valued("tx_q0_device_packets"), 7);
	same(valued("rx_q0_device_bytes"), 700);
	same(valued("tx_q0_device_bytes"), 700);
	same(valued("rx_q1_device_packets"), 3);
	same(valued("rx_q1_device_bytes"), 5700);
	same(valued("tx_q1_device_bytes"), 5700);
	same(valued("rx_q1_device_drops"), 0);
	same(valued("tx_q1_device_drop_malformed"), 0);
	yes(valued("tx_q0_device_notifications") <= valued("tx_q0_kicks"));
	/* They go on over a stop, since the device stays. */
	ok(vionet_stop(port));
	ok(vionet_start(port));
	round_trips(0, 1, 60);
	same(valued("rx_q0_device_packets"), 8);
	same(valued("rx_q0_device_bytes"), 760);
	vionet_close(port);
}

CASE("a device counts packets and bytes of each queue: split rings") { counted(""); }
CASE("a device counts packets and bytes of each queue: packed rings") { counted(",packed_vq=1"); }
CASE("a device counts packets and bytes of each queue: merged buffers") { counted(",mrg_rxbuf=1"); }

CASE("a device counts what it loses for want of buffers")
{
	port = opened("soft:generate,rate=1000000,cq=1,queue_size=4");
	for (int rounds = 0; valued("rx_q0_device_drops") < 100; rounds++) {
		yes(rounds < 50000);
		usleep(100);
	}
	yes(valued("rx_q0_device_drop_overruns") > 0);
	same(valued("rx_q0_device_packets"), valued("rx_device_packets"));
	vionet_close(port);
}

/* Requires that many interrupts of the device's for receive queue 0 since the last time. */
static void interrupts(uint64_t count)
{
	static uint64_t before;
	uint64_t now = valued("rx_q0_device_interrupts");
	same(now - before, count);
	before = now;
}

CASE("interrupts wait as the driver says, and the device counts them")
{
	const uint32_t ever = 4000000000u;
	port = opened("soft:loopback,cq=1,queues=2,event_idx=0");
	yes(info_of(port).negotiated[0] >> 52 & 3);
	yes(vionet_rx_fd(port, 0) >= 0); /* from then on the queue may be slept on */
	interrupts(0);
	for (int round = 0; round < 3; round++) {
		struct vionet_packet *p = frame_packet(0, 60, 1);
		if (round == 1)
			ok(vionet_rx_coalesce_set(port, 0, 100, ever));
		same(vionet_rx_arm(port, 0), 0);
		same(vionet_tx_burst(port, 0, &p, 1), 1);
		for (int rounds = 0; valued("rx_q0_device_packets") < (uint64_t)round + 1; rounds++)
			yes(rounds < 50000);
		interrupts(round != 1);
		if (round == 1) {
			/* What waited comes when nothing is to wait any more. */
			ok(vionet_rx_coalesce_set(port, VIONET_ALL_QUEUES, 0, 0));
			interrupts(1);
		}
		same(vionet_rx_burst(port, 0, &p, 1), 1);
		vionet_packet_free(p);
	}
	/* Time is enough, too: a sleeper wakes. */
	ok(vionet_rx_coalesce_set(port, 0, 100, 20000));
	struct vionet_packet *p = frame_packet(0, 60, 1);
	same(vionet_rx_arm(port, 0), 0);
	same(vionet_tx_burst(port, 0, &p, 1), 1);
	same(vionet_rx_wait(port, 0, 60000), 1);
	same(vionet_rx_burst(port, 0, &p, 1), 1);
	vionet_packet_free(p);
	interrupts(1);
	err(vionet_rx_coalesce_set(port, 2, 1, 1), -EINVAL);
	vionet_close(port);
}
