/* SPDX-License-Identifier: BSD-2-Clause */
/* deadline: 900 */
/*
 * A device that writes while the library reads: a second thread changes rings, descriptors and packet headers, or the
 * registers of a PCI function. A run cannot be repeated, so there is nothing to compare; but no call crashes, hangs or
 * fails without a sentence, no packet is handed out twice, and none is lost.
 */
#include "device-ring.h"
#include "pci-space.h"

static const int errors[] = {ENODEV,    ENOTSUP, EIO,      EINVAL, ENOMEM,   EBUSY,
                             ETIMEDOUT, ENOBUFS, ENOTCONN, EEXIST, EALREADY, 0};

static struct {
	pthread_t thread;
	_Atomic int wanted, busy, ended; /* what it may do; what it does */
	_Atomic uint64_t rounds, writes;
	struct chance chance;
	struct device_ring rings[2];
	uint8_t *buffers, *registers;
	size_t buffer_bytes;
} scribbler;
enum { NOTHING, RINGS, REGISTERS };
static uint32_t functions, functions_started, failures;

/* Writes a header into a buffer, if the address is inside the pool: addresses are changed, too. */
static void put_header(const struct buffer *b)
{
	uint64_t offset = b->address - backend.peer.region[1].user;
	if (offset > scribbler.buffer_bytes - HEADER)
		return;
	memset(scribbler.buffers + offset, 0, HEADER);
	scribbler.buffers[offset + 10] = 1;
}

/* Mostly what a correct device does, or every queue would break at once. */
static void scribble_rings(struct chance *c)
{
	struct device_ring *s = &scribbler.rings[below(c, 2)];
	uint16_t at = (uint16_t)below(c, s->size), odd = (uint16_t)edge_number(c);
	switch (below(c, 16)) {
	case 0: case 1: case 2: case 3: case 4: case 5:
		device_look(s);
		if (s->waiting_count == 0)
			break;
		for (uint16_t n = 0; n < s->waiting_count && s == &scribbler.rings[RX]; n++)
			put_header(&s->waiting[n]);
		device_give(s, at, HEADER + 60);
		break;
	case 6:
		if (below(c, 64) == 0)
			memset(scribbler.buffers + below(c, (uint32_t)scribbler.buffer_bytes - 64), (int)below(c, 3), 64);
		break;
	case 7: s->table[at].addr = chance_next(c); break;
	case 8: s->table[at].len = edge_number(c); break;
	case 9: s->device[s->packed ? at & 1 : 0] = below(c, 2) ? odd : at; break;
	case 10: /* fields that a correct device does not read, and the ids of a packed ring */
		if (below(c, 64) == 0)
			s->table[at].flags = odd;
		break;
	case 11:
		if (below(c, 64) == 0)
			s->table[at].next = odd;
		break;
	case 12:
		if (below(c, 64) == 0)
			s->driver[s->packed ? at & 1 : at] = odd;
		break;
	case 13: /* an entry that was published already, maybe while the driver reads it */
		if (!s->packed && below(c, 32) == 0)
			*device_entry(s, at) = (struct vring_used_elem){below(c, 2) ? at : odd, below(c, 2) ? 100 : edge_number(c)};
		break;
	case 14:
		if (!s->packed && below(c, 1024) == 0)
			s->device[1] = odd;
		break;
	default: device_look(s);
	}
}

static void scribble_registers(struct chance *c)
{
	uint8_t *r = scribbler.registers;
	uint32_t odd = edge_number(c);
	switch (below(c, 8)) {
	/* Mostly values of the status with which the driver goes on. */
	case 0: r[20] = below(c, 3) == 0 ? (uint8_t)odd : (uint8_t[]){0, 1, 3, 11, 15}[below(c, 5)]; break;
	case 1: r[21] = (uint8_t)below(c, 2); break;
	case 2: put32(r + 4, below(c, 4) == 0 ? odd : 0x1002b); break;
	case 3: put16(r + 24, (uint16_t)(below(c, 2) ? odd : 64)); break;
	case 4: put16(r + 30, (uint16_t)(below(c, 4) ? below(c, 4) : odd)); break;
	case 5: r[0x2000 + below(c, 24)] = (uint8_t)odd; break;
	case 6: r[0x1000] = (uint8_t)odd; break;
	default: put16(r + below(c, 28) * 2, (uint16_t)odd);
	}
}

static void *scribble_on(void *ignored)
{
	(void)ignored;
	while (!scribbler.ended) {
		scribbler.busy = scribbler.wanted;
		if (scribbler.busy == NOTHING)
			sched_yield();
		int count = (int)below(&scribbler.chance, 64);
		for (int n = count; n > 0 && scribbler.busy == RINGS; n--)
			scribble_rings(&scribbler.chance);
		for (int n = count; n > 0 && scribbler.busy == REGISTERS; n--)
			scribble_registers(&scribbler.chance);
		scribbler.rounds += scribbler.busy != NOTHING;
		scribbler.writes += scribbler.busy != NOTHING ? (uint64_t)count : 0;
		for (uint32_t pause = below(&scribbler.chance, 2000); pause > 0; pause--)
			__asm__ volatile("pause");
	}
	return NULL;
}

/* Chooses what the thread does, and waits until it does: its memory may go only when it does nothing. */
static void scribble(int what)
{
	scribbler.wanted = what;
	while (scribbler.busy != what)
		sched_yield();
}

/* ---- rings ------------------------------------------------------------------------------------------------------ */

static void scribble_here(uint64_t features)
{
	for (int r = RX; r <= TX; r++) {
		device_begin(&scribbler.rings[r], r, features);
		scribbler.rings[r].is_valid = 0;
	}
	/* The second region is the pool. */
	scribbler.buffers = backend.peer.region[1].mapped + backend.peer.region[1].offset;
	scribbler.buffer_bytes = backend.peer.region[1].length;
	scribble(RINGS);
}

static void with_rings(struct input *i)
{
	static const uint8_t bits[] = {RING_PACKED, IN_ORDER, MERGED, 29, 28, 1, 7};
	uint64_t features = 0;
	for (unsigned int n = 0; n < sizeof(bits); n++)
		features |= i->bytes[0] >> (n + 1) & 1 ? BIT(bits[n]) : 0;
	backend_begin();
	session_open(features, (uint16_t)(2 + i->bytes[1] % (RING - 1)));
	scribble_here(features);
	for (int n = 0; n < 300; n++) {
		uint8_t what = next8(i);
		session_receive(1 + what % 32);
		session_send(1 + what % 16, (uint8_t)(what * 7));
		if (what & 64)
			session_free(what);
		if (what & 128)
			(void)vionet_rx_arm(session.port, 0);
		if (what & 32)
			(void)vionet_tx_arm(session.port, 0);
		if (session_is_broken() == 0)
			continue;
		/* The thread goes on writing while the queues stop, and into rings that are gone. */
		session.broken += (uint32_t)session.broken_events;
		ok(vionet_stop(session.port));
		scribble(NOTHING);
		session_start();
		scribble_here(features);
	}
	vionet_close(session.port);
	scribble(NOTHING);
	session_close();
}

/* ---- registers -------------------------------------------------------------------------------------------------- */

static int call(const char *name, int result)
{
	right_failure(name, result > 0 ? 0 : result, errors);
	failures += result < 0;
	return result;
}
#define CALL(name) call(#name, name)

static void with_registers(void)
{
	static struct input space;
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	struct vionet_packet *packets[8];

	valid_space(&space);
	function_use();
	uint64_t began = kernel.now;
	memcpy(function.config, space.bytes, 256);
	for (int n = 0; n < 6; n++) {
		function.bar[n].kind = (enum bar_kind)space.bytes[AT_BARS + n * BAR_BYTES];
		memcpy(&function.bar[n].length, space.bytes + AT_BARS + n * BAR_BYTES + 1, 8);
	}
	function_reset();
	function_put(4, 0, space.bytes + AT_COMMON, 56);
	function_put(4, 0x2000, space.bytes + AT_DEVICE, 24);
	functions++;
	ok(vionet_probe("pci:0000:7f:05.0", &session.port));
	config.pool = pool_made(PACKETS);
	config.rx_descriptors = config.tx_descriptors = 64;
	scribble(REGISTERS);
	for (int n = 0; n < 4; n++) {
		(void)info_of(session.port);
		if (CALL(vionet_init(session.port, &config)) == 0 && CALL(vionet_start(session.port)) == 0) {
			functions_started++;
			vionet_packet_free_bulk(packets, vionet_rx_burst(session.port, 0, packets, 8));
			uint16_t made = vionet_packet_alloc_bulk(config.pool, packets, 4);
			for (uint16_t m = 0; m < made; m++)
				vionet_packet_append(packets[m], 60);
			uint16_t sent = vionet_tx_burst(session.port, 0, packets, made);
			vionet_packet_free_bulk(packets + sent, (uint16_t)(made - sent));
			CALL(vionet_rx_arm(session.port, 0));
			CALL(vionet_tx_arm(session.port, 0));
		}
		CALL(vionet_stop(session.port));
	}
	vionet_close(session.port);
	scribble(NOTHING);
	ok(vionet_pool_destroy(config.pool));
	if (kernel.now - began > 60000000000u)
		FAILED("a life took %" PRIu64 " ms", (kernel.now - began) / 1000000);
}

/* ----------------------------------------------------------------------------------------------------------------- */

static void begin(void)
{
	function_begin();
	scribbler.registers = mmap(NULL, 0x4000, PROT_READ | PROT_WRITE, MAP_SHARED, function.memory, (off_t)REGION(4));
	yes(scribbler.registers != MAP_FAILED);
	same(pthread_create(&scribbler.thread, NULL, scribble_on, NULL), 0);
	session_begin();
}

static void run(struct input *i)
{
	if (i->bytes[0] & 1)
		with_rings(i);
	else
		with_registers();
}

static void make(struct input *i, struct chance *c)
{
	for (i->size = 0; i->size < 320; i->size++)
		i->bytes[i->size] = (uint8_t)chance_next(c);
}

static void end(void)
{
	scribbler.ended = 1;
	pthread_join(scribbler.thread, NULL);
	printf("%" PRIu64 " writes in %" PRIu64 " rounds; %u ports, %u packets received, %u queues broken; %u functions, "
	       "%u starts, %u failures with a sentence each\n", scribbler.writes, scribbler.rounds, session.opened, session.received, session.broken,
	       functions, functions_started, failures);
	yes(session.received > session.opened && session.broken > 0 && functions_started > 0 && failures > 0);
}

static const struct target target = {"concurrent-device", 600, 320, begin, make, NULL, run, end};
