/* SPDX-License-Identifier: BSD-2-Clause */
/* deadline: 120 */
/*
 * vhost-user back-ends whose answers are made up: sizes, flags, values, files, halves of messages, answers that come
 * late, twice, unasked or never, sockets that are full. Every call of a port's life ends in time, with 0 or with an
 * errno and a sentence, and afterwards nothing is left: no port, no file, no mapping, no packet.
 */
#include "backend.h"

enum { PACKETS = 512, RING = 16 };
static const int errors[] = {EPROTO, ENOSPC, ECONNRESET, ETIMEDOUT, ENOTSUP, EINVAL, EIO, ENOTCONN, 0};

static uint16_t pool;
static int maps;
static uint32_t lives, started, lies, failures;

static void begin(void)
{
	backend_begin();
	pool = pool_made(PACKETS);
	backend_reset(NULL);
}

/* A call has ended: in time, and with a sentence if it failed. */
static int ended(const char *call, int result, uint64_t began)
{
	uint64_t took = (kernel.now - began) / 1000000;
	if (took > backend.patience + 100)
		FAILED("%s took %" PRIu64 " ms, the back-end's answers account for %" PRIu64, call, took, backend.patience);
	backend.patience -= took < backend.patience ? took : backend.patience; /* some lies have their effect only later */
	right_failure(call, result > 0 ? 0 : result, errors);
	if (result < 0 && backend.lies == 0)
		FAILED("%s failed (%d) though the back-end was honest", call, result);
	if (backend.wrong && backend.front >= 0)
		FAILED("%s took an answer for one that cannot be", call);
	failures += result < 0;
	return result;
}
#define CALL(call) ({ uint64_t began_ = kernel.now; ended(#call, (call), began_); })

static void traffic(uint16_t port)
{
	struct vionet_packet *packets[RING];
	uint16_t count = vionet_packet_alloc_bulk(pool, packets, 4);
	for (uint16_t i = 0; i < count; i++)
		vionet_packet_append(packets[i], 60);
	for (uint16_t sent = vionet_tx_burst(port, 0, packets, count); sent < count; sent++)
		vionet_packet_free(packets[sent]);
	vionet_packet_free_bulk(packets, vionet_rx_burst(port, 0, packets, RING));
	CALL(vionet_rx_fd(port, 0));
	CALL(vionet_rx_arm(port, 0));
	CALL(vionet_stats_reset(port));
}

static void live(uint16_t port)
{
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	config.pool = pool;
	config.rx_descriptors = config.tx_descriptors = RING;
	/* The second time without asking whether the first went well: every call is legal then, too. */
	for (int times = 0; times < 2; times++) {
		(void)info_of(port);
		if (CALL(vionet_init(port, &config)) == 0 && CALL(vionet_start(port)) == 0) {
			started++;
			traffic(port);
			CALL(vionet_stop(port));
			if (CALL(vionet_start(port)) == 0)
				traffic(port);
		}
		CALL(vionet_stop(port));
	}
	uint64_t began = kernel.now;
	vionet_close(port);
	ended("vionet_close", 0, began);
}

static void run(struct input *i)
{
	uint16_t port = VIONET_PORT_NONE;
	struct peer *p = &backend.peer;
	backend_reset(i);
	/* What it offers; zeroes leave it as it is. */
	uint8_t spoils = next8(i);
	if (spoils & 1)
		p->features ^= BIT(next8(i) & 63);
	if (spoils & 2)
		p->features |= next_number(i);
	if (spoils & 4)
		p->protocol ^= next_bytes(i, 3);
	if (spoils & 8)
		for (int n = 0; n < 12; n++)
			p->config[n] = next8(i);
	p->drop_features_ok = (spoils & 0x30) == 0x30;
	backend.lies = spoils != 0;

	lives++;
	if (CALL(vionet_probe(BACKEND, &port)) == 0)
		live(port);
	lies += backend.lies;
	backend_reset(NULL);
	all_is_back(pool, PACKETS);
	if (lives == 100)
		maps = count_maps();
}

static void make(struct input *i, struct chance *c)
{
	/* Answers before the one that matters are honest; then a few odd ones follow. */
	uint32_t honest = below(c, 110), rest = 1 + below(c, 16);
	i->bytes[i->size++] = below(c, 3) == 0 ? (uint8_t)chance_next(c) : 0;
	for (uint32_t n = 0; n < 16 && i->bytes[0] != 0; n++)
		i->bytes[i->size++] = (uint8_t)(below(c, 3) == 0 ? below(c, 64) : chance_next(c));
	for (uint32_t n = 0; n < honest; n++)
		i->bytes[i->size++] = HONEST;
	for (uint32_t n = 0; n < rest; n++) {
		i->bytes[i->size++] = (uint8_t)below(c, ANSWERS);
		i->bytes[i->size++] = (uint8_t)(below(c, 2) == 0 ? below(c, 48) : chance_next(c));
	}
}

static void end(void)
{
	if (maps > 0 && count_maps() > maps + 8) /* libc's own arenas come and go */
		FAILED("%d mappings, after 100 lives it were %d", count_maps(), maps);
	printf("%u lives, %u started, %u odd answers, %u failures with a sentence each\n", lives, started, lies, failures);
	yes(started > lives / 4 && failures > lives / 4 && lies > lives);
}

static const struct target target = {"replies", 8000, 256, begin, make, NULL, run, end};
