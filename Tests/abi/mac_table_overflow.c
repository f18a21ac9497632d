/* SPDX-License-Identifier: BSD-2-Clause */
/* A list of MAC addresses that a device has no room for: the modes that replace it, the log, and the way back. */
#include "../support/cases.h"
#include "../support/control_queue.h"

static uint16_t port;
static uint32_t room; /* addresses of each kind that the device takes; 99: it has no table at all */
static char logged[4096];

static void keep(int level, const char *line, void *user)
{
	(void)level;
	(void)user;
	if (strstr(line, "addresses") != NULL)
		snprintf(logged, sizeof(logged), "%s", line);
}

static uint8_t small(const uint8_t *command, uint32_t length)
{
	uint32_t stations, groups;
	if (command[0] != 1 || command[1] != 0)
		return 0;
	memcpy(&stations, command + 2, 4);
	yes(length >= 10 && stations <= (length - 10) / 6);
	memcpy(&groups, command + 6 + 6 * stations, 4);
	same(length, 10 + 6 * (stations + groups));
	return room == 99 || stations > room || groups > room;
}

/* Sets a list with that many addresses of each kind, in turns. */
static int list(uint32_t stations, uint32_t groups)
{
	static uint8_t bytes[70000][6];
	uint32_t count = 0;
	for (uint32_t i = 0; i < stations || i < groups; i++)
		for (uint32_t kind = 0; kind < 2; kind++)
			if (i < (kind ? groups : stations))
				memcpy(bytes[count++], (uint8_t[6]){kind ? 3 : 2, 0, 0, 0, (uint8_t)(i >> 8), (uint8_t)i}, 6);
	logged[0] = 0;
	return vionet_mac_list_set(port, bytes[0], count);
}

#define TABLE(stations, groups) "01 00" stations groups "\n"
#define NONE " 00000000"
#define TWO_STATIONS " 02000000 020000000000 020000000001"
#define THREE_STATIONS " 03000000 020000000000 020000000001 020000000002"
#define ONE_GROUP " 01000000 030000000000"
#define THREE_GROUPS " 03000000 030000000000 030000000001 030000000002"
#define PROMISC(on) "00 00 0" #on "\n"
#define ALLMULTI(on) "00 01 0" #on "\n"
#define ALLUNI(on) "00 02 0" #on "\n"

static void with_all_unicast(struct control *c)
{
	ok(list(2, 1));
	commands(c, TABLE(TWO_STATIONS, ONE_GROUP));
	same(logged[0], 0);
	ok(list(2, 3));
	commands(c, TABLE(TWO_STATIONS, THREE_GROUPS) ALLMULTI(1) TABLE(TWO_STATIONS, NONE));
	yes(strstr(logged, "no room for 2 unicast and 3 multicast") != NULL);
	ok(list(3, 1)); /* the mode that is no longer needed ends after the table is set */
	commands(c, TABLE(THREE_STATIONS, ONE_GROUP) TABLE(THREE_STATIONS, NONE) ALLUNI(1) TABLE(NONE, ONE_GROUP) ALLMULTI(0));
	ok(list(3, 3));
	commands(c, TABLE(THREE_STATIONS, THREE_GROUPS) ALLMULTI(1) TABLE(THREE_STATIONS, NONE)
	            TABLE(NONE, THREE_GROUPS) TABLE(NONE, NONE));
	/* A mode that the list needs stays on when the caller switches it off, and ends when neither needs it. */
	ok(vionet_all_multicast_set(port, 0));
	commands(c, "");
	ok(vionet_all_multicast_set(port, 1));
	ok(list(0, 0));
	commands(c, TABLE(NONE, NONE) ALLUNI(0));
	ok(vionet_all_multicast_set(port, 0));
	commands(c, ALLMULTI(0));
}

/* Without ALLUNI the list needs promiscuous mode, which stays on if the caller never set it. */
static void with_promiscuous(struct control *c)
{
	ok(list(3, 1));
	commands(c, TABLE(THREE_STATIONS, ONE_GROUP) ALLMULTI(1) TABLE(THREE_STATIONS, NONE) PROMISC(1)
	            TABLE(NONE, ONE_GROUP) ALLMULTI(0));
	ok(list(0, 1));
	commands(c, TABLE(NONE, ONE_GROUP));
	ok(vionet_promiscuous_set(port, 0));
	ok(list(3, 0));
	commands(c, PROMISC(0) TABLE(THREE_STATIONS, NONE) PROMISC(1) TABLE(NONE, NONE));
	/* A restart tries the list first, then takes the same way. */
	ok(vionet_start(port));
	ok(vionet_stop(port));
	ok(vionet_start(port));
	commands(c, PROMISC(0) TABLE(THREE_STATIONS, NONE) PROMISC(1) TABLE(NONE, NONE));
	room = 3;
	ok(vionet_stop(port));
	ok(vionet_start(port));
	commands(c, PROMISC(0) TABLE(THREE_STATIONS, NONE));
}

/* A list that does not fit into a command is not tried. */
static void beyond_a_command(struct control *c)
{
	room = 70000;
	ok(list(400, 0));
	same(c->count, 1);
	same(c->seen[0].length, 10 + 6 * 400);
	control_forget(c);
	ok(list(65535, 0));
	commands(c, PROMISC(1) TABLE(NONE, NONE));
	ok(list(2, 0));
	commands(c, TABLE(TWO_STATIONS, NONE) PROMISC(0));
}

static void no_table_at_all(struct control *c)
{
	room = 99;
	err(list(1, 1), -EIO);
	says("MAC_TABLE_SET");
	control_forget(c);
	room = 2;
	ok(vionet_stop(port));
	ok(vionet_start(port));
	commands(c, PROMISC(0) TABLE(TWO_STATIONS, NONE));
}

CASE("a list that is too long is replaced by receiving all unicast or all multicast frames")
{
	struct control c;
	vionet_log_set(VIONET_LOG_INFO, keep, NULL);
	control_start(&c, BIT(F_CTRL_RX) | BIT(F_CTRL_RX_EXTRA), 1);
	c.answer = small;
	room = 2;
	port = control_port(&c, ",cq=1");
	with_all_unicast(&c);
	vionet_close(port);
	control_end(&c);
}

/* These steps go on where the one before has ended. */
CASE("without VIRTIO_NET_F_CTRL_RX_EXTRA a list that is too long is replaced by promiscuous mode")
{
	struct control c;
	vionet_log_set(VIONET_LOG_INFO, keep, NULL);
	control_start(&c, BIT(F_CTRL_RX), 1);
	c.answer = small;
	room = 2;
	port = control_port(&c, ",cq=1");
	with_promiscuous(&c);
	beyond_a_command(&c);
	no_table_at_all(&c);
	vionet_close(port);
	control_end(&c);
}
