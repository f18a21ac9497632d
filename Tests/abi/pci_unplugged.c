/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A PCI function that goes while its port runs: the system wants it back while it still works and its rings are full, or
 * nothing answers any more. Whichever call comes first, it and all that follow say -ENODEV without waiting.
 */
#if defined(__x86_64__)
#include "../support/cases.h"
#include "../support/trapped_function.h"
#include "../support/control_queue.h"

enum { PACKETS = 1024, RING = 64, F_RING_RESET = 40, F_DEVICE_STATS = 50, WAITING = 5 };
static uint16_t pool, port;
static int events[16], open_files;
static const char *const device = "pci:0000:00:05.0";

static void count(uint16_t number, int event, void *user)
{
	(void)number, (void)user;
	events[event]++;
}

/* ---- the device -------------------------------------------------------------------------------------------------- */

/* The device takes every command; its statistics are 1 in each byte. */
static void answer(uint32_t queue)
{
	if (queue != 2)
		return;
	struct vring_desc *table = (void *)(uintptr_t)made.ring[2][0], *d;
	struct vring_used *used = (void *)(uintptr_t)made.ring[2][2];
	uint16_t id = ((uint16_t *)(uintptr_t)made.ring[2][1])[2 + used->idx % RING];
	for (d = &table[id]; d->flags & VRING_DESC_F_NEXT; d = &table[d->next])
		;
	memset((void *)(uintptr_t)d->addr, 1, d->len);
	*(uint8_t *)(uintptr_t)d->addr = 0;
	used->ring[used->idx % RING] = (struct vring_used_elem){id, d->len};
	__atomic_store_n(&used->idx, (uint16_t)(used->idx + 1), __ATOMIC_RELEASE);
}

static void offer_all(void)
{
	made_correct();
	made.serve = answer;
	made.offered[0] |= BIT(F_CTRL_VQ) | BIT(F_CTRL_RX) | BIT(F_CTRL_RX_EXTRA) | BIT(F_CTRL_VLAN) | BIT(F_CTRL_MAC_ADDR) |
	                   BIT(F_NOTF_COAL) | BIT(F_VQ_NOTF_COAL) | BIT(F_RING_RESET) | BIT(F_DEVICE_STATS) |
	                   BIT(F_GUEST_CSUM) | BIT(F_CTRL_GUEST_OFFLOADS);
}

static int running(void)
{
	struct vionet_config with = {.size = sizeof(with), .pool = pool, .rx_descriptors = RING, .tx_descriptors = RING};
	with.rx_offloads = VIONET_RX_CHECKSUM | VIONET_RX_VLAN_FILTER;
	int result = vionet_init(port, &with);
	return result == 0 ? vionet_start(port) : result;
}

/* The device has received some frames, and sent none of those it was given. */
static void busy(void)
{
	struct vionet_packet *packets[WAITING];
	struct vring_desc *table = (void *)(uintptr_t)made.ring[0][0];
	uint16_t *available = (void *)(uintptr_t)made.ring[0][1];
	struct vring_used *used = (void *)(uintptr_t)made.ring[0][2];
	for (uint16_t n = 0; n < WAITING; n++) {
		uint16_t id = available[2 + n];
		yes(id < RING && table[id].flags == VRING_DESC_F_WRITE);
		memset((void *)(uintptr_t)table[id].addr, 0, HEADER + 60);
		used->ring[n] = (struct vring_used_elem){id, HEADER + 60};
	}
	__atomic_store_n(&used->idx, WAITING, __ATOMIC_RELEASE);
	same(vionet_packet_alloc_bulk(pool, packets, WAITING), WAITING);
	for (int n = 0; n < WAITING; n++)
		yes(vionet_packet_append(packets[n], 60) != NULL);
	same(vionet_tx_burst(port, 0, packets, WAITING), WAITING);
}

static void is_wanted_back(void)
{
	uint64_t one = 1;
	made.wanted_back = 1;
	same(write(made.request, &one, 8), 8);
}

static void is_no_more(void)
{
	made.gone = 1;
	made_bus(0);
}

/* ---- the calls --------------------------------------------------------------------------------------------------- */

static const uint8_t station[6] = {2, 0, 0, 0, 0, 9};
static uint64_t values[200];
static char name[VIONET_XSTAT_NAME];

static int arm(void) { return vionet_rx_arm(port, 0); }
static int rx_wait(void) { return vionet_rx_wait(port, 0, 100000); }
static int announce(void) { return vionet_announce(port, 0, NULL, 0); }
static int promiscuous(void) { return vionet_promiscuous_set(port, 1); }
static int all_multicast(void) { return vionet_all_multicast_set(port, 1); }
static int filter(void) { return vionet_rx_filter_set(port, VIONET_FILTER_NO_BROADCAST); }
static int mac_set(void) { return vionet_mac_set(port, station); }
static int mac_list(void) { return vionet_mac_list_set(port, station, 1); }
static int vlan(void) { return vionet_vlan_filter_set(port, 5, 1); }
static int pairs(void) { return vionet_queue_pairs_set(port, 1); }
static int mtu(void) { return vionet_mtu_set(port, 1000); }
static int offloads(void) { return vionet_rx_offloads_set(port, VIONET_RX_VLAN_FILTER); }
static int rx_restart(void) { return vionet_rx_queue_restart(port, 0, 0); }
static int tx_restart(void) { return vionet_tx_queue_restart(port, 0, 0); }
static int rx_coalesce(void) { return vionet_rx_coalesce_set(port, 0, 1, 1); }
static int tx_coalesce(void) { return vionet_tx_coalesce_set(port, VIONET_ALL_QUEUES, 1, 1); }
static int xstats(void) { return vionet_xstats(port, values, 200); }
static int xstat_name(void) { return vionet_xstat_name(port, 0, name, sizeof(name)); }
static int xstat_id(void) { return vionet_xstat_id(port, "rx_good_packets"); }

#define CALL(name) {#name, name}
static const struct { const char *name; int (*function)(void); } calls[] = {
	CALL(arm), CALL(rx_wait), CALL(announce), CALL(promiscuous), CALL(all_multicast), CALL(filter), CALL(mac_set),
	CALL(mac_list), CALL(vlan), CALL(pairs), CALL(mtu), CALL(offloads), CALL(rx_restart), CALL(tx_restart),
	CALL(rx_coalesce), CALL(tx_coalesce), CALL(xstats), CALL(xstat_name), CALL(xstat_id),
};
enum { CALLS = sizeof(calls) / sizeof(calls[0]) };

/* Without waiting: in a hundredth of the simulated time that a command or a reset may take, with a sentence. */
static void says_so(size_t which)
{
	uint64_t began = kernel.now;
	int result = calls[which].function();
	if (result != -ENODEV || kernel.now - began > 30000000)
		FAILED("%s gave %d after %" PRIu64 " us", calls[which].name, result, (kernel.now - began) / 1000);
	says("gone");
}

/* ---- what is left to do ------------------------------------------------------------------------------------------ */

/* What was received before can be fetched, and the room in the ring can be filled. */
static void bursts(void)
{
	struct vionet_packet *packets[2 * RING];
	same(vionet_rx_burst(port, 0, packets, RING), WAITING);
	vionet_packet_free_bulk(packets, WAITING);
	same(vionet_rx_burst(port, 0, packets, RING), 0);
	same(vionet_packet_alloc_bulk(pool, packets, 2 * RING), 2 * RING);
	for (int n = 0; n < 2 * RING; n++)
		yes(vionet_packet_append(packets[n], 60) != NULL);
	same(vionet_tx_burst(port, 0, packets, 2 * RING), RING - WAITING);
	vionet_packet_free_bulk(packets + RING - WAITING, RING + WAITING);
	same(vionet_tx_done(port, 0), 0);
}

/* Closing gives everything back, and does not wait. */
static void closed(void)
{
	uint64_t began = kernel.now;
	vionet_close(port);
	yes(kernel.now - began < 30000000);
	all_is_back(pool, PACKETS);
	same(function.mapped_count, 0);
	same(entries("/proc/self/fd"), open_files);
	err(arm(), -ENODEV);
	says("no port");
}

static int readable(int file)
{
	struct pollfd one = {.fd = file, .events = POLLIN};
	return poll(&one, 1, 0);
}

/* `first` is the call that comes first; with CALLS it is vionet_event_handle. */
static void goes(void (*how)(void), size_t first, int stops)
{
	offer_all();
	open_files = entries("/proc/self/fd");
	ok(vionet_probe(device, &port));
	ok(running());
	memset(events, 0, sizeof(events));
	busy();
	same(arm(), 1);
	same(readable(vionet_event_fd(port)), 0);
	how();
	/* A function that merely stops answering is not reported. */
	same(readable(vionet_event_fd(port)), how == is_wanted_back);
	same(readable(vionet_rx_fd(port, 0)), how == is_wanted_back);
	if (first < CALLS)
		says_so(first);
	same(vionet_event_handle(port) == 1, events[VIONET_EVENT_GONE] == 1 && first > 1);
	for (size_t n = 0; n < CALLS; n++)
		says_so(n);
	err(vionet_event_handle(port), -ENODEV);
	for (int event = 0; event < 16; event++)
		same(events[event], event == VIONET_EVENT_GONE);
	same(info_of(port).state, VIONET_STATE_BROKEN);
	same(info_of(port).link_up, 0);
	bursts();
	if (stops) {
		ok(vionet_stop(port));
		err(vionet_start(port), -ENODEV);
		err(running(), -ENODEV);
	}
	closed();
}

/* ---- in the middle of a call ------------------------------------------------------------------------------------- */

/* A call whose last access was before may succeed; none waits or gives another error. */
static void judge(const char *what, int at, int result, uint64_t began)
{
	int is_right = made.gone ? result == -ENODEV || result >= 0 : result >= 0;
	if (!is_right || kernel.now - began > 30000000)
		FAILED("%s, gone at access %d, gave %d after %" PRIu64 " us", what, at, result, (kernel.now - began) / 1000);
	if (result >= 0 && made.gone)
		says_so(0);
	closed();
}

CASE("a function that goes during the start, at each access")
{
	int at = 0, failures = 0;
	do {
		offer_all();
		made.goes_after = ++at;
		open_files = entries("/proc/self/fd");
		uint64_t began = kernel.now;
		int result = vionet_probe(device, &port);
		if (result == 0)
			result = running();
		failures += result < 0;
		judge("the start", at, result, began);
	} while (made.gone);
	yes(failures > 60 && failures > at - 10);
	printf("it went at each of %d accesses to its registers, of which %d were one too many\n", at - 1, failures);
}

/* The device goes at each access in turn: it does not answer the command, or does not reset its queue. */
static void during(size_t which)
{
	int at = 0, failures = 0;
	do {
		offer_all();
		open_files = entries("/proc/self/fd");
		ok(vionet_probe(device, &port));
		ok(running());
		made.goes_after = ++at;
		uint64_t began = kernel.now;
		int result = calls[which].function();
		failures += result < 0;
		judge(calls[which].name, at, result, began);
	} while (made.gone);
	yes(failures > 0);
}

CASE("a function that goes during vionet_event_handle(), at each access")
{
	int at = 0;
	do {
		offer_all();
		open_files = entries("/proc/self/fd");
		ok(vionet_probe(device, &port));
		ok(running());
		memset(events, 0, sizeof(events));
		made.goes_after = ++at;
		same(vionet_event_handle(port), made.gone);
		for (int event = 0; event < 16; event++)
			same(events[event], event == VIONET_EVENT_GONE && made.gone);
		closed();
	} while (made.gone);
	yes(at > 3);
}

BEFORE_EACH
{
	made_begin();
	pool = pool_made(PACKETS);
	ok(vionet_event_add(count, NULL));
}

static const char *titled(const char *how, unsigned int row)
{
	static char text[120];
	snprintf(text, sizeof(text), "a function that %s, noticed by %s", how, row < CALLS ? calls[row].name : "event_handle");
	return text;
}

static const char *wanted_title(unsigned int row) { return titled("the system wants back", row); }
static const char *gone_title(unsigned int row) { return titled("does not answer any more", row); }
static const char *during_title(unsigned int row)
{
	static char text[120];
	snprintf(text, sizeof(text), "a function that goes during %s, at each access", calls[row + 3].name);
	return text;
}

CASES(CALLS + 1, wanted_title) { goes(is_wanted_back, row, row & 1); }
CASES(CALLS + 1, gone_title) { goes(is_no_more, row, row & 1); }
CASES(CALLS - 3, during_title) { during(row + 3); }
#else
#include "../support/cases.h"
CASE("a PCI function that goes") { skip("only x86-64 can take a single step"); }
#endif
