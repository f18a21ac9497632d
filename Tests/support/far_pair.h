/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Odd frames are forwarded between two ports: what came out at the far end of one and what was counted as dropped on the
 * way are what was put in at the far end of the other, and no frame that came out begins in the middle of another.
 */
#ifndef FAR_PAIR_H
#define FAR_PAIR_H

#include "far_traffic.h"

static struct far_end in, out;
static uint64_t received, taken;

/* One burst from port to port. What finds no room now finds it later, since the far end takes what it gets. */
static void forward(void)
{
	struct vionet_packet *packets[32];
	uint64_t end = microseconds() + LONG_WAIT * 1000ull;
	uint16_t count = vionet_rx_burst(in.port, 0, packets, 32), sent = 0;
	received += count;
	do {
		sent = (uint16_t)(sent + vionet_tx_burst(out.port, 0, packets + sent, (uint16_t)(count - sent)));
		far_take(&out);
	} while (sent < count && microseconds() < end);
	same(sent, count);
	taken += sent;
}

/* Everything that was put in was received, or lost and counted. */
static int is_all_in(void)
{
	struct vionet_stats s = stats_of(in.port);
	return s.rx.packets + dropped(&s.rx) + lost_inwards(&in) == far_offered(&in);
}

static int is_all_out(void)
{
	struct vionet_stats s = stats_of(out.port);
	return s.tx.packets == out.came + lost_outwards(&out);
}

static void print_ledger(void)
{
	struct vionet_stats a = stats_of(in.port), b = stats_of(out.port);
	printf("# put in %" PRIu64 ", lost before the port %" PRIu64 ", received %" PRIu64 ", dropped %" PRIu64 "\n",
	       far_offered(&in), lost_inwards(&in), a.rx.packets, dropped(&a.rx));
	printf("# sent %" PRIu64 ", dropped %" PRIu64 ", lost behind the port %" PRIu64 ", came out %" PRIu64 "\n", b.tx.packets,
	       dropped(&b.tx), lost_outwards(&out), out.came);
}

static void until(int (*done)(void))
{
	uint64_t end = microseconds() + LONG_WAIT * 1000ull;
	while (!done()) {
		forward();
		if (microseconds() > end) {
			print_ledger();
			FAILED("frames are in no counter");
		}
	}
}

/* The frames that a device may not refuse. */
static uint64_t ordinary_frames(void)
{
	uint64_t count = 0;
	for (int i = 0; i < odd_count; i++)
		count += odd_frames[i].must_pass != 0;
	return count;
}

OK_UNUSED static void far_pair(enum kind from, enum kind to, enum mode mode, uint32_t seed)
{
	odd_frames_make(seed);
	far_open(&out, to, mode, "odd-out", 0);
	far_open(&in, from, mode, "odd-in", 1);
	for (int i = 0; i < odd_count; i++) {
		far_put(&in, &odd_frames[i]);
		forward();
		/*
		 * testpmd drops what its ring has no buffers for: a long frame takes many, so it gets one at a time. What is still
		 * on its way to our port would come to testpmd together with the next one. All of a capture is put in before.
		 */
		if ((in.kind >= TESTPMD || out.kind >= TESTPMD) && in.kind != PCAP && mode != PLAIN)
			until(is_all_in);
		if (out.kind >= TESTPMD && mode != PLAIN)
			until(is_all_out);
	}
	until(is_all_in);
	until(is_all_out);
	struct vionet_stats a = stats_of(in.port), b = stats_of(out.port);
	same(received, a.rx.packets);
	same(taken, b.tx.packets + dropped(&b.tx));
	print_ledger();
	yes(out.came >= ordinary_frames());
	far_close(&in);
	far_close(&out);
	struct vionet_pool_info pool = pool_of(0);
	same(pool.available, pool.packets);
	same(pool.refused, 0);
}

#endif
