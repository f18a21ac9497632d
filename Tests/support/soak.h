/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For soak.c: frames that flow on threads of their own from port to port, or from a port to itself, and what must be true
 * of them; and a back-end that gives back every frame and whose link and status a test sets.
 */
#ifndef SOAK_H
#define SOAK_H

#include "echo_backend.h"
#include "frame.h"

enum { PACKETS = 8192, WINDOW = 900, RECEIVE_RING = 256, MOST_CACHED = 768, NO_DEVICE = 0xffff };

struct flow {
	uint16_t from, to;
	pthread_t threads[2];
	_Atomic uint32_t sent, arrived;
	_Atomic uint32_t next;  /* number of the frame that should come next */
	_Atomic uint32_t mark;  /* from this number on no frame is lost; only if is_strict */
	_Atomic int is_strict, is_parked;
	_Atomic uint64_t patience; /* microseconds after which frames that have not come are taken for lost */
};

static struct flow flows[2];
static int flow_count;
static _Atomic int wants_parked, over;
static uint16_t pool, receive_ring;
static _Atomic uint32_t events[16];

/* Each buffer has one holder: this program, or the library. */
static _Atomic uint8_t held[65536];
static void now_held(const struct vionet_packet *p, uint8_t by_us)
{
	if (atomic_exchange(&held[(uintptr_t)p / 64 % 65536], by_us) == by_us)
		FAILED("buffer %p was %s already", (const void *)p, by_us ? "ours" : "the library's");
}

/* Mostly short: a pipe has room for five windows of these and drops the rest. */
static uint32_t length_of(uint32_t number) { return 60 + number % (number % 8 == 0 ? 1400 : 400); }

static void send_some(struct flow *f, uint32_t room)
{
	struct vionet_packet *packets[32];
	uint16_t count = 0, taken;
	for (; count < 32 && count < room; count++) {
		uint32_t number = f->sent + count;
		packets[count] = frame_packet(pool, length_of(number), number);
		if (packets[count] == NULL)
			break;
		now_held(packets[count], 1);
	}
	/* They may arrive before the call returns. */
	for (uint16_t i = 0; i < count; i++)
		now_held(packets[i], 0);
	taken = vionet_tx_burst(f->from, 0, packets, count);
	f->sent += taken;
	vionet_packet_free_bulk(packets + taken, (uint16_t)(count - taken));
}

static void *sends(void *argument)
{
	struct flow *f = argument;
	uint64_t moved = microseconds();
	for (uint32_t base = 0, last = 0; !over;) {
		f->is_parked = wants_parked;
		uint32_t next = f->next, under_way = f->sent - ((int32_t)(next - base) > 0 ? next : base);
		if (next != last)
			moved = microseconds();
		last = next;
		if (f->is_parked || under_way >= WINDOW) {
			if (microseconds() - moved > f->patience) {
				base = f->sent;
				moved = microseconds();
			}
			usleep(20);
			continue;
		}
		send_some(f, WINDOW - under_way);
	}
	return NULL;
}

static void *receives(void *argument)
{
	struct flow *f = argument;
	struct vionet_packet *packets[32];
	while (!over) {
		uint16_t count = vionet_rx_burst(f->to, 0, packets, 32);
		for (uint16_t i = 0; i < count; i++) {
			now_held(packets[i], 1);
			const unsigned char *data = packets[i]->data;
			uint32_t number = frame_number(data), length = packets[i]->length, next = f->next;
			now_held(packets[i], 0);
			if (data[12] == 0x80 && data[13] == 0x35) /* an announcement of a port that is back */
				continue;
			if (length != length_of(number) || !frame_right(data, length, number))
				FAILED("a frame of %u bytes, number %u, is damaged", length, number);
			if ((int32_t)(number - next) < 0)
				FAILED("frame %u came after %u: twice, or too late", number, next - 1);
			if (number != next && f->is_strict && (int32_t)(next - f->mark) >= 0)
				FAILED("%u frames are missing before %u, and the link was up", number - next, number);
			f->next = number + 1;
			f->arrived++;
		}
		vionet_packet_free_bulk(packets, count);
		if (count == 0)
			usleep(20);
	}
	return NULL;
}

/* ---- ports ------------------------------------------------------------------------------------------------------- */

static uint16_t soak_port(const char *path, int packed)
{
	struct vionet_config config = {.size = sizeof(config), .pool = pool, .rx_descriptors = RECEIVE_RING};
	char address[128];
	uint16_t port;
	snprintf(address, sizeof(address), "vhost-user:%s,packed_vq=%d,recover=auto", path, packed);
	ok(vionet_probe(address, &port));
	ok(vionet_init(port, &config));
	ok(vionet_start(port));
	same(info_of(port).ring, packed ? VIONET_RING_PACKED : VIONET_RING_SPLIT);
	return port;
}

static void begin_flows(int count)
{
	flow_count = count;
	over = wants_parked = 0;
	receive_ring = RECEIVE_RING;
	for (int n = 0; n < count; n++) {
		struct flow *f = &flows[n];
		f->sent = f->next = f->arrived = f->mark = 0;
		f->is_strict = f->is_parked = 0;
		f->patience = 3000;
		same(pthread_create(&f->threads[0], NULL, sends, f), 0);
		same(pthread_create(&f->threads[1], NULL, receives, f), 0);
	}
}

/* Writes to every buffer once, so that memory touched later does not count as growth. */
static void make_pool(void)
{
	static struct vionet_packet *all[PACKETS];
	pool = pool_made(PACKETS);
	same(vionet_packet_alloc_bulk(pool, all, PACKETS), PACKETS);
	for (int i = 0; i < PACKETS; i++)
		memset(all[i]->data, 1, all[i]->size - VIONET_HEADROOM);
	vionet_packet_free_bulk(all, PACKETS);
}

OK_UNUSED static void one_flow(const char *path, int packed)
{
	make_pool();
	flows[0].from = flows[0].to = soak_port(path, packed);
	begin_flows(1);
}

OK_UNUSED static void two_flows(const char *path, const char *other, int packed)
{
	make_pool();
	flows[0].from = flows[1].to = soak_port(path, packed);
	flows[1].from = flows[0].to = soak_port(other, packed);
	begin_flows(2);
}

OK_UNUSED static void end_flows(void)
{
	over = 1;
	for (int n = 0; n < flow_count; n++)
		for (int i = 0; i < 2; i++)
			pthread_join(flows[n].threads[i], NULL);
	for (int n = 0; n < flow_count; n++)
		vionet_close(flows[n].from);
	same(pool_of(pool).available, PACKETS);
	same(pool_of(pool).refused, 0);
	ok(vionet_pool_destroy(pool));
}

/* Stops sending new frames, or begins again. */
OK_UNUSED static void parked(int yes_or_no)
{
	wants_parked = yes_or_no;
	for (int n = 0; n < flow_count; n++)
		soon(flows[n].is_parked == yes_or_no);
}

/* ---- what must be true --------------------------------------------------------------------------------------------- */

/* Frames that resets of queues have lost, as the library and the device count them. */
static uint64_t lost(uint16_t device)
{
	struct vionet_stats s = stats_of(flows[0].to);
	struct vionet_soft_stats d = VIONET_SIZED(struct vionet_soft_stats);
	if (device != NO_DEVICE)
		ok(vionet_soft_stats(device, &d));
	for (int reason = 0; reason < VIONET_DROP_REASONS; reason++)
		if (reason != VIONET_DROP_STOPPED)
			same(s.rx.dropped[reason] + s.tx.dropped[reason], 0);
	same(s.rx.broken + s.tx.broken, 0);
	return s.rx.dropped[VIONET_DROP_STOPPED] + s.tx.dropped[VIONET_DROP_STOPPED] + d.to_driver_drops +
	       d.from_driver_drops;
}

/* Requires that every frame that was sent comes or is counted as lost. */
OK_UNUSED static void all_accounted_for(uint16_t device)
{
	struct flow *f = &flows[0];
	uint64_t end = microseconds() + LONG_WAIT * 1000ull;
	while (f->sent != f->arrived + lost(device)) {
		if (microseconds() > end)
			FAILED("%u frames were sent, %u have come, and %" PRIu64 " are counted as lost", f->sent, f->arrived,
			       lost(device));
		usleep(100);
	}
	same(stats_of(f->from).tx.packets, f->sent);
	same(stats_of(f->to).rx.packets, f->arrived);
}

/*
 * For when no frame is on its way: packets that are not free are in the receive rings and in the queues' own stacks, of
 * which only the size is known. `exactly` stops the ports, which gives everything back, and starts them again.
 */
OK_UNUSED static void all_in_its_place(int exactly)
{
	uint32_t rings = 0;
	for (int n = 0; n < flow_count; n++) {
		(void)vionet_tx_done(flows[n].from, 0);
		rings += receive_ring;
	}
	uint32_t elsewhere = PACKETS - pool_of(pool).available;
	if (elsewhere < rings || elsewhere > rings + (uint32_t)flow_count * MOST_CACHED)
		FAILED("%u packets are not free, and there are %u in the receive rings", elsewhere, rings);
	same(pool_of(pool).refused, 0);
	if (!exactly)
		return;
	for (int n = 0; n < flow_count; n++)
		ok(vionet_stop(flows[n].to));
	same(pool_of(pool).available, PACKETS);
	for (int n = 0; n < flow_count; n++)
		ok(vionet_start(flows[n].to));
	receive_ring = RECEIVE_RING;
}

/*
 * Says whether frames may be lost from now on: many, a few, or none. Senders are patient once frames are received, so that
 * no more are on their way than a pipe has room for.
 */
enum loss { MANY, FEW, NONE };
OK_UNUSED static void may_lose(enum loss loss)
{
	for (int n = 0; n < flow_count; n++) {
		flows[n].mark = flows[n].sent;
		flows[n].is_strict = loss == NONE;
		flows[n].patience = loss == MANY ? 3000 : loss == FEW ? 100000 : UINT64_MAX;
	}
}

/* ---- the back-end -------------------------------------------------------------------------------------------------- */

static struct peer soak_backend;

static void *soak_backend_thread(void *unused)
{
	struct echo_ring rx = {.peer = &soak_backend, .index = RX}, tx = {.peer = &soak_backend, .index = TX};
	int s = -1;
	while (s < 0 && !soak_backend.stop)
		s = peer_connection(&soak_backend);
	while (!soak_backend.stop) {
		struct pollfd waiting = {.fd = s, .events = POLLIN};
		if (poll(&waiting, 1, 0) > 0 && !peer_message(&soak_backend, s))
			break;
		rx.packed = tx.packed = (soak_backend.negotiated & BIT(F_PACKED)) != 0;
		if (!soak_backend.ring[RX].started)
			rx.read = rx.written = rx.packed ? 0x8000 : 0;
		if (!soak_backend.ring[TX].started)
			tx.read = tx.written = tx.packed ? 0x8000 : 0;
		int runs = soak_backend.ring[RX].started && soak_backend.ring[TX].started && soak_backend.ring[RX].enabled && soak_backend.ring[TX].enabled;
		if (waiting.revents == 0 && (!runs || echo_frames(&tx, &rx) == 0))
			usleep(20);
	}
	if (s >= 0)
		close(s);
	return unused;
}

OK_UNUSED static void soak_backend_start(int packed)
{
	peer_prepare(&soak_backend);
	snprintf(soak_backend.path, sizeof(soak_backend.path), "/tmp/vionet-soak-backend-%d.sock", getpid());
	peer_listen(&soak_backend);
	if (packed)
		soak_backend.features |= BIT(F_PACKED);
	same(pthread_create(&soak_backend.thread, NULL, soak_backend_thread, NULL), 0);
}

OK_UNUSED static void soak_backend_end(void) { peer_end(&soak_backend); }

#endif
