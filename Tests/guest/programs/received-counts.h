/* SPDX-License-Identifier: BSD-2-Clause */
/* What the port of tuner.c receives: counted, and compared with what the port's key and table make of it. */
#ifndef RECEIVED_COUNTS_H
#define RECEIVED_COUNTS_H

#include <stdio.h>
#include <string.h>
#include <vionet.h>

enum { MARKS = 256, QUEUES = 8, TABLE = 1024 };

static uint16_t port, queues;
static unsigned marks[MARKS], per_queue[QUEUES], good, bad_hash, bad_queue, without;
static uint8_t key[255];
static uint16_t table[TABLE], table_length, unclassified;

/* The Toeplitz hash: the sum of the key's bits from each set bit of the input on (virtio 1.4, 5.1.9.4.4.3). */
static uint32_t toeplitz(const uint8_t *input, unsigned length)
{
	uint32_t sum = 0, window = (uint32_t)key[0] << 24 | (uint32_t)key[1] << 16 | (uint32_t)key[2] << 8 | key[3];
	for (unsigned bit = 0; bit < 8 * length; bit++) {
		if (input[bit / 8] >> (7 - bit % 8) & 1)
			sum ^= window;
		window = window << 1 | (key[4 + bit / 8] >> (7 - bit % 8) & 1);
	}
	return sum;
}

static void flow(const struct vionet_packet *packet, uint16_t queue)
{
	const uint8_t *ip = (const uint8_t *)packet->data + 14;
	/* The hash takes addresses and ports in the order they have in a packet. */
	uint32_t wanted = toeplitz(ip + 12, 12), report = packet->flags >> 24;
	int has_hash = (packet->flags & VIONET_PACKET_HASH) != 0;
	per_queue[queue]++;
	if (table_length != 0 && queue != (has_hash ? table[wanted & (table_length - 1u)] : unclassified))
		bad_queue++;
	if (!has_hash)
		without++;
	else if (packet->hash != wanted || report != (ip[9] == 6 ? 2 : 3))
		bad_hash++;
	else
		good++;
}

static void look(const struct vionet_packet *packet, uint16_t queue)
{
	const uint8_t *frame = packet->data;
	unsigned type = (unsigned)frame[12] << 8 | frame[13], at = 14;
	if (type == 0x8100) {
		type = (unsigned)frame[16] << 8 | frame[17];
		at = 18;
	}
	if (type == 0x88b5 && packet->length > at)
		marks[frame[at]]++;
	else if (type == 0x0800 && packet->length >= 42 && (frame[23] == 6 || frame[23] == 17))
		flow(packet, queue);
}

static void receive(void)
{
	struct vionet_packet *packets[32];
	for (uint16_t queue = 0; queue < queues; queue++) {
		uint16_t count;
		while ((count = vionet_rx_burst(port, queue, packets, 32)) > 0)
			for (uint16_t i = 0; i < count; i++) {
				look(packets[i], queue);
				vionet_packet_free(packets[i]);
			}
	}
}

static void say_marks(void)
{
	for (int i = 0; i < MARKS; i++)
		if (marks[i] != 0)
			printf("%d:%u ", i, marks[i]);
	printf("\n");
}

static void say_flows(void)
{
	printf("good %u bad-hash %u bad-queue %u without %u in all %u queues", good, bad_hash, bad_queue, without,
	       good + bad_hash + without);
	for (uint16_t queue = 0; queue < queues; queue++)
		printf(" %u", per_queue[queue]);
	printf("\n");
}

static void forget(void)
{
	memset(marks, 0, sizeof(marks));
	good = bad_hash = bad_queue = without = 0;
	memset(per_queue, 0, sizeof(per_queue));
}

#endif
