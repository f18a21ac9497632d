/* SPDX-License-Identifier: BSD-2-Clause */
/* deadline: 900 */
/* A million frames through a device and back: every byte, every size, the order, the counts, and no packet lost. */
#include "../support/cases.h"
#include "../support/frame.h"

enum { FRAMES = 1000000, WINDOW = 192 };

static uint16_t port, pool;
static uint32_t sent, received, next_size = 60;
static uint32_t sizes[WINDOW * 2];
static uint64_t bytes;

static void send_some(uint16_t burst)
{
	struct vionet_packet *packets[64];
	uint16_t n = 0;
	while (n < burst && sent + n < FRAMES && sent + n - received < WINDOW) {
		packets[n] = frame_packet(pool, next_size, sent + n);
		yes(packets[n] != NULL);
		sizes[(sent + n) % (WINDOW * 2)] = next_size;
		next_size = next_size == 1514 ? 60 : next_size + 1;
		n++;
	}
	uint16_t taken = vionet_tx_burst(port, 0, packets, n);
	for (uint16_t i = 0; i < taken; i++)
		bytes += sizes[(sent + i) % (WINDOW * 2)];
	sent += taken;
	if (taken < n) {
		next_size = sizes[sent % (WINDOW * 2)];
		vionet_packet_free_bulk(packets + taken, (uint16_t)(n - taken));
	}
}

static uint16_t receive_some(uint16_t burst)
{
	struct vionet_packet *packets[64];
	uint16_t n = vionet_rx_burst(port, 0, packets, burst);
	yes(n <= burst);
	for (uint16_t i = 0; i < n; i++, received++) {
		struct vionet_packet *p = packets[i];
		same(p->length, sizes[received % (WINDOW * 2)]);
		same(p->total_length, p->length);
		same(p->segments, 1);
		same(p->port, port);
		same(p->pool, pool);
		same(p->flags, 0);
		yes(p->next == NULL);
		yes(p->headroom + p->length <= p->size);
		same(frame_number(p->data), received);
		if (!frame_right(p->data, p->length, received))
			FAILED("frame %u of %u bytes came back changed", received, p->length);
	}
	vionet_packet_free_bulk(packets, n);
	return n;
}

CASE("a million frames come back whole, in order, and are counted")
{
	static const uint16_t bursts[] = {1, 4, 32, 64};
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	uint64_t last = microseconds();

	pool = pool_made(1024);
	ok(vionet_probe("soft:loopback", &port));
	config.pool = pool;
	ok(vionet_init(port, &config));
	ok(vionet_start(port));
	while (received < FRAMES) {
		uint16_t burst = bursts[(received / 4096) % 4];
		send_some(burst);
		if (receive_some(burst) > 0)
			last = microseconds();
		else if (microseconds() - last > LONG_WAIT * 1000ull)
			FAILED("%u frames sent, %u came back", sent, received);
	}

	struct vionet_stats stats = stats_of(port);
	same(stats.tx.packets, FRAMES);
	same(stats.rx.packets, FRAMES);
	same(stats.tx.bytes, bytes);
	same(stats.rx.bytes, bytes);
	for (int i = 0; i < VIONET_DROP_REASONS; i++) {
		same(stats.tx.dropped[i], 0);
		same(stats.rx.dropped[i], 0);
	}
	same(stats.rx.no_buffer, 0);
	ok(vionet_stop(port));
	same(pool_of(pool).available, 1024);
	same(pool_of(pool).refused, 0);
	same(stats_of(port).tx.dropped[VIONET_DROP_STOPPED], 0);
	vionet_close(port);
	same(pool_of(pool).available, 1024);
	ok(vionet_pool_destroy(pool));
}
