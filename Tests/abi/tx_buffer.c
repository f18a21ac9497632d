/* SPDX-License-Identifier: BSD-2-Clause */
/* Transmit buffers: what is sent when, and what happens while the port does not take packets. */
#include "../support/tx_buffer.h"

CASE("a burst is sent when it is there, a lesser number by a flush")
{
	struct vionet_packet *packets[100];

	port = open_port("soft:sink", 512);
	buffer = made(64, 16, 0);
	for (uint32_t i = 1; i < 16; i++) {
		put_frames(1, i);
		same(buffer_stats().buffered, i);
		same(buffer_stats().sent, 0);
	}
	same(vionet_tx_buffer_due(buffer), -1);
	put_frames(1, 16);
	same(buffer_stats().buffered, 0);
	same(buffer_stats().by_burst, 1);
	put_frames(40, 0);
	same(buffer_stats().sent, 56);
	put_frames(5, 0);
	same(buffer_stats().buffered, 5);
	same(vionet_tx_buffer_flush(buffer), 0);
	same(buffer_stats().sent, 61);
	same(buffer_stats().by_flush, 1);
	same(vionet_tx_buffer_flush(buffer), 0);
	same(buffer_stats().by_flush, 1);

	/* More than there is room for: sent piece by piece. */
	for (int i = 0; i < 100; i++)
		yes((packets[i] = frame_packet(pool, 60, 0)) != NULL);
	same(vionet_tx_buffer_put(buffer, packets, 100), 100);
	same(buffer_stats().refused, 0);
	same(vionet_tx_buffer_flush(buffer), 0);
	same(stats_of(port).tx.packets, 161);
	same(vionet_tx_buffer_destroy(buffer), 0);
}

CASE("a flush of an empty buffer frees what was sent")
{
	enum { MANY = 4096 };
	static struct vionet_packet *packets[MANY];

	port = open_port("soft:sink", 2 * MANY);
	buffer = made(MANY, MANY, 0);
	uint32_t before = pool_of(pool).available;
	for (uint32_t i = 0; i < MANY; i++)
		yes((packets[i] = frame_packet(pool, 60, i)) != NULL);
	same(vionet_tx_buffer_put(buffer, packets, MANY), MANY);
	same(buffer_stats().buffered, 0);
	/* A queue keeps up to 512 for itself. */
	soon((vionet_tx_buffer_flush(buffer), pool_of(pool).available + 512 >= before));
	same(vionet_tx_buffer_destroy(buffer), 0);
}

CASE("a packet that has waited for as long as it may is sent by the next call")
{
	enum { DEADLINE = 2000 };
	port = open_port("soft:sink", 256);
	buffer = made(0, 0, DEADLINE);
	same(vionet_tx_buffer_due(buffer), -1);

	put_frames(3, 0);
	soon(vionet_tx_buffer_due(buffer) == 0);
	same(buffer_stats().sent, 0);
	same(vionet_tx_buffer_put(buffer, NULL, 0), 0);
	same(buffer_stats().sent, 3);
	same(buffer_stats().by_deadline, 1);
	same(vionet_tx_buffer_due(buffer), -1);

	put_frames(1, 0);
	soon(vionet_tx_buffer_due(buffer) == 0);
	put_frames(1, 0); /* takes the earlier one along */
	same(buffer_stats().sent, 5);
	same(buffer_stats().by_deadline, 2);

	put_frames(2, 0);
	soon(vionet_tx_buffer_due(buffer) == 0);
	same(vionet_tx_buffer_flush(buffer), 0);
	same(buffer_stats().by_flush, 1);
	same(buffer_stats().sent, 7);
	same(buffer_stats().by_burst, 0);
	same(vionet_tx_buffer_destroy(buffer), 0);
}

CASE("before its deadline a packet waits, and due() says for how long")
{
	enum { DEADLINE = 60000000 };
	port = open_port("soft:sink", 256);
	buffer = made(0, 0, DEADLINE);
	put_frames(2, 0);
	int first = vionet_tx_buffer_due(buffer), later;
	yes(first > 0 && first <= DEADLINE);
	soon((later = vionet_tx_buffer_due(buffer)) < first);
	yes(later >= 0);
	put_frames(1, 0);
	yes(vionet_tx_buffer_due(buffer) <= later); /* that of the oldest packet */
	same(vionet_tx_buffer_put(buffer, NULL, 0), 0);
	same(buffer_stats().sent, 0);
	same(vionet_tx_buffer_flush(buffer), 0);
	same(buffer_stats().sent, 3);
	same(vionet_tx_buffer_destroy(buffer), 0);
}

/* ---- a port that does not take packets ------------------------------------------------------------------------------- */

CASE("packets stay in the buffer of a stopped port until it is started")
{
	struct vionet_packet *packets[8];

	port = open_port("soft:loopback", 256);
	buffer = made(16, 4, 3000);
	ok(vionet_stop(port));
	put_frames(16, 0);
	same(buffer_stats().buffered, 16);
	for (int i = 0; i < 8; i++)
		yes((packets[i] = frame_packet(pool, 60, 16 + (uint32_t)i)) != NULL);
	same(vionet_tx_buffer_put(buffer, packets, 8), 0);
	same(buffer_stats().refused, 8);
	same(vionet_tx_buffer_flush(buffer), 16);
	same(buffer_stats().by_burst, 0);
	/* No program spins because of a port that is not ready. */
	same(vionet_tx_buffer_due(buffer), 3000);

	ok(vionet_start(port));
	same(vionet_tx_buffer_put(buffer, packets, 8), 8);
	same(vionet_tx_buffer_flush(buffer), 0);
	for (uint32_t i = 0; i < 24; i++) {
		struct vionet_packet *back;
		receive_all(port, &back, 1);
		same(frame_number(back->data), i);
		vionet_packet_free(back);
	}
	same(vionet_tx_buffer_destroy(buffer), 0);
}

CASE("packets that a port did not take are tried again after a burst more, by a flush, and when the buffer is full")
{
	port = open_port("soft:sink", 256);
	buffer = made(32, 4, 0);
	ok(vionet_stop(port));
	put_frames(4, 0);
	ok(vionet_start(port));
	put_frames(3, 0);
	same(buffer_stats().sent, 0);
	put_frames(1, 0);
	same(buffer_stats().sent, 8);

	ok(vionet_stop(port));
	put_frames(5, 0);
	ok(vionet_start(port));
	same(vionet_tx_buffer_due(buffer), 1000);
	same(vionet_tx_buffer_put(buffer, NULL, 0), 0);
	same(buffer_stats().sent, 13);

	ok(vionet_stop(port));
	put_frames(2, 0);
	same(vionet_tx_buffer_flush(buffer), 2);
	ok(vionet_start(port));
	put_frames(1, 0);
	same(vionet_tx_buffer_flush(buffer), 0);

	ok(vionet_stop(port));
	put_frames(30, 0);
	ok(vionet_start(port));
	put_frames(1, 0);
	same(buffer_stats().buffered, 31);
	put_frames(1, 0);
	same(buffer_stats().buffered, 0);
	same(vionet_tx_buffer_destroy(buffer), 0);
}

CASE("a full transmit ring leaves packets in the buffer, and each later call tries again")
{
	port = open_port("soft:loopback,queue_size=256", 16);
	buffer = made(32, 8, 0);
	/* The loopback takes its time, so that a ring of 16 is full sooner or later. */
	uint64_t end = microseconds() + LONG_WAIT * 1000ull;
	uint32_t put = 0, got = 0;
	while (got < 20000) {
		struct vionet_packet *packets[32];
		if (put - got < 100 && buffer_stats().buffered <= 24) {
			put_frames(8, put);
			put += 8;
		}
		vionet_tx_buffer_flush(buffer);
		uint16_t n = vionet_rx_burst(port, 0, packets, 32);
		for (uint16_t i = 0; i < n; i++, got++)
			same(frame_number(packets[i]->data), got);
		vionet_packet_free_bulk(packets, n);
		if (n > 0)
			end = microseconds() + LONG_WAIT * 1000ull;
		else if (microseconds() > end)
			FAILED("%u put in, %u back", put, got);
	}
	vionet_tx_buffer_destroy(buffer);
}

CASE("what is in a buffer that is destroyed is freed")
{
	port = open_port("soft:sink", 1024);
	for (uint16_t count = 0; count < 32; count++) {
		buffer = made(32, 32, 0);
		put_frames(20, 0); /* so that the rest goes round the end */
		same(vionet_tx_buffer_flush(buffer), 0);
		for (uint16_t i = 0; i < count; i++)
			put_frames(1, i);
		same(vionet_tx_buffer_destroy(buffer), count);
	}
	same(stats_of(port).tx.packets, 32 * 20);
	same(vionet_tx_buffer_destroy(NULL), 0);
}

CASE("a packet of several segments, and one that can never be sent")
{
	struct vionet_packet *packets[3];

	port = open_port("soft:loopback", 256);
	buffer = made(0, 0, 0);
	yes((packets[0] = frame_packet(pool, 60, 1)) != NULL);
	yes((packets[1] = vionet_packet_alloc(pool)) != NULL); /* empty */
	yes((packets[2] = vionet_packet_alloc(pool)) != NULL);
	yes(vionet_packet_append(packets[2], 30) != NULL);
	same(vionet_packet_chain(packets[0], packets[2]), 0);
	same(vionet_tx_buffer_put(buffer, packets, 2), 2);
	same(vionet_tx_buffer_flush(buffer), 0);
	same(stats_of(port).tx.dropped[VIONET_DROP_EMPTY], 1);
	receive_all(port, packets, 1);
	same(packets[0]->total_length, 90);
	vionet_packet_free(packets[0]);
	same(buffer_stats().sent, 2);
	same(vionet_tx_buffer_destroy(buffer), 0);
}

/* ---- arguments ----------------------------------------------------------------------------------------------------- */

static void wrong(struct vionet_tx_buffer_config config, int code, const char *text)
{
	struct vionet_tx_buffer *none = NULL;
	err(vionet_tx_buffer_create(&config, &none), code);
	says(text);
	yes(none == NULL);
}

CASE("wrong settings and arguments")
{
	struct vionet_tx_buffer_config config = VIONET_SIZED(struct vionet_tx_buffer_config), bad;
	struct vionet_tx_buffer_stats stats = VIONET_SIZED(struct vionet_tx_buffer_stats);
	struct vionet_packet *packets[1] = {NULL};

	port = open_port("soft:sink", 256);
	config.port = port;
#define with(field, value, code, text) (bad = config, bad.field = (value), wrong(bad, code, text))
	with(room, 3, -EINVAL, "room");
	with(room, 1, -EINVAL, "room");
	with(room, 65536, -EINVAL, "room");
	with(burst, 513, -EINVAL, "burst");
	with(deadline, 60000001, -EINVAL, "deadline");
	with(queue, VIONET_MAX_QUEUE_PAIRS, -EINVAL, "queue");
	with(port, 77, -ENODEV, "port");
	with(port, VIONET_PORT_NONE, -ENODEV, "port");
	with(reserved[1], 1, -EINVAL, "reserved");
	with(size, 0, -EINVAL, "size");
	err(vionet_tx_buffer_create(NULL, &buffer), -EINVAL);
	says("config");
	err(vionet_tx_buffer_create(&config, NULL), -EINVAL);
	says("buffer");

	same(vionet_tx_buffer_put(NULL, packets, 1), 0);
	same(vionet_tx_buffer_flush(NULL), 0);
	same(vionet_tx_buffer_due(NULL), -1);
	err(vionet_tx_buffer_stats(NULL, &stats), -EINVAL);
	says("buffer");

	config.room = 2; /* and the default for burst, which is no more than that */
	ok(vionet_tx_buffer_create(&config, &buffer));
	err(vionet_tx_buffer_stats(buffer, NULL), -EINVAL);
	same(vionet_tx_buffer_put(buffer, NULL, 1), 0);
	put_frames(1, 0);
	same(buffer_stats().sent, 0);
	put_frames(1, 0);
	same(buffer_stats().sent, 2);
	same(vionet_tx_buffer_destroy(buffer), 0);
}
