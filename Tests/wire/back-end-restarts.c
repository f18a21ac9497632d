/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A back-end is killed (-9) and started again under traffic, many times, while this program goes on sending and receiving.
 * Every buffer is accounted for by its address, every frame is compared in full, and the process must hold no more files
 * and memory than before. The time from the back-end's start to the first frame is printed, and nothing judges it.
 *
 *     back-end-restarts client|server split|packed TIMES SOCKET              our own back-end: no frame may be lost
 *     back-end-restarts client|server split|packed TIMES SOCKET COMMAND...   this command: frames that it held may be lost
 */
#include "stall-report.h"

#include "../support/frame.h"

enum { BUFFERS = 4096, WINDOW = 200, LENGTH = 300, WARM = 3, MOST = 16000000 };

/* ---- traffic -------------------------------------------------------------------------------------------------------- */

static uint16_t port, pool;
static uint8_t *came; /* how often, by number */
static uint32_t sent, arrived, twice, others, forgiven;
static uint64_t last_arrival;
static uint32_t events[16];

static void count(uint16_t number, int event, void *user)
{
	(void)number, (void)user;
	events[event]++;
}

/* The holder of each buffer: 1 is this program, 0 the library. */
static uint8_t held[65536];
static void now_held(const struct vionet_packet *p, int by_us)
{
	uint8_t *place = &held[((uintptr_t)p / 64) % 65536];
	if (*place == by_us)
		FAILED("buffer %p was %s already", (const void *)p, by_us ? "ours" : "the library's");
	*place = (uint8_t)by_us;
}

/* Frames that must still come. Some of those that were given up may come after all. */
static uint32_t under_way(void)
{
	uint32_t known = arrived + forgiven;
	return known < sent ? sent - known : 0;
}

static void send_some(void)
{
	struct vionet_packet *packets[32];
	uint32_t waiting = under_way(), n = 0;
	for (; n < 32 && waiting + n < WINDOW && sent + n < MOST; n++) {
		packets[n] = frame_packet(pool, LENGTH, sent + n);
		if (packets[n] == NULL)
			break;
		now_held(packets[n], 1);
	}
	for (uint32_t i = 0; i < n; i++)
		now_held(packets[i], 0);
	uint16_t taken = n > 0 ? vionet_tx_burst(port, 0, packets, (uint16_t)n) : 0;
	for (uint32_t i = taken; i < n; i++)
		now_held(packets[i], 1);
	for (uint32_t i = taken; i < n; i++)
		now_held(packets[i], 0);
	if (n > taken)
		vionet_packet_free_bulk(packets + taken, (uint16_t)(n - taken));
	sent += taken;
}

static uint32_t receive_some(void)
{
	struct vionet_packet *packets[32];
	uint16_t n = vionet_rx_burst(port, 0, packets, 32);
	for (uint16_t i = 0; i < n; i++) {
		now_held(packets[i], 1);
		const unsigned char *data = packets[i]->data;
		if (data[12] == 0x80 && data[13] == 0x35) { /* the back-end announces our address to its network, and to us */
			others++;
		} else {
			uint32_t number = frame_number(data);
			if (packets[i]->length != LENGTH || number >= sent || !frame_right(data, LENGTH, number))
				FAILED("a frame of %u bytes, number %u of %u", packets[i]->length, number, sent);
			if (came[number]++ == 0)
				arrived++;
			else
				twice++;
		}
		now_held(packets[i], 0);
	}
	if (n > 0) {
		last_arrival = microseconds();
		vionet_packet_free_bulk(packets, n);
	}
	return n;
}

/* Writes to every buffer once, so that memory which is first used later is no growth. */
static void touch_all(void)
{
	static struct vionet_packet *all[BUFFERS];
	same(vionet_packet_alloc_bulk(pool, all, BUFFERS), BUFFERS);
	for (int i = 0; i < BUFFERS; i++)
		memset(all[i]->data, 1, all[i]->size - VIONET_HEADROOM);
	vionet_packet_free_bulk(all, BUFFERS);
}

/* One turn of a program's loop. */
static uint32_t turn(void)
{
	struct pollfd events = {.fd = vionet_event_fd(port), .events = POLLIN};
	uint32_t n = receive_some();
	send_some();
	if (poll(&events, 1, 0) > 0) {
		int result = vionet_event_handle(port);
		if (result < 0)
			FAILED("vionet_event_handle gave %d", result);
	}
	if (!is_own && n == 0 && microseconds() - last_arrival > 100000)
		forgiven = sent - arrived; /* the frames that the killed back-end held will not come */
	if (n == 0)
		usleep(20);
	return n;
}

/* Goes on until so many more frames have come. */
static void turns_until(uint32_t frames)
{
	uint64_t end = deadline();
	for (uint32_t got = 0; got < frames;) {
		got += turn();
		if (microseconds() > end) {
			report(port);
			FAILED("%u frames came and not %u; sent %u, arrived %u", got, frames, sent, arrived);
		}
	}
}

/* ---- rounds --------------------------------------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

/* Microseconds to the first frame in each round: since the back-end was connected, and since a command listened. */
static uint32_t *took, *from_listening;

/* Kills the back-end and starts it again. */
static void one_round(int round)
{
	uint64_t end = deadline(), there = 0, listened = 0;
	uint32_t gone = events[VIONET_EVENT_GONE], connected = events[VIONET_EVENT_CONNECTED];
	turns_until(300);
	for (int n = rand() % 40; n > 0; n--)
		turn();
	order('k');
	if (rand() % 2) /* it is away for a while, or back before this port notices */
		for (uint64_t until = microseconds() + (uint64_t)(rand() % 20000); microseconds() < until;)
			turn();
	order('s');
	while (events[VIONET_EVENT_GONE] == gone)
		turn(); /* frames of the old one, until the event of its end */
	for (;;) {
		if (is_own)
			there = notes->there;
		if (there == 0 && !is_own) {
			int state = socket_state();
			if (listened == 0 && state != 0)
				listened = microseconds();
			if (state & (is_server ? 6 : 2))
				there = microseconds();
		}
		uint32_t n = turn();
		if (n > 0 && events[VIONET_EVENT_CONNECTED] > connected)
			break;
		if (microseconds() > end) {
			report(port);
			FAILED("no frame after the back-end's restart: back-ends gone %u and connected %u, then %u and %u, there %d, "
			       "sent %u, arrived %u, forgiven %u", gone, connected, events[VIONET_EVENT_GONE],
			       events[VIONET_EVENT_CONNECTED], there != 0, sent, arrived, forgiven);
		}
	}
	if (is_own)
		there = notes->there;
	uint64_t now = microseconds();
	yes(there != 0 && now >= there);
	took[round] = (uint32_t)(now - there);
	from_listening[round] = listened != 0 ? (uint32_t)(now - listened) : 0;
}

static void finish(void)
{
	uint64_t end = deadline();
	while (is_own && arrived < sent) {
		(void)receive_some();
		(void)vionet_tx_burst(port, 0, NULL, 0);
		if (microseconds() > end)
			FAILED("%u of %u frames are lost", sent - arrived, sent);
	}
	struct vionet_stats stats = stats_of(port);
	same(stats.tx.packets, sent);
	same(stats.rx.packets, arrived + twice + others);
	same(stats.rx.broken + stats.tx.broken, 0);
	for (int reason = 0; reason < VIONET_DROP_REASONS; reason++)
		same(stats.tx.dropped[reason] + stats.rx.dropped[reason], 0);
	vionet_close(port);
	same(pool_of(pool).available, BUFFERS);
	same(pool_of(pool).refused, 0);
}

/* Opens the port, with a back-end and traffic. */
static void begin(void)
{
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	char device[120];
	uint64_t end = deadline();
	pool = config.pool = pool_made(BUFFERS);
	touch_all();
	ok(vionet_event_add(count, NULL));
	vionet_log_set(VIONET_LOG_DEBUG, keep_line, NULL);
	snprintf(device, sizeof(device), "vhost-user:%s,packed_vq=%d,%s", path, is_packed, is_server ? "server=1" : "recover=auto");
	if (is_server)
		ok(vionet_probe(device, &port));
	order('s');
	if (!is_server) {
		while (socket_state() == 0)
			yes(microseconds() < end);
		ok(vionet_probe(device, &port));
	}
	ok(vionet_init(port, &config));
	ok(vionet_start(port));
	last_arrival = microseconds();
	turns_until(100);
	same(info_of(port).ring, is_packed ? VIONET_RING_PACKED : VIONET_RING_SPLIT);
}

/* Sorts times and prints the median, the 99th percentile and the longest, in milliseconds. */
static void print_times(uint32_t *took, int times)
{
	qsort(took, (size_t)times, sizeof(*took), by_size);
	printf(" | %7.1f %7.1f %7.1f", took[times / 2] / 1e3, took[(times - 1) * 99 / 100] / 1e3, took[times - 1] / 1e3);
}

/* Prints one row of the table. */
static void print_row(const char *mode, struct holdings before, struct holdings after, int times)
{
	printf("%-6s %-6s %-8s %5d %8u %8u %5u %5u %3d->%-3d %6d", mode, is_packed ? "packed" : "split",
	       is_own ? "own" : "testpmd", times, sent, arrived, sent - arrived, twice, before.fds, after.fds,
	       after.resident_kib - before.resident_kib);
	print_times(took, times);
	if (!is_server && !is_own) /* DPDK looks at a new listening socket only when a poll() of 1 s is over */
		print_times(from_listening, times);
	printf("\n");
}

int main(int argc, char **argv)
{
	if (argc < 5)
		FAILED("usage: back-end-restarts client|server split|packed TIMES SOCKET [COMMAND...]");
	is_server = strcmp(argv[1], "server") == 0;
	is_packed = strcmp(argv[2], "packed") == 0;
	int times = atoi(argv[3]);
	yes(times > 0);
	path = argv[4];
	is_own = argc == 5;
	command = argv + 5;
	srand(7);
	notes = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	came = malloc(MOST);
	took = calloc((size_t)times, sizeof(*took));
	from_listening = calloc((size_t)times, sizeof(*took));
	yes(came != NULL && took != NULL && from_listening != NULL);
	for (size_t i = 0; i < MOST; i++)
		((volatile uint8_t *)came)[i] = 0; /* written to now, so that it is no growth later */
	memset(took, 0, (size_t)times * sizeof(*took));
	memset(from_listening, 0, (size_t)times * sizeof(*took));
	start_keeper();
	begin();
	struct holdings before = holdings();
	for (int i = 0; i < times; i++) {
		one_round(i);
		if (i < WARM)
			before = holdings();
	}
	turns_until(300);
	held_as_before(before, 512);
	struct holdings after = holdings();
	finish();
	same(events[VIONET_EVENT_GONE], times);
	print_row(argv[1], before, after, times);
	close(to_keeper);
	waitpid(keeper, NULL, 0);
	return 0;
}
