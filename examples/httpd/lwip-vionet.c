/* SPDX-License-Identifier: BSD-2-Clause */
#include "lwip-vionet.h"

#include <err.h>
#include <lwip/etharp.h>
#include <lwip/priv/tcp_priv.h>
#include <netif/ethernet.h>
#include <string.h>

/* The checksums that virtio-net devices leave to others. */
#define IN_SOFTWARE (NETIF_CHECKSUM_GEN_IP | NETIF_CHECKSUM_GEN_ICMP | NETIF_CHECKSUM_CHECK_IP | NETIF_CHECKSUM_CHECK_ICMP)

static uint16_t region; /* the pool of link->shared */

static void must(int result, const char *what)
{
	if (result < 0)
		errx(1, "%s: %s", what, vionet_error());
}

/* ---- to the device ------------------------------------------------------------------------------------------------ */

static void sent(void *data, void *pbuf)
{
	(void)data;
	pbuf_free(pbuf);
}

static bool is_shared(const struct link *link, const struct pbuf *part)
{
	const char *data = part->payload;
	return !link->copies && data >= link->shared && data + part->len <= link->shared + link->shared_length;
}

/* Adds one pbuf to a packet: as a segment that refers to its memory, or as bytes behind those that are there. */
static int add(struct link *link, struct vionet_packet *packet, struct pbuf *part, bool first)
{
	if (!is_shared(link, part)) {
		void *room = vionet_packet_append(packet, part->len);
		if (room == NULL)
			return -1;
		memcpy(room, part->payload, part->len);
		*(first ? &link->headers : &link->copied) += part->len;
		return 0;
	}
	struct vionet_packet *segment = vionet_packet_attach(link->pool, part->payload, part->len, sent, part);
	if (segment == NULL)
		return -1;
	/* lwIP may get its acknowledgement, and forget the pbuf, before the device has sent a copy of it again. */
	pbuf_ref(part);
	if (vionet_packet_chain(packet, segment) == 0)
		return 0;
	vionet_packet_free(segment);
	return -1;
}

/* Gives the port as much as it has room for. */
static void hand_over(struct link *link)
{
	uint16_t ready = vionet_tx_prepare(link->port, 0, link->packets, link->waiting), taken;
	if (ready < link->waiting)
		errx(1, "cannot send a packet: %s", vionet_error());
	taken = vionet_tx_burst(link->port, 0, link->packets, ready);
	link->waiting -= taken;
	memmove(link->packets, link->packets + taken, link->waiting * sizeof(link->packets[0]));
}

static err_t output(struct netif *netif, struct pbuf *frame)
{
	struct link *link = netif->state;
	if (link->waiting == LINK_BURST)
		hand_over(link);
	struct vionet_packet *packet = link->waiting < LINK_BURST ? vionet_packet_alloc(link->pool) : NULL;
	for (struct pbuf *part = frame; packet != NULL && part != NULL; part = part->next) {
		if (add(link, packet, part, part == frame) != 0) {
			vionet_packet_free(packet);
			packet = NULL;
		}
	}
	if (packet == NULL) {
		link->refused++;
		link->refused_since = true;
		return ERR_WOULDBLOCK;
	}
	/* lwIP has left the checksum of TCP to the device, and to vionet_tx_prepare() what that has to know. */
	const uint8_t *byte = packet->data;
	if (packet->length >= 54 && byte[12] == 0x08 && byte[13] == 0 && byte[23] == IP_PROTO_TCP)
		packet->flags |= VIONET_PACKET_CHECKSUM_PARTIAL;
	link->packets[link->waiting++] = packet;
	link->frames++;
	link->bytes += packet->total_length;
	return ERR_OK;
}

/* After a frame that was refused, lwIP would wait for an acknowledgement, which may not come. */
void link_send(struct link *link)
{
	hand_over(link);
	if (link->refused_since && link->waiting == 0) {
		link->refused_since = false;
		tcp_txnow();
		hand_over(link);
	}
}

/* ---- from the device ---------------------------------------------------------------------------------------------- */

/* In the private bytes of each packet. */
struct received {
	struct pbuf_custom pbuf; /* first, so that a pointer to it is one to all of this */
	struct vionet_packet *packet;
};

static void release(struct pbuf *pbuf)
{
	vionet_packet_free(((struct received *)pbuf)->packet);
}

static void input(struct link *link, struct vionet_packet *packet)
{
	struct received *received = vionet_packet_private(packet);
	bool checked = packet->flags & (VIONET_PACKET_CHECKSUM_GOOD | VIONET_PACKET_CHECKSUM_PARTIAL);
	if (vionet_packet_linearise(packet) != 0) {
		vionet_packet_free(packet);
		return;
	}
	received->packet = packet;
	received->pbuf.custom_free_function = release;
	struct pbuf *frame = pbuf_alloced_custom(PBUF_RAW, (u16_t)packet->length, PBUF_REF, &received->pbuf, packet->data,
	                                         (u16_t)packet->length);
	NETIF_SET_CHECKSUM_CTRL(&link->netif, IN_SOFTWARE | (checked ? 0 : NETIF_CHECKSUM_CHECK_TCP));
	if (link->netif.input(frame, &link->netif) != ERR_OK)
		pbuf_free(frame);
}

unsigned link_receive(struct link *link)
{
	struct vionet_packet *packets[LINK_BURST];
	uint16_t count = vionet_rx_burst(link->port, 0, packets, LINK_BURST);
	for (uint16_t i = 0; i < count; i++)
		input(link, packets[i]);
	return count;
}

/* ---- its life ----------------------------------------------------------------------------------------------------- */

static err_t prepare(struct netif *netif)
{
	struct link *link = netif->state;
	struct vionet_info info = VIONET_SIZED(struct vionet_info);
	must(vionet_info(link->port, &info), "info");
	netif->name[0] = 'v';
	netif->name[1] = 'n';
	netif->hwaddr_len = sizeof(info.mac);
	memcpy(netif->hwaddr, info.mac, sizeof(info.mac));
	netif->mtu = info.mtu < 1500 ? info.mtu : 1500;
	netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET;
	NETIF_SET_CHECKSUM_CTRL(netif, IN_SOFTWARE | NETIF_CHECKSUM_CHECK_TCP);
	netif->output = etharp_output;
	netif->linkoutput = output;
	return ERR_OK;
}

void link_open(struct link *link, const char *device, const char *address, unsigned prefix, char *shared, size_t length,
               int fd)
{
	struct vionet_pool_config packets = VIONET_SIZED(struct vionet_pool_config), memory = packets;
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	ip4_addr_t ip, mask = {lwip_htonl(prefix == 0 ? 0 : ~0u << (32 - prefix))};
	packets.private_size = sizeof(struct received);
	must(vionet_pool_create(&packets, &link->pool), "a pool of packets");
	memory.flags = VIONET_POOL_REGION;
	memory.memory = shared;
	memory.memory_length = length;
	memory.memory_fd = fd;
	must(vionet_pool_create(&memory, &region), "the files as memory to send");
	config.pool = link->pool;
	must(vionet_probe(device, &link->port), device);
	must(vionet_init(link->port, &config), device);
	must(vionet_pool_share(region, link->port), device);
	must(vionet_start(link->port), device);
	link->shared = shared;
	link->shared_length = length;
	if (!ip4addr_aton(address, &ip) || netif_add(&link->netif, &ip, &mask, IP4_ADDR_ANY4, link, prepare, ethernet_input) == NULL)
		errx(1, "%s is no address", address);
	netif_set_default(&link->netif);
	netif_set_link_up(&link->netif);
	netif_set_up(&link->netif);
}

void link_close(struct link *link)
{
	vionet_packet_free_bulk(link->packets, link->waiting);
	netif_remove(&link->netif);
	vionet_close(link->port);
	must(vionet_pool_destroy(region), "the files as memory to send");
	must(vionet_pool_destroy(link->pool), "the pool of packets");
}
