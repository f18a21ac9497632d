/* SPDX-License-Identifier: BSD-2-Clause */
/* deadline: 120 */
/*
 * PCI functions whose configuration space, BARs and registers are made up: probing one ends within a millisecond,
 * either with a port, whose registers all lie where they should, or with a sentence that names what is missing; and a
 * port that was made lives its whole life without touching anything else of the function.
 */
#include "space.h"

enum { PACKETS = 512, TIMES = 1 << 20, MILLISECOND = 1000000 };
static const int errors[] = {ENODEV, ENOTSUP, EIO, EINVAL, ENOMEM, EBUSY, ETIMEDOUT, EPERM, ENOENT, EEXIST, ENOBUFS, 0};

static uint32_t ports_made, ports_started, times_count;
static int maps;
static uint32_t *times; /* nanoseconds of processor that each probe took in the library and the real kernel */

static void plug_in(struct input *i)
{
	memcpy(function.config, i->bytes, 256);
	for (int n = 0; n < 6; n++) {
		const uint8_t *bar = i->bytes + AT_BARS + n * BAR_BYTES;
		memcpy(&function.bar[n].length, bar + 1, 8);
		function.bar[n].kind = function.bar[n].length == 0 ? BAR_ABSENT : (enum bar_kind)(bar[0] & 3);
	}
	uint8_t how = i->bytes[AT_HOW];
	function.uio = how & HOW_UIO;
	function.transitional = how & HOW_TRANSITIONAL;
	function.no_vectors = how & HOW_NO_VECTORS;
	function.no_mappings = how & HOW_NO_MAPPINGS;
	for (int n = 0; function.uio && n < 6; n++) {
		if (function.bar[n].kind == BAR_UNMAPPABLE) /* sysfs maps what VFIO would not */
			function.bar[n].kind = BAR_MEMORY;
		if (function.bar[n].length == 1) /* no BAR is as small, and the table shows those that are not there so */
			function.bar[n].kind = BAR_ABSENT;
		if (function.bar[n].length == UINT64_MAX) /* in the table 2^64, which is one too many for a number */
			function.bar[n].length = 0;
	}
	function_reset();
}

static int can_be_mapped(const struct found *f)
{
	for (int kind = 1; kind < 5; kind++)
		if (function.bar[f->block[kind].bar].length > LONGEST_BAR)
			return 0;
	return 1;
}

/* Registers as the input has them; where structures lie upon each other the later wins. */
static void write_registers(const struct input *i, const struct found *f)
{
	if (missing(f) != NULL) {
		function_put(0, 0, i->bytes + AT_COMMON, 24);
		return;
	}
	if (!can_be_mapped(f))
		return;
	uint64_t room = f->block[4].length < 24 ? f->block[4].length : 24;
	function_put(f->block[4].bar, f->block[4].offset, i->bytes + AT_DEVICE, room);
	function_put(f->block[1].bar, f->block[1].offset, i->bytes + AT_COMMON, 56);
}

/* VFIO leaves it to the BAR's register to say what kind it is, sysfs says it itself. */
static int has_ports(void)
{
	return function.bar[0].kind != BAR_ABSENT && function.bar[0].length >= 24 &&
	       (function.uio ? function.bar[0].kind == BAR_PORTS : function.config[0x10] & 1);
}

/* Is the answer of a probe the right one? */
static void judge(int result, const struct found *f)
{
	const char *lacks = missing(f);
	right_failure("vionet_probe", result, errors);
	if (get32(function.config) == 0xffffffff) {
		same(result, -ENODEV);
		says("all ones");
	} else if (lacks == NULL) {
		same(result, can_be_mapped(f) ? 0 : -ENOMEM);
		if (result != 0)
			says("BAR");
	} else if (get16(function.config + 2) != 0x1000) {
		same(result, -ENOTSUP);
		says(lacks);
	} else {
		same(result == 0, has_ports());
		if (result != 0)
			says("BAR 0");
	}
}

/* Nothing was written but in the structures; read-only places of theirs are the device's own concern. */
static void nothing_else_written(const struct found *f)
{
	static uint8_t page[4096];
	const off_t end = (off_t)REGION(6);
	for (off_t at = lseek(function.memory, 0, SEEK_DATA); at >= 0 && at < end;
	     at = lseek(function.memory, at + 4096, SEEK_DATA)) {
		same(pread(function.memory, page, sizeof(page), at), sizeof(page));
		for (int n = 0; n < 4096; n++) {
			uint64_t bar = (uint64_t)at >> 40, offset = ((uint64_t)at & (REGION(1) - 1)) + (uint64_t)n;
			int inside = missing(f) != NULL && bar == 0 && offset < 24;
			for (int kind = 1; kind < 5 && !inside; kind++)
				inside = (uint64_t)f->block[kind].bar == bar && offset - f->block[kind].offset < f->block[kind].length;
			if (page[n] != 0 && !inside)
				FAILED("byte %#" PRIx64 " of BAR %" PRIu64 " was written", offset, bar);
		}
	}
}

static void live(uint16_t port)
{
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	struct vionet_packet *packets[8];
	uint64_t began = kernel.now;

	ports_made++;
	uint32_t state = info_of(port).state;
	yes(state == VIONET_STATE_ATTACHED || state == VIONET_STATE_BROKEN); /* a status of all ones: it is gone */
	config.pool = pool_made(PACKETS); /* its own, since it may be given physical addresses for good */
	config.rx_descriptors = config.tx_descriptors = 64;
	int result = vionet_init(port, &config);
	right_failure("vionet_init", result, errors);
	if (result == 0) {
		result = vionet_start(port);
		right_failure("vionet_start", result, errors);
	}
	if (result == 0) {
		ports_started++;
		yes(vionet_packet_alloc_bulk(config.pool, packets, 4) == 4);
		for (int n = 0; n < 4; n++)
			vionet_packet_append(packets[n], 60);
		for (uint16_t sent = vionet_tx_burst(port, 0, packets, 4); sent < 4; sent++)
			vionet_packet_free(packets[sent]);
		vionet_packet_free_bulk(packets, vionet_rx_burst(port, 0, packets, 8));
		right_failure("vionet_rx_arm", vionet_rx_arm(port, 0) > 0 ? 0 : vionet_rx_arm(port, 0), errors);
		right_failure("vionet_stop", vionet_stop(port), errors);
		right_failure("vionet_start", vionet_start(port), errors);
	}
	vionet_close(port);
	same(pool_of(config.pool).refused, 0);
	ok(vionet_pool_destroy(config.pool)); /* which no pool can be that misses a packet */
	if (kernel.now - began > 20000000000u)
		FAILED("a life took %" PRIu64 " ms", (kernel.now - began) / 1000000);
}

/* One probe, and what it took; a second and a third time where the machine was slow, since every input must pass. */
static int timed_probe(uint16_t *port)
{
	uint64_t took = UINT64_MAX;
	int result = 0;
	for (int tries = 0; tries < 3 && took > MILLISECOND / 2; tries++) {
		if (tries > 0 && result == 0)
			vionet_close(*port);
		kernel.spent = 0;
		uint64_t began = real_nanoseconds(CLOCK_THREAD_CPUTIME_ID);
		result = vionet_probe("pci:0000:7f:05.0", port);
		uint64_t now = real_nanoseconds(CLOCK_THREAD_CPUTIME_ID) - began - kernel.spent;
		took = now < took ? now : took;
	}
	times[times_count++ & (TIMES - 1)] = (uint32_t)took;
	if (took > MILLISECOND)
		FAILED("a probe took %.1f us", (double)took / 1e3);
	return result;
}

static void run(struct input *i)
{
	uint16_t port = VIONET_PORT_NONE;
	memset(i->bytes + i->size, 0, INPUT_ROOM - i->size);
	plug_in(i);
	struct found f = find(function.config);
	write_registers(i, &f);
	int result = timed_probe(&port);
	judge(result, &f);
	if (result == 0)
		live(port);
	nothing_else_written(&f);
	if (times_count == 1000)
		maps = count_maps();
	same(vionet_port_next(0), VIONET_PORT_NONE);
}

static void begin(void)
{
	function_begin();
	times = calloc(TIMES, sizeof(times[0]));
}

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

static void end(void)
{
	uint32_t count = times_count < TIMES ? times_count : TIMES;
	qsort(times, count, sizeof(times[0]), by_size);
	printf("%u ports made, %u started; a probe took %.1f us of processor in the median, %.1f us (p99), %.1f us at "
	       "most\n",
	       ports_made, ports_started, times[count / 2] / 1e3, times[(uint64_t)count * 99 / 100] / 1e3,
	       times[count - 1] / 1e3);
	if (maps > 0 && count_maps() > maps + 8) /* libc's own arenas come and go */
		FAILED("%d mappings, after 1000 probes it were %d", count_maps(), maps);
	/* Inputs of which all or nearly none pass would show little. */
	yes(ports_started > count / 20 && ports_made < count * 3 / 4);
}

static const struct target target = {"config-space", 24000, SPACE_BYTES, begin, make_space, spoil_space, run, end};
