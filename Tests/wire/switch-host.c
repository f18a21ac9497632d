/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One of two programs on a switch, which connects to their ports and may be killed and start again. "near" sends numbered
 * frames of six sizes, "far" returns each of them. Both compare every byte, and know the holder of each buffer. Events are
 * printed as they happen, with the time in microseconds:
 *
 *     switch-host near|far DEVICE
 *
 *     connected TIME, gone TIME     the switch has connected, or has gone
 *     frame TIME, steady TIME       the first frame since then, and the thousandth
 *
 * Each line of the standard input is a command, which is answered by one line:
 *
 *     frames COUNT WINDOW           near: sends COUNT frames, at most WINDOW under way; ends when no more come
 *     run WINDOW, pause             near: sends until "pause", which then waits for the frames under way
 *     counts                        prints the counts so far
 *     end                           closes the port; every buffer must be back
 */
#include "../support/frame.h"

#include <poll.h>

/*
 * After SILENCE microseconds without a frame near stops waiting for those under way. It still counts late ones, so whoever
 * compares counts has to look again.
 */
enum { BUFFERS = 4096, MOST = 64 << 20, SILENCE = 1000000, STEADY = 1000 };
static const uint32_t lengths[6] = {64, 128, 256, 512, 1024, 1514};

static uint16_t port, pool;
static uint8_t *came; /* how often, by number */
static uint32_t sent, arrived, twice, others, forgiven, since_connected = STEADY;
static uint32_t window, wanted; /* of near: frames that may be under way, and frames to send in all */
static uint64_t last_arrival;
static int is_far;

static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static void print_event(const char *what)
{
	printf("%s %" PRIu64 "\n", what, now());
	fflush(stdout);
}

static void note(uint16_t number, int event, void *user)
{
	(void)number, (void)user;
	if (event == VIONET_EVENT_GONE)
		print_event("gone");
	if (event == VIONET_EVENT_CONNECTED) {
		print_event("connected");
		since_connected = 0;
	}
	if (event == VIONET_EVENT_BROKEN)
		FAILED("the switch broke the rules on a queue");
}

/* The holder of each buffer: 1 is this program, 0 the library. */
static uint8_t held[65536];
static void now_held(struct vionet_packet *const *packets, uint16_t count, int by_us)
{
	for (uint16_t i = 0; i < count; i++) {
		uint8_t *place = &held[((uintptr_t)packets[i] / 64) % 65536];
		if (*place == by_us)
			FAILED("buffer %p was %s already", (const void *)packets[i], by_us ? "ours" : "the library's");
		*place = (uint8_t)by_us;
	}
}

static void release(struct vionet_packet **packets, uint16_t count)
{
	now_held(packets, count, 0);
	vionet_packet_free_bulk(packets, count);
}

/* Sends packets and returns how many were taken. The others stay ours. */
static uint16_t hand_over(struct vionet_packet **packets, uint16_t count)
{
	now_held(packets, count, 0);
	uint16_t taken = vionet_tx_burst(port, 0, packets, count);
	now_held(packets + taken, (uint16_t)(count - taken), 1);
	return taken;
}

static uint32_t under_way(void)
{
	uint32_t known = arrived + forgiven; /* more than were sent if a frame that was given up comes after all */
	return known < sent ? sent - known : 0;
}

static uint32_t send_some(void)
{
	struct vionet_packet *packets[32];
	uint32_t room = under_way() < window ? window - under_way() : 0;
	uint16_t n = 0;
	for (; n < 32 && n < room && sent + n < wanted; n++)
		if ((packets[n] = frame_packet(pool, lengths[(sent + n) % 6], sent + n)) == NULL)
			break;
	now_held(packets, n, 1);
	uint16_t taken = hand_over(packets, n);
	release(packets + taken, (uint16_t)(n - taken));
	sent += taken;
	return taken;
}

/* Compares a frame of ours in full. Returns 0 for other frames, such as those in which a host announces its address. */
static int is_frame(const struct vionet_packet *p)
{
	const unsigned char *data = p->data;
	if (data[12] != 0x88 || data[13] != 0xb5) {
		others++;
		return 0;
	}
	uint32_t number = frame_number(data);
	if (number >= MOST || p->length != lengths[number % 6] || !frame_right(data, p->length, number) ||
	    (!is_far && number >= sent))
		FAILED("a frame of %u bytes, number %u", p->length, number);
	if (came[number]++ > 0)
		twice++;
	else
		arrived++;
	return 1;
}

/* Swaps the addresses, for a switch that goes by them. */
static void swap_addresses(struct vionet_packet *p)
{
	unsigned char *data = p->data, target[6];
	memcpy(target, data, 6);
	memcpy(data, data + 6, 6);
	memcpy(data + 6, target, 6);
}

/* Receives frames. far returns them, and receives no more before it has. */
static uint32_t receive_some(void)
{
	static struct vionet_packet *packets[32];
	static uint16_t waiting, done;
	if (done == waiting) {
		uint16_t n = vionet_rx_burst(port, 0, packets, 32);
		now_held(packets, n, 1);
		done = waiting = 0;
		for (uint16_t i = 0; i < n; i++) {
			struct vionet_packet *p = packets[i];
			if (!is_frame(p) || !is_far) {
				release(&p, 1);
				continue;
			}
			swap_addresses(p);
			packets[waiting++] = p;
		}
		if (n == 0)
			return 0;
		last_arrival = microseconds();
		if (since_connected == 0)
			print_event("frame");
		if (since_connected < STEADY && (since_connected += n) >= STEADY)
			print_event("steady");
	}
	if (is_far) {
		uint16_t taken = hand_over(packets + done, (uint16_t)(waiting - done));
		done = (uint16_t)(done + taken);
		sent += taken;
	}
	return 1;
}

static void handle_events(void)
{
	struct pollfd events = {.fd = vionet_event_fd(port), .events = POLLIN};
	if (poll(&events, 1, 0) > 0) {
		int result = vionet_event_handle(port);
		if (result < 0)
			FAILED("vionet_event_handle gave %d", result);
	}
}

static void turn(void)
{
	static uint32_t turns;
	uint32_t did = receive_some();
	if (!is_far)
		did |= send_some();
	if (did == 0 || turns++ % 64 == 0)
		handle_events();
	if (did == 0)
		usleep(20); /* the switch may wait for this core */
	/* Frames that a killed switch held do not come, nor frames that found no room somewhere. */
	if (!is_far && window > 0 && under_way() >= window && microseconds() - last_arrival > SILENCE / 10) {
		forgiven = sent - arrived;
		last_arrival = microseconds();
	}
}

/* Goes on until no frame is under way, or none of those comes any more. */
static void settle(void)
{
	last_arrival = microseconds();
	while (arrived < sent && microseconds() - last_arrival < SILENCE)
		turn();
	forgiven = sent - arrived;
}

static void counts(const char *word)
{
	struct vionet_stats stats = stats_of(port);
	printf("%s sent=%u came=%u twice=%u others=%u lost=%u full=%" PRIu64 " fds=%d\n", word, sent, arrived + twice, twice,
	       others, is_far ? 0 : sent - arrived, stats.tx.ring_full, entries("/proc/self/fd"));
	fflush(stdout);
	same(stats.tx.packets, sent);
	same(stats.rx.packets, arrived + twice + others);
	same(stats.rx.broken + stats.tx.broken, 0);
	for (int reason = 0; reason < VIONET_DROP_REASONS; reason++)
		same(stats.tx.dropped[reason] + stats.rx.dropped[reason], 0);
}

static void end(void)
{
	vionet_close(port);
	same(pool_of(pool).available, BUFFERS);
	same(pool_of(pool).refused, 0);
	printf("ended\n");
	exit(0);
}

static void obey(char *line)
{
	const char *name = strtok(line, " \n"), *first = strtok(NULL, " \n"), *second = strtok(NULL, " \n");
	yes(name != NULL);
	if (strcmp(name, "frames") == 0 && second != NULL) {
		window = (uint32_t)atoi(second);
		wanted = sent + (uint32_t)atoi(first);
		yes(window > 0 && wanted <= MOST);
		for (last_arrival = microseconds(); sent < wanted;)
			turn();
		settle();
		counts("went");
	} else if (strcmp(name, "run") == 0 && first != NULL) {
		window = (uint32_t)atoi(first);
		wanted = MOST;
		since_connected = 0; /* the switch may have been connected before */
		print_event("running");
	} else if (strcmp(name, "pause") == 0) {
		wanted = 0;
		settle();
		counts("went");
	} else if (strcmp(name, "counts") == 0) {
		counts("counted");
	} else if (strcmp(name, "end") == 0) {
		end();
	} else {
		FAILED("unknown command %s", name);
	}
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	char line[100];
	if (argc != 3)
		FAILED("usage: switch-host near|far DEVICE");
	is_far = strcmp(argv[1], "far") == 0;
	came = calloc(MOST, 1);
	yes(came != NULL);
	config.pool = pool = pool_made(BUFFERS);
	setvbuf(stdin, NULL, _IONBF, 0);
	ok(vionet_event_add(note, NULL));
	ok(vionet_probe(argv[2], &port));
	ok(vionet_init(port, &config));
	ok(vionet_start(port));
	printf("ready\n");
	fflush(stdout);
	for (uint32_t turns = 0;; turns++) {
		struct pollfd input = {.fd = 0, .events = POLLIN};
		if (turns % 256 == 0 && poll(&input, 1, 0) > 0) {
			if (fgets(line, sizeof(line), stdin) == NULL)
				end();
			obey(line);
		}
		turn();
	}
}
