/* SPDX-License-Identifier: BSD-2-Clause */
/* deadline: 900 */
/*
 * Links that flap, queues that are reset and devices that need a reset, again and again while frames flow:
 *
 *     abi-soak [FLAPS RESETS RECOVERIES]
 *
 * Frames are numbered and come in order: none is damaged or comes twice, and only a reset may lose some, which are counted.
 * Each buffer has one holder. After every round all packets are free, in the rings or with this program, and the process
 * holds what it held.
 */
#include "../support/cases.h"
#include "../support/soak.h"

static uint32_t flaps = 100, resets = 24, recoveries = 12;

/* ---- one device that gives back what it gets --------------------------------------------------------------------- */

/* Rounds of `turn` under load; each must leave every packet in its place. */
static void rounds(const char *what, uint32_t count, void (*turn)(uint32_t), uint16_t device)
{
	struct flow *f = &flows[0];
	struct holdings before = {0};
	uint32_t sent = f->sent, arrived = f->arrived;
	uint64_t began = microseconds(), lost_before = lost(device);
	for (uint32_t n = 0; n < count; n++) {
		parked(0);
		uint32_t seen = f->arrived;
		soon(f->arrived >= seen + 100);
		turn(n);
		seen = f->arrived;
		soon(f->arrived >= seen + 100);
		parked(1);
		all_accounted_for(device);
		all_in_its_place(n % 10 == 9);
		if (n == 3)
			before = holdings();
		if (n > 3)
			held_as_before(before, 1024);
	}
	printf("%s: %u times in %u ms, %u frames sent, %u came, %" PRIu64 " lost and counted; fds %d, threads %d, resident %d "
	       "KiB, later %d\n", what, count, (unsigned int)((microseconds() - began) / 1000), f->sent - sent,
	       f->arrived - arrived, lost(device) - lost_before, before.fds, before.threads, before.resident_kib,
	       holdings().resident_kib);
}

static void link_flaps(uint32_t n)
{
	uint32_t before = events[VIONET_EVENT_LINK];
	soak_backend.config[6] = n & 1;
	same(vionet_event_handle(flows[0].to), 1);
	same(events[VIONET_EVENT_LINK], before + 1);
	same(info_of(flows[0].to).link_up, n & 1);
}

/* One queue after the other, in several sizes. */
static void queue_resets(uint32_t n)
{
	static const uint16_t sizes[4] = {64, 256, 16, 128};
	uint16_t port = flows[0].to, size = sizes[n / 2 % 4];
	if (n % 2)
		ok(vionet_tx_queue_restart(port, 0, size));
	else
		ok(vionet_rx_queue_restart(port, 0, size));
	receive_ring = n % 2 ? receive_ring : size;
}

static void needs_reset(uint32_t n)
{
	uint32_t before = events[VIONET_EVENT_RECOVERED];
	(void)n;
	soak_backend.status |= 64;
	same(vionet_event_handle(flows[0].to), 2);
	same(events[VIONET_EVENT_RECOVERED], before + 1);
	same(info_of(flows[0].to).state, VIONET_STATE_STARTED);
}

static void on_a_backend(int packed)
{
	char what[64];
	soak_backend_start(packed);
	one_flow(soak_backend.path, packed);
	snprintf(what, sizeof(what), "%s, a back-end's link flaps", packed ? "packed" : "split");
	rounds(what, flaps, link_flaps, NO_DEVICE);
	same(lost(NO_DEVICE), 0);
	snprintf(what, sizeof(what), "%s, it needs a reset", packed ? "packed" : "split");
	rounds(what, recoveries, needs_reset, NO_DEVICE);
	same(lost(NO_DEVICE), 0);
	snprintf(what, sizeof(what), "%s, its queues are reset", packed ? "packed" : "split");
	rounds(what, resets, queue_resets, NO_DEVICE);
	end_flows();
	soak_backend_end();
}

static void on_a_device(int packed)
{
	char what[64], path[64];
	uint16_t device;
	snprintf(path, sizeof(path), "/tmp/vionet-soak-%d.sock", getpid());
	ok(vionet_soft_serve(path, "loopback", &device));
	one_flow(path, packed);
	snprintf(what, sizeof(what), "%s, queues of our device are reset", packed ? "packed" : "split");
	rounds(what, resets, queue_resets, device);
	end_flows();
	vionet_soft_stop(device);
}

/* ---- two devices that are joined --------------------------------------------------------------------------------- */

static char paths[2][64];

static uint16_t served(int which)
{
	uint16_t device;
	ok(vionet_soft_serve(paths[which], "pipe=soak", &device));
	return device;
}

static int both_are_up(void)
{
	ok(vionet_event_handle(flows[0].from));
	ok(vionet_event_handle(flows[1].from));
	return info_of(flows[0].from).link_up && info_of(flows[1].from).state == VIONET_STATE_STARTED;
}

/* The second device goes: the first one's link is down. It returns, and its driver connects again. */
static uint16_t flap(uint16_t second)
{
	uint32_t links = events[VIONET_EVENT_LINK], connected = events[VIONET_EVENT_CONNECTED];
	vionet_soft_stop(second);
	soon(vionet_event_handle(flows[0].from) >= 0 && !info_of(flows[0].from).link_up);
	soon(vionet_event_handle(flows[1].from) >= 0 && info_of(flows[1].from).state == VIONET_STATE_WAITING);
	second = served(1);
	soon(both_are_up());
	same(events[VIONET_EVENT_CONNECTED], connected + 1);
	yes(events[VIONET_EVENT_LINK] >= links + 2);
	return second;
}

/* Waits until that many frames that are sent from now on have come, each way. */
static void flow_on(int32_t frames)
{
	for (int way = 0; way < 2; way++) {
		uint32_t now = flows[way].sent;
		soon((int32_t)(flows[way].next - now) > frames);
	}
}

static void on_a_pipe(int packed)
{
	struct holdings before = {0};
	uint64_t began = microseconds();
	for (int n = 0; n < 2; n++)
		snprintf(paths[n], sizeof(paths[n]), "/tmp/vionet-soak-%d-%d.sock", getpid(), n);
	uint16_t first = served(0), second = served(1);
	two_flows(paths[0], paths[1], packed);
	for (uint32_t n = 0; n < flaps; n++) {
		may_lose(MANY);
		second = flap(second);
		may_lose(FEW); /* the device begins to receive a moment after its driver has connected */
		flow_on(1);
		may_lose(NONE);
		flow_on(100);
		parked(1);
		for (int way = 0; way < 2; way++)
			soon(flows[way].next == flows[way].sent);
		all_in_its_place(0);
		/* In the first half the pipe grows to its full size. */
		if (n == flaps / 2)
			before = holdings();
		if (n > flaps / 2)
			held_as_before(before, 1024);
		parked(0);
	}
	printf("%s, our device's link flaps: %u times in %u ms; ", packed ? "packed" : "split", flaps,
	       (unsigned int)((microseconds() - began) / 1000));
	for (int way = 0; way < 2; way++)
		printf("%u frames sent, %u came, the others while it was down; ", flows[way].sent, flows[way].arrived);
	printf("fds %d, threads %d, resident %d KiB, later %d\n", before.fds, before.threads, before.resident_kib,
	       holdings().resident_kib);
	end_flows();
	vionet_soft_stop(first);
	vionet_soft_stop(second);
}

static void count(uint16_t number, int event, void *user)
{
	(void)number, (void)user;
	events[event]++;
}

/* The counts come from the command line, with defaults for a short run. */
BEFORE_EACH
{
	flaps = (uint32_t)case_argument(0, flaps);
	resets = (uint32_t)case_argument(1, resets);
	recoveries = (uint32_t)case_argument(2, recoveries);
	yes(flaps > 3 && resets > 3 && recoveries > 3);
	ok(vionet_event_add(count, NULL));
}

AFTER_EACH { ok(vionet_event_remove(count, NULL)); }

CASE("a back-end's link flaps, it needs resets, its queues are reset, split") { on_a_backend(0); }
CASE("a back-end's link flaps, it needs resets, its queues are reset, packed") { on_a_backend(1); }
CASE("queues of our own device are reset, split") { on_a_device(0); }
CASE("queues of our own device are reset, packed") { on_a_device(1); }
CASE("links of our own devices flap, split") { on_a_pipe(0); }
CASE("links of our own devices flap, packed") { on_a_pipe(1); }
