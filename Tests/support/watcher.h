/* SPDX-License-Identifier: BSD-2-Clause */
/* A watcher that adds up what it is told, and a port for it. */
#ifndef WATCHER_H
#define WATCHER_H

#include "frame.h"

static uint16_t port, pool;

/* What a watcher saw; the numbers of frames are added up, so that their contents count too. */
static struct seen {
	_Atomic uint64_t received, received_numbers, offered, unreadable, taken, taken_numbers, tx_dropped, rx_dropped;
	_Atomic uint64_t tx_reasons[VIONET_DROP_REASONS], rx_reasons[VIONET_DROP_REASONS];
} seen;
/* Numbers of the packets that were offered last; one thread sends. */
static uint32_t numbers[64];

static uint32_t number_in(const struct vionet_packet *packet)
{
	return packet == NULL || packet->length < 60 ? 0 : frame_number((const unsigned char *)packet->data);
}

static void offered(struct seen *s, const struct vionet_watched *watched)
{
	yes(watched->count > 0 && watched->count <= 64);
	s->offered += watched->count;
	for (uint32_t i = 0; i < watched->count; i++) {
		s->unreadable += watched->packets[i] == NULL;
		numbers[i] = number_in(watched->packets[i]);
	}
}

static void taken(struct seen *s, const struct vionet_watched *watched)
{
	for (uint32_t i = 0; i < watched->count; i++) {
		if (watched->drops[i] == VIONET_NOT_DROPPED) {
			s->taken++;
			s->taken_numbers += numbers[i];
		} else {
			yes(watched->drops[i] < VIONET_DROP_REASONS);
			s->tx_dropped++;
			s->tx_reasons[watched->drops[i]]++;
		}
	}
}

OK_UNUSED static void watch(const struct vionet_watched *watched, void *user)
{
	struct seen *s = user;
	same(watched->size, sizeof(*watched));
	same(watched->port, port);
	switch (watched->what) {
	case VIONET_WATCH_RECEIVED:
		s->received += watched->count;
		for (uint32_t i = 0; i < watched->count; i++)
			s->received_numbers += number_in(watched->packets[i]);
		break;
	case VIONET_WATCH_RX_DROPPED:
		s->rx_dropped += watched->count;
		s->rx_reasons[watched->reason] += watched->count;
		break;
	case VIONET_WATCH_OFFERED:
		offered(s, watched);
		break;
	case VIONET_WATCH_TAKEN:
		taken(s, watched);
		break;
	default:
		FAILED("the watcher was told of %u", watched->what);
	}
}

OK_UNUSED static void open_port(const char *address)
{
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	config.pool = pool = pool_made(4096);
	ok(vionet_open_config(address, &config, &port));
}

OK_UNUSED static void close_port(void)
{
	vionet_close(port);
	same(pool_of(pool).available, 4096);
	ok(vionet_pool_destroy(pool));
}

#endif
