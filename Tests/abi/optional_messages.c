/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages that only some back-ends take: memory in slots, in-flight tracking, errors of rings, the MTU, an announcement, a
 * reset; and the channel on which the back-end speaks first. A back-end that does not offer them gets none of them.
 */
#include "../support/cases.h"
#include "../support/frame.h"
#include "../support/peer_requests.h"

static int counts[16];

static void count(uint16_t port, int event, void *user)
{
	(void)port, (void)user;
	counts[event]++;
}

static int sent(const struct peer *p, uint32_t request)
{
	int n = 0;
	for (int i = 0; i < p->seen_count && i < 512; i++)
		n += p->seen[i] == request;
	return n;
}

static int first(const struct peer *p, uint32_t request)
{
	for (int i = 0; i < p->seen_count && i < 512; i++)
		if (p->seen[i] == request)
			return i;
	return -1;
}

static uint16_t started(struct peer *p, uint64_t protocol, const char *keys)
{
	char address[150];
	peer_start(p);
	p->protocol = protocol;
	p->more = optional_request;
	slots = 64;
	inflight_size = 4096;
	inflight_files = 1;
	resets = removed = 0;
	mtu = announced = inflight_queues = 0;
	snprintf(address, sizeof(address), "vhost-user:%s%s", p->path, keys);
	uint16_t port = opened(address);
	memset(counts, 0, sizeof(counts));
	return port;
}

static void moves(struct peer *p, uint16_t port, uint32_t number)
{
	unsigned char frame[200];
	struct vionet_packet *packet = frame_packet(0, 100, number);
	same(vionet_tx_burst(port, 0, &packet, 1), 1);
	same(collect(p, frame, sizeof(frame)), 100);
	soon(waiting(p, RX) > 0);
	(void)deliver(p, frame, 100);
	same(vionet_rx_burst(port, 0, &packet, 1), 1);
	same(frame_number(packet->data), number);
	vionet_packet_free(packet);
}

static void ends(struct peer *p, uint16_t port)
{
	vionet_close(port);
	peer_end(p);
	peer_keep_fd(&channel, -1);
	peer_keep_fd(&errors[0], -1);
	peer_keep_fd(&errors[1], -1);
}

static const uint64_t usual = PROTOCOL_MQ | PROTOCOL_REPLY_ACK | PROTOCOL_CONFIG;

CASE("a back-end that offers all optional messages gets them in a safe order, another gets none")
{
	struct peer p;
	uint16_t port = started(&p, usual | PROTOCOL_ALL, ""); /* without STATUS */
	same(p.agreed & PROTOCOL_ALL, PROTOCOL_ALL);
	same(sent(&p, SET_MEM_TABLE), 0);
	same(sent(&p, ADD_MEM_REG), 2);
	same(sent(&p, GET_INFLIGHT_FD) + sent(&p, SET_INFLIGHT_FD), 2);
	same(inflight_queues, 2 | 256 << 16);
	yes(first(&p, SET_VRING_CALL) < first(&p, GET_INFLIGHT_FD));
	yes(first(&p, SET_FEATURES) < first(&p, GET_INFLIGHT_FD) && first(&p, SET_INFLIGHT_FD) < first(&p, SET_VRING_KICK));
	same(sent(&p, SET_VRING_ERR), 2);
	same(mtu, 1500);
	same(sent(&p, SEND_RARP) + resets, 0);
	moves(&p, port, 1);
	for (int i = 1; i < 10; i++) {
		ok(vionet_stop(port));
		same(resets, i);
		same(removed, 2 * i);
		same(p.regions, 0);
		ok(vionet_start(port));
		moves(&p, port, (uint32_t)i);
	}
	/* Never sent: RESET_OWNER, logs, IOTLB, byte order, SET_CONFIG, and messages for other kinds of devices. */
	for (const char *request = "\4\6\7\26\27\31\32\33\34\35\36\41\43\51\52\53\54"; *request != 0; request++)
		same(sent(&p, (uint32_t)*request), 0);
	ends(&p, port);

	port = started(&p, usual | PROTOCOL_STATUS, ",recover=auto");
	for (uint32_t request = SEND_RARP; request <= REM_MEM_REG; request++)
		if (request != GET_CONFIG)
			same(sent(&p, request), 0);
	ends(&p, port);
}

/* Nothing is tracked that the back-end does not want tracked, and unexpected files are closed. */
CASE("in-flight tracking is used if the back-end shares memory for it")
{
	struct peer p;
	uint16_t port;
	char address[150];
	inflight_size = 0;
	port = started(&p, usual, "");
	vionet_close(port);
	soon(p.gone == p.connections);
	struct holdings before = holdings();
	p.protocol |= PROTOCOL_INFLIGHT;
	snprintf(address, sizeof(address), "vhost-user:%s", p.path);
	for (int files = 0; files < 3; files++) {
		inflight_files = files;
		inflight_size = files == 0 ? 0 : 4096;
		int had = sent(&p, SET_INFLIGHT_FD), result = vionet_open(address, &port);
		same(result, files == 2 ? -EPROTO : 0);
		same(sent(&p, SET_INFLIGHT_FD) - had, files == 1);
		if (result == 0)
			moves(&p, port, 5);
		vionet_close(port);
	}
	soon(p.gone == p.connections);
	before.maps++; /* stacks of the threads that close another process's files, which stay */
	held_as_before(before, 600); /* and what of them is first used now */
	peer_end(&p);
}

/* `most`: the memory slots that the back-end has. */
static void many_pools(uint64_t protocol, uint64_t most)
{
	struct peer p;
	uint16_t port, pools[12];
	char address[150];
	unsigned char frame[200];
	port = started(&p, usual | protocol, "");
	vionet_close(port);
	slots = most;
	snprintf(address, sizeof(address), "vhost-user:%s", p.path);
	ok(vionet_probe(address, &port));
	for (int i = 0; i < 12; i++)
		pools[i] = pool_made(64);
	ok(vionet_init(port, NULL));
	int result = 0;
	for (int i = 0; i < 12 && result == 0; i++)
		result = vionet_pool_share(pools[i], port);
	if (most < 14) {
		same(result, -ENOSPC);
		says(protocol == 0 ? " 7 pools" : " 3 pools");
	}
	ok(vionet_start(port));
	for (int i = 0; i < 12 && most >= 14; i++) {
		struct vionet_packet *packet = frame_packet(pools[i], 100, (uint32_t)i);
		same(vionet_tx_burst(port, 0, &packet, 1), 1);
		same(collect(&p, frame, sizeof(frame)), 100);
		same(frame_number(frame), i);
	}
	vionet_close(port);
	for (int i = 0; i < 12; i++)
		ok(vionet_pool_destroy(pools[i]));
	ends(&p, port);
}

CASE("messages from the back-end are answered, and invalid ones end their channel alone")
{
	struct peer p;
	char noise[200];
	uint16_t port = started(&p, usual | PROTOCOL_STATUS | PROTOCOL_BACKEND_REQ, "");
	struct pollfd change = {.fd = vionet_event_fd(port), .events = POLLIN};
	same(poll(&change, 1, 50), 0);
	for (int i = 0; i < 100; i++) {
		p.config[6] = (uint8_t)(i & 1);
		backend_request(2, 0);
		same(poll(&change, 1, LONG_WAIT), 1);
		same(vionet_event_handle(port), 1);
		same(info_of(port).link_up, i & 1);
		same(poll(&change, 1, 0), 0);
	}
	for (int i = 0; i < 5000; i++) /* a storm: each call handles its share, and no more */
		if (send(channel, (uint32_t[]){2, 1, 0}, 12, MSG_DONTWAIT) != 12 || i % 100 == 0)
			same(vionet_event_handle(port), 0);
	while (poll(&change, 1, 0) > 0)
		same(vionet_event_handle(port), 0);
	memset(noise, 0xee, sizeof(noise));
	same(write(channel, noise, sizeof(noise)), sizeof(noise));
	same(vionet_event_handle(port), 0);
	same(poll(&change, 1, 50), 0);
	moves(&p, port, 1);
	ends(&p, port);
	asks_first = 1; /* in the middle of the handshake */
	port = started(&p, usual | PROTOCOL_ALL, "");
	asks_first = 0;
	moves(&p, port, 2);
	ends(&p, port);
}

/*
 * VRING_HOST_NOTIFIER_MSG offers memory of the back-end to write kicks into. The library never agrees to the protocol
 * feature, refuses an offer, and closes the channel and the file if the offer brings one.
 */
CASE("host notifiers are refused")
{
	static const struct { uint64_t ring, size, offset; } offers[] = {
		{0, 4096, 0}, {1, 4096, 0}, {2, 4096, 0}, {0, 0, 0}, {0, 4095, 0}, {0, 4096, 1}, {0, ~0ull, 0}, {0, 4096, 1ull << 62},
		{0x100, 0, 0}, {0xffff, 4096, 4096}, {~0ull, ~0ull, ~0ull},
	};
	for (size_t i = 0; i < 2 * sizeof(offers) / sizeof(*offers); i++) {
		struct peer p;
		uint16_t port = started(&p, usual | PROTOCOL_STATUS | PROTOCOL_BACKEND_REQ | 1 << 10 | 1 << 11, "");
		struct { uint32_t request, flags, size; uint64_t ring, length, offset; } __attribute__((packed)) offer = {
			3, 9, 24, offers[i / 2].ring, offers[i / 2].size, offers[i / 2].offset};
		uint32_t reply[5] = {0};
		same(p.agreed & (1 << 10 | 1 << 11), 0);
		moves(&p, port, 1);
		struct holdings before = holdings();
		int file = i % 2 ? memfd_create("notifier", MFD_CLOEXEC) : -1;
		if (file >= 0)
			same(ftruncate(file, 4096), 0);
		peer_send(channel, &offer, sizeof(offer), &file, file >= 0);
		same(vionet_event_handle(port), 0);
		ssize_t said = recv(channel, reply, sizeof(reply), MSG_DONTWAIT);
		yes(file < 0 ? said == 20 && reply[3] == 1 : said == 0 || errno == ECONNRESET);
		if (file >= 0)
			close(file);
		same(holdings().fds, before.fds - (file >= 0)); /* our end of the channel */
		same(holdings().maps, before.maps);
		moves(&p, port, 2);
		ends(&p, port);
	}
}

CASE("an error of a ring resets the port, and its return is announced")
{
	struct peer p;
	uint64_t one = 1;
	uint16_t port = started(&p, usual | PROTOCOL_STATUS | PROTOCOL_ALL, ",recover=auto");
	struct pollfd change = {.fd = vionet_event_fd(port), .events = POLLIN};
	for (int i = 1; i < 20; i++) {
		same(write(errors[i & 1], &one, 8), 8);
		same(poll(&change, 1, LONG_WAIT), 1);
		same(vionet_event_handle(port), 2);
		same(counts[VIONET_EVENT_NEEDS_RESET], i);
		same(counts[VIONET_EVENT_RECOVERED], i);
		same(poll(&change, 1, 0), 0);
		moves(&p, port, (uint32_t)i);
	}
	same(announced, 0);
	p.leave = 1;
	while (counts[VIONET_EVENT_CONNECTED] == 0) {
		same(poll(&change, 1, LONG_WAIT), 1);
		ok(vionet_event_handle(port));
	}
	uint64_t address = 0;
	memcpy(&address, info_of(port).mac, 6);
	same(announced, address);
	moves(&p, port, 99);
	ends(&p, port);
}

BEFORE_EACH { ok(vionet_event_add(count, NULL)); }
AFTER_EACH { ok(vionet_event_remove(count, NULL)); }

CASE("twelve pools fit into 64 memory slots") { many_pools(PROTOCOL_SLOTS, 64); }
CASE("pools that four memory slots have no room for are refused") { many_pools(PROTOCOL_SLOTS, 4); }
CASE("pools that the memory table has no room for are refused") { many_pools(0, 8); }
