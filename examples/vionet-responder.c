/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vionet-responder - answer ARP, ping and DHCP on a device
 *
 * It has one IPv4 address. Questions become answers in the packet in which they came; only a DHCP answer is a packet of its
 * own. An answer has the VLAN tag of its question. It sleeps while nothing comes.
 *
 *     cc vionet-responder.c $(pkg-config --cflags --libs vionet) -o vionet-responder
 *     vionet-responder -d 10.0.0.100-10.0.0.199 soft:tap=tap0 10.0.0.1/24
 */
#include <err.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
#include <vionet.h>
#include "dhcp.h"

#define BURST 32

static const char usage[] =
	"usage: vionet-responder [-h] [-d FIRST-LAST] [-g ROUTER] [-l SECONDS] [-n SERVER] [-t SECONDS] DEVICE ADDRESS/BITS\n"
	"  -d  give these addresses to DHCP clients, 256 at most\n"
	"  -g  the router that DHCP clients are told of\n"
	"  -l  how long a client may keep an address (3600)\n"
	"  -n  the name server that DHCP clients are told of\n"
	"  -t  stop after this time, not only at SIGINT or SIGTERM";

/* What becomes of a frame. */
enum { ANSWERED_ARP, ANSWERED_ECHO, ANSWERED_DHCP, DROP_OTHER, DROP_FRAGMENT, DROP_MALFORMED, DROP_NO_LEASE,
       DROP_NO_PACKET, FATES };
static const char *const fates[FATES] = {"ARP answers", "echo answers", "DHCP answers", "for others", "fragments",
                                         "malformed", "DHCP without an answer", "no packet free"};

static uint64_t counts[FATES], no_room, refused;
static volatile sig_atomic_t stopped;

static void stop(int signal) { stopped = signal; }

/* Changes the type from 8 to 0, and the checksum with it (RFC 1624), so that one that was wrong stays wrong. */
static int answer_echo(uint8_t *frame, uint32_t header, uint32_t length)
{
	uint8_t *ip = frame + AT_IP, *icmp = ip + header;
	if (length < 8)
		return DROP_MALFORMED;
	if (icmp[0] != 8 || icmp[1] != 0)
		return DROP_OTHER;
	uint32_t sum = get16(icmp + 2) + 0x800u;
	put16(icmp + 2, sum + (sum >> 16));
	icmp[0] = 0;
	memcpy(ip + IP_TO, ip + IP_FROM, 4);
	put32(ip + IP_FROM, address);
	ip[IP_LIFE] = 64;
	put16(ip + IP_SUM, 0);
	put16(ip + IP_SUM, (uint16_t)~sum_of(ip, header, 0));
	memcpy(frame, frame + 6, 6);
	memcpy(frame + 6, mac, 6);
	return ANSWERED_ECHO;
}

/* Puts the answer in the place of the question. The library finishes its UDP checksum: vionet_tx_prepare(). */
static int answer_dhcp(struct vionet_packet **place, uint32_t room)
{
	struct vionet_packet *asked = *place, *p;
	uint8_t udp[1500], *ip = (uint8_t *)asked->data + AT_IP, *bootp = udp + 8;
	room = room < sizeof(udp) ? room : sizeof(udp);
	memcpy(udp, ip + 20, room); /* a device might change it while it is read */
	uint32_t length = room < 8 ? 0 : get16(udp + 4), yours;
	if (length < 8 + OPTIONS || length > room || memcmp(bootp, "\1\1\6", 3) != 0 ||
	    memcmp(bootp + COOKIE, "\x63\x82\x53\x63", 4) != 0 ||
	    (get16(udp + 6) != 0 && (asked->flags & VIONET_PACKET_CHECKSUM_PARTIAL) == 0 &&
	     sum_of(udp, length, pseudo_header(ip, length)) != 0xffff))
		return DROP_MALFORMED;
	int type = decide(bootp, udp + length, &yours);
	if (type == 0)
		return DROP_NO_LEASE;
	uint8_t *frame = (p = vionet_packet_alloc(asked->pool)) != NULL ? vionet_packet_append(p, ANSWER) : NULL;
	if (frame == NULL)
		return DROP_NO_PACKET;
	write_answer(frame, bootp, (uint8_t)type, yours);
	p->flags = VIONET_PACKET_CHECKSUM_PARTIAL | (asked->flags & VIONET_PACKET_VLAN);
	p->vlan = asked->vlan;
	vionet_packet_free(asked);
	*place = p;
	return ANSWERED_DHCP;
}

static int answer(struct vionet_packet **place)
{
	struct vionet_packet *p = *place;
	uint32_t header, length;
	if (vionet_packet_linearise(p) != 0 || p->length < AT_IP)
		return DROP_MALFORMED;
	uint8_t *frame = p->data, *ip = frame + AT_IP;
	if (get16(frame + AT_TYPE) == TYPE_ARP)
		return answer_arp(frame, p->length, address, mac) ? ANSWERED_ARP : DROP_OTHER;
	if (get16(frame + AT_TYPE) != TYPE_IPV4)
		return DROP_OTHER;
	if (!is_ipv4(ip, p->length - AT_IP, p->length - AT_IP, &header, &length))
		return DROP_MALFORMED;
	bool is_ours = memcmp(frame, mac, 6) == 0 && get32(ip + IP_TO) == address;
	if (is_fragment(ip))
		return DROP_FRAGMENT;
	if (ip[IP_PROTOCOL_AT] == PROTOCOL_ICMP && is_ours)
		return answer_echo(frame, header, length);
	if (ip[IP_PROTOCOL_AT] != PROTOCOL_UDP || header != 20 || lease_count == 0 || length < 4 || get16(ip + header + 2) != 67)
		return DROP_OTHER;
	return is_ours || get32(ip + IP_TO) == INADDR_BROADCAST ? answer_dhcp(place, length) : DROP_OTHER;
}

/* An answer that cannot be sent, because it is longer than the device takes, does not hold up those behind it. */
static void send_answers(uint16_t port, struct vionet_packet **answers, uint16_t count)
{
	while (count > 0) {
		uint16_t good = vionet_tx_prepare(port, 0, answers, count), sent = vionet_tx_burst(port, 0, answers, good);
		if (good < count && refused++ == 0)
			warnx("an answer cannot be sent: %s", vionet_error());
		vionet_packet_free_bulk(answers + sent, good - sent + (good < count));
		no_room += good - sent;
		good += good < count;
		answers += good, count -= good;
	}
}

static bool answer_burst(uint16_t port)
{
	struct vionet_packet *packets[BURST], *answers[BURST];
	uint16_t received = vionet_rx_burst(port, 0, packets, BURST), count = 0;
	for (int i = 0; i < received; i++) {
		int fate = answer(&packets[i]);
		counts[fate]++;
		if (fate < DROP_OTHER)
			answers[count++] = packets[i];
		else
			vionet_packet_free(packets[i]);
	}
	send_answers(port, answers, count);
	return received > 0;
}

static void run(uint16_t port, struct vionet_info *info)
{
	struct vionet_stats stats = VIONET_SIZED(struct vionet_stats);
	fputs("answering\n", stderr);
	while (!stopped && info->state != VIONET_STATE_BROKEN) {
		if (answer_burst(port))
			continue;
		vionet_tx_done(port, 0);
		if (vionet_rx_wait(port, 0, 1000) < 0) /* a signal that comes right before the sleep is seen a second later */
			usleep(100000);
		vionet_event_handle(port);
		vionet_info(port, info);
	}
	vionet_stats(port, &stats);
	printf("%" PRIu64 " received, %" PRIu64 " sent, %" PRIu64 " without room, %" PRIu64 " refused\n", stats.rx.packets,
	       stats.tx.packets, no_room, refused);
	for (int fate = 0; fate < FATES; fate++)
		if (counts[fate] != 0)
			printf("  %s: %" PRIu64 "\n", fates[fate], counts[fate]);
}

static bool read_range(char *text)
{
	char *dash = strchr(text, '-');
	if (dash == NULL)
		return false;
	*dash = 0;
	first = read_address(text, NULL);
	lease_count = read_address(dash + 1, NULL) - first + 1;
	return first != 0 && lease_count >= 1 && lease_count <= MAX_LEASES;
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = {{"help", no_argument, NULL, 'h'}, {0}};
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	struct vionet_info info = VIONET_SIZED(struct vionet_info);
	uint16_t port;
	bool well = true;
	signal(SIGINT, stop);
	signal(SIGTERM, stop);
	signal(SIGALRM, stop);
	for (int option; (option = getopt_long(argc, argv, "d:g:hl:n:t:", long_options, NULL)) != -1;) {
		switch (option) {
		case 'd': well = read_range(optarg) && well; break;
		case 'g': well = (router = read_address(optarg, NULL)) != 0 && well; break;
		case 'h': puts(usage); return 0;
		case 'l': well = (lease_seconds = (uint32_t)atoi(optarg)) != 0 && well; break;
		case 'n': well = (name_server = read_address(optarg, NULL)) != 0 && well; break;
		case 't': alarm((unsigned int)atoi(optarg)); break;
		default: errx(2, "%s", usage);
		}
	}
	if (!well || argc - optind != 2 || (address = read_address(argv[optind + 1], &mask)) == 0)
		errx(2, "%s", usage);
	config.rx_offloads = VIONET_RX_VLAN_STRIP;
	if (vionet_open_config(argv[optind], &config, &port) != 0 || vionet_info(port, &info) != 0)
		errx(1, "%s", vionet_error());
	memcpy(mac, info.mac, 6);
	run(port, &info);
	vionet_close(port);
	return info.state == VIONET_STATE_BROKEN;
}
