/* SPDX-License-Identifier: BSD-2-Clause */
/* The settings of the control socket: what the device is told for them, and what they refuse. */
#include "../support/cases.h"
#include "../support/control_queue.h"
#include "../support/control_client.h"

/* A setting sends what the call of vionet.h sends, which other tests check. */
CASE("each setting is the command of its call, and wrong ones are refused")
{
	struct control c;
	control_start(&c, BIT(F_CTRL_RX) | BIT(F_CTRL_VLAN) | BIT(F_CTRL_MAC_ADDR) | BIT(F_MQ) | BIT(F_NOTF_COAL) |
	              BIT(F_VQ_NOTF_COAL), 2);
	uint16_t port = control_port(&c, ",cq=1,queues=2,vlan_filter=1");
	ok(vionet_start(port));
	control_forget(&c);
	control_made("settings");
	int fd = caller();
	answers(fd, "set 0 promiscuous off", "ok\n");
	commands(&c, "0000 00\n");
	answers(fd, "set 0 all_multicast on", "ok\n");
	commands(&c, "0001 01\n");
	answers(fd, "set 0 vlan add 513", "ok\n");
	commands(&c, "0200 0102\n");
	answers(fd, "set 0 vlan remove 513", "ok\n");
	commands(&c, "0201 0102\n");
	answers(fd, "set 0 vlan add 4096", "error 22 vlan \"4096\": wanted is an ID from 0 to 4095\n");
	answers(fd, "set 0 vlan 5", "error 22 vlan \"5\": wanted is add or remove, and an ID\n");
	answers(fd, "set 0 mac 02:aB:00:00:00:09", "ok\n");
	commands(&c, "0101 02ab00000009\n");
	answers(fd, "set 0 mac 02:ab:00:00:00:0", "error 22 mac \"02:ab:00:00:00:0\": wanted is an address like 02:00:00:00:00:01\n");
	tells(fd, "set 0 mac 01:ab:00:00:00:09", "error 22 ");
	answers(fd, "set 0 queue_pairs 1", "ok\n");
	commands(&c, "0400 0100\n");
	answers(fd, "set 0 coalesce rx all 8 100", "ok\n");
	commands(&c, "0601 08000000 64000000\n");
	answers(fd, "set 0 coalesce tx all 0 0", "ok\n");
	commands(&c, "0600 00000000 00000000\n");
	answers(fd, "set 0 coalesce rx 1 8", "error 22 coalesce has no value: wanted is a number of microseconds\n");
	tells(fd, "set 0 rss types=tcp4", "error 95 the device does not offer VIRTIO_NET_F_RSS");
	commands(&c, "");
	close(fd);
	vionet_control_close(control);
	vionet_close(port);
	control_end(&c);
}

CASE("the hash settings are set and shown")
{
	struct control c;
	control_start(&c, BIT(F_RSS) | BIT(F_MQ), 2);
	c.peer.config[17] = 40;       /* rss_max_key_size */
	c.peer.config[18] = 128;      /* rss_max_indirection_table_length */
	c.peer.config[20] = 0x3f;     /* supported_hash_types */
	uint16_t port = control_port(&c, ",cq=1,queues=2,rss=1");
	ok(vionet_start(port));
	control_made("hashing");
	int fd = caller();
	answers(fd, "set 0 rss key=00010203040506070809000102030405060708090001020304050607080900010203040506070809 "
	            "table=1,0,1,1 types=ipv4,udp6 unclassified=1", "ok\n");
	tells(fd, "info 0", "rss_key 00010203040506070809000102030405060708090001020304050607080900010203040506070809\n"
	                    "rss_table 1,0,1,1\nrss_types ipv4,udp6\nrss_unclassified 1\n");
	answers(fd, "set 0 rss types=all", "ok\n"); /* the rest stays */
	tells(fd, "info 0", "rss_table 1,0,1,1\nrss_types ipv4,tcp4,udp4,ipv6,tcp6,udp6\nrss_unclassified 1\n");
	tells(fd, "set 0 rss", "error 22 rss: nothing is to be set");
	tells(fd, "set 0 rss table=", "error 22 rss table: wanted are");
	tells(fd, "set 0 rss key=0", "error 22 rss key: wanted are");
	tells(fd, "set 0 rss key=0g", "error 22 rss key: wanted are");
	tells(fd, "set 0 rss types=tcp5", "error 22 rss types: wanted are");
	tells(fd, "set 0 rss tables=1", "error 22 rss tables: wanted are");
	tells(fd, "set 0 rss table=1,2", "error 22 ");
	tells(fd, "info 0", "rss_table 1,0,1,1\n");
	close(fd);
	vionet_control_close(control);
	vionet_close(port);
	control_end(&c);
}
