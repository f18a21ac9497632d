/* SPDX-License-Identifier: BSD-2-Clause */
/* Extended statistics: every number has one name and every name its number, and each counts what it says. */
#include "../support/cases.h"
#include "../support/control_queue.h"
#include "../support/xstats.h"

static uint16_t port;

static uint64_t valued(const char *name) { return xstat(port, name); }

/* Requires that many statistics, whose names lead back to their numbers. */
static void names(int count)
{
	char name[VIONET_XSTAT_NAME];
	uint64_t values[300];
	same(vionet_xstats(port, NULL, 0), count);
	memset(values, 0xee, sizeof(values));
	same(vionet_xstats(port, values, 300), count);
	same(values[count], 0xeeeeeeeeeeeeeeee);
	for (int i = 0; i < count; i++) {
		ok(vionet_xstat_name(port, (uint32_t)i, name, sizeof(name)));
		same(vionet_xstat_id(port, name), i);
	}
	err(vionet_xstat_name(port, (uint32_t)count, name, sizeof(name)), -EINVAL);
	err(vionet_xstat_name(port, UINT32_MAX, name, sizeof(name)), -EINVAL);
}

static void wrong(void)
{
	char name[8];
	err(vionet_xstats(port, NULL, 1), -EINVAL);
	err(vionet_xstat_name(port, 0, NULL, 8), -EINVAL);
	memset(name, 'x', sizeof(name));
	err(vionet_xstat_name(port, 0, name, 7), -ENOSPC);
	says("16 bytes");
	yes(strcmp(name, "rx_goo") == 0 && name[7] == 'x');
	err(vionet_xstat_name(port, 0, name, 0), -ENOSPC);
	yes(name[0] == 'r');
	err(vionet_xstat_id(port, NULL), -EINVAL);
	err(vionet_xstat_id(port, "rx_q0_good"), -ENOENT);
	says("no extended statistic \"rx_q0_good\"");
	err(vionet_xstat_id(port, ""), -ENOENT);
	err(vionet_xstat_id(port, "rx_q1_good_packets"), -ENOENT);
}

static void counts(struct peer *p)
{
	static const unsigned char frame[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2};
	unsigned char back[100];
	struct vionet_packet *packet;
	for (int i = 0; i < 7; i++) {
		deliver(p, frame, sizeof(frame));
		same(vionet_rx_burst(port, 0, &packet, 1), 1);
		vionet_packet_free(packet);
	}
	same(valued("rx_good_packets"), 7);
	same(valued("rx_q0_good_packets"), 7);
	same(valued("rx_good_bytes"), 420);
	same(valued("rx_q0_good_bytes"), 420);
	give_back(p, RX, take(p, RX), 5);
	same(vionet_rx_burst(port, 0, &packet, 1), 0);
	same(valued("rx_q0_drop_short"), 1);
	same(valued("rx_q0_drop_long"), 0);

	for (uint32_t length = 10; length < 90; length += 50) { /* one too short */
		packet = vionet_packet_alloc(0);
		yes(packet != NULL && vionet_packet_append(packet, length) != NULL);
		same(vionet_tx_burst(port, 0, &packet, 1), 1);
	}
	same(collect(p, back, sizeof(back)), 60);
	same(valued("tx_good_packets"), 1);
	same(valued("tx_q0_good_bytes"), 60);
	same(valued("tx_q0_drop_empty"), 1);
	same(valued("tx_q0_kicks"), stats_of(port).tx.kicks);
	yes(valued("tx_q0_kicks") > 0);
}

/* Counts sleeps that ended with a signal, and signals. */
static void sleeps(struct peer *p)
{
	static const unsigned char frame[60] = {2};
	struct vionet_packet *packet;
	uint64_t before = valued("rx_q0_wakeups"), signals = valued("rx_q0_interrupts");
	for (int i = 0; i < 5; i++) {
		same(vionet_rx_arm(port, 0), 0);
		deliver(p, frame, sizeof(frame));
		same(vionet_rx_wait(port, 0, LONG_WAIT), 1);
		same(vionet_rx_burst(port, 0, &packet, 1), 1);
		vionet_packet_free(packet);
	}
	same(vionet_rx_arm(port, 0), 0); /* counts the last one */
	same(valued("rx_q0_wakeups"), before + 5);
	same(valued("rx_q0_interrupts"), signals + 5);
	ok(vionet_stats_reset(port));
	same(valued("rx_q0_wakeups"), 0);
	same(valued("rx_good_packets"), 0);
}

CASE("the library's own statistics")
{
	struct control c;
	control_start(&c, 0, 1);
	port = control_port(&c, ",cq=1");
	ok(vionet_start(port));
	names(26);
	wrong();
	counts(&c.peer);
	sleeps(&c.peer);
	commands(&c, "");
	vionet_close(port);
	err(vionet_xstats(port, NULL, 0), -ENODEV);
	control_end(&c);
}

/* ---- the device's ------------------------------------------------------------------------------------------------ */

enum { F_DEVICE_STATS = 50 };
static int fault; /* of the device's answers */

/* The kinds that the device keeps: of receive queues basic ones and rate limits, of transmit queues offloads. */
static const uint8_t kinds[8] = {0x09, 0, 0x04, 0};

static void block(uint8_t *at, uint8_t kind, uint16_t ring, uint16_t numbers)
{
	*at = kind;
	at[2] = (uint8_t)ring;
	at[6] = (uint8_t)(8 + 8 * numbers);
	for (uint16_t i = 0; i < numbers; i++)
		at[8 + 8 * i] = (uint8_t)(100 * ring + 10 * (kind & 15) + i);
}

static uint8_t tells(const uint8_t *command, uint32_t length, uint8_t *result, uint32_t room)
{
	if (command[0] != 8)
		return 0;
	if (command[1] == 0) {
		same(length, 2);
		yes(room >= 8);
		memcpy(result, kinds, 8);
		return 0;
	}
	same(length, 18);
	yes(room >= 200);
	uint16_t ring = command[2];
	if (fault == 1) /* a block that does not end */
		memset(result, 0xff, room);
	else if (fault == 2) /* and one that ends before it begins */
		memset(result, 0, room);
	else if (fault == 3)
		return 1;
	else if (ring % 2 == 0) {
		block(result, 3, ring, 2);
		block(result + 24, 0, ring, 5); /* one number short */
	} else {
		block(result, 18, ring, 6);
	}
	return 0;
}

CASE("statistics that the device keeps")
{
	struct control c;
	control_start(&c, BIT(F_DEVICE_STATS) | BIT(F_MQ), 2);
	c.result = tells;
	port = control_port(&c, ",cq=1,queues=2");
	ok(vionet_start(port));
	control_forget(&c);
	names(5 + 2 * (21 + 8 + 6));
	same(valued("rx_q0_device_packets"), 1);
	same(valued("rx_q1_device_drops"), 204);
	same(valued("rx_q1_device_drop_overruns"), 0);
	same(valued("rx_q1_device_ratelimit_bytes"), 231);
	same(valued("tx_q1_device_gso_bytes_noseg"), 45 + 300 - 256 - 20);
	err(vionet_xstat_id(port, "tx_q0_device_packets"), -ENOENT);
	control_forget(&c);
	uint64_t all[100];
	ok(vionet_xstats(port, all, 100));
	commands(&c, "08 01 0000 000000000000 0900000000000000\n 08 01 0100 000000000000 0000040000000000\n"
	             "08 01 0200 000000000000 0900000000000000\n 08 01 0300 000000000000 0000040000000000\n");
	for (fault = 1; fault < 3; fault++)
		same(valued("rx_q1_device_packets"), 0);
	err(vionet_xstats(port, all, 100), -EIO);
	says("STATS_GET");
	fault = 0;
	ok(vionet_stop(port));
	same(valued("rx_q1_device_packets"), 0);
	ok(vionet_start(port));
	same(valued("rx_q1_device_packets"), 201);
	vionet_close(port);
	control_end(&c);
}
