/* SPDX-License-Identifier: BSD-2-Clause */
/* More or fewer queue pairs in use while packets flow: what the device is told, and that no packet is lost by it. */
#include "../support/cases.h"
#include "../support/control_queue.h"

static uint16_t port;
static _Atomic int stop;
static _Atomic uint64_t sent;

static struct vionet_packet *made(void)
{
	struct vionet_packet *packet = vionet_packet_alloc(0);
	yes(packet != NULL && vionet_packet_append(packet, 60) != NULL);
	memset(packet->data, 0, 60);
	return packet;
}

/* Whether a burst on this queue takes a packet. */
static int takes(uint16_t queue)
{
	struct vionet_packet *packet = made();
	if (vionet_tx_burst(port, queue, &packet, 1) == 1)
		return 1;
	vionet_packet_free(packet);
	return 0;
}

static uint32_t open_queues(void)
{
	uint32_t mask = 0;
	for (uint16_t queue = 0; queue < 5; queue++)
		mask |= (uint32_t)takes(queue) << queue;
	return mask;
}

static uint32_t enabled(struct peer *p)
{
	uint32_t mask = 0;
	for (int i = 0; i < PEER_RINGS; i++)
		mask |= (p->ring[i].enabled != 0 ? 1u : 0u) << i;
	return mask;
}

static void refusals(void)
{
	err(vionet_queue_pairs_set(port, 0), -EINVAL);
	err(vionet_queue_pairs_set(port, 5), -EINVAL);
	says("1 to 4");
	err(vionet_queue_pairs_set(port, 65535), -EINVAL);
}

static uint8_t no(const uint8_t *command, uint32_t length)
{
	return (uint8_t)(command[0] + length > 0);
}

CASE("the number of pairs in use is set by command")
{
	struct control c;
	control_start(&c, BIT(F_MQ), 6);
	port = control_port(&c, ",cq=1,queues=4");
	commands(&c, "04 00 0400\n");
	refusals();
	ok(vionet_queue_pairs_set(port, 3));
	commands(&c, "04 00 0300\n");
	ok(vionet_start(port));
	same(open_queues(), 7);
	same(enabled(&c.peer), 0x10ff); /* all of the pairs' rings, and the control queue */
	ok(vionet_queue_pairs_set(port, 1));
	same(open_queues(), 1);
	ok(vionet_queue_pairs_set(port, 4));
	same(open_queues(), 15);
	commands(&c, "04 00 0100\n 04 00 0400\n");
	c.answer = no;
	err(vionet_queue_pairs_set(port, 2), -EIO);
	says("VQ_PAIRS_SET");
	same(open_queues(), 15);
	c.answer = NULL;
	ok(vionet_queue_pairs_set(port, 2));
	ok(vionet_stop(port));
	ok(vionet_start(port));
	commands(&c, "04 00 0200\n 04 00 0200\n 04 00 0200\n");
	same(open_queues(), 3);
	ok(vionet_stop(port));
	ok(vionet_queue_pairs_set(port, 4));
	commands(&c, "");
	ok(vionet_start(port));
	commands(&c, "04 00 0400\n");
	same(open_queues(), 15);
	vionet_close(port);
	control_end(&c);
}

CASE("without a control queue the rings of a pair are enabled and disabled")
{
	struct control c;
	control_start(&c, BIT(F_MQ), 4);
	port = control_port(&c, ",queues=4");
	refusals();
	ok(vionet_queue_pairs_set(port, 2));
	ok(vionet_start(port));
	same(enabled(&c.peer), 0x0f);
	same(open_queues(), 3);
	ok(vionet_queue_pairs_set(port, 4));
	same(enabled(&c.peer), 0xff);
	same(open_queues(), 15);
	ok(vionet_queue_pairs_set(port, 1));
	same(enabled(&c.peer), 0x03);
	same(open_queues(), 1);
	ok(vionet_stop(port));
	ok(vionet_start(port));
	same(enabled(&c.peer), 0x03);
	vionet_close(port);
	control_end(&c);
}

CASE("after a reset, packets of a pair that is not in use any more go out on one that is")
{
	struct control c;
	struct vionet_stats stats = VIONET_SIZED(struct vionet_stats);
	control_start(&c, BIT(F_MQ), 2);
	port = control_port(&c, ",cq=1,queues=2,recover=auto");
	ok(vionet_start(port));
	for (int i = 0; i < 3; i++)
		same(takes(1), 1);
	same(waiting(&c.peer, 3), 3);
	ok(vionet_queue_pairs_set(port, 1));
	c.peer.status |= 64; /* DEVICE_NEEDS_RESET */
	soon(vionet_event_handle(port) > 0);
	same(info_of(port).state, VIONET_STATE_STARTED);
	same(waiting(&c.peer, 1), 3);
	same(waiting(&c.peer, 3), 0);
	ok(vionet_stats(port, &stats));
	same(stats.tx.packets, 3);
	for (int reason = 0; reason < VIONET_DROP_REASONS; reason++)
		same(stats.tx.dropped[reason], 0);
	vionet_close(port);
	control_end(&c);
}

/* ---- while packets flow ------------------------------------------------------------------------------------------ */

static void *send_on_last(void *unused)
{
	(void)unused;
	while (!stop)
		sent += (uint64_t)takes(3);
	return NULL;
}

/* The device's side of that queue. */
static uint64_t fetch(struct peer *p)
{
	uint64_t fetched = 0;
	for (; waiting(p, 7) > 0; fetched++)
		give_back(p, 7, take(p, 7), 0);
	return fetched;
}

static struct control *flowing;
static void *switch_about(void *unused)
{
	(void)unused;
	for (int i = 0; i < 200; i++) {
		ok(vionet_queue_pairs_set(port, i % 2 ? 4 : 1 + (uint16_t)i % 3));
		/* Once the command is done, nothing is sent on a queue that is not in use. */
		uint64_t sent_before = sent;
		uint16_t there = waiting(&flowing->peer, 7);
		usleep(500);
		if (i % 2)
			soon(sent > sent_before + 10);
		yes(i % 2 != 0 || waiting(&flowing->peer, 7) <= there);
	}
	stop = 1;
	return NULL;
}

CASE("no packet is lost when the number of pairs changes under traffic")
{
	pthread_t threads[2];
	struct control c;
	uint64_t fetched = 0;
	control_start(&c, BIT(F_MQ), 4);
	port = control_port(&c, ",cq=1,queues=4");
	ok(vionet_start(port));
	uint32_t free_before = pool_of(info_of(port).pool).available;
	flowing = &c;
	same(pthread_create(&threads[0], NULL, send_on_last, NULL), 0);
	same(pthread_create(&threads[1], NULL, switch_about, NULL), 0);
	while (!stop)
		fetched += fetch(&c.peer);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	fetched += fetch(&c.peer);
	same(c.count, 201);
	printf("%" PRIu64 " packets sent while the pairs in use changed 200 times\n", (uint64_t)sent);
	yes(sent > 1000);
	same(fetched, sent);
	struct vionet_queue_stats stats = VIONET_SIZED(struct vionet_queue_stats);
	ok(vionet_tx_queue_stats(port, 3, &stats));
	same(stats.packets, sent);
	same(stats.broken, 0);
	uint16_t pool = info_of(port).pool;
	yes(pool_of(pool).available <= free_before);
	vionet_close(port);
	control_end(&c);
}
