/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vionet-gateway - a NAT between two devices: many hosts share one IPv4 address
 *
 * Hosts behind INSIDE reach what is behind OUTSIDE through ROUTER, under the address of this gateway: TCP, UDP and ping. From
 * outside only answers come in, and ICMP errors about what went out, whose quotes are translated too. Devices may leave checksums and segments to each other; what a device does not do, the
 * library does.
 *
 *     cc vionet-gateway.c $(pkg-config --cflags --libs vionet) -o vionet-gateway
 *     vionet-gateway vhost-user:/run/a.sock 10.0.0.1/24 soft:tap=nat 192.0.2.2/24 192.0.2.1
 */
#include <err.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
#include <vionet.h>
#include "connections.h"
#include "icmp_errors.h"

#define BURST 32

static const char usage[] =
	"usage: vionet-gateway [-h] [-c COUNT] [-e SECONDS] [-t SECONDS] INSIDE ADDRESS/BITS OUTSIDE ADDRESS/BITS ROUTER\n"
	"  -c  connections at one time (16384)\n"
	"  -e  forget a connection that was silent for this time (TCP 7440 once answered, UDP 300, others 60)\n"
	"  -t  stop after this time, not only at SIGINT or SIGTERM";

/* What becomes of a frame. */
enum { TRANSLATED, ANSWERED, TAKEN, DROP_OTHER, DROP_MALFORMED, DROP_FRAGMENT, DROP_LIFE, DROP_SOURCE, DROP_UNKNOWN,
       DROP_FULL, DROP_NO_ROUTER, FATES };
static const char *const fates[FATES] = {"translated", "ARP requests", "ARP answers", "for others", "malformed", "fragments",
                                         "time to live", "source address", "no connection", "too many connections",
                                         "router unknown"};

static struct side {
	uint16_t port, waiting;
	struct vionet_info info;
	uint32_t address, mask;
	struct vionet_packet *batch[2 * BURST]; /* to be sent: those that are waiting */
	uint64_t counts[FATES], offered, no_room;
} inside, outside;

static int patience;
static uint32_t router;
static uint8_t router_mac[6];
static bool router_known;
static time_t now, asked; /* asked: when the router was, for its address */
static volatile sig_atomic_t stopped;

static void stop(int signal) { stopped = signal; }

static void put(struct side *s, struct vionet_packet *p)
{
	s->batch[s->waiting++] = p;
	s->offered++;
}

static void flush(struct side *s)
{
	uint16_t sent = vionet_tx_burst(s->port, 0, s->batch, s->waiting);
	vionet_packet_free_bulk(s->batch + sent, s->waiting - sent);
	s->no_room += s->waiting - sent;
	s->waiting = 0;
}

static int take_arp(struct side *s, struct vionet_packet *p)
{
	uint8_t *frame = p->data, *arp = frame + AT_IP;
	bool from_router = s == &outside && p->length >= AT_IP + ARP_LENGTH && get32(arp + ARP_SENDER_IP) == router;
	if (from_router && get32(arp + ARP_TARGET_IP) == s->address) {
		memcpy(router_mac, arp + ARP_SENDER, 6);
		router_known = true;
	}
	if (!answer_arp(frame, p->length, s->address, s->info.mac))
		return from_router ? TAKEN : DROP_OTHER;
	put(s, p);
	return ANSWERED;
}

/* Asks each second until the router has answered, then each minute. */
static void ask_router(void)
{
	struct vionet_packet *p = now - asked >= (router_known ? 60 : 1) ? vionet_packet_alloc(outside.info.pool) : NULL;
	uint8_t *frame = p != NULL ? vionet_packet_append(p, ARP_FRAME) : NULL;
	if (frame == NULL)
		return;
	ask_arp(frame, outside.info.mac, outside.address, router);
	put(&outside, p);
	asked = now;
}

/* Finds or makes the connection of a packet that goes out. */
static int connect_out(const uint8_t *frame, const struct transport *t, struct connection **found)
{
	struct flow f = {get32(t->ip + IP_FROM), get32(t->ip + IP_TO), get16(t->ports), 0, t->protocol};
	if (f.host == inside.address || (f.host & inside.mask) != (inside.address & inside.mask))
		return DROP_SOURCE;
	if ((f.remote & inside.mask) == (inside.address & inside.mask) || f.remote >> 28 >= 14) /* groups, broadcast */
		return DROP_OTHER;
	if (t->protocol == PROTOCOL_ICMP ? t->icmp_type != 8 : t->protocol != PROTOCOL_TCP && t->protocol != PROTOCOL_UDP)
		return DROP_OTHER;
	if (t->protocol != PROTOCOL_ICMP)
		f.remote_port = get16(t->ports + 2);
	if (!router_known)
		return DROP_NO_ROUTER;
	if ((*found = find(&f)) == NULL && t->protocol == PROTOCOL_TCP && (t->tcp_flags & 0x12) != 2)
		return DROP_UNKNOWN; /* TCP begins with SYN and no ACK */
	if (*found == NULL && (*found = make(&f)) == NULL)
		return DROP_FULL;
	if (t->protocol == PROTOCOL_TCP && (t->tcp_flags & 0x12) == 2) /* the same ports, but another connection */
		(*found)->closing = (*found)->answered = false;
	memcpy((*found)->mac, frame + 6, 6);
	return TRANSLATED;
}

/* Finds the connection of a packet that comes in. */
static int connect_in(const struct transport *t, struct connection **found)
{
	bool echo = t->protocol == PROTOCOL_ICMP;
	if (get32(t->ip + IP_TO) != outside.address || (echo && t->icmp_type != 0))
		return DROP_OTHER;
	*found = find_outside(get16(t->ports + (echo ? 0 : 2)), t->protocol, get32(t->ip + IP_FROM), echo ? 0 : get16(t->ports));
	if (*found == NULL)
		return DROP_UNKNOWN;
	(*found)->answered = true;
	return TRANSLATED;
}

/* Sends a packet on its way, on the other side. */
static int pass(struct side *to, struct vionet_packet *p, const struct connection *c)
{
	uint8_t *frame = p->data, *ip = frame + AT_IP;
	replace16(ip + IP_LIFE, (uint16_t)(get16(ip + IP_LIFE) - 0x100), ip + IP_SUM);
	memcpy(frame, to == &outside ? router_mac : c->mac, 6);
	memcpy(frame + 6, to->info.mac, 6);
	put(to, p);
	return TRANSLATED;
}

static int carry_error(struct side *to, struct vionet_packet *p, uint32_t header, uint32_t payload)
{
	uint8_t *ip = (uint8_t *)p->data + AT_IP;
	struct transport quoted;
	if (p->segments != 1 || p->flags & VIONET_PACKET_CHECKSUM_PARTIAL || !find_quoted(ip + header, payload, &quoted))
		return DROP_MALFORMED;
	struct connection *c = to == &inside ? error_in(ip, &quoted, outside.address) : error_out(ip, &quoted, outside.address);
	if (c == NULL || !router_known)
		return DROP_UNKNOWN;
	sum_error(ip + header, payload);
	return pass(to, p, c);
}

static int carry(struct side *in, struct vionet_packet *p)
{
	struct connection *c;
	struct transport t;
	uint32_t header, payload;
	uint8_t *frame = p->data, *ip = frame + AT_IP;
	bool out = in == &inside;
	if (p->length < AT_IP)
		return DROP_MALFORMED;
	if (get16(frame + AT_TYPE) == TYPE_ARP)
		return take_arp(in, p);
	if (get16(frame + AT_TYPE) != TYPE_IPV4 || memcmp(frame, in->info.mac, 6) != 0)
		return DROP_OTHER;
	if (!is_ipv4(ip, p->length - AT_IP, p->total_length - AT_IP, &header, &payload))
		return DROP_MALFORMED;
	if (is_fragment(ip))
		return DROP_FRAGMENT;
	if (ip[IP_LIFE] <= 1)
		return DROP_LIFE;
	if (!find_transport(p, header, payload, &t))
		return DROP_MALFORMED;
	if (t.protocol == PROTOCOL_ICMP && is_error(ip + header))
		return carry_error(out ? &outside : &inside, p, header, payload);
	int fate = out ? connect_out(frame, &t, &c) : connect_in(&t, &c);
	if (fate != TRANSLATED)
		return fate;
	keep(c, t.tcp_flags, now, patience);
	if (out)
		translate(&t, IP_FROM, outside.address, t.ports, port_of(c));
	else
		translate(&t, IP_TO, c->flow.host, t.ports + (t.protocol == PROTOCOL_ICMP ? 0 : 2), c->flow.host_port);
	return pass(out ? &outside : &inside, p, c);
}

static bool carry_burst(struct side *in)
{
	struct vionet_packet *packets[BURST];
	uint16_t received = vionet_rx_burst(in->port, 0, packets, BURST);
	for (int i = 0, fate; i < received; i++) {
		in->counts[fate = carry(in, packets[i])]++;
		if (fate > ANSWERED)
			vionet_packet_free(packets[i]);
	}
	flush(&inside);
	flush(&outside);
	return received > 0;
}

/* Takes whatever the device leaves to the other side, and whatever the other side left to this device. */
static void open_side(struct side *s, const char *device, const char *address)
{
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	s->info = VIONET_SIZED(struct vionet_info);
	if ((s->address = read_address(address, &s->mask)) == 0)
		errx(2, "%s", usage);
	if (vionet_probe(device, &s->port) != 0 || vionet_info(s->port, &s->info) != 0)
		errx(1, "%s", vionet_error());
	config.rx_offloads = s->info.rx_offloads & (VIONET_RX_CHECKSUM | VIONET_RX_LRO);
	config.tx_offloads = VIONET_TX_SOFTWARE;
	if (vionet_init(s->port, &config) != 0 || vionet_start(s->port) != 0 || vionet_info(s->port, &s->info) != 0)
		errx(1, "%s", vionet_error());
}

/* Lets the library reconnect or recover; false if a device is gone. */
static bool look_after(struct side *s)
{
	vionet_event_handle(s->port);
	vionet_info(s->port, &s->info);
	if (s->info.state == VIONET_STATE_BROKEN)
		warnx("%s: the device is gone or broke the rules", s->info.device);
	return s->info.state != VIONET_STATE_BROKEN;
}

static bool sleep_until_frames(void)
{
	struct vionet_wait_queue list[4];
	for (int i = 0; i < 2; i++) {
		struct side *s = i == 0 ? &inside : &outside;
		bool started = s->info.state == VIONET_STATE_STARTED;
		vionet_tx_done(s->port, 0); /* receive rings may need what was sent */
		list[i] = (struct vionet_wait_queue){.port = s->port, .direction = VIONET_WAIT_EVENT};
		list[2 + i] = (struct vionet_wait_queue){.port = started ? s->port : VIONET_PORT_NONE, .direction = VIONET_WAIT_RX};
	}
	vionet_wait(list, 4, 1000); /* also the time after which a signal that came right before is seen */
	return look_after(&inside) && look_after(&outside);
}

/* Accounts for each frame. A packet that the library cuts into segments is sent as several. */
static void report(struct side *s)
{
	struct vionet_stats stats = VIONET_SIZED(struct vionet_stats);
	vionet_stats(s->port, &stats);
	uint64_t dropped = s->no_room;
	for (int reason = 0; reason < VIONET_DROP_REASONS; reason++)
		dropped += stats.tx.dropped[reason];
	printf("%s: %" PRIu64 " received; %" PRIu64 " for it, %" PRIu64 " sent, %" PRIu64 " dropped\n", s->info.device,
	       stats.rx.packets, s->offered, stats.tx.packets, dropped);
	for (int fate = 0; fate < FATES; fate++)
		if (s->counts[fate] != 0)
			printf("  %s: %" PRIu64 "\n", fates[fate], s->counts[fate]);
	vionet_close(s->port);
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = {{"help", no_argument, NULL, 'h'}, {0}};
	struct timespec time;
	bool well = true;
	int limit = 16384;
	signal(SIGINT, stop);
	signal(SIGTERM, stop);
	signal(SIGALRM, stop);
	for (int option; (option = getopt_long(argc, argv, "c:e:ht:", long_options, NULL)) != -1;) {
		switch (option) {
		case 'c': limit = atoi(optarg); break;
		case 'e': well = (patience = atoi(optarg)) > 0 && well; break;
		case 'h': puts(usage); return 0;
		case 't': alarm((unsigned int)atoi(optarg)); break;
		default: errx(2, "%s", usage);
		}
	}
	if (!well || argc - optind != 5 || limit < 1 || limit > MAX_CONNECTIONS ||
	    (router = read_address(argv[optind + 4], NULL)) == 0)
		errx(2, "%s", usage);
	open_side(&inside, argv[optind], argv[optind + 1]);
	open_side(&outside, argv[optind + 2], argv[optind + 3]);
	limit_connections((uint32_t)limit);
	fputs("translating\n", stderr);
	for (unsigned int idle = 0; !stopped && well; idle++) {
		bool moved = carry_burst(&inside);
		if (carry_burst(&outside) || moved)
			idle = 0;
		if (idle >= 16)
			well = sleep_until_frames();
		clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
		if (time.tv_sec == now)
			continue;
		now = time.tv_sec;
		ask_router();
		forget_silent(now);
		well = look_after(&inside) && look_after(&outside);
	}
	report(&inside);
	report(&outside);
	return well ? 0 : 1;
}
