/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames that go out on each queue of a port and come back on the same queue of that port or of another. They are numbered,
 * every byte follows from the number, they come in order and none comes twice; a frame may be lost only after forgive().
 */
#ifndef QUEUE_ROUND_TRIPS_H
#define QUEUE_ROUND_TRIPS_H

#include "../support/frame.h"

#include <sched.h>

enum { QUEUES = 8, OUTSTANDING = 4096, LONGEST = 16384 };

struct lane {
	uint32_t sent;                 /* number of the next frame to go out */
	uint32_t expected;             /* number of the next to come back */
	uint32_t fresh;                /* frames before this one may be lost */
	uint32_t came, lost, joined;   /* joined: came in several buffers */
	uint16_t lengths[OUTSTANDING]; /* of the frames under way, by number */
};

static struct lane lanes[QUEUES];
static uint16_t out, in, queues = 1, pieces_pool;
static uint32_t window, length_now, segments = 1;
static int tagged; /* each fourth frame has a VLAN tag, which the library inserts and strips */

/* The sizes of bursts, in turn. */
static const uint16_t bursts[] = {32, 1, 4, 31, 64, 8};
static uint32_t turn;

static int is_tagged(uint32_t number)
{
	return tagged && number % 4 == 3;
}

/* Makes a frame in pieces of about equal length. The upper bits of the number in the frame are its queue. */
static struct vionet_packet *made(uint16_t queue, uint32_t number, uint32_t length)
{
	static unsigned char whole[LONGEST];
	struct vionet_packet *head = NULL;
	uint32_t begin = 0;
	frame_fill(whole, length, (uint32_t)queue << 28 | number);
	for (uint32_t i = 0; i < segments; i++) {
		uint32_t end = length * (i + 1) / segments;
		struct vionet_packet *piece = vionet_packet_alloc(pieces_pool);
		yes(piece != NULL);
		void *room = vionet_packet_append(piece, end - begin);
		yes(room != NULL);
		memcpy(room, whole + begin, end - begin);
		begin = end;
		if (head != NULL)
			yes(vionet_packet_chain(head, piece) == 0);
		else
			head = piece;
	}
	if (is_tagged(number)) {
		head->flags |= VIONET_PACKET_VLAN;
		head->vlan = (uint16_t)(number & 0xfff);
	}
	return head;
}

/* Sends up to count frames and returns how many were taken. The others are freed, and made again by a later call. */
static uint32_t send_burst(uint16_t queue, uint32_t count)
{
	struct vionet_packet *packets[64];
	struct lane *lane = &lanes[queue];
	uint16_t n = (uint16_t)(count < 64 ? count : 64);
	for (uint16_t i = 0; i < n; i++)
		packets[i] = made(queue, lane->sent + i, length_now);
	uint16_t taken = vionet_tx_burst(out, queue, packets, n);
	vionet_packet_free_bulk(packets + taken, (uint16_t)(n - taken));
	for (uint16_t i = 0; i < taken; i++)
		lane->lengths[lane->sent++ % OUTSTANDING] = (uint16_t)length_now;
	yes(lane->sent - lane->expected <= OUTSTANDING);
	return taken;
}

/* Copies all segments of a packet into one piece and returns its length. */
static uint32_t gathered(const struct vionet_packet *p, unsigned char *data)
{
	uint32_t length = 0, count = 0;
	for (const struct vionet_packet *s = p; s != NULL; s = s->next, count++) {
		yes(length + s->length <= LONGEST);
		memcpy(data + length, s->data, s->length);
		length += s->length;
	}
	same(length, p->total_length);
	same(count, p->segments);
	return length;
}

static void check(uint16_t queue, const struct vionet_packet *p)
{
	static unsigned char data[LONGEST], want[LONGEST];
	struct lane *lane = &lanes[queue];
	uint32_t length = gathered(p, data), whole = frame_number(data), number = whole & 0xfffffff;
	if (whole >> 28 != queue)
		FAILED("a frame of queue %u on queue %u", whole >> 28, queue);
	if (number != lane->expected && (number < lane->expected || number > lane->fresh || number >= lane->sent))
		FAILED("queue %u: frame %u in place of %u, of %u sent", queue, number, lane->expected, lane->sent);
	uint16_t sent = lane->lengths[number % OUTSTANDING];
	if (length != sent)
		FAILED("queue %u: frame %u came with %u bytes, not %u", queue, number, length, sent);
	frame_fill(want, length, whole);
	if (memcmp(data, want, length) != 0)
		FAILED("queue %u: frame %u came changed", queue, number);
	int has_tag = (p->flags & VIONET_PACKET_VLAN) != 0;
	if (has_tag != is_tagged(number) || (has_tag && p->vlan != (number & 0xfff)))
		FAILED("queue %u: frame %u came with a wrong tag", queue, number);
	lane->lost += number - lane->expected;
	lane->expected = number + 1;
	lane->came++;
	lane->joined += p->segments > 1;
}

static uint32_t receive_burst(uint16_t queue)
{
	struct vionet_packet *packets[64];
	uint16_t n = vionet_rx_burst(in, queue, packets, bursts[turn % 6]);
	for (uint16_t i = 0; i < n; i++)
		check(queue, packets[i]);
	vionet_packet_free_bulk(packets, n);
	return n;
}

/* Returns how many frames must still come back. */
static uint32_t under_way(const struct lane *lane)
{
	return lane->sent - (lane->expected > lane->fresh ? lane->expected : lane->fresh);
}

/* One turn of all queues: sends if it may, and receives. Returns how many frames came. */
static uint32_t pump(int sending)
{
	uint32_t got = 0;
	turn++;
	for (uint16_t q = 0; q < queues; q++) {
		uint32_t busy = under_way(&lanes[q]), room = busy < window ? window - busy : 0, most = bursts[turn / 6 % 6];
		if (sending && room > 0)
			send_burst(q, room < most ? room : most);
		got += receive_burst(q);
	}
	if (got == 0)
		sched_yield(); /* with few cores the peer waits for this one */
	return got;
}

/* Sums over all queues. */
#define SUM(name, member) \
	static uint32_t name(void) \
	{ \
		uint32_t sum = 0; \
		for (uint16_t q = 0; q < queues; q++) \
			sum += lanes[q].member; \
		return sum; \
	}
SUM(sum_came, came)
SUM(lost, lost)
SUM(joined, joined)

/* Goes on until all frames that were sent are back. */
static uint32_t drain(void)
{
	uint64_t last = microseconds();
	for (uint16_t q = 0; q < queues; q++)
		while (lanes[q].expected < lanes[q].sent)
			if (pump(0) > 0)
				last = microseconds();
			else if (microseconds() - last > LONG_WAIT * 1000ull)
				FAILED("queue %u: %u frames sent, %u came back and no more", q, lanes[q].sent, lanes[q].expected);
	return sum_came();
}

/* Goes on until so many more frames have come back on each queue. */
static void flow(uint32_t frames)
{
	uint64_t last = microseconds();
	uint32_t ends[QUEUES];
	for (uint16_t q = 0; q < queues; q++)
		ends[q] = lanes[q].came + frames;
	for (uint16_t q = 0; q < queues; q++)
		while (lanes[q].came < ends[q])
			if (pump(1) > 0)
				last = microseconds();
			else if (microseconds() - last > LONG_WAIT * 1000ull)
				FAILED("queue %u: nothing comes, %u under way", q, under_way(&lanes[q]));
}

/* Allows that the frames under way are lost. */
static uint32_t forgive(void)
{
	for (uint16_t q = 0; q < queues; q++)
		lanes[q].fresh = lanes[q].sent;
	return sum_came();
}

#endif
