/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A back-end goes, and one comes that lacks a feature of the first, to a port that connects and to one that listens. The
 * port does without a feature that only concerns the rings, and sends what was to be sent. For any other feature it says
 * which one is missing, and waits; vionet_stop() and vionet_init() bring it up without.
 */
#include "../support/cases.h"
#include "../support/frame.h"
#include "../support/rings.h"

enum { PACKETS = 1024, F_GUEST_HDRLEN = 59 };

static struct peer p;
static uint16_t port, pool;
static char path[64];
static int is_server;
static unsigned char bytes[4096], frame[200];
static const unsigned char no_header[HEADER];

static const struct { int bit; const char *name; } bits[] = {
	{F_PACKED, NULL}, {F_IN_ORDER, NULL}, {F_EVENT_IDX, NULL}, {F_INDIRECT, NULL}, {F_MRG_RXBUF, NULL},
	{F_CSUM, "VIRTIO_NET_F_CSUM"}, {F_GUEST_CSUM, "VIRTIO_NET_F_GUEST_CSUM"}, {F_MTU, "VIRTIO_NET_F_MTU"},
	{F_MAC, "VIRTIO_NET_F_MAC"}, {F_HOST_TSO4, "VIRTIO_NET_F_HOST_TSO4"}, {F_HOST_TSO6, "VIRTIO_NET_F_HOST_TSO6"},
	{F_HOST_ECN, "VIRTIO_NET_F_HOST_ECN"}, {F_STATUS, "VIRTIO_NET_F_STATUS"}, {F_HOST_USO, "VIRTIO_NET_F_HOST_USO"},
	{F_GUEST_HDRLEN, "VIRTIO_NET_F_GUEST_HDRLEN"}, {F_VERSION_1, "VIRTIO_F_VERSION_1"},
};
enum { BITS = sizeof(bits) / sizeof(bits[0]) };

static void up(void)
{
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	char address[160];
	config.pool = pool;
	if (is_server)
		peer_dial(&p, path, 1);
	else
		peer_start(&p);
	for (int i = 0; i < BITS; i++)
		p.features |= BIT(bits[i].bit);
	p.absent = 0;
	snprintf(address, sizeof(address), "vhost-user:%s,%s,packed_vq=1,in_order=1,mrg_rxbuf=1,rx_csum=1", p.path,
	         is_server ? "server=1" : "recover=auto");
	ok(vionet_probe(address, &port));
	ok(vionet_init(port, &config));
	ok(vionet_start(port));
	soon(vionet_event_handle(port) >= 0 && info_of(port).state == VIONET_STATE_STARTED);
	for (int i = 0; i < BITS; i++)
		yes(info_of(port).negotiated[0] & BIT(bits[i].bit));
}

static void sends(uint32_t number)
{
	struct vionet_packet *packet = frame_packet(pool, 100, number);
	same(vionet_tx_burst(port, 0, &packet, 1), 1);
}

static void is_sent(uint32_t number)
{
	struct buffer b;
	same(collect_in(&p, TX, &b, bytes, sizeof(bytes)), HEADER + 100);
	yes(frame_right(bytes + HEADER, 100, number) && frame_number(bytes + HEADER) == number);
	use_buffers(&p, TX, &b, 1, 0);
}

static void comes(uint32_t number)
{
	struct vionet_packet *packet;
	frame_fill(frame, sizeof(frame), number);
	deliver_in(&p, RX, 1, no_header, frame, sizeof(frame));
	same(vionet_rx_burst(port, 0, &packet, 1), 1);
	yes(packet->length == sizeof(frame) && frame_right(packet->data, sizeof(frame), number));
	vionet_packet_free(packet);
}

static void comes_without(int i)
{
	up();
	sends(1), is_sent(1), comes(2);
	sends(3), sends(4);
	p.absent = 1;
	p.leave = 1;
	soon(p.gone == 1);
	soon(vionet_event_handle(port) > 0);
	same(info_of(port).state, VIONET_STATE_WAITING);
	p.features &= ~BIT(bits[i].bit);
	p.absent = 0;
	if (bits[i].name == NULL) {
		soon(vionet_event_handle(port) >= 0 && info_of(port).state == VIONET_STATE_STARTED);
		is_sent(3), is_sent(4);
	} else {
		int result = 0;
		soon((result = vionet_event_handle(port)) < 0);
		same(result, bits[i].bit == F_VERSION_1 ? -ENOTSUP : -EPROTO);
		says(bits[i].name);
		same(info_of(port).state, VIONET_STATE_WAITING);
		same(stats_of(port).tx.dropped[VIONET_DROP_STOPPED], 0);
		ok(vionet_stop(port));
		same(stats_of(port).tx.dropped[VIONET_DROP_STOPPED], 2);
		same(pool_of(pool).available, PACKETS);
	}
}

static void goes_on_without(int i)
{
	if (bits[i].bit == F_VERSION_1)
		return;
	if (bits[i].name != NULL) {
		struct vionet_config config = VIONET_SIZED(struct vionet_config);
		config.pool = pool;
		ok(vionet_init(port, &config));
		ok(vionet_start(port));
		soon(vionet_event_handle(port) >= 0 && info_of(port).state == VIONET_STATE_STARTED);
	}
	same(info_of(port).negotiated[0] & BIT(bits[i].bit), 0);
	yes(info_of(port).negotiated[0] & BIT(bits[i == 0].bit));
	sends(5), is_sent(5), comes(6);
	same(stats_of(port).rx.broken + stats_of(port).tx.broken, 0);
}

static const char *titled(const char *how, unsigned int row)
{
	static char text[120];
	snprintf(text, sizeof(text), "a back-end that %s without %s", how,
	         bits[row].name != NULL ? bits[row].name : (const char *[]){"packed rings", "in order", "event idx",
	         "indirect descriptors", "merged buffers"}[row]);
	return text;
}

static const char *returns_title(unsigned int row) { return titled("returns", row); }
static const char *connects_title(unsigned int row) { return titled("connects", row); }

static void without(unsigned int bit, int listens)
{
	is_server = listens;
	pool = pool_made(PACKETS);
	snprintf(path, sizeof(path), "/tmp/vionet-features-%d.sock", getpid());
	comes_without((int)bit);
	goes_on_without((int)bit);
	peer_port_end(&p, port, pool);
	ok(vionet_pool_destroy(pool));
}

CASES(BITS, returns_title) { without(row, 0); }
CASES(BITS, connects_title) { without(row, 1); }
