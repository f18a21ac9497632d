/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A PCI function as an input: its configuration space, its BARs and the values of its registers. There is a valid one,
 * ways to spoil it, and a search for its structures that was written independently of the driver's.
 */
#ifndef PCI_SPACE_H
#define PCI_SPACE_H

#include "fuzz.h"
#include "../support/pci_function.h"

#include <linux/virtio_pci.h>

/* Offsets in an input. */
enum {
	AT_CONFIG = 0, AT_BARS = 256, BAR_BYTES = 9, AT_HOW = AT_BARS + 6 * BAR_BYTES, AT_COMMON = AT_HOW + 1,
	AT_DEVICE = AT_COMMON + 64, SPACE_BYTES = AT_DEVICE + 24,
};
enum { HOW_UIO = 1, HOW_TRANSITIONAL = 2, HOW_NO_VECTORS = 4, HOW_NO_MAPPINGS = 8 };
enum { MSIX = 0x98, COMMON = 0x40, STATUS = 0x50, DEVICE = 0x60, NOTIFY = 0x70, WINDOW = 0x84 };
static const uint8_t places[] = {MSIX, COMMON, STATUS, DEVICE, NOTIFY, WINDOW};

static void put16(uint8_t *at, uint16_t value) { memcpy(at, &value, 2); }
static void put32(uint8_t *at, uint32_t value) { memcpy(at, &value, 4); }
static uint16_t get16(const uint8_t *at) { return (uint16_t)(at[0] | at[1] << 8); }
static uint32_t get32(const uint8_t *at) { return get16(at) | (uint32_t)get16(at + 2) << 16; }

static void put_virtio(uint8_t *at, uint8_t kind, int next, uint8_t bar, uint32_t offset, uint32_t length, uint8_t size)
{
	const uint8_t head[] = {9, (uint8_t)next, size, kind, bar};
	memcpy(at, head, sizeof(head));
	put32(at + 8, offset);
	put32(at + 12, length);
}

static void put_bar(struct input *i, int bar, enum bar_kind kind, uint64_t length)
{
	i->bytes[AT_BARS + bar * BAR_BYTES] = (uint8_t)kind;
	memcpy(i->bytes + AT_BARS + bar * BAR_BYTES + 1, &length, 8);
}

/* A modern function with QEMU's layout, and registers as after a reset. */
static void valid_space(struct input *i)
{
	uint8_t *c = i->bytes;
	memset(i->bytes, 0, SPACE_BYTES);
	i->size = SPACE_BYTES;
	put16(c, 0x1af4);
	put16(c + 2, 0x1041);
	put16(c + 6, 0x10);
	c[0x10] = 1;
	c[0x34] = MSIX;
	c[MSIX] = 0x11;
	c[MSIX + 1] = WINDOW;
	put16(c + MSIX + 2, 3);
	put_virtio(c + WINDOW, 5, NOTIFY, 0, 0, 0, 20);
	put_virtio(c + NOTIFY, 2, DEVICE, 4, 0x3000, 0x1000, 20);
	put32(c + NOTIFY + 16, 4);
	put_virtio(c + DEVICE, 4, STATUS, 4, 0x2000, 0x1000, 16);
	put_virtio(c + STATUS, 3, COMMON, 4, 0x1000, 0x1000, 16);
	put_virtio(c + COMMON, 1, 0, 4, 0, 0x1000, 16);
	put_bar(i, 0, BAR_PORTS, 32);
	put_bar(i, 1, BAR_MEMORY, 0x1000);
	put_bar(i, 4, BAR_MEMORY, 0x4000);
	/* Plain memory shows the same for both feature words: VERSION_1, ACCESS_PLATFORM in the upper; MAC, STATUS, MTU in the lower. */
	put32(c + AT_COMMON + 4, 3 | 1 << 3 | 1 << 5 | 1 << 16);
	put16(c + AT_COMMON + 18, 3);
	put16(c + AT_COMMON + 24, 256);
	put16(c + AT_COMMON + 30, 1);
	memcpy(c + AT_DEVICE, "\x02\xaa\xbb\xcc\xdd\xee\x01\x00\x01\x00\xdc\x05", 12);
}

static uint32_t edge_number(struct chance *c)
{
	static const uint32_t numbers[] = {
		0, 1, 2, 3, 4, 5, 6, 20, 24, 55, 56, 57, 0xff, 0x1000, 0x3ffe, 0x3fff, 0x4000, 0x20000, 0x7fffffff,
		0x80000000, 0xfffff000, 0xfffffffc, 0xfffffffe, 0xffffffff,
	};
	uint32_t which = below(c, 30);
	return which < 24 ? numbers[which] : (uint32_t)chance_next(c);
}

static void spoil_bar(struct input *i, struct chance *c)
{
	static const uint64_t lengths[] = {0, 1, 20, 23, 24, 56, 0x1000, 0x3fff, 0x4000, 1 << 20, 0xffffffff, 0x100000000,
	                                   0x10000000000, 0x400000000000, 0x800000000000, 0x8000000000000000,
	                                   0xffffffffffffffff};
	put_bar(i, (int)below(c, 6), (enum bar_kind)below(c, 4), lengths[below(c, sizeof(lengths) / sizeof(lengths[0]))]);
}

static void spoil_space(struct input *i, struct chance *c)
{
	static const uint8_t sizes[] = {0, 1, 2, 3, 15, 16, 17, 19, 20, 24, 64, 128, 255};
	static const uint8_t nexts[] = {0, 0, 0x3c, 0x3f, 0x41, 0x9b, 0xfc, 0xff};
	/* Mostly inside a capability, sometimes at any place up to the end. */
	uint8_t here = below(c, 4) == 0 ? (uint8_t)(0x40 + below(c, 48) * 4) : places[below(c, sizeof(places))];
	uint8_t *at = i->bytes + here;
	if (i->size < SPACE_BYTES) {
		memset(i->bytes + i->size, 0, SPACE_BYTES - i->size);
		i->size = SPACE_BYTES;
	}
	switch (below(c, 19)) {
	case 0: at[1] = (uint8_t)chance_next(c); break;
	case 1: at[1] = below(c, 3) == 0 ? here : nexts[below(c, sizeof(nexts))]; break;
	case 2: at[2] = sizes[below(c, sizeof(sizes))]; break;
	case 3: at[3] = (uint8_t)below(c, 7); break;
	case 4: at[here <= 0xf8 ? 4 : 0] = (uint8_t)below(c, below(c, 3) == 0 ? 256 : 8); break;
	case 5: case 6: if (here <= 0xf0) put32(at + 8, edge_number(c)); break;
	case 7: case 8: if (here <= 0xf0) put32(at + 12, edge_number(c)); break;
	case 9: put32(i->bytes + NOTIFY + 16, edge_number(c)); break;
	case 10: spoil_bar(i, c); break;
	case 11: i->bytes[below(c, SPACE_BYTES)] ^= (uint8_t)(1u << below(c, 8)); break;
	case 12: i->bytes[0x34] = below(c, 2) ? here : nexts[below(c, sizeof(nexts))]; break;
	case 13: at[0] = 0x11; put16(at + 2, (uint16_t)chance_next(c)); break;
	case 14:
		i->bytes[AT_HOW] = (uint8_t)chance_next(c);
		put16(i->bytes + 2, below(c, 2) ? 0x1000 : 0x1041);
		i->bytes[0x10] = (uint8_t)below(c, 2);
		break;
	case 15: put16(i->bytes + AT_COMMON + below(c, 32) * 2, (uint16_t)edge_number(c)); break;
	case 16: put16(i->bytes + AT_DEVICE + below(c, 12) * 2, (uint16_t)edge_number(c)); break;
	case 17: put32(i->bytes, 0xffffffff); break; /* the ids of a virtual function */
	default:
		if (here <= 0xec)
			put_virtio(at, (uint8_t)below(c, 7), places[below(c, sizeof(places))], (uint8_t)below(c, 7),
			           below(c, 0x4100), edge_number(c), sizes[below(c, sizeof(sizes))]);
	}
}

/* Moves each structure to a BAR of its own. */
static void spread(struct input *i)
{
	static const uint8_t at[] = {COMMON, STATUS, DEVICE, NOTIFY};
	for (uint8_t n = 0; n < 4; n++) {
		i->bytes[at[n] + 4] = (uint8_t)(n + 1);
		put_bar(i, n + 1, BAR_MEMORY, 0x4000);
	}
}

/* Mostly a valid function with up to eight things spoilt. */
OK_UNUSED static void make_space(struct input *i, struct chance *c)
{
	valid_space(i);
	if (below(c, 4) == 0)
		spread(i);
	switch (below(c, 64)) {
	case 0: memset(i->bytes, 0xff, 256); break;
	case 1: memset(i->bytes, 0, 256); break;
	case 2: for (int n = 0; n < 256; n++) i->bytes[n] = (uint8_t)chance_next(c); break;
	case 3: memset(i->bytes + AT_COMMON, 0xff, SPACE_BYTES - AT_COMMON); break;
	default: break;
	}
	for (uint32_t n = below(c, 9); n > 0; n--)
		spoil_space(i, c);
}

/* ---- what a driver must find------------------------------------------------------------------------------------- */

struct found {
	struct { int bar; uint64_t offset, length; } block[5]; /* by virtio's number of the kind; length 0: none */
};

static void look_at(struct found *f, const uint8_t *config, unsigned int at)
{
	static const struct { uint32_t least, unit; unsigned int size; } need[] = {{0, 1, 0}, {56, 4, 16}, {2, 2, 20},
	                                                                           {1, 1, 16}, {6, 4, 16}};
	unsigned int size = config[at + 2], kind = config[at + 3];
	if (kind < 1 || kind > 4 || f->block[kind].length > 0 || size < need[kind].size || at + size > 256)
		return;
	unsigned int bar = config[at + 4];
	uint64_t offset = get32(config + at + 8), length = get32(config + at + 12);
	if (bar > 5 || function.bar[bar].kind != BAR_MEMORY || length < need[kind].least || offset % need[kind].unit != 0 ||
	    offset + length > function.bar[bar].length)
		return;
	f->block[kind].bar = (int)bar;
	f->block[kind].offset = offset;
	f->block[kind].length = length;
}

/* Walks the list of capabilities and ends at a place where it was before. */
OK_UNUSED static struct found find(const uint8_t *config)
{
	struct found f = {0};
	uint8_t seen[256] = {0};
	unsigned int at = config[6] & 0x10 ? config[0x34] & ~3u : 0;
	for (; at >= 0x40 && !seen[at]; at = config[at + 1] & ~3u) {
		seen[at] = 1;
		if (config[at] == 9)
			look_at(&f, config, at);
	}
	return f;
}

/* The name of the first structure that is missing, NULL if none is. */
OK_UNUSED static const char *missing(const struct found *f)
{
	static const char *const names[] = {"", "COMMON_CFG", "NOTIFY_CFG", "ISR_CFG", "DEVICE_CFG"};
	for (int kind = 1; kind < 5; kind++)
		if (f->block[kind].length == 0)
			return names[kind];
	return NULL;
}

#endif
