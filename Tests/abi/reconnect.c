/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A back-end that goes and comes again, with recover=auto: what was received is handed out once, what was not sent goes
 * to the next one, in order; features that are missing then are told; nothing is held up, nothing leaks.
 */
#include "../support/device.h"
#include "../support/frame.h"

static int counts[16];

static uint16_t pool;

static void count(uint16_t port, int event, void *user)
{
	(void)port, (void)user;
	counts[event]++;
}

static uint16_t started(struct peer *p, uint64_t more_features)
{
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	char address[150];
	uint16_t port;
	peer_start(p);
	p->features |= more_features;
	snprintf(address, sizeof(address), "vhost-user:%s,recover=auto", p->path);
	config.pool = pool;
	ok(vionet_probe(address, &port));
	ok(vionet_init(port, &config));
	ok(vionet_start(port));
	soon(waiting(p, RX) > 0);
	memset(counts, 0, sizeof(counts));
	return port;
}

/* The event descriptor shows it, and one look is enough to know that the back-end is gone. */
static void leaves(struct peer *p, uint16_t port)
{
	struct pollfd news = {.fd = vionet_event_fd(port), .events = POLLIN};
	int gone = p->gone, known = counts[VIONET_EVENT_GONE];
	p->absent = 1;
	p->leave = 1;
	soon(p->gone > gone);
	same(poll(&news, 1, 1000), 1);
	ok(vionet_event_handle(port));
	same(counts[VIONET_EVENT_GONE], known + 1);
	same(info_of(port).state, VIONET_STATE_WAITING);
	same(info_of(port).link_up, 0);
	same(vionet_event_fd(port), news.fd);
}

/* Handles whatever the descriptor shows, until the state is reached. */
static void until(uint16_t port, uint32_t state, int milliseconds)
{
	struct pollfd news = {.fd = vionet_event_fd(port), .events = POLLIN};
	uint64_t end = microseconds() + (uint64_t)milliseconds * 1000;
	while (info_of(port).state != state) {
		if (microseconds() > end)
			FAILED("state %u, not %u, after %d ms", info_of(port).state, state, milliseconds);
		if (poll(&news, 1, 100) > 0)
			ok(vionet_event_handle(port));
	}
}

static void returns(struct peer *p, uint16_t port)
{
	int known = counts[VIONET_EVENT_CONNECTED];
	p->absent = 0;
	until(port, VIONET_STATE_STARTED, 3000);
	same(counts[VIONET_EVENT_CONNECTED], known + 1);
	yes(p->ring[RX].enabled && p->ring[TX].enabled);
}

static void comes(struct peer *p, uint32_t number)
{
	unsigned char frame[200];
	frame_fill(frame, sizeof(frame), number);
	(void)deliver(p, frame, sizeof(frame));
}

static void sends(uint16_t port, uint32_t number)
{
	struct vionet_packet *packet = frame_packet(pool, 100, number);
	same(vionet_tx_burst(port, 0, &packet, 1), 1);
}

static void fetches(uint16_t port, uint32_t number)
{
	struct vionet_packet *packet;
	same(vionet_rx_burst(port, 0, &packet, 1), 1);
	same(packet->length, 200);
	yes(frame_right(packet->data, 200, number) && frame_number(packet->data) == number);
	vionet_packet_free(packet);
}

static void is_sent(struct peer *p, uint32_t number)
{
	unsigned char frame[200];
	same(collect(p, frame, sizeof(frame)), 100);
	yes(frame_right(frame, 100, number) && frame_number(frame) == number);
}

/* And every buffer is back. */
static void ends(struct peer *p, uint16_t port)
{
	vionet_close(port);
	same(pool_of(pool).available, pool_of(pool).packets);
	peer_end(p);
}

/* Five frames are in the receive ring; of seven packets two were sent. Fetched while the port waits, or afterwards. */
static void nothing_is_lost(int later)
{
	struct peer p;
	struct vionet_packet *packet, *mine;
	uint16_t port = started(&p, 0);
	int rx_fd = vionet_rx_fd(port, 0);
	for (uint32_t i = 0; i < 5; i++)
		comes(&p, i);
	for (uint32_t i = 0; i < 7; i++)
		sends(port, 10 + i);
	for (uint32_t i = 0; i < 2; i++)
		is_sent(&p, 10 + i);
	leaves(&p, port);
	same(vionet_rx_fd(port, 0), rx_fd);
	if (!later) {
		same(vionet_rx_arm(port, 0), 1);
		for (uint32_t i = 0; i < 5; i++)
			fetches(port, i);
		err(vionet_rx_arm(port, 0), -ENOTCONN);
		same(vionet_rx_burst(port, 0, &packet, 1), 0);
	}
	mine = frame_packet(pool, 100, 99);
	same(vionet_tx_burst(port, 0, &mine, 1) + vionet_tx_done(port, 0), 0);
	returns(&p, port);
	same(vionet_rx_fd(port, 0), rx_fd);
	same(vionet_tx_burst(port, 0, &mine, 1), 1);
	comes(&p, 5);
	if (later)
		same(vionet_rx_arm(port, 0), 1);
	for (uint32_t i = later ? 0 : 5; i < 6; i++)
		fetches(port, i);
	same(vionet_rx_burst(port, 0, &packet, 1), 0);
	for (uint32_t i = 2; i < 7; i++)
		is_sent(&p, 10 + i);
	is_sent(&p, 99);
	same(waiting(&p, TX), 0);
	comes(&p, 6);
	fetches(port, 6);
	struct vionet_stats stats = stats_of(port);
	same(stats.tx.packets * 100 + stats.rx.packets, 807);
	same(stats.tx.dropped[VIONET_DROP_STOPPED] + stats.rx.dropped[VIONET_DROP_STOPPED], 0);
	same(counts[VIONET_EVENT_RECOVERED], 0);
	ends(&p, port);
}

/* Stopped or closed while it waits: what was kept goes home, and is counted. */
static void ends_while_waiting(int closes)
{
	struct peer p;
	uint16_t port = started(&p, 0);
	for (uint32_t i = 0; i < 3; i++)
		sends(port, i);
	comes(&p, 0), comes(&p, 1);
	leaves(&p, port);
	fetches(port, 0);
	if (!closes) {
		ok(vionet_stop(port));
		same(info_of(port).state, VIONET_STATE_BROKEN);
		same(stats_of(port).tx.dropped[VIONET_DROP_STOPPED], 3);
		same(stats_of(port).rx.dropped[VIONET_DROP_STOPPED], 1);
		same(pool_of(pool).available, pool_of(pool).packets);
		ok(vionet_start(port)); /* the back-end is still away: the port waits for it */
		same(info_of(port).state, VIONET_STATE_WAITING);
		returns(&p, port);
		comes(&p, 7);
		fetches(port, 7);
	}
	ends(&p, port);
}

/* With packets on both rings a thousand times; the back-end is back at once. */
static void again_and_again(void)
{
	struct peer p;
	struct holdings before = {0};
	uint16_t port = started(&p, 0);
	for (uint32_t i = 0; i < 1000; i++) {
		comes(&p, i);
		sends(port, i);
		leaves(&p, port);
		returns(&p, port);
		is_sent(&p, i);
		fetches(port, i);
		if (i == 10)
			before = holdings();
	}
	held_as_before(before, 200);
	same(counts[VIONET_EVENT_GONE], 1000);
	same(stats_of(port).rx.packets, 1000);
	same(stats_of(port).tx.packets, 1000);
	ends(&p, port);
}

/* It comes back without what the program relies on; without what only rings have, and with more. */
static void other_features(void)
{
	struct peer p;
	uint16_t port = started(&p, BIT(29) | BIT(35));
	uint64_t agreed = info_of(port).negotiated[0];
	yes(agreed & BIT(29) && agreed & BIT(35));
	sends(port, 1);
	leaves(&p, port);
	p.features &= ~BIT(F_MTU);
	p.absent = 0;
	int result = 0;
	soon((result = vionet_event_handle(port)) < 0);
	same(result, -EPROTO);
	says("VIRTIO_NET_F_MTU");
	same(info_of(port).state, VIONET_STATE_WAITING);
	p.features |= BIT(F_MTU) | BIT(0);
	p.features &= ~(BIT(29) | BIT(35));
	uint64_t end = microseconds() + 3000000;
	while (info_of(port).state != VIONET_STATE_STARTED && microseconds() < end)
		(void)vionet_event_handle(port);
	same(info_of(port).negotiated[0], agreed & ~(BIT(29) | BIT(35)));
	is_sent(&p, 1);
	comes(&p, 2), fetches(port, 2);
	ends(&p, port);
}

/* It comes, and leaves at each message of the handshake in turn; then it stays. */
static void leaves_at_once(enum mischief mischief)
{
	struct peer p;
	uint16_t port = started(&p, 0);
	int rx_fd = vionet_rx_fd(port, 0);
	sends(port, 1);
	for (int at = 0, messages = p.seen_count; at < messages; at++) {
		leaves(&p, port);
		p.mischief = mischief;
		p.at = p.seen_count + at;
		p.absent = 0;
		uint64_t end = microseconds() + 5000000;
		while (info_of(port).state != VIONET_STATE_STARTED || p.seen_count <= p.at) {
			if (microseconds() > end)
				FAILED("not back, after mischief %d at message %d", mischief, at);
			(void)vionet_event_handle(port);
			usleep(100);
		}
		same(waiting(&p, TX), 1);
		same(vionet_rx_fd(port, 0), rx_fd);
	}
	is_sent(&p, 1);
	comes(&p, 2), fetches(port, 2);
	ends(&p, port);
}

/* It listens and says nothing: nobody is held up by that. */
static void says_nothing(void)
{
	struct peer p;
	uint16_t port = started(&p, 0);
	leaves(&p, port);
	p.mischief = SILENT;
	p.at = p.seen_count;
	p.absent = 0;
	uint64_t began = microseconds();
	while (microseconds() - began < 300000) {
		uint64_t then = microseconds();
		ok(vionet_event_handle(port));
		yes(microseconds() - then < 50000);
		usleep(1000);
	}
	same(info_of(port).state, VIONET_STATE_WAITING);
	same(p.seen_count, p.at + 1);
	p.leave = 1; /* that one goes, the next one talks */
	until(port, VIONET_STATE_STARTED, 3000);
	vionet_close(port);
	peer_end(&p);
}

int main(void)
{
	pool = pool_made(4096);
	ok(vionet_event_add(count, NULL));
	nothing_is_lost(0);
	nothing_is_lost(1);
	ends_while_waiting(0);
	ends_while_waiting(1);
	again_and_again();
	other_features();
	leaves_at_once(CLOSE_BEFORE);
	leaves_at_once(CLOSE_AFTER);
	leaves_at_once(CUT_OFF);
	says_nothing();
	ok(vionet_event_remove(count, NULL));
	return vionet_pool_destroy(pool) != 0;
}
