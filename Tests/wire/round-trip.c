/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sends frames of seven sizes to a device that returns them, and checks that each comes back once, in order and unchanged.
 *
 *     round-trip DEVICE FRAMES [swapped] [buffers=BYTES] [segments=N] [rx=PATH] [tx=PATH] [queues=N]
 *
 * swapped: the two addresses must have changed places. buffers: the size of receive buffers; a longer frame comes in
 * several. segments: the number of pieces of each sent frame. rx, tx: the burst functions that must be in use. queues:
 * frames go out on each queue in turn and must be in order on each queue.
 */
#include "../support/frame.h"

#include <sched.h>

enum { QUEUES = 16 };

static const uint32_t sizes[] = {60, 64, 128, 256, 512, 1024, 1514};
static uint16_t port, queues = 1;
static int swapped;
static uint32_t window = 96, segments = 1, expected[QUEUES], multiples, sent, back;

static uint32_t size_of(uint32_t number)
{
	return sizes[(number / 3) % 7];
}

/* Makes a frame in pieces of about equal length. */
static struct vionet_packet *made(uint32_t number)
{
	unsigned char whole[1514];
	uint32_t length = size_of(number), begin = 0;
	struct vionet_packet *head = NULL;
	frame_fill(whole, length, number);
	for (uint32_t i = 0; i < segments; i++) {
		uint32_t end = length * (i + 1) / segments;
		struct vionet_packet *piece = vionet_packet_alloc(0);
		yes(piece != NULL);
		memcpy(vionet_packet_append(piece, end - begin), whole + begin, end - begin);
		begin = end;
		if (head != NULL)
			yes(vionet_packet_chain(head, piece) == 0);
		else
			head = piece;
	}
	return head;
}

static void check(const struct vionet_packet *p)
{
	static const unsigned char to[6] = {2, 0, 0, 0, 0, 2}, from[6] = {2, 0, 0, 0, 0, 1};
	unsigned char data[2048];
	uint32_t length = 0, count = 0, total = p->total_length, want = p->segments;
	for (const struct vionet_packet *s = p; s != NULL; s = s->next, count++) {
		yes(length + s->length <= sizeof(data));
		memcpy(data + length, s->data, s->length);
		length += s->length;
	}
	same(length, total);
	same(count, want);
	if (count > 1)
		multiples++;
	uint32_t number = frame_number(data), queue = number % queues;
	if (number != expected[queue] || length != size_of(number))
		FAILED("frame %u of %u bytes in place of %u of %u", number, length, expected[queue], size_of(expected[queue]));
	expected[queue] += queues;
	if (!frame_right(data, length, number))
		FAILED("frame %u came back changed", number);
	yes(memcmp(data, swapped ? from : to, 6) == 0);
	yes(memcmp(data + 6, swapped ? to : from, 6) == 0);
}

static uint32_t option(int argc, char **argv, const char *key, const char **text)
{
	size_t n = strlen(key);
	for (int i = 3; i < argc; i++)
		if (strncmp(argv[i], key, n) == 0) {
			if (text != NULL)
				*text = argv[i] + n;
			return (uint32_t)atoi(argv[i] + n);
		}
	return 0;
}

static void open_port(const char *device, uint32_t buffers)
{
	struct vionet_pool_config pool = VIONET_SIZED(struct vionet_pool_config);
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	pool.data_size = buffers;
	if (buffers != 0)
		ok(vionet_pool_create(&pool, &config.pool));
	int result = -ETIMEDOUT;
	for (int tries = 0; result == -ETIMEDOUT && tries < 10; tries++) /* a busy machine may take more than 5 s to answer */
		result = vionet_probe(device, &port);
	ok(result);
	ok(vionet_init(port, &config));
	if (buffers != 0) {
		struct vionet_packet *p = vionet_packet_alloc(0); /* makes the shared pool, from which this program sends */
		yes(p != NULL);
		ok(vionet_pool_share(p->pool, port));
		vionet_packet_free(p);
	}
	ok(vionet_start(port));
}

/* Sends as many frames as the window has room for, on each queue in turn. */
static void send_some(uint32_t frames)
{
	struct vionet_packet *packets[32];
	uint32_t room = window - (sent - back) < frames - sent ? window - (sent - back) : frames - sent;
	for (uint16_t q = 0; q < queues && room >= queues; q++) {
		uint16_t n = 0, taken = 0;
		while (n < 32 && n < room / queues && sent + n * queues + q < frames) {
			packets[n] = made(sent + n * queues + q);
			n++;
		}
		while (taken < n)
			taken = (uint16_t)(taken + vionet_tx_burst(port, q, packets + taken, (uint16_t)(n - taken)));
		if (q == queues - 1)
			sent += (uint32_t)n * queues;
	}
}

static uint32_t receive_some(void)
{
	struct vionet_packet *packets[32];
	uint32_t got = 0;
	for (uint16_t q = 0; q < queues; q++) {
		uint16_t n = vionet_rx_burst(port, q, packets, 32);
		for (uint16_t i = 0; i < n; i++)
			check(packets[i]);
		vionet_packet_free_bulk(packets, n);
		got += n;
	}
	return got;
}

static struct vionet_info check_paths(int argc, char **argv)
{
	struct vionet_info info = info_of(port);
	const char *rx = NULL, *tx = NULL;
	option(argc, argv, "rx=", &rx);
	option(argc, argv, "tx=", &tx);
	if (rx != NULL && strcmp(info.rx_path, rx) != 0)
		FAILED("receives by %s, not by %s", info.rx_path, rx);
	if (tx != NULL && strcmp(info.tx_path, tx) != 0)
		FAILED("sends by %s, not by %s", info.tx_path, tx);
	return info;
}

int main(int argc, char **argv)
{
	struct vionet_packet *none;
	if (argc < 3)
		FAILED("usage: round-trip DEVICE FRAMES [swapped] [buffers=BYTES] [segments=N] [rx=PATH] [tx=PATH] [queues=N]");
	uint32_t buffers = option(argc, argv, "buffers=", NULL);
	swapped = argc > 3 && strcmp(argv[3], "swapped") == 0;
	if (option(argc, argv, "segments=", NULL) > 0)
		segments = option(argc, argv, "segments=", NULL);
	if (option(argc, argv, "queues=", NULL) > 0)
		queues = (uint16_t)option(argc, argv, "queues=", NULL);
	yes(queues <= QUEUES);
	for (uint16_t q = 0; q < queues; q++)
		expected[q] = q;
	uint32_t frames = (uint32_t)atoi(argv[2]) / queues * queues;
	if (buffers != 0) /* no more under way than a ring of 256 takes: the other side would drop the rest */
		window = 240 / ((1514 + 12) / buffers + 1) < 96 ? 240 / ((1514 + 12) / buffers + 1) : 96;
	open_port(argv[1], buffers);
	struct vionet_info info = check_paths(argc, argv);
	uint64_t last = microseconds();
	while (back < frames) {
		send_some(frames);
		uint32_t got = receive_some();
		back += got;
		if (got > 0)
			last = microseconds();
		else if (microseconds() - last > LONG_WAIT * 1000ull)
			FAILED("%u frames sent, %u came back", sent, back);
		else
			sched_yield(); /* with few cores the peer waits for this one */
	}
	usleep(100000);
	for (uint16_t q = 0; q < queues; q++)
		same(vionet_rx_burst(port, q, &none, 1), 0); /* none twice */
	struct vionet_stats stats = stats_of(port);
	same(stats.tx.packets, frames);
	same(stats.rx.packets, frames);
	same(stats.rx.bytes, stats.tx.bytes);
	if (buffers != 0 && buffers < 1514)
		yes(multiples > 0);
	vionet_close(port);
	printf("%u frames there and back by %s and %s, %u of several buffers\n", frames, info.rx_path, info.tx_path, multiples);
	return 0;
}
