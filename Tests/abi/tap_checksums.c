/* SPDX-License-Identifier: BSD-2-Clause */
/* A checksum that a frame for soft:tap lacks, though nobody asks for it, is put in; one that is there, or may lack, stays. */
#include "../support/cases.h"
#include "../support/frame.h"

#include <arpa/inet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>

enum { TCP = 6, UDP = 17, LENGTH = 40 };
static uint16_t port;
static int sniffer;

struct row {
	const char *name;
	int version, type, tagged, fragment;
	uint16_t checksum; /* as it is sent; 1: the right one */
	int is_right;      /* as it arrives; else as it was sent */
};
static const struct row rows[] = {
	{"TCP over IPv4 without a checksum", 4, TCP, 0, 0, 0, 1},
	{"TCP over IPv6 without a checksum", 6, TCP, 0, 0, 0, 1},
	{"UDP over IPv6 without a checksum", 6, UDP, 0, 0, 0, 1},
	{"UDP over IPv6 with all ones for a checksum", 6, UDP, 0, 0, 0xffff, 1},
	{"TCP over IPv4 behind a tag, without a checksum", 4, TCP, 1, 0, 0, 1},
	{"TCP over IPv4 with a right checksum", 4, TCP, 0, 0, 1, 1},
	{"TCP over IPv4 with a wrong checksum", 4, TCP, 0, 0, 0x1234, 0},
	{"UDP over IPv4 without a checksum, as is allowed", 4, UDP, 0, 0, 0, 0},
	{"a fragment of TCP over IPv4", 4, TCP, 0, 1, 0, 0},
};

static uint32_t sum(const unsigned char *p, uint32_t count)
{
	uint32_t total = 0;
	for (uint32_t i = 0; i < count; i++)
		total += (uint32_t)p[i] << (i % 2 ? 0 : 8);
	return total;
}

/* The ones' complement sum of a segment and its pseudo-header: 0xffff if its checksum is right. */
static uint16_t folded(const struct row *r, const unsigned char *ip)
{
	const unsigned char *segment = ip + (r->version == 4 ? 20 : 40);
	uint32_t total = sum(segment, LENGTH) + (uint32_t)r->type + LENGTH;
	total += r->version == 4 ? sum(ip + 12, 8) : sum(ip + 8, 32);
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return (uint16_t)total;
}

static uint32_t make(const struct row *r, unsigned char *frame)
{
	uint32_t header = r->version == 4 ? 20 : 40, at = r->tagged ? 18 : 14;
	memset(frame, 0, 200);
	memcpy(frame, (unsigned char[]){2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1, 0x81, 0, 0, 5}, 16);
	frame[at - 2] = r->version == 4 ? 0x08 : 0x86;
	frame[at - 1] = r->version == 4 ? 0x00 : 0xdd;
	unsigned char *ip = frame + at, *segment = ip + header;
	if (r->version == 4) {
		memcpy(ip, (unsigned char[]){0x45, 0, 0, 20 + LENGTH, 0, 0, r->fragment ? 0x20 : 0x40, 0, 64}, 9);
		ip[9] = (unsigned char)r->type;
		memcpy(ip + 12, (unsigned char[]){198, 18, 0, 1, 198, 18, 0, 2}, 8);
	} else {
		memcpy(ip, (unsigned char[]){0x60, 0, 0, 0, 0, LENGTH}, 6);
		ip[6] = (unsigned char)r->type;
		memcpy(ip + 8, (unsigned char[]){0x20, 1, 0xd, 0xb8}, 4);
		ip[39] = 7;
	}
	for (int i = 0; i < LENGTH; i++)
		segment[i] = (unsigned char)(i * 37 + 1);
	unsigned char *field = segment + (r->type == TCP ? 16 : 6);
	field[0] = field[1] = 0;
	uint16_t value = r->checksum == 1 ? (uint16_t)~folded(r, ip) : r->checksum;
	field[0] = (unsigned char)(value >> 8);
	field[1] = (unsigned char)value;
	return at + header + LENGTH;
}

static const char *title(unsigned int row) { return rows[row].name; }

CASES(sizeof(rows) / sizeof(rows[0]), title)
{
	const struct row *r = &rows[row];
	unsigned char frame[200], got[400];
	if (unshare(CLONE_NEWNET) != 0 || access("/dev/net/tun", R_OK | W_OK) != 0)
		skip("an interface wants root and /dev/net/tun");
	port = opened("soft:tap=check0");
	same(system("echo 1 >/proc/sys/net/ipv6/conf/check0/disable_ipv6; ip link set check0 up"), 0);
	soon((vionet_event_handle(port), info_of(port).link_up == 1));
	sniffer = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL),
	                         .sll_ifindex = (int)if_nametoindex("check0")};
	same(bind(sniffer, (struct sockaddr *)&at, sizeof(at)), 0);
	uint32_t length = make(r, frame);
	struct vionet_packet *packet = vionet_packet_alloc(0);
	memcpy(vionet_packet_append(packet, length), frame, length);
	send_all(port, &packet, 1);
	struct pollfd waits = {.fd = sniffer, .events = POLLIN};
	same(poll(&waits, 1, LONG_WAIT), 1);
	ssize_t count = recv(sniffer, got, sizeof(got), 0);
	/* The kernel takes a tag out of what it shows. */
	same(count, length - (r->tagged ? 4 : 0));
	if (r->is_right)
		same(folded(r, got + 14), 0xffff);
	else
		same(memcmp(got, frame, length), 0);
	vionet_close(port);
	close(sniffer);
}
