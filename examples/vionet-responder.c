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
#include <time.h>
#include <unistd.h>
#include <vionet.h>
#include "ipv4.h"

#define BURST 32
#define MAX_LEASES 256
#define OFFER_SECONDS 30 /* for which an address stays offered to one client */

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

static struct lease {
	uint8_t mac[6];
	time_t until; /* 0: nobody has it */
} leases[MAX_LEASES];

static uint8_t mac[6];
static uint32_t address, mask, first, lease_count, router, name_server, lease_seconds = 3600;
static uint64_t counts[FATES], no_room;
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

/* ---- DHCP (RFC 2131) --------------------------------------------------------------------------------------------- */

enum { DISCOVER = 1, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE, INFORM };
/* Bytes from the start of a frame, whose IPv4 header has no options, and of BOOTP. */
enum { AT_UDP = AT_IP + 20, AT_BOOTP = AT_UDP + 8, ANSWER = AT_BOOTP + 300, CLIENT_IP = 12, YOUR_IP = 16, RELAY = 24,
       CLIENT = 28, COOKIE = 236, OPTIONS = 240 };

/* Returns the value of an option that is as long as that; NULL if there is none. */
static const uint8_t *option(const uint8_t *at, const uint8_t *end, uint8_t code, uint8_t length)
{
	while (at < end && *at != 255) {
		if (*at == 0) {
			at++;
			continue;
		}
		if (end - at < 2 || end - at - 2 < at[1])
			return NULL;
		if (at[0] == code)
			return at[1] == length ? at + 2 : NULL;
		at += 2 + at[1];
	}
	return NULL;
}

/* The lease of the client; else a free one, that which the client wants if possible; NULL if all are in use. */
static struct lease *lease_of(const uint8_t *client, uint32_t wanted, time_t now)
{
	struct lease *found = NULL;
	for (struct lease *l = leases; l < leases + lease_count; l++) {
		if (l->until != 0 && memcmp(l->mac, client, 6) == 0)
			return l;
		if (l->until < now && (found == NULL || wanted == first + (uint32_t)(l - leases)))
			found = l;
	}
	return found;
}

/* Which message answers that of a client, and which address the client gets; 0: none. */
static int decide(const uint8_t *bootp, const uint8_t *end, uint32_t *yours)
{
	const uint8_t *type = option(bootp + OPTIONS, end, 53, 1), *wish = option(bootp + OPTIONS, end, 50, 4);
	const uint8_t *server = option(bootp + OPTIONS, end, 54, 4), *client = bootp + CLIENT;
	uint32_t wanted = get32(wish != NULL ? wish : bootp + CLIENT_IP);
	time_t now = time(NULL);
	struct lease *l = lease_of(client, wanted, now);
	*yours = 0;
	if (type == NULL || (server != NULL && get32(server) != address) || get32(bootp + RELAY) != 0)
		return 0;
	if (*type == INFORM) /* it has an address already */
		return ACK;
	if (*type == REQUEST && (l == NULL || wanted != first + (uint32_t)(l - leases)))
		return NAK;
	if (l != NULL && (*type == RELEASE || *type == DECLINE) && memcmp(l->mac, client, 6) == 0)
		*l = (struct lease){.until = *type == DECLINE ? now + lease_seconds : 0}; /* declined: somebody else has it */
	if (l == NULL || (*type != DISCOVER && *type != REQUEST))
		return 0;
	if (*type == REQUEST || l->until < now + OFFER_SECONDS) /* a lease is not shortened by who only asks for one */
		l->until = now + (*type == DISCOVER ? OFFER_SECONDS : (time_t)lease_seconds);
	memcpy(l->mac, client, 6);
	*yours = first + (uint32_t)(l - leases);
	return *type == DISCOVER ? OFFER : ACK;
}

static uint8_t *add(uint8_t *at, uint8_t code, uint32_t value)
{
	if (value == 0)
		return at;
	at[0] = code, at[1] = 4;
	put32(at + 2, value);
	return at + 6;
}

/* Writes the answer of that type into ANSWER bytes: with the shortest BOOTP there may be, which has room for the options. */
static void write_answer(uint8_t *frame, const uint8_t *asked, uint8_t type, uint32_t yours)
{
	uint8_t *ip = frame + AT_IP, *udp = frame + AT_UDP, *bootp = frame + AT_BOOTP, *at = bootp + OPTIONS;
	bool direct = get32(asked + CLIENT_IP) != 0 && type != NAK, all = !direct && (type == NAK || asked[10] & 0x80);
	memset(frame, 0, ANSWER);
	memcpy(frame, all ? (const uint8_t *)"\xff\xff\xff\xff\xff\xff" : asked + CLIENT, 6);
	memcpy(frame + 6, mac, 6);
	memcpy(frame + AT_TYPE, "\x08\0\x45", 3);
	put16(ip + IP_LENGTH, ANSWER - AT_IP);
	ip[IP_LIFE] = 64, ip[IP_PROTOCOL_AT] = PROTOCOL_UDP;
	put32(ip + IP_FROM, address);
	put32(ip + IP_TO, direct ? get32(asked + CLIENT_IP) : all ? INADDR_BROADCAST : yours);
	put16(ip + IP_SUM, (uint16_t)~sum_of(ip, 20, 0));
	put32(udp, 67 << 16 | 68);
	put16(udp + 4, ANSWER - AT_UDP);
	memcpy(bootp, asked, 44); /* the number by which the client knows its answer, its flags and addresses */
	bootp[0] = 2;
	put32(bootp + YOUR_IP, yours);
	memcpy(bootp + COOKIE, "\x63\x82\x53\x63", 4);
	at[0] = 53, at[1] = 1, at[2] = type;
	at = add(add(at + 3, 54, address), 51, yours != 0 ? lease_seconds : 0);
	if (type != NAK)
		at = add(add(add(at, 1, mask), 3, router), 6, name_server);
	*at = 255;
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
	uint16_t sent = vionet_tx_burst(port, 0, answers, vionet_tx_prepare(port, 0, answers, count));
	vionet_packet_free_bulk(answers + sent, count - sent);
	no_room += count - sent;
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
	printf("%" PRIu64 " received, %" PRIu64 " sent, %" PRIu64 " without room\n", stats.rx.packets, stats.tx.packets, no_room);
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
