/* SPDX-License-Identifier: BSD-2-Clause */
/* deadline: 600 */
/*
 * Several threads put packets into one transmit buffer. Every packet arrives, those of one thread in their order; counts agree
 * to the packet; nothing is left behind when all calls have returned.
 */
#include "../support/tx_buffer.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { MOST = 8, BURST = 32 };

struct producer {
	pthread_t thread;
	uint32_t number, frames; /* what it puts in: frames with its number in the high byte */
	uint64_t taken, refused;
};

static struct producer producers[MOST];
static _Atomic uint32_t waiting;   /* frames that were put in and have not come back */
static uint32_t most_waiting;      /* frames that the receive ring holds; 0: no limit */
static _Atomic int is_over;        /* for producers without a number of frames */
static pthread_barrier_t together;

static void *produce(void *argument)
{
	struct producer *it = argument;
	struct vionet_packet *packets[50];
	uint32_t x = it->number * 2654435761u + 1, next = 0;
	uint64_t end = microseconds() + LONG_WAIT * 1000ull;
	it->taken = it->refused = 0;
	pthread_barrier_wait(&together);
	while (it->frames != 0 ? next < it->frames : !is_over) {
		uint16_t want, count = 0, done = 0;
		x = x * 1664525u + 1013904223u;
		want = (uint16_t)(x >> 30 ? 1 + (x >> 24) % 4 : 1 + (x >> 24) % 50);
		for (; count < want && (it->frames == 0 || next < it->frames); count++, next++) {
			while ((packets[count] = frame_packet(pool, 60 + next % 200, it->number << 24 | next)) == NULL && !is_over)
				sched_yield();
			if (packets[count] == NULL)
				break;
		}
		if (most_waiting != 0) {
			while (atomic_fetch_add(&waiting, count) + count > most_waiting) {
				atomic_fetch_sub(&waiting, count);
				vionet_tx_buffer_flush(buffer);
				sched_yield();
				if (microseconds() > end)
					FAILED("producer %u waits at frame %u", it->number, next);
			}
		}
		while (done < count) {
			uint16_t n = vionet_tx_buffer_put(buffer, packets + done, (uint16_t)(count - done));
			done = (uint16_t)(done + n);
			it->refused += (uint64_t)(count - done);
			if (done < count && is_over)
				break;
			if (n > 0)
				end = microseconds() + LONG_WAIT * 1000ull;
			else
				sched_yield();
			if (microseconds() > end)
				FAILED("producer %u: no room at frame %u", it->number, next);
		}
		it->taken += done;
		vionet_packet_free_bulk(packets + done, (uint16_t)(count - done));
	}
	return NULL;
}

static void start_producers(uint32_t count, uint32_t frames)
{
	pthread_barrier_init(&together, NULL, count);
	for (uint32_t i = 0; i < count; i++) {
		producers[i].number = i;
		producers[i].frames = frames;
		same(pthread_create(&producers[i].thread, NULL, produce, &producers[i]), 0);
	}
}

static void join_producers(uint32_t count)
{
	uint64_t taken = 0, refused = 0;
	for (uint32_t i = 0; i < count; i++) {
		pthread_join(producers[i].thread, NULL);
		taken += producers[i].taken;
		refused += producers[i].refused;
	}
	pthread_barrier_destroy(&together);
	struct vionet_tx_buffer_stats stats = buffer_stats();
	same(stats.put, taken);
	same(stats.refused, refused);
	same(stats.put, stats.sent + stats.buffered);
}

static const struct row {
	const char *device;
	uint32_t producers;
} rows[] = {
	{"", 1}, {"", 2}, {"", 4}, {"", 8}, {",packed_vq=1", 1}, {",packed_vq=1", 2}, {",packed_vq=1", 4}, {",packed_vq=1", 8},
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static const char *row_name(const char *what, const struct row *row)
{
	static char name[128];
	snprintf(name, sizeof(name), "%s%s with %u producers", what, row->device, row->producers);
	return name;
}

static const char *loopback_title(unsigned int row) { return row_name("order and contents on soft:loopback", &rows[row]); }

CASES(ROWS, loopback_title)
{
	uint32_t next[MOST] = {0}, count = rows[row].producers, each = 60000 / count, left = each * count;
	struct vionet_packet *packets[64];
	uint64_t end = microseconds() + LONG_WAIT * 1000ull;
	char device[64];

	snprintf(device, sizeof(device), "soft:loopback%s", rows[row].device);
	port = open_port(device, 256);
	buffer = made(64, BURST, 0); /* little room, so that it is full at times */
	most_waiting = 200;
	start_producers(count, each);
	while (left > 0) {
		uint16_t n = vionet_rx_burst(port, 0, packets, 64);
		for (uint16_t i = 0; i < n; i++) {
			uint32_t number = frame_number(packets[i]->data), from = number >> 24;
			yes(from < count);
			same(number & 0xffffff, next[from]);
			same(packets[i]->length, 60 + next[from] % 200);
			yes(frame_right(packets[i]->data, packets[i]->length, number));
			next[from]++;
		}
		vionet_packet_free_bulk(packets, n);
		waiting -= n;
		left -= n;
		if (n > 0)
			end = microseconds() + LONG_WAIT * 1000ull;
		else if (microseconds() > end)
			FAILED("%u frames are missing", left);
		else
			vionet_tx_buffer_flush(buffer); /* the last few are fewer than a burst */
	}
	join_producers(count);
	same(buffer_stats().sent, each * count);
	same(stats_of(port).tx.packets, each * count);
	same(vionet_tx_buffer_destroy(buffer), 0);
}

static const char *sink_title(unsigned int row) { return row_name("nothing is left behind on soft:sink", &rows[row]); }

/* The port always has room, so that fewer packets than a burst are left when all calls have returned. */
CASES(ROWS, sink_title)
{
	uint32_t count = rows[row].producers, each = 2400 / count, left_before = 0;
	uint64_t sent = 0;
	char device[64];

	snprintf(device, sizeof(device), "soft:sink%s", rows[row].device);
	port = open_port(device, 8192);
	buffer = made(1024, BURST, 0);
	for (int round = 0; round < 60; round++) {
		struct vionet_tx_buffer_stats before = buffer_stats(), stats;
		start_producers(count, each);
		for (uint32_t i = 0; i < count; i++)
			pthread_join(producers[i].thread, NULL);
		pthread_barrier_destroy(&together);
		stats = buffer_stats();
		sent += each * count;
		same(stats.put, sent);
		same(stats.put, stats.sent + stats.buffered);
		if (stats.buffered >= BURST)
			FAILED("%u packets were left behind in round %d", (unsigned int)stats.buffered, round);
		yes(stats.by_burst > before.by_burst);
		same(stats.by_flush, left_before);
		left_before += stats.buffered > 0;
		same(vionet_tx_buffer_flush(buffer), 0);
		/* Until the device has taken all. */
		soon((vionet_tx_buffer_flush(buffer), pool_of(pool).available > PACKETS - 2000));
	}
	same(stats_of(port).tx.packets, sent);
	same(buffer_stats().by_deadline, 0);
	same(vionet_tx_buffer_destroy(buffer), 0);
}

CASE("threads flush and look while others put packets in")
{
	port = open_port("soft:sink", 256);
	buffer = made(256, BURST, 50);
	start_producers(3, 40000);
	for (uint32_t i = 0; buffer_stats().sent < 3 * 40000; i++) {
		int due = vionet_tx_buffer_due(buffer);
		yes(due >= -1 && due <= 50);
		if (i % 3 == 0)
			yes(vionet_tx_buffer_flush(buffer) <= 256);
		else if (i % 3 == 1)
			same(vionet_tx_buffer_put(buffer, NULL, 0), 0);
		else
			sched_yield();
	}
	join_producers(3);
	same(stats_of(port).tx.packets, 3 * 40000);
	same(vionet_tx_buffer_due(buffer), -1);
	same(vionet_tx_buffer_destroy(buffer), 0);
}

CASE("a port is stopped, started and closed while threads put packets in")
{
	struct vionet_tx_buffer_stats stats;
	uint16_t other;

	for (int i = 0; i < 60; i++) {
		port = open_port(i % 2 ? "soft:sink,packed_vq=1" : "soft:sink", 256);
		buffer = made(128, BURST, i % 3 ? 20 : 0);
		is_over = 0;
		start_producers(3, 0);
		usleep((unsigned int)(i * 7919 % 3000));
		ok(vionet_stop(port));
		if (i % 3 == 0) {
			ok(vionet_start(port));
			usleep((unsigned int)(i * 7919 % 2000));
		}
		vionet_close(port);
		/* Another port of the same number is none of the buffer's business. */
		other = open_port("soft:sink", 256);
		same(other, port);
		soon((stats = buffer_stats(), stats.buffered == 128));
		is_over = 1;
		join_producers(3);
		same(vionet_tx_buffer_flush(buffer), 128);
		same(stats_of(other).tx.packets, 0);
		same(vionet_tx_buffer_destroy(buffer), 128);
		vionet_close(other);
	}
}
