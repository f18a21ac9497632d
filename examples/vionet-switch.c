/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vionet-switch - a learning switch with VLANs
 *
 * It learns on which port each address is, floods what is for no known address, and sleeps while no frame comes.
 *
 *     cc vionet-switch.c $(pkg-config --cflags --libs vionet) -o vionet-switch
 *     vionet-switch 10@soft:tap=a 10@soft:tap=b 20@soft:tap=c +10,20@vhost-user:/run/trunk.sock,server=1
 *
 * PORT is [UNTAGGED][+TAGGED]@DEVICE. UNTAGGED is the VLAN of frames without a tag. TAGGED has the VLANs whose frames come
 * and go with a tag: numbers and ranges between commas, 10,20-29. A DEVICE alone stands for 1@DEVICE.
 */
#include <err.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <vionet.h>

#define BURST 32
#define MAX_SIDES 32
#define ADDRESSES 65536 /* places, by a hash; an address takes the place of one with the same hash */

static const char usage[] =
	"usage: vionet-switch [-h] [-a SECONDS] [-t SECONDS] PORT...\n"
	"  -a  forget an address that was silent for this time (300)\n"
	"  -t  stop after this time, not only at SIGINT or SIGTERM";

/* What becomes of a received frame. */
enum { FORWARDED, FLOODED, DROP_VLAN, DROP_RESERVED, DROP_SAME_PORT, DROP_NO_PORT, DROP_HEADER, FATES };
static const char *const fates[FATES] = {"", "", "vlan", "reserved address", "same port", "no other port", "header"};

static struct side {
	uint16_t port;
	struct vionet_info info;
	uint16_t untagged;                   /* VLAN of frames without a tag; 0: they are dropped */
	uint8_t tagged[4096 / 8];            /* VLANs of frames with a tag, one bit each */
	struct vionet_packet *batch[BURST];  /* to be sent: this many */
	uint16_t waiting;
	uint64_t received[FATES];            /* by what became of them */
	uint64_t offered, no_room;           /* for it; of those dropped, since it had no room or is gone */
} sides[MAX_SIDES];
static int count;

static struct address {
	uint64_t key; /* VLAN and address; 0: free */
	struct side *side;
	time_t seen;
} addresses[ADDRESSES];
static struct timespec now;
static time_t patience = 300;
static volatile sig_atomic_t stopped;

static void stop(int signal) { stopped = signal; }

static uint64_t key_of(uint16_t vlan, const uint8_t *mac)
{
	uint64_t key = vlan;
	for (int i = 0; i < 6; i++)
		key = key << 8 | mac[i];
	return key;
}

static struct address *place_of(uint64_t key) { return &addresses[key * 0x9e3779b97f4a7c15 >> 48]; }

static bool has_tagged(const struct side *s, uint16_t vlan) { return s->tagged[vlan / 8] >> vlan % 8 & 1; }

static void flush(struct side *s)
{
	bool gone = s->info.state == VIONET_STATE_BROKEN; /* its ring would take packets that nobody sends */
	uint16_t sent = gone ? 0 : vionet_tx_burst(s->port, 0, s->batch, s->waiting);
	vionet_packet_free_bulk(s->batch + sent, s->waiting - sent);
	s->no_room += s->waiting - sent;
	s->waiting = 0;
}

/* Takes over one reference of the packet. */
static void put(struct side *s, struct vionet_packet *p)
{
	s->batch[s->waiting++] = p;
	s->offered++;
	if (s->waiting == BURST)
		flush(s);
}

/*
 * Gives every other port of the VLAN a reference to the same packet. The tag is in front of the bytes, so ports with tag
 * get packets that begin with headers of their own and share the rest.
 */
static bool flood(const struct side *in, struct vionet_packet *p, uint16_t vlan)
{
	struct vionet_packet *with_tag[VIONET_MAX_SEGMENTS];
	int pieces = 0; /* of with_tag */
	bool found = false;
	p->flags &= ~(uint32_t)VIONET_PACKET_VLAN;
	for (struct side *s = sides; s < sides + count; s++) {
		bool plain = s->untagged == vlan;
		if (s == in || (!plain && !has_tagged(s, vlan)))
			continue;
		if (!plain && pieces == 0) {
			p->flags |= VIONET_PACKET_VLAN;
			pieces = vionet_packet_segment(p, with_tag, VIONET_MAX_SEGMENTS);
			p->flags &= ~(uint32_t)VIONET_PACKET_VLAN;
		}
		found = true;
		if (!plain && pieces < 0) /* the pool is empty */
			s->offered++, s->no_room++;
		for (int i = 0; i < (plain ? 1 : pieces); i++)
			if (vionet_packet_reference(plain ? p : with_tag[i]) == 0)
				put(s, plain ? p : with_tag[i]);
	}
	if (pieces > 0)
		vionet_packet_free_bulk(with_tag, (uint16_t)pieces);
	return found;
}

/* The VLAN of a received frame, whose tag the library took out; 0 if the port is not in it. A tag's priority stays. */
static uint16_t vlan_of(const struct side *in, struct vionet_packet *p)
{
	uint16_t tag = p->flags & VIONET_PACKET_VLAN ? p->vlan : 0, vlan = tag & 0xfff;
	if (vlan == 0)
		p->vlan = tag | in->untagged;
	return vlan == 0 ? in->untagged : has_tagged(in, vlan) ? vlan : 0;
}

/* Sends the frame on its way; or says why it goes nowhere, and the caller frees it. */
static int forward(struct side *in, struct vionet_packet *p)
{
	static const uint8_t reserved[5] = {0x01, 0x80, 0xc2}; /* and 00 to 0f: no bridge forwards it (802.1Q, 8.6.3) */
	const uint8_t *frame = p->data;
	uint16_t vlan = vlan_of(in, p);
	if (p->length < 14)
		return DROP_HEADER;
	if (vlan == 0)
		return DROP_VLAN;
	if (memcmp(frame, reserved, 5) == 0 && frame[5] < 16)
		return DROP_RESERVED;
	uint64_t to = key_of(vlan, frame), from = key_of(vlan, frame + 6);
	if ((frame[6] & 1) == 0) /* a group's address is nobody's, so none is learned */
		*place_of(from) = (struct address){from, in, now.tv_sec};
	const struct address *known = place_of(to);
	struct side *out = known->key == to && now.tv_sec - known->seen <= patience ? known->side : NULL;
	if (out == in)
		return DROP_SAME_PORT;
	if (out == NULL)
		return flood(in, p, vlan) ? FLOODED : DROP_NO_PORT;
	p->flags = out->untagged == vlan ? p->flags & ~(uint32_t)VIONET_PACKET_VLAN : p->flags | VIONET_PACKET_VLAN;
	put(out, p);
	return FORWARDED;
}

static bool forward_all(void)
{
	struct vionet_packet *packets[BURST];
	bool moved = false;
	for (struct side *in = sides; in < sides + count; in++)
		for (uint16_t queue = 0; queue < in->info.queue_pairs; queue++) {
			uint16_t received = vionet_rx_burst(in->port, queue, packets, BURST);
			for (int i = 0, fate; i < received; i++) {
				in->received[fate = forward(in, packets[i])]++;
				if (fate != FORWARDED)
					vionet_packet_free(packets[i]);
			}
			moved |= received > 0;
		}
	for (struct side *s = sides; s < sides + count; s++)
		flush(s);
	return moved;
}

/* Lets the library reconnect or recover. */
static void look_after(struct side *s)
{
	uint32_t before = s->info.state;
	vionet_event_handle(s->port);
	if (vionet_info(s->port, &s->info) == 0 && s->info.state == VIONET_STATE_BROKEN && before != s->info.state)
		warnx("%s: the device is gone or broke the rules; the others go on", s->info.device);
}

/* Sleeps until frames come or something happens to a port. Sent packets go back to their pool before, for receive rings. */
static void sleep_until_frames(void)
{
	static struct vionet_wait_queue list[MAX_SIDES * (VIONET_MAX_QUEUE_PAIRS + 1)];
	struct vionet_wait_queue *end = list;
	for (const struct side *s = sides; s < sides + count; s++) {
		vionet_tx_done(s->port, 0);
		if (s->info.state != VIONET_STATE_BROKEN)
			*end++ = (struct vionet_wait_queue){.port = s->port, .direction = VIONET_WAIT_EVENT};
		for (uint16_t queue = 0; s->info.state == VIONET_STATE_STARTED && queue < s->info.queue_pairs; queue++)
			*end++ = (struct vionet_wait_queue){.port = s->port, .queue = queue, .direction = VIONET_WAIT_RX};
	}
	/* A signal that comes right before the sleep is seen a second later. */
	if (end == list || vionet_wait(list, (size_t)(end - list), 1000) < 0)
		poll(NULL, 0, 1000);
	for (struct vionet_wait_queue *w = list; w < end; w++)
		for (struct side *s = sides; w->ready != 0 && s < sides + count; s++)
			if (s->port == w->port && (w->direction == VIONET_WAIT_EVENT || w->ready < 0))
				look_after(s);
}

/* Reads [UNTAGGED][+TAGGED] up to the @. */
static bool read_vlans(struct side *s, const char *text)
{
	char *end = (char *)text; /* strtoul() would take the + for a sign */
	unsigned long untagged = *text == '+' ? 0 : strtoul(text, &end, 10);
	if (untagged > 4094 || (end == text && *text != '+'))
		return false;
	s->untagged = (uint16_t)untagged;
	while (*end == '+' || *end == ',') {
		unsigned long first = strtoul(end + 1, &end, 10), last = *end == '-' ? strtoul(end + 1, &end, 10) : first;
		if (first < 1 || last > 4094 || first > last)
			return false;
		for (unsigned long vlan = first; vlan <= last; vlan++)
			s->tagged[vlan / 8] |= (uint8_t)(1 << vlan % 8);
	}
	return *end == '@';
}

/* Any packet that came can be sent: what a device does not do, the library does. Tags are taken out and put in by it too. */
static void open_side(struct side *s, const char *argument)
{
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	const char *at = strpbrk(argument, "@:");
	bool has_vlans = at != NULL && *at == '@';
	config.rx_offloads = VIONET_RX_VLAN_STRIP;
	config.tx_offloads = VIONET_TX_SOFTWARE;
	s->info = VIONET_SIZED(struct vionet_info);
	s->untagged = 1;
	if (has_vlans && !read_vlans(s, argument))
		errx(2, "%s: VLANs are 1 to 4094\n%s", argument, usage);
	if (vionet_open_config(has_vlans ? at + 1 : argument, &config, &s->port) != 0 || vionet_info(s->port, &s->info) != 0)
		errx(1, "%s", vionet_error());
}

static void print(const char *name, uint64_t value)
{
	if (value != 0)
		printf("  %s: %" PRIu64 "\n", name, value);
}

/* Accounts for each frame, and says why some were dropped. A packet that the library cuts into segments is sent as several. */
static void report(struct side *s)
{
	uint64_t values[64], lost = s->no_room, dropped = 0;
	char name[VIONET_XSTAT_NAME];
	struct vionet_stats stats = VIONET_SIZED(struct vionet_stats);
	vionet_stats(s->port, &stats);
	for (int fate = DROP_VLAN; fate < FATES; fate++)
		dropped += s->received[fate];
	for (int reason = 0; reason < VIONET_DROP_REASONS; reason++)
		lost += stats.tx.dropped[reason];
	printf("%s: %" PRIu64 " received = %" PRIu64 " forwarded + %" PRIu64 " flooded + %" PRIu64 " dropped; %" PRIu64
	       " for it, %" PRIu64 " sent, %" PRIu64 " dropped\n", s->info.device, stats.rx.packets, s->received[FORWARDED],
	       s->received[FLOODED], dropped, s->offered, stats.tx.packets, lost);
	for (int fate = DROP_VLAN; fate < FATES; fate++)
		print(fates[fate], s->received[fate]);
	print("no room, or gone", s->no_room);
	for (int id = 0, known = vionet_xstats(s->port, values, 64); id < known && id < 64; id++)
		if (vionet_xstat_name(s->port, (uint32_t)id, name, sizeof(name)) == 0 && strstr(name, "_drop_"))
			print(name, values[id]);
}

int main(int argc, char **argv)
{
	static const struct option long_options[] = {{"help", no_argument, NULL, 'h'}, {0}};
	signal(SIGINT, stop);
	signal(SIGTERM, stop);
	signal(SIGALRM, stop);
	for (int option; (option = getopt_long(argc, argv, "a:ht:", long_options, NULL)) != -1;) {
		switch (option) {
		case 'a': patience = atoi(optarg); break;
		case 'h': puts(usage); return 0;
		case 't': alarm((unsigned int)atoi(optarg)); break;
		default: errx(2, "%s", usage);
		}
	}
	if (argc == optind || argc - optind > MAX_SIDES || patience < 1)
		errx(2, "%s", usage);
	for (; count < argc - optind; count++)
		open_side(&sides[count], argv[optind + count]);
	fputs("switching\n", stderr);
	for (unsigned int turn = 1, idle = 0; !stopped; turn++) {
		clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
		if ((idle = forward_all() ? 0 : idle + 1) >= 16)
			sleep_until_frames();
		for (struct side *s = sides; turn % 1024 == 0 && s < sides + count; s++)
			look_after(s);
	}
	for (struct side *s = sides; s < sides + count; s++)
		report(s);
	for (struct side *s = sides; s < sides + count; s++)
		vionet_close(s->port);
	return 0;
}
