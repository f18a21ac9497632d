/* SPDX-License-Identifier: BSD-2-Clause */
/* What the device of a soft: port does not pass on is counted by the reason, and the port's link and a sentence say why. */
#include "../support/cases.h"
#include "../support/frame.h"
#include "../support/xstats.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

static char folder[] = "/tmp/vionet-test-XXXXXX", address[300];
static uint16_t port;
static int link_events;

static void noted(uint16_t number, int event, void *user)
{
	(void)user;
	link_events += number == port && event == VIONET_EVENT_LINK;
}

BEFORE_EACH { yes(mkdtemp(folder) != NULL); }
AFTER_EACH
{
	char command[64];
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	same(system(command), 0);
}

/* The port's counter of that name. */
static uint64_t counted(const char *name) { return xstat(port, name); }

#define reason_says(needle) \
	do { \
		struct vionet_info info_ = info_of(port); \
		if (strstr(info_.reason, needle) == NULL) \
			FAILED("the reason is \"%s\", and does not name %s", info_.reason, needle); \
	} while (0)

/* Waits until the link is as given, and for the event that says so. */
static void link_becomes(int up)
{
	soon((vionet_event_handle(port), info_of(port).link_up == up));
	yes(link_events > 0);
}

static void send(uint32_t count, uint32_t length)
{
	for (uint32_t i = 0; i < count; i++) {
		struct vionet_packet *packet = frame_packet(0, length, i);
		send_all(port, &packet, 1);
	}
}

static void receive(uint16_t count, uint32_t length)
{
	struct vionet_packet *packets[32];
	receive_all(port, packets, count);
	for (uint16_t i = 0; i < count; i++)
		same(packets[i]->total_length, length);
	vionet_packet_free_bulk(packets, count);
}

/* A capture with records of these lengths; the last one lacks that many bytes of its data. */
static const char *capture(const uint32_t *lengths, int count, uint32_t missing)
{
	static char path[64];
	static unsigned char data[300000];
	uint32_t head[6] = {0xa1b2c3d4, 2 | 4 << 16, 0, 0, 262144, 1};
	snprintf(path, sizeof(path), "%s/in", folder);
	FILE *f = fopen(path, "we");
	yes(f != NULL && fwrite(head, 24, 1, f) == 1);
	for (int i = 0; i < count; i++) {
		uint32_t record[4] = {0, 0, lengths[i], lengths[i]};
		frame_fill(data, lengths[i], (uint32_t)i);
		same(fwrite(record, 16, 1, f), 1);
		same(fwrite(data, lengths[i] - (i == count - 1 ? missing : 0), 1, f), 1);
	}
	fclose(f);
	snprintf(address, sizeof(address), "soft:pcap=%s", path);
	return address;
}

CASE("a frame of a capture that is longer than the MTU is counted, and the end has a reason")
{
	port = opened(capture((uint32_t[]){60, 9000, 60}, 3, 0));
	receive(2, 60);
	soon(counted("rx_device_packets") == 2);
	same(counted("rx_device_drop_long"), 1);
	soon(info_of(port).reason[0] != 0);
	reason_says("ended after 3 frames");
	same(info_of(port).link_up, 1);
	ok(vionet_stats_reset(port));
	same(counted("rx_device_drop_long"), 0);
	vionet_close(port);
	port = opened(strcat(address, ",mtu=9000"));
	struct vionet_packet *packets[3];
	receive_all(port, packets, 3);
	same(packets[1]->total_length, 9000);
	vionet_packet_free_bulk(packets, 3);
	same(counted("rx_device_drop_long"), 0);
	vionet_close(port);
}

CASE("a capture that is cut, or whose record is longer than any, ends with an event and a reason")
{
	ok(vionet_event_add(noted, NULL));
	port = opened(capture((uint32_t[]){60, 60, 60}, 3, 40));
	receive(2, 60);
	link_becomes(0);
	reason_says("record 3");
	reason_says("/in\"");
	same(counted("rx_device_drop_record"), 1);
	vionet_close(port);
	link_events = 0;
	port = opened(capture((uint32_t[]){60, 60, 262145, 60}, 4, 0));
	receive(2, 60);
	link_becomes(0);
	reason_says("262145");
	same(counted("rx_device_drop_record"), 1);
	same(counted("rx_device_packets"), 2);
	vionet_close(port);
}

CASE("frames that a full disk does not take are counted, with an event, and the file ends with a whole one")
{
	struct stat s;
	char file[64];
	if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("none", folder, "tmpfs", 0, "size=64k") != 0)
		skip("mounting a tmpfs wants root");
	ok(vionet_event_add(noted, NULL));
	snprintf(file, sizeof(file), "%s/out", folder);
	snprintf(address, sizeof(address), "soft:pcap=,out=%s", file);
	port = opened(address);
	same(info_of(port).reason[0], 0);
	send(500, 1000);
	link_becomes(0);
	reason_says("No space left on device");
	reason_says("/out\"");
	soon(counted("tx_device_packets") == 500);
	same(stat(file, &s), 0);
	soon(counted("tx_device_drop_wire") == 500 - (uint64_t)(s.st_size - 24) / 1016);
	same((s.st_size - 24) % 1016, 0);
	yes(s.st_size > 40000);
	vionet_close(port);
	same(stat(file, &s), 0);
	same((s.st_size - 24) % 1016, 0);
	same(umount(folder), 0);
}

CASE("a pipe without its other end has no link, and what is sent there is counted")
{
	ok(vionet_event_add(noted, NULL));
	port = opened("soft:pipe=losses");
	same(info_of(port).link_up, 0);
	reason_says("\"losses\" has no other end");
	send(7, 60);
	soon(counted("tx_device_drop_wire") == 7);
	same(counted("tx_device_packets"), 7);
	uint16_t other = opened("soft:pipe=losses");
	link_becomes(1);
	same(info_of(port).reason[0], 0);
	send(5, 60);
	soon(xstat(other, "rx_device_packets") == 5);
	same(counted("tx_device_drop_wire"), 7);
	vionet_close(other);
	link_becomes(0);
	vionet_close(port);
}

CASE("frames of a generator that the driver does not take are counted")
{
	port = opened("soft:generate,length=2000,mtu=1500,rate=1000");
	soon(counted("rx_device_drop_long") > 10);
	same(counted("rx_device_packets"), 0);
	same(counted("rx_device_drop_no_buffer"), 0);
	vionet_close(port);
	port = opened("soft:generate,length=2000,mtu=1500");
	soon(counted("rx_device_drop_long") > 0);
	vionet_close(port);
	port = opened("soft:generate,rate=100000");
	soon(counted("rx_device_drop_no_buffer") > 100); /* nobody receives */
	same(counted("rx_device_drop_long"), 0);
	vionet_close(port);
}

CASE("mac= is the address of the device, too")
{
	static const unsigned char mine[6] = {2, 0, 0, 0, 7, 7};
	/* Without CTRL_MAC_ADDR the driver cannot tell the device its address, by which that filters. */
	port = opened("soft:loopback,cq=1,mac=02:00:00:00:07:07,features_off=0x800000");
	ok(vionet_promiscuous_set(port, 0));
	struct vionet_packet *packet = frame_packet(0, 60, 1);
	memcpy(packet->data, mine, 6);
	send_all(port, &packet, 1);
	receive(1, 60);
	send(3, 60);
	soon(counted("rx_device_filtered") == 3);
	vionet_close(port);
}

/* ---- TAP ------------------------------------------------------------------------------------------------------------ */

static void shell(const char *command)
{
	if (system(command) != 0)
		FAILED("%s", command);
}

static void own_network(void)
{
	if (unshare(CLONE_NEWNET) != 0 || access("/dev/net/tun", R_OK | W_OK) != 0)
		skip("an interface wants root and /dev/net/tun");
	ok(vionet_event_add(noted, NULL));
	port = opened("soft:tap=loss0");
	same(info_of(port).link_up, 0);
	reason_says("ip link set loss0 up");
	shell("echo 1 >/proc/sys/net/ipv6/conf/loss0/disable_ipv6");
}

CASE("the link of soft:tap follows its interface, and what a port without a link sends is counted")
{
	own_network();
	send(20, 60);
	soon(counted("tx_device_drop_wire") == 20);
	for (int i = 0; i < 3; i++) {
		shell("ip link set loss0 up");
		link_becomes(1);
		same(info_of(port).reason[0], 0);
		send(20, 60);
		soon(counted("tx_device_packets") == 20 + 20 * (uint64_t)(i + 1));
		same(counted("tx_device_drop_wire"), 20);
		shell("ip link set loss0 down");
		link_becomes(0);
		link_events = 0;
	}
	shell("ip link delete loss0");
	soon((vionet_event_handle(port), strstr(info_of(port).reason, "was removed") != NULL));
	send(5, 60);
	soon(counted("tx_device_drop_wire") == 25);
	vionet_close(port);
}

CASE("frames of an interface that are longer than the port's MTU are counted")
{
	own_network();
	shell("ip link set loss0 mtu 9000 up");
	shell("ip address add 198.18.9.1/24 dev loss0 && ip neighbour add 198.18.9.2 lladdr 02:00:00:00:00:99 dev loss0");
	link_becomes(1);
	shell("python3 -c 'import socket\n"
	      "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
	      "for size in [4000] * 20 + [100]: s.sendto(bytes(size), (\"198.18.9.2\", 9))'");
	receive(1, 142);
	same(counted("rx_device_drop_long"), 20);
	same(counted("rx_device_packets"), 1);
	vionet_close(port);
}
