/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A front-end that is killed (-9) with frames of both directions in its rings, and started again, so many times. What it
 * sends is carried by a back-end to another port, which this program keeps and which sends, too; what both have counted
 * is printed, to be compared with what the back-end has.
 *
 *     killed DEVICE KEPT-DEVICE BACKEND-PROCESS TIMES     the first is that of the front-end which is killed
 *     killed DEVICE NOTES                                 this front-end, a program of its own; notes: a descriptor
 */
#include "../support/frame.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { PACKETS = 2048, WINDOW = 200, LENGTH = 200, AWAY = 64, WARM = 2, MOST = 1 << 24, BACK = 1 << 30 };

/* One way, as sender and receiver tell each other. Numbers go on where the one before was killed. */
struct way {
	_Atomic uint32_t offered; /* numbers that may have been handed to vionet_tx_burst */
	_Atomic uint32_t handed;  /* frames that it took, those of a killed burst not included */
	_Atomic uint32_t fetched; /* frames that vionet_rx_burst gave */
	_Atomic uint32_t next;    /* the number after the highest of them */
	uint8_t came[MOST];       /* by number */
};

/* In memory that both programs share. */
struct notes {
	struct way out, back; /* from the one that is killed, and to it */
	_Atomic uint32_t started, tracked, ends;
};
static struct notes *notes;
static uint16_t port, pool;
static const char *program, *device;

/* ---- one side of the traffic ----------------------------------------------------------------------------------------- */

struct side {
	struct way *out, *in;
	uint32_t marks_out, marks_in; /* of its frames' numbers */
	uint32_t known_offered; /* from where on frames are awaited at the other side */
	uint32_t seen;          /* of them, and when */
	uint64_t since;
};

static void forgive(struct side *s)
{
	s->known_offered = s->out->offered;
	s->since = microseconds();
}

/* By number, not by count: those of a life before still come, and would make room in the rings that is not there. */
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
	while (n < 32 && n < most && (packets[n] = frame_packet(pool, LENGTH, (first + n) | s->marks_out)) != NULL)
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
		uint32_t number = frame_number(packets[i]->data) ^ s->marks_in;
		if (packets[i]->length != LENGTH || number >= s->in->offered || !frame_right(packets[i]->data, LENGTH, number | s->marks_in))
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
		forgive(s); /* a back-end drops what comes before it knows of the other side, and afterwards should not */
	if (n == 0)
		usleep(20);
}

static void up(const char *device)
{
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	config.pool = pool = pool_made(PACKETS);
	ok(vionet_probe(device, &port));
	ok(vionet_init(port, &config));
	ok(vionet_start(port));
}

/* ---- the one that is killed -------------------------------------------------------------------------------------------- */

static void note_tracking(int level, const char *line, void *user)
{
	(void)level, (void)user;
	if (strstr(line, "SET_INFLIGHT_FD") != NULL)
		notes->tracked++;
}

static void front_end(void)
{
	struct side s = {.out = &notes->out, .in = &notes->back, .marks_in = BACK};
	vionet_log_set(VIONET_LOG_DEBUG, note_tracking, NULL);
	forgive(&s);
	up(device);
	notes->started++;
	while (notes->ends < 2)
		turn(&s, notes->ends == 0);
	vionet_close(port);
	same(pool_of(pool).available, PACKETS);
}

/* ---- the one that kills -------------------------------------------------------------------------------------------------- */

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

static void must_live(void)
{
	int status;
	if (waitpid(child, &status, WNOHANG) != 0)
		FAILED("the front-end has ended by itself: 0x%x", (unsigned)status);
}

/* Frames of this front-end go both ways. */
static void flows(struct side *s, uint32_t frames)
{
	uint32_t out = s->in->fetched, back = s->out->fetched;
	for (uint64_t end = microseconds() + 20000000; s->in->fetched - out < frames || s->out->fetched - back < frames;) {
		must_live();
		if (microseconds() > end)
			FAILED("%u frames came from the front-end and %u to it", s->in->fetched - out, s->out->fetched - back);
		turn(s, 1);
	}
}

static struct holdings holdings_of(pid_t pid)
{
	char fds[64], status[64];
	snprintf(fds, sizeof(fds), "/proc/%d/fd", (int)pid);
	snprintf(status, sizeof(status), "/proc/%d/status", (int)pid);
	/* RssAnon is its own: not what it sees of a front-end's. */
	struct holdings held = {.fds = entries(fds), .resident_kib = status_value_of(status, "RssAnon")};
	yes(held.resident_kib >= 0);
	return held;
}

static void start_next(struct side *s)
{
	uint32_t started = notes->started;
	start();
	for (uint64_t end = microseconds() + 20000000; notes->started == started; usleep(100)) {
		(void)receive_some(s);
		must_live();
		yes(microseconds() < end);
	}
	forgive(s);
	flows(s, 200);
}

/* Kills it, sends a few into the void, and starts the next. */
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

/* Until all is sent, received, and quiet for a while. */
static void settle(struct side *s)
{
	uint64_t last = microseconds();
	for (uint32_t seen = s->in->fetched; microseconds() - last < 300000; seen = s->in->fetched) {
		turn(s, 0);
		if (s->in->fetched != seen)
			last = microseconds();
	}
}

/* Between the two that are left nothing is lost. */
static void all_came(const char *name, const struct way *way, uint32_t from)
{
	uint32_t missing = 0;
	for (uint32_t number = from; number < way->offered; number++)
		missing += way->came[number] != 1;
	if (missing > 0)
		FAILED("%s: %u of the frames %u to %u did not come", name, missing, from, way->offered);
}

static void end_in_peace(struct side *s)
{
	uint32_t first_out = notes->out.offered, first_back = notes->back.offered;
	int status;
	flows(s, 2000);
	notes->ends = 1;
	settle(s);
	all_came("from the front-end", &notes->out, first_out);
	all_came("to the front-end", &notes->back, first_back);
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

static void keeper(const char *kept, pid_t backend, int times)
{
	struct side s = {.out = &notes->back, .in = &notes->out, .marks_out = BACK};
	struct holdings before = {0};
	yes(times > WARM && backend > 0);
	srand(5);
	up(kept);
	start_next(&s);
	flows(&s, 20000); /* whatever goes round has gone round */
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
		FAILED("usage: killed DEVICE KEPT-DEVICE BACKEND-PROCESS TIMES | killed DEVICE NOTES");
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
