/* SPDX-License-Identifier: BSD-2-Clause */
/* deadline: 180 */
/*
 * Links that flap, queues that are reset and devices that need a reset, again and again while frames flow, on split and
 * on packed rings:
 *
 *     abi-soak [FLAPS RESETS RECOVERIES]
 *
 * Frames are numbered and come in order, so that none is damaged, comes twice, or is lost but where a reset may lose it,
 * and then it is counted. Each buffer has one holder. After every round what is free, in the rings and with this program
 * is all there is, and the process holds what it held.
 */
#include "../support/soak.h"

static uint32_t flaps = 100, resets = 24, recoveries = 12;

/* ---- one device that gives back what it gets --------------------------------------------------------------------- */

/* So many rounds, each of which is one turn of `turn` under load and must leave everything in its place. */
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
	liar.config[6] = n & 1;
	same(vionet_event_handle(flows[0].to), 1);
	same(events[VIONET_EVENT_LINK], before + 1);
	same(info_of(flows[0].to).link_up, n & 1);
}

/* It has, of one queue after the other, sizes that come and go. */
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
	liar.status |= 64;
	same(vionet_event_handle(flows[0].to), 2);
	same(events[VIONET_EVENT_RECOVERED], before + 1);
	same(info_of(flows[0].to).state, VIONET_STATE_STARTED);
}

static void on_a_liar(int packed)
{
	char what[64];
	liar_start(packed);
	one_flow(liar.path, packed);
	snprintf(what, sizeof(what), "%s, a back-end's link flaps", packed ? "packed" : "split");
	rounds(what, flaps, link_flaps, NO_DEVICE);
	same(lost(NO_DEVICE), 0);
	snprintf(what, sizeof(what), "%s, it needs a reset", packed ? "packed" : "split");
	rounds(what, recoveries, needs_reset, NO_DEVICE);
	same(lost(NO_DEVICE), 0);
	snprintf(what, sizeof(what), "%s, its queues are reset", packed ? "packed" : "split");
	rounds(what, resets, queue_resets, NO_DEVICE);
	end_flows();
	liar_end();
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

/* The second goes, of which the driver of the first hears, and comes back, to which its own driver comes back. */
static uint16_t flap(uint16_t second)
{
	uint32_t links = events[VIONET_EVENT_LINK], met = events[VIONET_EVENT_CONNECTED];
	vionet_soft_stop(second);
	soon(vionet_event_handle(flows[0].from) >= 0 && !info_of(flows[0].from).link_up);
	soon(vionet_event_handle(flows[1].from) >= 0 && info_of(flows[1].from).state == VIONET_STATE_WAITING);
	second = served(1);
	soon(both_are_up());
	same(events[VIONET_EVENT_CONNECTED], met + 1);
	yes(events[VIONET_EVENT_LINK] >= links + 2);
	return second;
}

/* So many frames come each way of those that are sent from now on. */
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
		may_lose(FEW); /* the device begins to receive a moment after its driver was told of it */
		flow_on(1);
		may_lose(NONE);
		flow_on(100);
		parked(1);
		for (int way = 0; way < 2; way++)
			soon(flows[way].next == flows[way].sent);
		all_in_its_place(0);
		/* In the first half the pipe itself comes to use all of its room. */
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

int main(int argc, char **argv)
{
	if (argc == 4) {
		flaps = (uint32_t)atoi(argv[1]);
		resets = (uint32_t)atoi(argv[2]);
		recoveries = (uint32_t)atoi(argv[3]);
	}
	yes((argc == 1 || argc == 4) && flaps > 3 && resets > 3 && recoveries > 3);
	setvbuf(stdout, NULL, _IOLBF, 0);
	ok(vionet_event_add(count, NULL));
	for (int packed = 0; packed < 2; packed++) {
		on_a_liar(packed);
		on_a_device(packed);
		on_a_pipe(packed);
	}
	ok(vionet_event_remove(count, NULL));
	return 0;
}
