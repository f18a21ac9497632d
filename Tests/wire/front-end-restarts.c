/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A front-end is killed (-9) with frames of both directions in its rings and started again, many times. A back-end carries
 * its frames to another port, which stays open in this program and sends, too. What both have counted is printed, for a
 * comparison with the back-end's counts.
 *
 *     front-end-restarts DEVICE STAYING-DEVICE BACKEND-PROCESS TIMES     DEVICE is that of the front-end which is killed
 *     front-end-restarts DEVICE NOTES                                    this front-end; NOTES is a file descriptor
 */
#include "../support/frame.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { PACKETS = 2048, WINDOW = 200, LENGTH = 200, AWAY = 64, WARM = 2, MOST = 1 << 24, BACK = 1 << 30 };

/* One direction, in memory that sender and receiver share. After a restart numbers go on where they were. */
struct way {
	_Atomic uint32_t offered; /* numbers that may have been handed to vionet_tx_burst */
	_Atomic uint32_t handed;  /* frames that it took, without those of a burst during which it was killed */
	_Atomic uint32_t fetched; /* frames that vionet_rx_burst gave */
	_Atomic uint32_t next;    /* the highest number of these, plus one */
	uint8_t came[MOST];       /* by number */
};

/* The memory that both programs share. */
struct notes {
	struct way out, back; /* from the front-end that is killed, and to it */
	_Atomic uint32_t started, tracked, ends;
};
static struct notes *notes;
static uint16_t port, pool;
static const char *program, *device;

/* ---- one side of the traffic ----------------------------------------------------------------------------------------- */

struct side {
	struct way *out, *in;
	uint32_t bits_out, bits_in; /* in its frames' numbers, one bit tells the direction */
	uint32_t known_offered; /* from this number on frames must arrive at the other side */
	uint32_t seen;          /* how many of them had been fetched at the last look, */
	uint64_t since;         /* and since when no more were */
};

static void forgive(struct side *s)
{
	s->known_offered = s->out->offered;
	s->since = microseconds();
}

/* Goes by numbers and not by counts: late frames from before a restart would otherwise make the window too large. */
static uint32_t under_way(const struct side *s)
{
	uint32_t awaited = s->out->next < s->known_offered ? s->known_offered : s->out->next;
	return awaited < s->out->offered ? s->out->offered - awaited : 0;
}

static void send_some(struct side *s, uint32_t most)
{
	struct vionet_packet *packets[32];
	uint32_t first = s->out->offered, n = 0;
	yes(first + 32 < MOST);
	while (n < 32 && n < most && (packets[n] = frame_packet(pool, LENGTH, (first + n) | s->bits_out)) != NULL)
		n++;
	s->out->offered = first + n;
	uint16_t taken = n > 0 ? vionet_tx_burst(port, 0, packets, (uint16_t)n) : 0;
	s->out->handed += taken;
	s->out->offered = first + taken;
	vionet_packet_free_bulk(packets + taken, (uint16_t)(n - taken));
}

static uint32_t receive_some(struct side *s)
{
	struct vionet_packet *packets[32];
	uint16_t n = vionet_rx_burst(port, 0, packets, 32);
	for (uint16_t i = 0; i < n; i++) {
		uint32_t number = frame_number(packets[i]->data) ^ s->bits_in;
		if (packets[i]->length != LENGTH || number >= s->in->offered || !frame_right(packets[i]->data, LENGTH, number | s->bits_in))
			FAILED("a frame of %u bytes, number %u of %u", packets[i]->length, number, s->in->offered);
		if (s->in->came[number]++ != 0)
			FAILED("frame %u came twice", number);
		if (number >= s->in->next)
			s->in->next = number + 1;
	}
	s->in->fetched += n;
	vionet_packet_free_bulk(packets, n);
	return n;
}

static void turn(struct side *s, int sends)
{
	uint32_t n = receive_some(s), waiting = under_way(s);
	if (s->seen != s->out->fetched)
		s->since = microseconds();
	s->seen = s->out->fetched;
	if (sends && waiting < WINDOW)
		send_some(s, WINDOW - waiting);
	else if (sends && microseconds() - s->since > (s->out->next > s->known_offered ? 2000000 : 100000))
		forgive(s); /* a back-end drops frames while the other side is not connected, and should drop none afterwards */
	if (n == 0)
		usleep(20);
}

static void open_port(const char *device)
{
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	config.pool = pool = pool_made(PACKETS);
	ok(vionet_probe(device, &port));
	ok(vionet_init(port, &config));
	ok(vionet_start(port));
}

/* ---- the front-end that is killed----------------------------------------------------------------------------------------- */

static void note_tracking(int level, const char *line, void *user)
{
	(void)level, (void)user;
	if (strstr(line, "SET_INFLIGHT_FD") != NULL)
		notes->tracked++;
}

static void front_end(void)
{
	struct side s = {.out = &notes->out, .in = &notes->back, .bits_in = BACK};
	vionet_log_set(VIONET_LOG_DEBUG, note_tracking, NULL);
	forgive(&s);
	open_port(device);
	notes->started++;
	while (notes->ends < 2)
		turn(&s, notes->ends == 0);
	vionet_close(port);
	same(pool_of(pool).available, PACKETS);
}

/* ---- the program that kills it----------------------------------------------------------------------------------------------- */

static char notes_file[12];
static pid_t child;

static void start(void)
{
	pid_t parent = getpid();
	child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() == parent)
			execl(program, program, device, notes_file, (char *)NULL);
		_exit(127);
	}
	yes(child > 0);
}

/* When what must come counts as not coming: only a hang takes that long. */
static uint64_t deadline(void)
{
	return microseconds() + LONG_WAIT * 1000ull;
}

static void must_live(void)
{
	int status;
	if (waitpid(child, &status, WNOHANG) != 0)
		FAILED("the front-end has ended by itself: status 0x%x", (unsigned)status);
}

/* Goes on until so many frames of this front-end have come in both directions. */
static void flows(struct side *s, uint32_t frames)
{
	uint32_t out = s->in->fetched, back = s->out->fetched;
	for (uint64_t end = deadline(); s->in->fetched - out < frames || s->out->fetched - back < frames;) {
		must_live();
		if (microseconds() > end)
			FAILED("%u frames came from the front-end and %u to it", s->in->fetched - out, s->out->fetched - back);
		turn(s, 1);
	}
}

static struct holdings holdings_of(pid_t pid)
{
	char fds[64], memory[64];
	snprintf(fds, sizeof(fds), "/proc/%d/fd", (int)pid);
	snprintf(memory, sizeof(memory), "/proc/%d/smaps_rollup", (int)pid);
	/* Anonymous memory leaves out that of a front-end which it has mapped. */
	struct holdings held = {.fds = entries(fds), .resident_kib = status_value_of(memory, "Anonymous")};
	yes(held.resident_kib >= 0);
	return held;
}

static void start_next(struct side *s)
{
	uint32_t started = notes->started;
	start();
	for (uint64_t end = deadline(); notes->started == started; usleep(100)) {
		(void)receive_some(s);
		must_live();
		yes(microseconds() < end);
	}
	forgive(s);
	flows(s, 200);
}

/* Kills the front-end, sends some frames that nobody takes, and starts the next one. */
static void again(struct side *s)
{
	for (int n = rand() % 200; n > 0; n--)
		turn(s, 1);
	must_live();
	same(kill(child, SIGKILL), 0);
	same(waitpid(child, NULL, 0), child);
	forgive(s);
	uint32_t before = s->out->offered;
	if (rand() % 2)
		for (uint64_t end = microseconds() + 1000000; s->out->offered - before < AWAY && microseconds() < end; usleep(100)) {
			(void)receive_some(s);
			send_some(s, 8);
		}
	start_next(s);
}

/* How many of the frames from this number on have not come exactly once. */
static uint32_t missing(const struct way *way, uint32_t from)
{
	uint32_t count = 0;
	for (uint32_t number = from; number < way->offered; number++)
		count += way->came[number] != 1;
	return count;
}

/* While both front-ends stay, no frame is lost. */
static void end_in_peace(struct side *s)
{
	uint32_t first_out = notes->out.offered, first_back = notes->back.offered;
	int status;
	flows(s, 2000);
	notes->ends = 1;
	for (uint64_t end = deadline(); missing(&notes->out, first_out) + missing(&notes->back, first_back) > 0;) {
		turn(s, 0);
		if (microseconds() > end)
			FAILED("%u frames from the front-end and %u to it did not come", missing(&notes->out, first_out),
			       missing(&notes->back, first_back));
	}
	for (int turns = 0; turns < 2000; turns++)
		turn(s, 0); /* a frame that came twice would show up */
	notes->ends = 2;
	same(waitpid(child, &status, 0), child);
	same(status, 0);
}

static void print_counts(int times, struct holdings before, struct holdings after)
{
	struct vionet_stats stats = stats_of(port);
	same(stats.rx.packets, notes->out.fetched);
	same(stats.tx.packets, notes->back.handed);
	printf("times=%d tracked=%u offered=%u handed=%u fetched=%u back_handed=%u back_fetched=%u fds=%d fds_after=%d kib=%d\n",
	       times, notes->tracked, notes->out.offered, notes->out.handed, notes->out.fetched, notes->back.handed,
	       notes->back.fetched, before.fds, after.fds, after.resident_kib - before.resident_kib);
}

static void keeper(const char *staying, pid_t backend, int times)
{
	struct side s = {.out = &notes->back, .in = &notes->out, .bits_out = BACK};
	struct holdings before = {0};
	yes(times > WARM && backend > 0);
	srand(5);
	open_port(staying);
	start_next(&s);
	flows(&s, 20000); /* all memory that is used over and over has been used */
	for (int i = 0; i < times; i++) {
		again(&s);
		if (i < WARM)
			before = holdings_of(backend);
	}
	struct holdings after = holdings_of(backend);
	end_in_peace(&s);
	print_counts(times, before, after);
	vionet_close(port);
	same(pool_of(pool).available, PACKETS);
}

int main(int argc, char **argv)
{
	if (argc != 3 && argc != 5)
		FAILED("usage: front-end-restarts DEVICE STAYING-DEVICE BACKEND-PROCESS TIMES | front-end-restarts DEVICE NOTES");
	int file = argc == 3 ? atoi(argv[2]) : memfd_create("notes", 0);
	if (argc == 5)
		same(ftruncate(file, sizeof(*notes)), 0);
	notes = mmap(NULL, sizeof(*notes), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	yes(notes != MAP_FAILED);
	program = argv[0];
	device = argv[1];
	snprintf(notes_file, sizeof(notes_file), "%d", file);
	if (argc == 3)
		front_end();
	else
		keeper(argv[2], atoi(argv[3]), atoi(argv[4]));
	return 0;
}
