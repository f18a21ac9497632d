/* SPDX-License-Identifier: BSD-2-Clause */
/* How a frame is put in at the far end of a port (far_ends.h), and how what comes out there is counted. */
#ifndef FAR_TRAFFIC_H
#define FAR_TRAFFIC_H

#include "far_ends.h"

/* As many segments as it takes; a header becomes the packet's flags. */
static struct vionet_packet *packet_of(const struct odd_frame *f, const unsigned char *bytes)
{
	struct vionet_packet *head = vionet_packet_alloc(0);
	yes(head != NULL);
	for (uint32_t at = 0; at < f->length;) {
		struct vionet_packet *p = at == 0 ? head : vionet_packet_alloc(0);
		yes(p != NULL);
		uint32_t n = f->length - at < 1984 ? f->length - at : 1984;
		memcpy(vionet_packet_append(p, n), bytes + at, n);
		if (p == head)
			head->total_length = n;
		else
			same(vionet_packet_chain(head, p), 0);
		at += n;
	}
	head->flags = (uint32_t)(f->header.flags & 3) | (uint32_t)f->header.gso << 8;
	head->header_length = f->header.header_length;
	head->segment_size = f->header.segment_size;
	head->checksum_start = f->header.checksum_start;
	head->checksum_offset = f->header.checksum_offset;
	return head;
}

/* A device fills one buffer after the other, whatever was agreed, as VPP does. */
static void put_into_ring(struct far_end *e, const struct odd_frame *f, const unsigned char *bytes)
{
	unsigned char header[HEADER] = {0};
	uint32_t room = VIONET_HEADROOM, count = 1;
	struct vionet_pool_info pool = pool_of(info_of(e->port).pool);
	room = pool.data_size + HEADER;
	memcpy(header, &f->header, sizeof(f->header));
	if (e->mode != JOINED)
		count = (HEADER + f->length + room - 1) / room;
	deliver_in(&e->peer, RX, count, header, bytes, f->length);
	e->offered++;
}

/* Counts what the interface was given to pass on: a frame that the kernel cuts is several. */
static void see_what_leaves(struct far_end *e)
{
	unsigned char bytes[64];
	struct sockaddr_ll from;
	socklen_t size = sizeof(from);
	while (recvfrom(e->sniffer, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &size) > 0)
		e->offered += from.sll_pkttype == PACKET_OUTGOING;
}

/* What the kernel does not take is no frame; fragments of a datagram it takes and drops. */
static void put_into_interface(struct far_end *e, const struct odd_frame *f, const unsigned char *bytes)
{
	static unsigned char whole[ODD_LONGEST + 10];
	if ((f->header.gso & 0x7f) == 3)
		return;
	memcpy(whole, &f->header, 10);
	memcpy(whole + 10, bytes, f->length);
	(void)!send(e->packets, whole, f->length + 10, 0);
	see_what_leaves(e);
	same(interface_counters(e).tx_dropped, 0);
}

/* Puts a frame in. What is in a capture is there already. */
OK_UNUSED static void far_put(struct far_end *e, const struct odd_frame *f)
{
	static unsigned char bytes[ODD_LONGEST];
	odd_fill(f, bytes);
	/* What one buffer does not hold QEMU forgets, and testpmd drops it with the rest of its burst. */
	if (e->kind >= PCI && e->mode == PLAIN && f->length > 1984)
		return;
	if (e->kind == PCAP) {
		e->offered++;
	} else if (e->kind == TAP || e->kind == VHOST_NET) {
		put_into_interface(e, f, bytes);
	} else if (e->kind == CLIENT || e->kind == SERVER) {
		put_into_ring(e, f, bytes);
	} else {
		struct vionet_packet *packet = packet_of(f, bytes);
		send_all(e->other, &packet, 1);
		e->offered++;
	}
}

static void begins(const unsigned char *bytes, uint32_t length)
{
	if (!odd_begins(bytes, length))
		FAILED("a frame of %u bytes begins in the middle of another: %02x %02x", length, bytes[0], bytes[1]);
}

/* The frames in a capture; a record that is not all there yet does not count. */
static uint64_t records(const struct far_end *e)
{
	unsigned char bytes[14];
	uint32_t record[4];
	uint64_t count = 0;
	FILE *f = fopen(file_of(e), "re");
	yes(f != NULL);
	fseek(f, 0, SEEK_END);
	long size = ftell(f), at = 24;
	while (at + 16 <= size) {
		fseek(f, at, SEEK_SET);
		yes(fread(record, 16, 1, f) == 1);
		at += 16 + (long)record[2];
		if (at > size)
			break;
		yes(record[2] >= 14 && fread(bytes, 14, 1, f) == 1);
		begins(bytes, 14);
		count++;
	}
	fclose(f);
	return count;
}

static void take_from_ring(struct far_end *e)
{
	static unsigned char whole[ODD_LONGEST + 100];
	struct buffer b;
	uint32_t length;
	while ((length = collect_in(&e->peer, TX, &b, whole, sizeof(whole))) > 0) {
		use_buffers(&e->peer, TX, &b, 1, 0);
		begins(whole + HEADER, length - HEADER);
		e->came++;
	}
}

/* How many were put in. */
OK_UNUSED static uint64_t far_offered(struct far_end *e)
{
	if (e->kind == TAP || e->kind == VHOST_NET)
		see_what_leaves(e);
	return e->offered;
}

/* Counts what has come out. */
OK_UNUSED static void far_take(struct far_end *e)
{
	struct vionet_packet *packets[32];
	uint16_t count;
	switch (e->kind) {
	case PCAP: e->came = records(e); break;
	case TAP: case VHOST_NET: e->came = interface_counters(e).rx_packets; break;
	case CLIENT: case SERVER: take_from_ring(e); break;
	default:
		while ((count = vionet_rx_burst(e->other, 0, packets, 32)) > 0) {
			for (uint16_t i = 0; i < count; i++)
				begins(packets[i]->data, packets[i]->length);
			vionet_packet_free_bulk(packets, count);
			e->came += count;
		}
	}
}

#endif
