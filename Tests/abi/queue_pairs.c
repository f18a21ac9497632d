/* SPDX-License-Identifier: BSD-2-Clause */
/* Two queue pairs of one port: each carries its own packets, is counted by itself, and breaks by itself. */
#include "../support/cases.h"
#include "../support/frame.h"
#include "../support/rings.h"

enum { PACKETS = 4096 };

static struct peer p;
static uint16_t port, pool;
static const unsigned char no_header[HEADER];
static unsigned char bytes[4096], frame[4096];

static void up(const char *options, uint64_t features)
{
	peer_start(&p);
	p.pairs = 2;
	p.features |= features | BIT(F_MQ);
	port = peer_port(&p, pool, 0, "queues=2,queue_size=64%s", options);
	same(info_of(port).queue_pairs, 2);
	same(info_of(port).max_queue_pairs, 2);
}

static void down(void) { peer_port_end(&p, port, pool); }

static struct vionet_queue_stats queue_of(uint16_t queue, int direction)
{
	struct vionet_queue_stats stats = VIONET_SIZED(struct vionet_queue_stats);
	ok(direction == RX ? vionet_rx_queue_stats(port, queue, &stats) : vionet_tx_queue_stats(port, queue, &stats));
	return stats;
}

static void receive_on(uint16_t queue, uint32_t number, uint32_t length)
{
	struct vionet_packet *packets[4];
	frame_fill(frame, length, number);
	deliver_in(&p, 2 * queue, 1, no_header, frame, length);
	same(vionet_rx_burst(port, !queue, packets, 4), 0);
	same(vionet_rx_burst(port, queue, packets, 4), 1);
	same(packets[0]->length, length);
	yes(frame_right(packets[0]->data, length, number));
	vionet_packet_free(packets[0]);
}

static void send_on(uint16_t queue, uint32_t number, uint32_t length)
{
	struct vionet_packet *one = frame_packet(pool, length, number);
	struct buffer b;
	same(vionet_tx_burst(port, queue, &one, 1), 1);
	same(collect_in(&p, 2 * !queue + 1, &b, bytes, sizeof(bytes)), 0);
	same(collect_in(&p, 2 * queue + 1, &b, bytes, sizeof(bytes)), HEADER + length);
	yes(frame_right(bytes + HEADER, length, number));
	use_buffers(&p, 2 * queue + 1, &b, 1, 0);
	same(vionet_tx_done(port, !queue), 0);
	same(vionet_tx_done(port, queue), 1);
}

static void counted_apart(void)
{
	struct vionet_queue_stats none = VIONET_SIZED(struct vionet_queue_stats);
	for (uint32_t i = 0; i < 300; i++) {
		receive_on(i % 3 == 0, i, 60 + i);
		send_on(i % 4 == 0, i, 60 + i);
	}
	same(queue_of(0, RX).packets, 200);
	same(queue_of(1, RX).packets, 100);
	same(queue_of(0, TX).packets, 225);
	same(queue_of(1, TX).packets, 75);
	same(stats_of(port).rx.packets, 300);
	same(stats_of(port).tx.packets, 300);
	same(queue_of(0, RX).bytes + queue_of(1, RX).bytes, stats_of(port).rx.bytes);
	same(queue_of(1, RX).bytes, 100 * 60 + 3 * 99 * 100 / 2);
	same(queue_of(0, TX).bytes + queue_of(1, TX).bytes, stats_of(port).tx.bytes);
	err(vionet_rx_queue_stats(port, 2, &none), -EINVAL);
	err(vionet_tx_queue_stats(port, 65535, &none), -EINVAL);
	/* Drops stay with their queue. */
	struct buffer b;
	yes(next_buffer(&p, 2, &b));
	use_buffers(&p, 2, &b, 1, 3);
	struct vionet_packet *packets[4];
	same(vionet_rx_burst(port, 1, packets, 4), 0);
	same(queue_of(1, RX).dropped[VIONET_DROP_SHORT], 1);
	same(queue_of(0, RX).dropped[VIONET_DROP_SHORT], 0);
	same(stats_of(port).rx.dropped[VIONET_DROP_SHORT], 1);
	/* A stop keeps what was counted; a reset begins anew. */
	ok(vionet_stop(port));
	same(queue_of(1, RX).packets, 100);
	same(queue_of(1, TX).packets, 75);
	ok(vionet_stats_reset(port));
	same(queue_of(1, RX).packets, 0);
	same(queue_of(1, TX).packets, 0);
}

static void no_such_queue(void)
{
	struct vionet_packet *packets[4] = {frame_packet(pool, 60, 1)};
	same(vionet_rx_burst(port, 2, packets + 1, 3), 0);
	same(vionet_tx_burst(port, 2, packets, 1), 0);
	same(vionet_tx_prepare(port, 2, packets, 1), 0);
	says("queue 2");
	same(vionet_tx_done(port, 65535), 0);
	err(vionet_rx_fd(port, 2), -EINVAL);
	err(vionet_rx_arm(port, 2), -EINVAL);
	err(vionet_tx_fd(port, 2), -EINVAL);
	err(vionet_tx_arm(port, 2), -EINVAL);
	same(vionet_tx_arm(port, 1), 1);
	yes(vionet_tx_fd(port, 1) >= 0 && vionet_tx_fd(port, 1) != vionet_tx_fd(port, 0));
	yes(vionet_rx_fd(port, 1) >= 0 && vionet_rx_fd(port, 1) != vionet_rx_fd(port, 0));
	vionet_packet_free(packets[0]);
}

/* An invalid used entry on one queue: that queue moves nothing, the others go on. */
static void breaks_alone(void)
{
	struct vionet_packet *packets[4];
	use_entry(&p, 2, 64, 100, 1);
	same(vionet_rx_burst(port, 1, packets, 4), 0);
	same(queue_of(1, RX).broken, 1);
	same(queue_of(0, RX).broken, 0);
	same(queue_of(1, TX).broken, 0);
	same(info_of(port).state, VIONET_STATE_BROKEN);
	for (uint32_t i = 0; i < 200; i++) {
		receive_on(0, i, 100);
		send_on(i & 1, i, 100);
	}
	err(vionet_rx_arm(port, 1), -ENOTCONN);
	ok(vionet_rx_arm(port, 0));
}

CASE("more pairs than the device has are refused")
{
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	char address[160];
	peer_start(&p);
	p.pairs = 2;
	p.features |= BIT(F_MQ);
	snprintf(address, sizeof(address), "vhost-user:%s,queues=3", p.path);
	ok(vionet_probe(address, &port));
	config.pool = pool;
	err(vionet_init(port, &config), -EINVAL);
	says("queues: 3 were asked for, and the device has 2");
	config.queue_pairs = 2;
	ok(vionet_init(port, &config));
	config.queue_pairs = 129;
	err(vionet_init(port, &config), -EINVAL);
	says("queue_pairs");
	down();
}

static void waits_for_the_next(void)
{
	int gone = p.gone;
	p.absent = 1;
	p.leave = 1;
	soon(p.gone > gone);
	soon(vionet_event_handle(port) > 0);
	same(info_of(port).state, VIONET_STATE_WAITING);
}

/* The back-end goes with packets in all rings, and another comes: each pair sends its own again. Not to one with less. */
static void comes_again(int is_server)
{
	struct vionet_packet *one;
	struct buffer b;
	char path[64], address[160];
	snprintf(path, sizeof(path), "/tmp/vionet-pairs-%d.sock", getpid());
	if (is_server)
		peer_dial(&p, path, 1);
	else
		peer_start(&p);
	p.pairs = 2;
	p.features |= BIT(F_MQ);
	p.absent = 0;
	snprintf(address, sizeof(address), "vhost-user:%s,queues=2,%s", p.path, is_server ? "server=1" : "recover=auto");
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	config.pool = pool;
	ok(vionet_probe(address, &port));
	ok(vionet_init(port, &config));
	ok(vionet_start(port));
	for (uint32_t round = 0; round < 20; round++) {
		soon(vionet_event_handle(port) >= 0 && info_of(port).state == VIONET_STATE_STARTED);
		for (uint32_t i = 0; i < 4 && round > 0; i++) {
			same(collect_in(&p, 2 * (int)(i / 2) + 1, &b, bytes, sizeof(bytes)), HEADER + 90);
			same(frame_number(bytes + HEADER), 10 * (round - 1) + i);
			use_buffers(&p, 2 * (int)(i / 2) + 1, &b, 1, 0);
		}
		for (uint16_t queue = 0; queue < 2; queue++)
			same(vionet_tx_done(port, queue), round > 0 ? 2 : 0);
		for (uint16_t queue = 0; queue < 2; queue++) {
			receive_on(queue, round, 80);
			send_on(queue, round, 80);
		}
		for (uint32_t i = 0; i < 4; i++) {
			one = frame_packet(pool, 90, 10 * round + i);
			same(vionet_tx_burst(port, (uint16_t)(i / 2), &one, 1), 1);
		}
		waits_for_the_next();
		p.pairs = round == 19 ? 1 : 2;
		p.absent = 0;
	}
	int result = 0;
	soon((result = vionet_event_handle(port)) < 0);
	same(result, -EINVAL);
	says("queues: 2");
	same(info_of(port).state, VIONET_STATE_WAITING);
	down();
}

/* The number of pairs that a back-end gives (GET_QUEUE_NUM), and a back-end that is not asked for it. */
CASE("as many pairs as a back-end says that it has")
{
	static const struct { uint32_t says; int asked, pairs; } rows[] = {{1, 1, 1}, {7, 1, 7}, {256, 1, 128}, {9, 0, 1}};
	char address[160];
	for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		peer_start(&p);
		p.pairs = rows[i].says;
		if (!rows[i].asked)
			p.protocol &= ~(uint64_t)PROTOCOL_MQ;
		snprintf(address, sizeof(address), "vhost-user:%s", p.path);
		ok(vionet_probe(address, &port));
		ok(vionet_init(port, NULL));
		same(info_of(port).max_queue_pairs, rows[i].pairs);
		int asked = 0;
		for (int k = 0; k < p.seen_count; k++)
			asked += p.seen[k] == GET_QUEUE_NUM;
		same(asked, rows[i].asked);
		vionet_close(port);
		snprintf(address, sizeof(address), "vhost-user:%s,queues=%d", p.path, rows[i].pairs + 1);
		err(vionet_open(address, &port), -EINVAL);
		says("queues");
		peer_end(&p);
	}
	peer_start(&p);
	p.pairs = 0;
	snprintf(address, sizeof(address), "vhost-user:%s", p.path);
	err(vionet_probe(address, &port), -EPROTO);
	says("no queues");
	peer_end(&p);
}

static const struct { const char *name, *options; uint64_t features; } kinds[] = {
	{"split", "", 0}, {"split in order", "", BIT(F_IN_ORDER)}, {"packed", ",packed_vq=1", BIT(F_PACKED)},
	{"packed in order", ",packed_vq=1", BIT(F_PACKED) | BIT(F_IN_ORDER) | BIT(F_EVENT_IDX)},
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static const char *titled(const char *what, unsigned int row)
{
	static char text[100];
	snprintf(text, sizeof(text), "%s, %s", what, kinds[row].name);
	return text;
}

static const char *counted_title(unsigned int row) { return titled("each pair carries and counts its own packets", row); }
static const char *broken_title(unsigned int row) { return titled("a queue that breaks leaves the others alone", row); }

BEFORE_EACH { pool = pool_made(PACKETS); }
AFTER_EACH { ok(vionet_pool_destroy(pool)); }

CASES(KINDS, counted_title)
{
	up(kinds[row].options, kinds[row].features);
	no_such_queue();
	counted_apart();
	down();
}

CASES(KINDS, broken_title)
{
	up(kinds[row].options, kinds[row].features);
	breaks_alone();
	down();
}

CASE("each pair sends its own packets again to the next back-end") { comes_again(0); }
CASE("each pair sends its own packets again to the next back-end that connects") { comes_again(1); }
