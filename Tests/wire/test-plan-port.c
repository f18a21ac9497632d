/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The front-end in DPDK's test plans. It obeys one line of input at a time, since the script controls the peer in between.
 * It answers each line with "ok" and a number, or ends with what is wrong.
 *
 *     vlan, window FRAMES              tags each fourth frame; sets how many frames may be under way on each queue
 *     buffers BYTES, off BITS          for the next port: the size of its receive buffers; feature bits it does not accept
 *     tx DEVICE [RX [TX]]              opens the port that sends and receives; its burst functions must be RX and TX
 *     rx DEVICE [RX [TX]]              opens another port, which receives in its place
 *     echo FRAMES LENGTH [SEGMENTS]    FRAMES more come back on each queue, and none is lost; answers how many in all
 *     burst FRAMES LENGTH [SEGMENTS]   sends one burst, whatever is under way; answers how many were taken
 *     run, listen                      sends and receives, or only receives, until the next line
 *     come FRAMES, drain               FRAMES have come in all; all frames under way have come
 *     still                            the peer has stopped: no frame comes, and all frames under way wait
 *     stop, start, init                makes these calls; a stop may lose the frames under way
 *     gone                             the port notices that its peer has gone, stops, and cannot be started
 *     forgive                          the frames under way may be lost
 *     lost, joined                     answers how many did not come, or how many came in several buffers
 *     close                            no frame came twice, each queue carried some, and the port counted the same
 */
#include "queue-round-trips.h"

#include <poll.h>

static struct vionet_config config;
static struct vionet_info info_out, info_in;
static enum { IDLE, RUNNING, LISTENING } going;

/* The next word of the line, or none. */
static char *word(void)
{
	return strtok(NULL, " \n");
}

static uint32_t number(uint32_t otherwise)
{
	const char *text = word();
	return text != NULL ? (uint32_t)strtoul(text, NULL, 0) : otherwise;
}

/* ---- ports ------------------------------------------------------------------------------------------------------ */

static uint16_t sized_pool(uint32_t bytes, uint32_t packets)
{
	struct vionet_pool_config pool = VIONET_SIZED(struct vionet_pool_config);
	uint16_t number;
	pool.data_size = bytes;
	pool.packets = packets;
	ok(vionet_pool_create(&pool, &number));
	return number;
}

static void check_paths(uint16_t port, struct vionet_info *info, const char *rx, const char *tx)
{
	*info = info_of(port);
	if (rx != NULL && strcmp(info->rx_path, rx) != 0)
		FAILED("receives by %s, not by %s", info->rx_path, rx);
	if (tx != NULL && strcmp(info->tx_path, tx) != 0)
		FAILED("sends by %s, not by %s", info->tx_path, tx);
}

static uint16_t open_port(struct vionet_info *info)
{
	const char *device = word(), *rx = word(), *tx = word();
	uint16_t port;
	ok(vionet_probe(device, &port));
	ok(vionet_init(port, &config));
	*info = info_of(port);
	if (pieces_pool == 0)
		pieces_pool = sized_pool(2048, info->queue_pairs * (2u * info->tx_descriptors + 1024));
	ok(vionet_pool_share(pieces_pool, port));
	ok(vionet_start(port));
	check_paths(port, info, rx, tx);
	return port;
}

static uint32_t open_out(void)
{
	in = out = open_port(&info_out);
	info_in = info_out;
	queues = info_out.queue_pairs;
	yes(queues <= QUEUES);
	if (window == 0)
		window = info_out.tx_descriptors * 3u / 8;
	return queues;
}

static uint32_t open_in(void)
{
	in = open_port(&info_in);
	return queues;
}

static uint32_t buffers(void)
{
	config.pool = sized_pool(number(0), 4096);
	return config.pool;
}

static uint32_t off(void)
{
	const char *bits = word();
	config.features_off = strtoull(bits, NULL, 0);
	return 0;
}

static uint32_t start(void)
{
	ok(vionet_start(out));
	check_paths(out, &info_out, info_in.rx_path, info_in.tx_path);
	return 0;
}

static uint32_t init(void)
{
	ok(vionet_init(out, &config));
	return 0;
}

/* A stopped port moves no packet, whatever is called. */
static uint32_t stop(void)
{
	struct vionet_packet *packet = made(0, lanes[0].sent, 64);
	ok(vionet_stop(out));
	yes(info_of(out).state != VIONET_STATE_STARTED);
	same(vionet_tx_burst(out, 0, &packet, 1), 0);
	vionet_packet_free(packet);
	for (uint16_t q = 0; q < queues; q++)
		same(receive_burst(q), 0);
	return forgive();
}

static uint32_t gone(void)
{
	uint64_t end = microseconds() + LONG_WAIT * 1000ull;
	while (info_of(out).state != VIONET_STATE_BROKEN) {
		pump(1);
		if (microseconds() > end)
			FAILED("the port does not notice that its peer has gone");
	}
	same(info_of(out).link_up, 0);
	uint32_t before = stop();
	int result = vionet_start(out);
	if (result >= 0 || vionet_error()[0] == 0)
		FAILED("without a peer vionet_start gave %d", result);
	return before;
}

/* ---- frames ----------------------------------------------------------------------------------------------------- */

static void set_frames(void)
{
	length_now = number(0);
	segments = number(1);
	yes(length_now >= 18 && length_now <= LONGEST && segments > 0);
}

static uint32_t echo(void)
{
	uint32_t before = sum_came(), frames = number(0);
	set_frames();
	flow(frames);
	drain();
	return sum_came() - before;
}

static uint32_t burst(void)
{
	uint32_t frames = number(0);
	set_frames();
	return send_burst(0, frames);
}

static uint32_t run(void)
{
	going = RUNNING;
	return sum_came();
}

static uint32_t listen_only(void)
{
	going = LISTENING;
	return sum_came();
}

static uint32_t come(void)
{
	uint64_t end = microseconds() + LONG_WAIT * 1000ull;
	for (uint32_t wanted = number(0); sum_came() < wanted; pump(0))
		if (microseconds() > end)
			FAILED("%u frames came, not %u", sum_came(), wanted);
	return sum_came();
}

/* A peer that has stopped returns no more than what was under way. */
static uint32_t still(void)
{
	uint64_t last = microseconds();
	uint32_t allowed = queues * window;
	for (uint32_t came = 0; microseconds() - last < 200000;) {
		uint32_t got = pump(1);
		came += got;
		if (got > 0)
			last = microseconds();
		if (came > allowed)
			FAILED("%u frames came from a peer that has stopped, and %u were under way", came, allowed);
	}
	for (uint16_t q = 0; q < queues; q++)
		same(under_way(&lanes[q]), window);
	return sum_came();
}

static uint32_t set_window(void)
{
	return window = number(0);
}

static uint32_t set_tags(void)
{
	return tagged = 1;
}

/* Each queue carried frames, and counted them as we did. */
static uint32_t all_queues(void)
{
	for (uint16_t q = 0; q < queues; q++) {
		struct vionet_queue_stats rx = VIONET_SIZED(struct vionet_queue_stats), tx = rx;
		ok(vionet_rx_queue_stats(in, q, &rx));
		ok(vionet_tx_queue_stats(out, q, &tx));
		yes(lanes[q].came > 0);
		same(rx.packets, lanes[q].came);
		same(tx.packets, lanes[q].sent);
	}
	return queues;
}

/* Requires that no frame is left: one that came twice would be received here. */
static uint32_t close_all(void)
{
	drain();
	usleep(20000);
	for (uint16_t q = 0; q < queues; q++)
		same(receive_burst(q), 0);
	all_queues();
	struct vionet_stats sent = stats_of(out), came = stats_of(in);
	for (int reason = 0; reason < VIONET_DROP_STOPPED; reason++)
		same(sent.tx.dropped[reason] + came.rx.dropped[reason], 0);
	same(came.rx.broken + sent.tx.broken, 0);
	vionet_close(out);
	vionet_close(in);
	return sum_came();
}

/* ---- commands --------------------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	uint32_t (*obey)(void);
} commands[] = {
	{"tx", open_out}, {"rx", open_in}, {"buffers", buffers}, {"off", off}, {"vlan", set_tags}, {"window", set_window},
	{"echo", echo}, {"burst", burst}, {"run", run}, {"listen", listen_only}, {"come", come}, {"still", still},
	{"drain", drain}, {"stop", stop}, {"start", start}, {"init", init}, {"gone", gone}, {"forgive", forgive},
	{"lost", lost}, {"joined", joined}, {"close", close_all},
};

static void obey(char *line)
{
	const char *name = strtok(line, " \n");
	going = IDLE;
	for (size_t i = 0; name != NULL && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strcmp(name, commands[i].name) == 0) {
			printf("ok %u\n", commands[i].obey());
			fflush(stdout);
			return;
		}
	FAILED("unknown command %s", name != NULL ? name : "an empty line");
}

int main(void)
{
	char line[256];
	config = VIONET_SIZED(struct vionet_config);
	setvbuf(stdin, NULL, _IONBF, 0);
	for (;;) {
		struct pollfd input = {.fd = 0, .events = POLLIN};
		while (going != IDLE && poll(&input, 1, 0) == 0)
			pump(going == RUNNING);
		if (fgets(line, sizeof(line), stdin) == NULL)
			return 0;
		obey(line);
	}
}
