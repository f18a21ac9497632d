/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A capture through the control socket: what its ring has, what is lost when nobody reads it, and that nothing is left of it
 * when its client goes, however that behaves.
 */
#include "../support/cases.h"
#include "../support/control_client.h"
#include "../support/captured_port.h"

#include <fcntl.h>

/* Packets with these numbers go round once. */
static void round_trip(uint32_t number, uint16_t count, uint32_t length)
{
	struct vionet_packet *packets[256];
	for (uint16_t i = 0; i < count; i++)
		packets[i] = frame_packet(pool, length, number + i);
	send_all(port, packets, count);
	receive_all(port, packets, count);
	vionet_packet_free_bulk(packets, count);
}

/* The next record is such a packet, as long as captured says. */
static void is_next(int direction, uint32_t number, uint32_t length, uint32_t captured)
{
	const struct record *record = capture_next(&c);
	yes(record != NULL);
	same(record->direction, direction);
	same(record->length, length);
	same(record->captured, captured);
	same(record->reason, 255);
	yes(captured < 20 || frame_number(record->data) == number);
	yes(captured < length || frame_right(record->data, length, number));
}

CASE("packets of both directions are in the ring, with time, port and queue")
{
	capture_begin(&c, "capture");
	for (uint32_t round = 0; round < 400; round++) {
		uint32_t length = 60 + 7 * (round % 200);
		struct vionet_packet *packets[2];
		struct timespec now;
		for (uint32_t i = 0; i < 2; i++)
			packets[i] = frame_packet(pool, length, 2 * round + i);
		send_all(port, packets, 2);
		is_next(1, 2 * round, length, length);
		is_next(1, 2 * round + 1, length, length);
		receive_all(port, packets, 2);
		for (uint32_t i = 0; i < 2; i++) {
			const struct record *record = capture_next(&c);
			yes(record != NULL && frame_right(record->data, length, 2 * round + i));
			same(record->direction + record->queue + record->facts, 0);
			same(record->port, port);
			clock_gettime(CLOCK_REALTIME, &now);
			uint64_t passed = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec - record->time;
			yes(passed < 600ull * 1000000000u);
		}
		vionet_packet_free_bulk(packets, 2);
	}
	yes(capture_next(&c) == NULL && c.position > 10000);
	same(capture_lost(&c), 0);
	capture_forget(&c);
	over();
}

CASE("one direction, one port, some bytes")
{
	uint16_t second = opened_with("soft:sink");
	struct vionet_packet *packet = frame_packet(pool, 200, 1);
	char request[100];
	snprintf(request, sizeof(request), "capture port=%u direction=tx snaplen=31 ring=64", port);
	capture_begin(&c, request);
	same(c.size, 65536);
	same(vionet_tx_burst(second, 0, &packet, 1), 1);
	round_trip(1, 3, 100);
	for (uint32_t i = 1; i <= 3; i++)
		is_next(1, i, 100, 31);
	yes(capture_next(&c) == NULL);
	capture_forget(&c);
	over();
	c.connection = caller();
	capture_begin(&c, "capture direction=rx");
	round_trip(1, 3, 100);
	for (uint32_t i = 1; i <= 3; i++)
		is_next(0, i, 100, 100);
	yes(capture_next(&c) == NULL);
	capture_forget(&c);
	over();
	vionet_close(second);
}

CASE("dropped packets have their reason, and those that cannot be read have no bytes")
{
	struct vionet_packet *packets[4];
	capture_begin(&c, "capture direction=tx");
	for (uint32_t i = 0; i < 4; i++)
		packets[i] = frame_packet(pool, 100, i);
	packets[1]->length = packets[1]->total_length = 3;
	packets[2]->data = (void *)(uintptr_t)64;
	same(vionet_tx_burst(port, 0, packets, 4), 4);
	is_next(1, 0, 100, 100);
	const struct record *record = capture_next(&c);
	same(record->captured, 3);
	same(record->reason, VIONET_DROP_EMPTY);
	record = capture_next(&c);
	same(record->captured, 0);
	same(record->length, 1);
	same(record->facts, 8);
	same(record->reason, VIONET_DROP_LONG);
	is_next(1, 3, 100, 100);
	yes(capture_next(&c) == NULL);
	receive_all(port, packets, 2);
	vionet_packet_free_bulk(packets, 2);
	capture_forget(&c);
	over();
}

CASE("what finds no room is counted, and the program goes on")
{
	uint32_t in_ring = 0;
	capture_begin(&c, "capture direction=rx ring=64");
	for (uint32_t i = 0; i < 20; i++)
		round_trip(100 * i, 100, 1000);
	uint64_t lost = capture_lost(&c);
	while (capture_next(&c) != NULL)
		in_ring++;
	yes(in_ring > 50 && in_ring < 66);
	same(lost + in_ring, 2000);
	round_trip(5, 3, 1000); /* there is room again */
	for (uint32_t i = 0; i < 3; i++)
		is_next(0, 5 + i, 1000, 1000);
	same(capture_lost(&c), lost);
	capture_forget(&c);
	over();
}

CASE("a client that writes invalid positions loses packets, and can change nothing else")
{
	static const uint64_t values[] = {1, 4096, 65536, 65537, 1ull << 63, UINT64_MAX, UINT64_MAX - 65535};
	capture_begin(&c, "capture ring=64");
	for (unsigned int i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		__atomic_store_n((uint64_t *)(void *)c.reader, values[i], __ATOMIC_RELEASE);
		for (int round = 0; round < 10; round++)
			round_trip(1, 100, 700);
	}
	yes(capture_lost(&c) > 0);
	yes(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, c.files[0], 0) == MAP_FAILED);
	yes(mprotect(c.ring, 4096, PROT_READ | PROT_WRITE) != 0);
	for (int i = 0; i < 2; i++) {
		yes(ftruncate(c.files[i], 0) != 0);
		yes(ftruncate(c.files[i], 1 << 20) != 0);
		yes(write(c.files[0], "x", 1) < 0);
	}
	yes(fallocate(c.files[0], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 65536) != 0);
	same(fallocate(c.files[1], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), 0);
	round_trip(1, 10, 100);
	capture_forget(&c);
	over();
}

CASE("nothing is left of a capture whose client is gone")
{
	struct holdings before = {0};
	for (int i = 0; i < 20; i++) {
		capture_begin(&c, i % 2 ? "capture ring=64" : "capture");
		round_trip(1, 10, 100);
		capture_forget(&c); /* as if it was killed: without a word */
		over();
		round_trip(1, 10, 100);
		ok(vionet_watch_set(port, NULL, NULL));
		c.connection = caller();
		served();
		if (i == 2)
			before = holdings();
	}
	held_as_before(before, SLACK);
	over();
}

CASE("a port is captured once at a time, and wrong requests are refused")
{
	struct capture other = {.connection = caller()};
	capture_begin(&c, "capture");
	yes(strstr(capture_answer(&other, "capture"), "error 16 port 0 has a watcher") != NULL);
	yes(strstr(capture_answer(&other, "capture port=77"), "error 19 there is no port 77") != NULL);
	/* A filter goes with the capture that fails: what is asked for next would be everything. */
	int ended, filtered = caller();
	answers(filtered, "filter 0006000000000000", "ok\n");
	say(filtered, "capture\n");
	yes(strstr(heard(filtered, &ended), "error 16 port 0 has a watcher") != NULL && ended);
	close(filtered);
	tells(other.connection, "capture colour=red", "error 22 capture \"colour=red\": wanted are");
	tells(other.connection, "capture snaplen=0", "error 22");
	tells(other.connection, "capture ring=63", "error 22");
	tells(other.connection, "capture ring=65537", "error 22");
	tells(other.connection, "capture direction=up", "error 22");
	tells(other.connection, "capture port=256", "error 22");
	round_trip(1, 1, 60);
	is_next(1, 1, 60, 60);
	capture_forget(&c);
	over();
	capture_begin(&other, "capture");
	capture_forget(&other);
	close(other.connection);
	served();
}

CASE("ports that come later are captured, and those that go are forgotten")
{
	capture_begin(&c, "capture direction=tx");
	uint16_t second = opened_with("soft:sink");
	served();
	struct vionet_packet *packet = frame_packet(pool, 100, 1);
	same(vionet_tx_burst(second, 0, &packet, 1), 1);
	const struct record *record = capture_next(&c);
	yes(record != NULL && record->port == second);
	vionet_close(second);
	served();
	same(opened_with("soft:sink"), second);
	served();
	packet = frame_packet(pool, 100, 2);
	same(vionet_tx_burst(second, 0, &packet, 1), 1);
	record = capture_next(&c);
	yes(record != NULL && record->port == second && frame_number(record->data) == 2);
	capture_forget(&c);
	over();
	err(vionet_watch_set(77, NULL, NULL), -ENODEV);
	vionet_close(second);
}
