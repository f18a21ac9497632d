/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is at the far end of a port, on each bus: frames are put in there and come out there, and whoever loses one on the
 * way has counted it. The last five want others to be there: a guest, in which PCI functions are on one hub, some of them as
 * vDPA devices, and testpmd, which forwards between two ports of ours.
 */
#ifndef FAR_ENDS_H
#define FAR_ENDS_H

#include "frame.h"
#include "odd_frames.h"
#include "rings.h"
#include "xstats.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>

enum kind { PCAP, PIPE, TAP, SERVED, CLIENT, SERVER, KINDS, VHOST_NET = KINDS, PCI, VDPA, TESTPMD, TESTPMD_CALLS, ALL_KINDS };
static const char *const kind_names[] = {"soft:pcap", "soft:pipe", "soft:tap", "vhost-user: to our device",
                                         "vhost-user:", "vhost-user: with server=1", "vhost-net:", "pci:",
                                         "vhost-vdpa:", "vhost-user: to testpmd", "vhost-user: from testpmd"};
/* For ports that receive and for ports that send: the port's function, and the other one on its hub. */
static const char *const functions[2][2] = {{"0000:00:1a.0", "0000:00:1b.0"}, {"0000:00:1c.0", "0000:00:1d.0"}};
/* The vDPA devices that are on those hubs too, as the environment names them. */
static const char *const vdpa_names[2] = {"VIONET_FAR_VDPA_IN", "VIONET_FAR_VDPA_OUT"};
/* Nothing agreed; offloads and merged buffers; packed rings whose entries hold joined frames. */
enum mode { PLAIN, MERGED, JOINED, MODES };
static const char *const mode_names[] = {"", ", with offloads", ", packed, with offloads"};
static const char *const mode_keys[] = {"mtu=1500", "mtu=1500,lro=1,rx_csum=1,mrg_rxbuf=1",
                                        "mtu=1500,lro=1,rx_csum=1,mrg_rxbuf=0,packed_vq=1,queue_size=64"};

struct far_end {
	enum kind kind;
	enum mode mode;
	const char *name; /* of its interface, pipe, socket and file */
	uint16_t port;    /* the one that is tested */
	uint16_t other;   /* what is sent there is received by the port, and the other way round */
	uint16_t device;  /* the served one */
	struct peer peer;
	int packets, sniffer; /* sockets on the interface: one sends, the other sees what leaves */
	uint64_t offered, came;
};

/* ---- sums of counters ----------------------------------------------------------------------------------------------- */

static uint64_t dropped(const struct vionet_queue_stats *stats)
{
	uint64_t sum = 0;
	for (int i = 0; i < VIONET_DROP_REASONS; i++)
		sum += stats->dropped[i];
	return sum;
}

/* What the soft: device of a port has lost, of those with this beginning of their names. */
static uint64_t device_lost(uint16_t port, const char *beginning)
{
	char name[VIONET_XSTAT_NAME];
	uint64_t values[256], sum = 0;
	int count = vionet_xstats(port, values, 256);
	yes(count > 0 && count <= 256);
	for (int id = 0; id < count; id++) {
		ok(vionet_xstat_name(port, (uint32_t)id, name, sizeof(name)));
		if (strncmp(name, beginning, strlen(beginning)) == 0)
			sum += values[id];
	}
	return sum;
}

/* The kernel's counters of an interface; sysfs would show those of another namespace. */
static struct rtnl_link_stats interface_counters(const struct far_end *e)
{
	struct ifaddrs *all;
	struct rtnl_link_stats stats = {0};
	int found = 0;
	same(getifaddrs(&all), 0);
	for (struct ifaddrs *each = all; each != NULL; each = each->ifa_next)
		if (each->ifa_addr != NULL && each->ifa_addr->sa_family == AF_PACKET && strcmp(each->ifa_name, e->name) == 0) {
			memcpy(&stats, each->ifa_data, sizeof(stats));
			found = 1;
		}
	freeifaddrs(all);
	yes(found);
	return stats;
}

static struct vionet_soft_stats served_stats(const struct far_end *e)
{
	struct vionet_soft_stats stats = VIONET_SIZED(struct vionet_soft_stats);
	ok(vionet_soft_stats(e->device, &stats));
	return stats;
}

/* Frames that were put in at the far end and lost before the port, and frames that the port sent and that were lost. */
static uint64_t lost_inwards(const struct far_end *e)
{
	switch (e->kind) {
	case PCAP: case TAP: return device_lost(e->port, "rx_device_drop_");
	case PIPE: case SERVED: {
		struct vionet_stats s = stats_of(e->other);
		uint64_t behind = dropped(&s.tx) + device_lost(e->other, "tx_device_drop_");
		return behind + (e->kind == PIPE ? device_lost(e->port, "rx_device_drop_") : served_stats(e).to_driver_drops);
	}
	case PCI: case VDPA: case TESTPMD: case TESTPMD_CALLS: {
		struct vionet_stats s = stats_of(e->other);
		return dropped(&s.tx);
	}
	default: return 0;
	}
}
static uint64_t lost_outwards(const struct far_end *e)
{
	switch (e->kind) {
	case PCAP: case TAP: return device_lost(e->port, "tx_device_drop_");
	case PIPE: case SERVED: {
		struct vionet_stats s = stats_of(e->other);
		uint64_t behind = dropped(&s.rx) + device_lost(e->other, "rx_device_drop_");
		return behind + (e->kind == PIPE ? device_lost(e->port, "tx_device_drop_") : served_stats(e).from_driver_drops);
	}
	case PCI: case VDPA: case TESTPMD: case TESTPMD_CALLS: {
		struct vionet_stats s = stats_of(e->other);
		return dropped(&s.rx);
	}
	default: return 0;
	}
}

/* ---- opening -------------------------------------------------------------------------------------------------------- */

static void peer_offers(struct peer *p, enum mode mode)
{
	if (mode == PLAIN)
		return;
	p->features |= BIT(F_CSUM) | BIT(F_GUEST_CSUM) | BIT(F_GUEST_TSO4) | BIT(F_GUEST_TSO6) | BIT(9) | BIT(F_HOST_TSO4) |
	               BIT(F_HOST_TSO6) | BIT(F_HOST_ECN) | BIT(F_GUEST_USO4) | BIT(55) | BIT(F_HOST_USO) | BIT(F_INDIRECT);
	p->features |= mode == MERGED ? BIT(F_MRG_RXBUF) : BIT(F_PACKED);
}

static const char *file_of(const struct far_end *e)
{
	static char path[2][64];
	static int turn;
	char *at = path[turn ^= 1];
	snprintf(at, sizeof(path[0]), "/tmp/vionet-far-%d-%s", getpid(), e->name);
	return at;
}

static void write_capture(struct far_end *e)
{
	static unsigned char bytes[ODD_LONGEST];
	uint32_t head[6] = {0xa1b2c3d4, 2 | 4 << 16, 0, 0, 262144, 1};
	FILE *f = fopen(file_of(e), "we");
	yes(f != NULL && fwrite(head, 24, 1, f) == 1);
	for (int i = 0; i < odd_count; i++) {
		uint32_t record[4] = {0, 0, odd_frames[i].length, odd_frames[i].length};
		odd_fill(&odd_frames[i], bytes);
		yes(fwrite(record, 16, 1, f) == 1 && fwrite(bytes, 1, record[2], f) == record[2]);
	}
	fclose(f);
}

static void open_interface(struct far_end *e)
{
	char command[200];
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int one = 1, room = 16 << 20;
	/* What one buffer does not hold the kernel's vhost forgets, and counts nowhere. */
	snprintf(command, sizeof(command), "echo 1 2>/dev/null >/proc/sys/net/ipv6/conf/%s/disable_ipv6; ip link set %s mtu %d up",
	         e->name, e->name, e->kind == VHOST_NET && e->mode == PLAIN ? 1900 : 9000);
	same(system(command), 0);
	soon((vionet_event_handle(e->port), info_of(e->port).link_up == 1));
	e->packets = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
	same(setsockopt(e->packets, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)), 0);
	e->sniffer = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL));
	same(setsockopt(e->sniffer, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)), 0);
	at.sll_ifindex = (int)if_nametoindex(e->name);
	same(bind(e->packets, (struct sockaddr *)&at, sizeof(at)), 0);
	same(bind(e->sniffer, (struct sockaddr *)&at, sizeof(at)), 0);
}

static void open_peer(struct far_end *e, const char *keys)
{
	char device[300];
	if (e->kind == CLIENT)
		peer_start(&e->peer);
	else
		peer_dial(&e->peer, file_of(e), 1);
	peer_offers(&e->peer, e->mode);
	snprintf(device, sizeof(device), "vhost-user:%s,%s%s", e->peer.path, keys, e->kind == SERVER ? ",server=1" : "");
	e->peer.absent = 0;
	e->port = opened(device);
	soon((vionet_event_handle(e->port), info_of(e->port).state == VIONET_STATE_STARTED));
	soon(e->peer.ring[RX].enabled && e->peer.ring[TX].enabled);
}

/* Both ports of a pair that testpmd joins, or a hub: at that one of a vDPA device there is a PCI function. */
static void open_joined(struct far_end *e, const char *keys, int in)
{
	for (int i = 0; i < 2; i++) {
		char address[200];
		uint16_t *port = i == 0 ? &e->port : &e->other;
		if (e->kind == VDPA && i == 0)
			snprintf(address, sizeof(address), "vhost-vdpa:%s%s", getenv(vdpa_names[!in]), keys);
		else if (e->kind == PCI || e->kind == VDPA)
			snprintf(address, sizeof(address), "pci:%s%s", functions[!in][i], keys);
		else
			snprintf(address, sizeof(address), "vhost-user:%s-%s-%d%s%s", getenv("VIONET_FAR_TESTPMD"), e->name, i, keys,
			         e->kind == TESTPMD_CALLS ? ",server=1" : "");
		*port = opened(address);
		soon((vionet_event_handle(*port), info_of(*port).state == VIONET_STATE_STARTED));
		yes(e->kind < TESTPMD || (info_of(*port).negotiated[0] >> F_HOST_TSO4 & 1) == (e->mode != PLAIN));
	}
	/* Until testpmd has seen both ports it drops what it forwards. Frames keep their order, so that none is on its way
	 * when the first one has come. */
	uint16_t from = in ? e->other : e->port, to = in ? e->port : e->other;
	struct vionet_packet *packet;
	for (int tries = 0; vionet_rx_wait(to, 0, tries == 0 ? 0 : 200) <= 0; tries++) {
		yes(tries < 5 * LONG_WAIT_SECONDS);
		packet = frame_packet(0, 60, 0);
		send_all(from, &packet, 1);
	}
	while (vionet_rx_burst(to, 0, &packet, 1) > 0)
		vionet_packet_free(packet);
	ok(vionet_stats_reset(from));
	ok(vionet_stats_reset(to));
}

/* Opens a port, and what is at its far end. `in`: frames will be put in there. */
OK_UNUSED static void far_open(struct far_end *e, enum kind kind, enum mode mode, const char *name, int in)
{
	char address[300];
	const char *keys = mode_keys[mode], *driver_keys = keys + strlen("mtu=1500"); /* mtu= is a soft device's key */
	*e = (struct far_end){.kind = kind, .mode = mode, .name = name, .packets = -1, .sniffer = -1};
	if (kind == CLIENT || kind == SERVER) {
		open_peer(e, *driver_keys == ',' ? driver_keys + 1 : "queue_size=256");
		return;
	}
	if (kind >= PCI) {
		open_joined(e, driver_keys, in);
		return;
	}
	if (kind == PCAP && in)
		write_capture(e);
	snprintf(address, sizeof(address), "soft:%s=%s,%s", kind == TAP ? "tap" : "pipe", name, keys);
	if (kind == PCAP)
		snprintf(address, sizeof(address), in ? "soft:pcap=%s,%s" : "soft:pcap=,out=%s,%s", file_of(e), keys);
	if (kind == SERVED) {
		snprintf(address, sizeof(address), "pipe=%s,mtu=1500", name);
		ok(vionet_soft_serve(file_of(e), address, &e->device));
		snprintf(address, sizeof(address), "vhost-user:%s%s", file_of(e), driver_keys);
	}
	if (kind == VHOST_NET)
		snprintf(address, sizeof(address), "vhost-net:%s%s", name, driver_keys);
	e->port = opened(address);
	if (kind == TAP || kind == VHOST_NET)
		open_interface(e);
	if (kind == PIPE || kind == SERVED) {
		snprintf(address, sizeof(address), "soft:pipe=%s,%s", name, keys);
		e->other = opened(address);
		soon((vionet_event_handle(e->other), info_of(e->other).link_up == 1));
	}
}

OK_UNUSED static void far_close(struct far_end *e)
{
	vionet_close(e->port);
	if (e->kind == PIPE || e->kind == SERVED || e->kind >= PCI)
		vionet_close(e->other);
	if (e->kind == SERVED)
		vionet_soft_stop(e->device);
	if (e->kind == CLIENT || e->kind == SERVER)
		peer_end(&e->peer);
	if (e->packets >= 0) {
		close(e->packets);
		close(e->sniffer);
	}
	if (e->kind == PCAP)
		unlink(file_of(e));
}

#endif
