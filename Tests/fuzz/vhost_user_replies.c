/* SPDX-License-Identifier: BSD-2-Clause */
/* deadline: 900 */
/*
 * vhost-user back-ends with made-up answers: sizes, flags, values, files, halves of messages, answers that come late,
 * twice, unasked or never, sockets that are full. Every call in a port's life ends in time, on the simulated clock, with 0
 * or with an errno and a sentence; afterwards no port, file, mapping or packet is left.
 */
#include "vhost-user-backend.h"

enum { PACKETS = 512, RING = 16 };
static const int errors[] = {EPROTO, ENOSPC, ECONNRESET, ETIMEDOUT, ENOTSUP, EINVAL, EIO, ENOTCONN, 0};

static uint16_t pool;
static int maps;
static uint32_t ports, started, wrong_answers, failures;

static void begin(void)
{
	backend_begin();
	pool = pool_made(PACKETS);
	backend_reset(NULL);
}

/* Requires that a call ended in time, and with a sentence if it failed. */
static int ended(const char *call, int result, uint64_t began)
{
	uint64_t took = (kernel.now - began) / 1000000;
	if (took > backend.allowed_wait + 100)
		FAILED("%s took %" PRIu64 " ms, the back-end's answers account for %" PRIu64, call, took, backend.allowed_wait);
	backend.allowed_wait -= took < backend.allowed_wait ? took : backend.allowed_wait; /* an answer may have its effect only later */
	right_failure(call, result > 0 ? 0 : result, errors);
	if (result < 0 && backend.wrong_answers == 0)
		FAILED("%s failed (%d) although every answer was correct", call, result);
	if (backend.unacceptable && backend.front >= 0)
		FAILED("%s accepted an answer that cannot be valid", call);
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
	CALL(vionet_tx_fd(port, 0));
	CALL(vionet_tx_arm(port, 0));
	CALL(vionet_stats_reset(port));
}

static void live(uint16_t port)
{
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	config.pool = pool;
	config.rx_descriptors = config.tx_descriptors = RING;
	/* The second time whatever the first one brought: every call is legal then, too. */
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
	/* What the back-end offers; zeroes change nothing. */
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
	backend.wrong_answers = spoils != 0;

	ports++;
	if (CALL(vionet_probe(BACKEND, &port)) == 0)
		live(port);
	wrong_answers += backend.wrong_answers;
	backend_reset(NULL);
	all_is_back(pool, PACKETS);
	if (ports == 100)
		maps = count_maps();
}

static void make(struct input *i, struct chance *c)
{
	/* Correct answers come first, and then a few others. */
	uint32_t correct = below(c, 110), rest = 1 + below(c, 16);
	i->bytes[i->size++] = below(c, 3) == 0 ? (uint8_t)chance_next(c) : 0;
	for (uint32_t n = 0; n < 16 && i->bytes[0] != 0; n++)
		i->bytes[i->size++] = (uint8_t)(below(c, 3) == 0 ? below(c, 64) : chance_next(c));
	for (uint32_t n = 0; n < correct; n++)
		i->bytes[i->size++] = CORRECT;
	for (uint32_t n = 0; n < rest; n++) {
		i->bytes[i->size++] = (uint8_t)below(c, ANSWERS);
		i->bytes[i->size++] = (uint8_t)(below(c, 2) == 0 ? below(c, 48) : chance_next(c));
	}
}

static void end(void)
{
	if (maps > 0 && count_maps() > maps + 8) /* libc's own arenas come and go */
		FAILED("%d mappings; after 100 ports there were %d", count_maps(), maps);
	printf("%u ports, %u started, %u wrong answers, %u failures with a sentence each\n", ports, started, wrong_answers,
	       failures);
	yes(started > ports / 4 && failures > ports / 4 && wrong_answers > ports);
}

static const struct target target = {"vhost-user-replies", 8000, 256, begin, make, NULL, run, end};
