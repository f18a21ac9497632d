/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A back-end that goes and returns, with recover=auto: what was received is handed out once, what was not sent goes to the
 * next one, in order; features that are missing then are named; no call waits, nothing leaks.
 */
#include "../support/cases.h"
#include "../support/blocking_calls.h"
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
	struct pollfd change = {.fd = vionet_event_fd(port), .events = POLLIN};
	int gone = p->gone, known = counts[VIONET_EVENT_GONE];
	p->absent = 1;
	p->leave = 1;
	soon(p->gone > gone);
	same(poll(&change, 1, LONG_WAIT), 1);
	ok(vionet_event_handle(port));
	same(counts[VIONET_EVENT_GONE], known + 1);
	same(info_of(port).state, VIONET_STATE_WAITING);
	same(info_of(port).link_up, 0);
	same(vionet_event_fd(port), change.fd);
}

/* Handles what the descriptor shows, until the state is reached. */
static void until(uint16_t port, uint32_t state)
{
	struct pollfd change = {.fd = vionet_event_fd(port), .events = POLLIN};
	uint64_t end = microseconds() + LONG_WAIT * 1000ull;
	while (info_of(port).state != state) {
		if (microseconds() > end)
			FAILED("the state is %u and does not become %u", info_of(port).state, state);
		if (poll(&change, 1, 100) > 0)
			ok(vionet_event_handle(port));
	}
}

static void returns(struct peer *p, uint16_t port)
{
	int known = counts[VIONET_EVENT_CONNECTED];
	p->absent = 0;
	until(port, VIONET_STATE_STARTED);
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

/* All buffers are back then. */
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

/* There are packets on both rings each time. */
CASE("a back-end that goes and returns a thousand times")
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

CASE("a back-end that returns without a needed feature is refused, without a ring feature it is used")
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
	soon(((void)vionet_event_handle(port), info_of(port).state == VIONET_STATE_STARTED));
	same(info_of(port).negotiated[0], agreed & ~(BIT(29) | BIT(35)));
	is_sent(&p, 1);
	comes(&p, 2), fetches(port, 2);
	ends(&p, port);
}

/* The back-end leaves at each message of the handshake in turn, then it stays. */
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
		uint64_t end = microseconds() + LONG_WAIT * 1000ull;
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

CASE("a back-end that accepts and stays silent holds up nothing")
{
	struct peer p;
	uint16_t port = started(&p, 0);
	leaves(&p, port);
	p.mischief = SILENT;
	p.at = p.seen_count;
	p.absent = 0;
	uint64_t began = microseconds();
	while (microseconds() - began < 300000) {
		at_once(ok(vionet_event_handle(port)));
		usleep(1000);
	}
	soon((vionet_event_handle(port), p.seen_count > p.at));
	same(info_of(port).state, VIONET_STATE_WAITING);
	same(p.seen_count, p.at + 1);
	p.leave = 1; /* this connection ends, on the next one it answers */
	until(port, VIONET_STATE_STARTED);
	vionet_close(port);
	peer_end(&p);
}

BEFORE_EACH
{
	pool = pool_made(4096);
	ok(vionet_event_add(count, NULL));
}

AFTER_EACH
{
	ok(vionet_event_remove(count, NULL));
	ok(vionet_pool_destroy(pool));
}

CASE("frames fetched while the back-end is away are not lost, unsent ones go to the next") { nothing_is_lost(0); }
CASE("frames fetched after the return are not lost, unsent ones go to the next") { nothing_is_lost(1); }
CASE("a port that is stopped while it waits gives its packets back") { ends_while_waiting(0); }
CASE("a port that is closed while it waits gives its packets back") { ends_while_waiting(1); }
CASE("a back-end that returns and leaves before an answer, at each message") { leaves_at_once(CLOSE_BEFORE); }
CASE("a back-end that returns and leaves after an answer, at each message") { leaves_at_once(CLOSE_AFTER); }
CASE("a back-end that returns and cuts an answer off, at each message") { leaves_at_once(CUT_OFF); }
