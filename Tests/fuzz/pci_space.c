/* SPDX-License-Identifier: BSD-2-Clause */
/* deadline: 900 */
/*
 * PCI functions with made-up configuration spaces, BARs and registers. A probe ends after a few calls of the kernel, with
 * a port, whose registers are where the configuration space says, or with a sentence that names what is missing. A port
 * then goes through its whole life without touching anything else of the function.
 */
#include "pci-space.h"

/* The most that a probe of any function may take: calls of the kernel, and milliseconds of waiting on the simulated clock. */
enum { PACKETS = 512, MOST_CALLS = 500, MOST_WAITING = 1 };
static const int errors[] = {ENODEV, ENOTSUP, EIO, EINVAL, ENOMEM, EBUSY, ETIMEDOUT, EPERM, ENOENT, EEXIST, ENOBUFS, 0};

static uint32_t ports_made, ports_started, probes;
static uint64_t most_calls, most_waiting; /* of any probe so far; nanoseconds */
static int maps;

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
		if (function.bar[n].kind == BAR_UNMAPPABLE) /* only VFIO refuses to map a BAR */
			function.bar[n].kind = BAR_MEMORY;
		if (function.bar[n].length == 1) /* in sysfs an absent BAR looks like one of a single byte */
			function.bar[n].kind = BAR_ABSENT;
		if (function.bar[n].length == UINT64_MAX) /* sysfs shows 2^64, which does not fit in a number */
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

/* Writes the registers of the input. Where structures overlap, the later one counts. */
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

/* With VFIO the BAR's register tells its kind, with UIO sysfs does. */
static int has_ports(void)
{
	return function.bar[0].kind != BAR_ABSENT && function.bar[0].length >= 24 &&
	       (function.uio ? function.bar[0].kind == BAR_PORTS : function.config[0x10] & 1);
}

/* Requires that the result of a probe is the right one. */
static void check_result(int result, const struct found *f)
{
	const char *lacks = missing(f);
	right_failure("vionet_probe", result, errors);
	if (get16(function.config + 6) == 0xffff) { /* the status of no function that is there */
		same(result, -ENODEV);
		says("all ones");
	} else if (lacks == NULL) {
		same(result, can_be_mapped(f) ? 0 : -ENOMEM);
		if (result != 0)
			says("BAR");
	} else if (!function.transitional) {
		same(result, -ENOTSUP);
		says(lacks);
	} else {
		same(result == 0, has_ports());
		if (result != 0)
			says("BAR 0");
	}
}

/* Requires that only the structures were written. Writes to their read-only fields are no matter here. */
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
	yes(state == VIONET_STATE_ATTACHED || state == VIONET_STATE_BROKEN); /* a status of all ones means that it is gone */
	config.pool = pool_made(PACKETS); /* its own, since a port may give it physical addresses for good */
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
		right_failure("vionet_tx_arm", vionet_tx_arm(port, 0) > 0 ? 0 : vionet_tx_arm(port, 0), errors);
		right_failure("vionet_stop", vionet_stop(port), errors);
		right_failure("vionet_start", vionet_start(port), errors);
	}
	vionet_close(port);
	same(pool_of(config.pool).refused, 0);
	ok(vionet_pool_destroy(config.pool)); /* this fails if a packet is missing */
	if (kernel.now - began > 20000000000u)
		FAILED("a life took %" PRIu64 " ms", (kernel.now - began) / 1000000);
}

static int counted_probe(uint16_t *port)
{
	uint64_t calls = kernel.calls, began = kernel.now;
	int result = vionet_probe("pci:0000:7f:05.0", port);
	calls = kernel.calls - calls;
	uint64_t waiting = kernel.now - began;
	most_calls = calls > most_calls ? calls : most_calls;
	most_waiting = waiting > most_waiting ? waiting : most_waiting;
	probes++;
	if (calls > MOST_CALLS)
		FAILED("a probe called the kernel %" PRIu64 " times", calls);
	if (waiting > MOST_WAITING * 1000000ull)
		FAILED("a probe waited %" PRIu64 " ms", waiting / 1000000);
	return result;
}

static void run(struct input *i)
{
	uint16_t port = VIONET_PORT_NONE;
	memset(i->bytes + i->size, 0, INPUT_ROOM - i->size);
	plug_in(i);
	struct found f = find(function.config);
	write_registers(i, &f);
	int result = counted_probe(&port);
	check_result(result, &f);
	if (result == 0)
		live(port);
	nothing_else_written(&f);
	if (probes == 1000)
		maps = count_maps();
	same(vionet_port_next(0), VIONET_PORT_NONE);
}

static void end(void)
{
	printf("%u ports made, %u started; a probe called the kernel at most %" PRIu64 " times and waited at most %" PRIu64
	       " us\n", ports_made, ports_started, most_calls, most_waiting / 1000);
	if (maps > 0 && count_maps() > maps + 8) /* libc's own arenas come and go */
		FAILED("%d mappings; after 1000 probes there were %d", count_maps(), maps);
	/* Inputs that nearly all pass, or nearly none, would show little. */
	yes(ports_started > probes / 20 && ports_made < probes * 3 / 4);
}

static const struct target target = {"pci-space", 24000, SPACE_BYTES, function_begin, make_space, spoil_space, run, end};
