/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two threads on one queue. With check_threads=1 the second one's burst does nothing, the log names the queue, and nothing is
 * lost. A queue that broke for whatever reason is logged with the reasons that there can be.
 */
#include "../support/cases.h"
#include "../support/device.h"
#include "../support/frame.h"

static _Atomic int told_receive, told_transmit, told_broken, done;
static uint16_t port, pool;

static void lines(int level, const char *line, void *user)
{
	(void)user;
	if (level != VIONET_LOG_ERROR)
		return;
	told_receive += strstr(line, "receive queue 0 has two threads at once") != NULL;
	told_transmit += strstr(line, "transmit queue 0 has two threads at once") != NULL;
	told_broken += strstr(line, "is broken") != NULL && strstr(line, "check_threads=1") != NULL;
}

static void *receives(void *unused)
{
	struct vionet_packet *packets[32];
	while (!done)
		vionet_packet_free_bulk(packets, vionet_rx_burst(port, 0, packets, 32));
	return unused;
}

static void *sends(void *unused)
{
	while (!done) {
		struct vionet_packet *packet = frame_packet(pool, 100, 1);
		if (packet != NULL && vionet_tx_burst(port, 0, &packet, 1) != 1)
			vionet_packet_free(packet);
	}
	return unused;
}

static const char *const kinds[] = {"", ",packed_vq=1", ",in_order=0", ",size_stats=1", ",packed_vq=1,in_order=0,size_stats=1"};

static const char *kind_title(unsigned int row)
{
	static char title[120];
	snprintf(title, sizeof(title), "two threads on one queue are found, and nothing is lost: soft:loopback%s", kinds[row]);
	return title;
}

CASES(sizeof(kinds) / sizeof(kinds[0]), kind_title)
{
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	pthread_t threads[4];
	char address[128];
	vionet_log_set(VIONET_LOG_ERROR, lines, NULL);
	config.pool = pool = pool_made(4096);
	snprintf(address, sizeof(address), "soft:loopback,check_threads=1%s", kinds[row]);
	ok(vionet_open_config(address, &config, &port));
	for (int n = 0; n < 4; n++)
		same(pthread_create(&threads[n], NULL, n % 2 == 0 ? receives : sends, NULL), 0);
	soon(told_receive > 0 && told_transmit > 0);
	done = 1;
	for (int n = 0; n < 4; n++)
		pthread_join(threads[n], NULL);
	same(told_receive, 1); /* once is enough */
	same(told_transmit, 1);
	same(info_of(port).state, VIONET_STATE_STARTED);

	/* One thread at a time, whichever it is, is right. Both rings may be full still, and then nothing is sent unread. */
	struct vionet_packet *packets[8], *back[32];
	uint64_t end = microseconds() + LONG_WAIT * 1000ull;
	uint16_t sent = 0;
	for (uint32_t i = 0; i < 8; i++)
		packets[i] = frame_packet(pool, 100, 1000 + i);
	for (int got = 0; got < 8;) {
		yes(microseconds() < end);
		if (sent < 8)
			sent = (uint16_t)(sent + vionet_tx_burst(port, 0, packets + sent, (uint16_t)(8 - sent)));
		uint16_t count = vionet_rx_burst(port, 0, back, 32);
		for (uint16_t i = 0; i < count; i++)
			got += frame_number((unsigned char *)back[i]->data) >= 1000;
		vionet_packet_free_bulk(back, count);
	}
	vionet_close(port);
	same(pool_of(pool).available, 4096);
	same(pool_of(pool).refused, 0);
	ok(vionet_pool_destroy(pool));
	same(told_broken, 0);
}

CASE("one thread alone is never taken for two")
{
	vionet_log_set(VIONET_LOG_ERROR, lines, NULL);
	pool = pool_made(4096);
	port = opened("soft:loopback,check_threads=1,queues=2");
	for (uint32_t i = 0; i < 20000; i++) {
		struct vionet_packet *packets[1] = {frame_packet(pool, 100, i)};
		if (vionet_tx_burst(port, (uint16_t)(i % 2), packets, 1) != 1)
			vionet_packet_free(packets[0]);
		vionet_packet_free_bulk(packets, vionet_rx_burst(port, (uint16_t)(i % 2), packets, 1));
		(void)vionet_tx_done(port, 0);
	}
	vionet_close(port);
	same(told_receive + told_transmit, 0);
	same(pool_of(pool).available, 4096);
}

CASE("a broken queue is logged with the reasons that there can be")
{
	struct peer p;
	struct vionet_packet *packet;
	char address[128];
	vionet_log_set(VIONET_LOG_ERROR, lines, NULL);
	peer_start(&p);
	snprintf(address, sizeof(address), "vhost-user:%s", p.path);
	port = opened(address);
	soon(p.ring[0].enabled);
	publish(&p, 0, 9999);
	same(vionet_rx_burst(port, 0, &packet, 1), 0);
	same(told_broken, 1);
	vionet_close(port);
	peer_end(&p);
}
