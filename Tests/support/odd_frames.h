/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames as few devices send them: of every length from 0 to 65535, with tags at full size, with hints, offloads and
 * flags in their headers that do not fit, or that nobody agreed to. The same list for the same seed.
 */
#ifndef ODD_FRAMES_H
#define ODD_FRAMES_H

#include "ok.h"

enum { ODD_FRAMES = 128, ODD_LONGEST = 65535 };

/* The first 10 bytes of a virtio-net header, as a device writes them (virtio 1.4, 5.1.9). */
struct odd_header {
	uint8_t flags, gso;
	uint16_t header_length, segment_size, checksum_start, checksum_offset;
} __attribute__((packed));

struct odd_frame {
	struct odd_header header;
	uint32_t length;
	uint16_t types[3]; /* tags, then the type of what follows */
	int must_pass;     /* an ordinary frame, which no device may refuse */
};

static struct odd_frame odd_frames[ODD_FRAMES];
static int odd_count;

static struct odd_frame *odd_add(uint32_t length, uint16_t type)
{
	yes(odd_count < ODD_FRAMES && length <= ODD_LONGEST);
	struct odd_frame *f = &odd_frames[odd_count++];
	*f = (struct odd_frame){.length = length, .types = {type}, .must_pass = length >= 14 && length <= 1514};
	return f;
}

static void odd_asks(uint32_t length, uint16_t type, struct odd_header header)
{
	struct odd_frame *f = odd_add(length, type);
	f->header = header;
	f->must_pass = 0;
}

static void odd_add_lengths(uint32_t seed)
{
	static const uint32_t lengths[] = {0, 1, 13, 14, 59, 60, 1514, 1515, 1516, 1517, 1518, 1519, 1520, 1521, 1522, 1523,
	                                   1983, 1984, 1985, 3968, 9000, 65535};
	for (unsigned int i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		odd_add(lengths[i], 0x88b5);
	for (int i = 0; i < 32; i++) {
		seed = seed * 1664525u + 1013904223u;
		odd_add((seed >> 8) % (i % 2 == 0 ? 2000 : ODD_LONGEST), 0x88b5);
	}
}

static void odd_add_tagged(void)
{
	static const uint16_t tags[][2] = {{0x8100}, {0x88a8}, {0x88a8, 0x8100}, {0x8100, 0x8100}, {0x88a8, 0x88a8}};
	for (int i = 0; i < 5; i++) {
		int count = tags[i][1] != 0 ? 2 : 1;
		struct odd_frame *f = odd_add(1514 + 4 * (uint32_t)count, tags[i][0]);
		f->types[1] = count == 2 ? tags[i][1] : 0x88b5;
		f->types[2] = count == 2 ? 0x88b5 : 0;
		f->must_pass = 1;
	}
}

static void odd_add_segmented(void)
{
	static const uint16_t hints[] = {0, 14, 34, 54, 1000, 1984, 60000};
	for (unsigned int i = 0; i < sizeof(hints) / sizeof(hints[0]); i++)
		odd_asks(5000, 0x0800, (struct odd_header){1, 1, hints[i], 1448, 34, 16});
	for (uint32_t length = 1000; length <= 61000; length += 20000) {
		odd_asks(length, 0x0800, (struct odd_header){1, 1, 54, 536, 34, 16});    /* TCP over IPv4 */
		odd_asks(length, 0x86dd, (struct odd_header){1, 4, 74, 1400, 54, 16});   /* TCP over IPv6 */
		odd_asks(length, 0x0800, (struct odd_header){1, 5, 42, 1400, 34, 6});    /* UDP */
		odd_asks(length, 0x0800, (struct odd_header){1, 0x81, 54, 536, 34, 16}); /* with ECN */
		odd_asks(length, 0x0800, (struct odd_header){2, 1, 54, 1448, 0, 0});     /* checked by the device */
		odd_asks(length, 0x0800, (struct odd_header){3, 1, 54, 1448, 34, 16});
		odd_asks(length, 0x0800, (struct odd_header){0, 1, 54, 1448, 34, 16});
	}
	odd_asks(3000, 0x0800, (struct odd_header){1, 1, 54, 0, 34, 16});    /* segments of nothing */
	odd_asks(3000, 0x0800, (struct odd_header){1, 3, 42, 1400, 34, 6});  /* fragments */
	odd_asks(3000, 0x0800, (struct odd_header){1, 7, 42, 1400, 34, 6});  /* of no kind that is known */
	odd_asks(3000, 0x0800, (struct odd_header){1, 0x21, 42, 1400, 34, 16}); /* a tunnel */
	odd_asks(3000, 0x0800, (struct odd_header){1, 0x80, 42, 1400, 34, 16}); /* ECN alone */
}

static void odd_add_checksums(void)
{
	odd_asks(100, 0x0800, (struct odd_header){1, 0, 0, 0, 34, 16});
	odd_asks(100, 0x0800, (struct odd_header){2, 0, 0, 0, 0, 0});
	odd_asks(100, 0x0800, (struct odd_header){3, 0, 0, 0, 34, 16});
	odd_asks(100, 0x0800, (struct odd_header){1, 0, 0, 0, 82, 16});        /* up to the last byte */
	odd_asks(100, 0x0800, (struct odd_header){1, 0, 0, 0, 83, 16});        /* beyond it */
	odd_asks(100, 0x0800, (struct odd_header){1, 0, 0, 0, 60000, 16});
	odd_asks(100, 0x0800, (struct odd_header){1, 0, 0, 0, 65535, 65535});
	odd_asks(3000, 0x0800, (struct odd_header){1, 0, 0, 0, 2500, 16});     /* beyond the first buffer */
	odd_asks(1500, 0x0800, (struct odd_header){4, 0, 0, 0, 3, 1});         /* joined by hardware: RSC_INFO */
	odd_asks(100, 0x0800, (struct odd_header){0xf8, 0, 0xffff, 0xffff, 0xffff, 0xffff});
}

OK_UNUSED static void odd_frames_make(uint32_t seed)
{
	odd_count = 0;
	odd_add_lengths(seed);
	odd_add_tagged();
	odd_add_segmented();
	odd_add_checksums();
}

/* IPv4 or IPv6 and TCP or UDP headers behind the Ethernet header, as the frame's own header has it. */
static void odd_headers(const struct odd_frame *f, unsigned char *at)
{
	int is_udp = (f->header.gso & 0x7f) == 5, is_six = f->types[0] == 0x86dd;
	uint32_t size = is_six ? 40 : 20, left = f->length - 14;
	memset(at, 0, size + 20);
	if (is_six) {
		at[0] = 0x60, at[4] = (unsigned char)((left - 40) >> 8), at[5] = (unsigned char)(left - 40);
		at[6] = 6, at[7] = 64, at[8] = at[24] = 0xfd, at[23] = 1, at[39] = 2;
	} else {
		at[0] = 0x45, at[2] = (unsigned char)(left >> 8), at[3] = (unsigned char)left;
		at[8] = 64, at[9] = is_udp ? 17 : 6, at[12] = at[16] = 10, at[15] = 1, at[19] = 2;
	}
	at += size;
	at[1] = at[3] = 9;
	if (is_udp)
		at[4] = (unsigned char)((left - 20) >> 8), at[5] = (unsigned char)(left - 20);
	else
		at[12] = 0x50, at[13] = f->header.gso & 0x80 ? 0x98 : 0x18; /* CWR with ECN */
}

static const unsigned char odd_addresses[12] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1};

/* The bytes of a frame. Behind its headers there is no byte that begins an address of ours. */
OK_UNUSED static void odd_fill(const struct odd_frame *f, unsigned char *bytes)
{
	unsigned char head[26] = {0};
	uint32_t at = 12;
	memcpy(head, odd_addresses, 12);
	for (int i = 0; i < 3 && f->types[i] != 0; i++) {
		head[at] = (unsigned char)(f->types[i] >> 8), head[at + 1] = (unsigned char)f->types[i];
		at += f->types[i] == 0x8100 || f->types[i] == 0x88a8 ? 4 : 2;
	}
	memset(bytes, 0x5a, f->length);
	memcpy(bytes, head, f->length < at ? f->length : at);
	if (f->length >= 74 && (f->types[0] == 0x0800 || f->types[0] == 0x86dd))
		odd_headers(f, bytes + 14);
}

/* Whether what came begins where a frame begins. */
OK_UNUSED static int odd_begins(const unsigned char *bytes, uint32_t length)
{
	return length >= 14 && memcmp(bytes, odd_addresses, 12) == 0;
}

#endif
