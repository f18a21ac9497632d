/* SPDX-License-Identifier: BSD-2-Clause */
/* What a device may do to the bytes of its rings, to their pages and to the eventfds. */
#ifndef RING_CHANGES_H
#define RING_CHANGES_H

#include "device-ring.h"

static uint64_t mutations; /* bytes, bits or fields that were changed */

static uint8_t *ring_bytes(struct device_ring *s, uint32_t *count)
{
	*count = (uint32_t)((uint8_t *)s->device + (s->packed ? 4 : 6 + 8 * s->size) - (uint8_t *)s->table);
	return (uint8_t *)s->table;
}

/* Changes bytes of a ring, mostly other ones than tell that a buffer is used: those break nearly every queue at once. */
OK_UNUSED static void change_bytes(struct device_ring *s, struct chance *c)
{
	uint32_t count, spares = below(c, 16);
	uint8_t *bytes = ring_bytes(s, &count);
	uint16_t index = s->device[1], flags[MOST];
	for (uint16_t n = 0; s->packed && n < s->size; n++)
		flags[n] = s->packed_ring[n].flags & (PACKED_AVAILABLE | PACKED_USED);
	for (int n = 0; n < 32; n++, mutations++)
		bytes[below(c, count)] ^= (uint8_t)(1 << below(c, 8));
	if (spares == 0)
		return;
	for (uint16_t n = 0; s->packed && n < s->size; n++)
		s->packed_ring[n].flags = (uint16_t)((s->packed_ring[n].flags & ~(PACKED_AVAILABLE | PACKED_USED)) | flags[n]);
	if (!s->packed)
		s->device[1] = index;
}

OK_UNUSED static void change_some_bytes(struct device_ring *s, struct input *i)
{
	uint32_t room;
	uint8_t *bytes = ring_bytes(s, &room);
	for (int count = 1 + next8(i) % 32; count > 0; count--, mutations++)
		bytes[next_bytes(i, 2) % room] ^= (uint8_t)(1 + next8(i) % 255);
}

/* Takes the pages of the rings away: they are zeroes from then on. */
OK_UNUSED static void punch_rings(void)
{
	same(madvise(backend.peer.region[0].mapped, backend.peer.region[0].mapped_length, MADV_REMOVE), 0);
	mutations++;
}

/* A back-end may do this to the eventfds that it was given: both sides have the same open file. */
OK_UNUSED static void spoil_eventfd(int which, uint8_t how)
{
	int file = how & 1 ? backend.peer.ring[which].kick : backend.peer.ring[which].call;
	uint64_t full = 0xfffffffffffffffe;
	if (file < 0)
		return;
	mutations++;
	if (how & 2)
		same(fcntl(file, F_SETFL, 0), 0);
	else if (fcntl(file, F_GETFL) & O_NONBLOCK)
		(void)!syscall(SYS_write, file, &full, sizeof(full));
}

#endif
