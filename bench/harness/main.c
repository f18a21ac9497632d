/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Measures what a front-end costs per packet, against a back-end in the same process that copies nothing.
 *
 *   measure-NAME [options] FORM/DIRECTION/BURST/BYTES...
 *
 * With --socket PATH, once for each port, the back-end is another program that listens there, and FORM is "peer".
 *
 * With --apart the back-end is in a process of its own, and FORM is "process". --complete says how many entries the
 * back-end marks used at a time, --look for how many it waits before it takes any, --slow how many ticks an entry takes.
 *
 * FORM       inline  one thread: the back-end does its part between two timed stretches of bursts
 *            cores   the back-end has a core of its own: both sides run at once, and cache lines travel
 *            parts   as inline, but each call is timed, less the time of the clock itself
 * DIRECTION  rx, tx
 *            echo    send, and receive what the back-end returns
 *            io, macswap  forward both ways between two back-ends
 *
 * With --use-packets every packet of the pool was used once before the port starts.
 *
 * Prints one line of JSON about the front-end, and one for each point: the time per packet ("all"), in cycles of the
 * core for inline and parts, else in nanoseconds. It is the median over groups of packets, with the first and the
 * last tenth. A group is long enough for a ring to go round a few times and short enough to be undisturbed most of
 * the time. A group counts only if its core was not shared while it ran (cycles.h). If there are too few such groups,
 * the point takes up to eight times as long, and then says how few there were.
 */
#define _GNU_SOURCE 1
#include "cycles.h"
#include "measure.h"
#include "worker.h"

#include <err.h>
#include <getopt.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static struct point parse_point(const char *text)
{
	static const char *const forms[] = {"inline", "cores", "parts", "peer", "process"}, *const directions[] = {"rx", "tx", "echo", "io", "macswap"};
	char form[16], direction[16];
	unsigned int burst, bytes;
	struct point p = {.text = text, .form = FORMS, .direction = DIRECTIONS};
	if (sscanf(text, "%15[a-z]/%15[a-z]/%u/%u", form, direction, &burst, &bytes) != 4 || burst < 1 || burst > MAX_BURST)
		errx(1, "%s is not FORM/DIRECTION/BURST/BYTES with a burst of 1 to %d", text, MAX_BURST);
	for (unsigned int i = 0; i < FORMS; i++)
		if (strcmp(form, forms[i]) == 0)
			p.form = i;
	for (unsigned int i = 0; i < DIRECTIONS; i++)
		if (strcmp(direction, directions[i]) == 0)
			p.direction = i;
	if (p.form == FORMS || p.direction == DIRECTIONS)
		errx(1, "%s: no such form or direction", text);
	if (p.direction >= IO)
		setting.options.ports = 2;
	p.burst = (uint16_t)burst;
	p.bytes = bytes;
	return p;
}

static uint32_t number(const char *text, uint32_t most)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);
	if (*end != 0 || end == text || value > most)
		errx(1, "%s is not a number up to %u", text, most);
	return (uint32_t)value;
}

static void foreign_peer(const char *path)
{
	if (setting.peers == MAX_PORTS || strlen(path) >= sizeof(setting.options.path[0]))
		errx(1, "--socket %s: too many, or too long", path);
	strcpy(setting.options.path[setting.peers++], path);
}

static void parse_options(int argc, char **argv)
{
	struct front_options *w = &setting.options;
	const struct option options[] = {
		{"packed", 0, &w->packed, 1}, {"mergeable", 0, &w->mergeable, 1}, {"in-order", 0, &w->in_order, 1},
		{"event-idx", 0, &w->event_index, 1}, {"vectorized", 0, &w->vectorized, 1}, {"size-stats", 0, &w->size_stats, 1},
		{"joined", 0, &w->joined, 1}, {"apart", 0, &setting.apart, 1}, {"complete", 1, NULL, 'd'}, {"look", 1, NULL, 'l'},
		{"slow", 1, NULL, 'w'}, {"ring", 1, NULL, 'r'}, {"pairs", 1, NULL, 'q'}, {"packets", 1, NULL, 'p'},
		{"core", 1, NULL, 'c'}, {"peer-core", 1, NULL, 'b'}, {"milliseconds", 1, NULL, 'm'}, {"groups", 1, NULL, 'g'}, {"crowd", 1, NULL, 'n'},
		{"socket", 1, NULL, 's'}, {"use-packets", 0, &w->use_packets, 1}, {0},
	};
	for (int key; (key = getopt_long(argc, argv, "", options, NULL)) != -1;)
		switch (key) {
		case 0: break;
		case 'r': w->ring = number(optarg, 32768); break;
		case 'q': w->pairs = number(optarg, MAX_PAIRS); break;
		case 'p': w->packets = number(optarg, 1 << 24); break;
		case 'c': w->core = (int)number(optarg, 1023); break;
		case 'b': setting.peer_core = (int)number(optarg, 1023); break;
		case 'm': setting.milliseconds = number(optarg, 1000000); break;
		case 'g': setting.fixed_groups = number(optarg, 20000); break;
		case 'd': setting.worker->complete = number(optarg, 32768); break;
		case 'l': setting.worker->look = number(optarg, 32768); break;
		case 'w': setting.worker->slow = number(optarg, 1000000); break;
		case 'n': setting.quiet_crowd = atof(optarg); break;
		case 's': foreign_peer(optarg); break;
		default: exit(1);
		}
}

/* The kernel adds the pages up; the number in statm may be some dozens off. */
long resident_kib(void)
{
	long kib = -1;
	char line[256];
	FILE *f = fopen("/proc/self/smaps_rollup", "re");
	while (f != NULL && kib < 0 && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "Rss: %ld kB", &kib) != 1)
			kib = -1;
	if (kib < 0)
		errx(1, "cannot read /proc/self/smaps_rollup");
	fclose(f);
	return kib;
}

void print_memory(FILE *out)
{
	enum { RINGS, PACKETS, OWN, SORTS, LEAST_POOL = 16 << 20 };
	static const char *const names[SORTS] = {"rings", "packets", "own"};
	long kib[SORTS] = {0}, resident;
	int sort = SORTS;
	char line[512];
	FILE *f = fopen("/proc/self/smaps", "re");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		unsigned long low, high, inode;
		int name = 0;
		if (sscanf(line, "%lx-%lx %*s %*s %*s %lu %n", &low, &high, &inode, &name) == 3)
			sort = strncmp(line + name, "/memfd:", 7) == 0 ? high - low >= LEAST_POOL ? PACKETS : RINGS :
			       inode == 0 && strncmp(line + name, "[stack", 6) != 0 ? OWN : SORTS;
		else if (sort < SORTS && sscanf(line, "Rss: %ld kB", &resident) == 1)
			kib[sort] += resident;
	}
	if (f != NULL)
		fclose(f);
	for (int i = 0; i < SORTS; i++)
		fprintf(out, ",\"%s_kib\":%ld", names[i], kib[i]);
}

static char folder[] = "/tmp/vionet-bench-XXXXXX";

static pid_t parent;

static void leave_nothing(void)
{
	if (getpid() != parent)
		return;
	for (uint32_t port = 0; port < setting.options.ports && setting.peers == 0; port++)
		unlink(setting.options.path[port]);
	rmdir(folder);
}

static void open_backends(void)
{
	const struct front_options *w = &setting.options;
	uint64_t offer = (w->packed ? BIT(F_RING_PACKED) : 0) | (w->mergeable ? BIT(F_MRG_RXBUF) : 0) |
	                 (w->in_order ? BIT(F_IN_ORDER) : 0) | (w->event_index ? BIT(F_EVENT_IDX) : 0) |
	                 (w->joined ? BIT(F_GUEST_CSUM) | BIT(F_GUEST_TSO4) : 0) | BIT(F_INDIRECT_DESC);
	for (uint32_t port = 0; port < w->ports; port++)
		backend_open(&setting.backends[port], w->path[port], offer, w->pairs, !setting.apart);
}

/* Offers the back-ends here or in another process. */
static void listen_ourselves(void)
{
	struct front_options *w = &setting.options;
	if (mkdtemp(folder) == NULL)
		err(1, "cannot make a folder in /tmp");
	parent = getpid();
	atexit(leave_nothing);
	for (uint32_t port = 0; port < w->ports; port++)
		snprintf(w->path[port], sizeof(w->path[port]), "%s/%u", folder, port);
	w->backend = setting.backends;
	setting.worker->backends = setting.backends;
	setting.worker->ports = w->ports;
	setting.worker->pairs = w->pairs;
	setting.worker->core = setting.peer_core;
	if (setting.apart)
		worker_fork(setting.worker, open_backends);
	else
		open_backends();
}

/* Starts the front-end and prints the line about it. */
static void start(void)
{
	setting.resident_before = resident_kib();
	double begin = seconds(CLOCK_MONOTONIC);
	front_start(&setting.options);
	for (uint32_t port = 0; port < setting.options.ports && setting.peers == 0; port++)
		if (backend_wait(&setting.backends[port], 10) < 0)
			errx(2, "%s does not use the rings of port %u", front_name, port);
	double took = seconds(CLOCK_MONOTONIC) - begin;
	uint64_t features = setting.peers > 0 ? front_features() : setting.backends[0].negotiated;
	printf("{\"front\":\"%s\",\"start_ms\":%.3f,\"resident_kib\":%ld,\"negotiated\":%llu,\"hertz\":%.0f,", front_name,
	       took * 1e3, resident_kib() - setting.resident_before, (unsigned long long)features, setting.hertz);
	front_describe(stdout);
	printf("}\n");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static struct point points[256];
	int count = 0;
	setting.backends = shared_memory(MAX_PORTS * sizeof(*setting.backends));
	setting.worker = shared_memory(sizeof(*setting.worker));
	parse_options(argc, argv);
	if (argc - optind > 256)
		errx(1, "too many points");
	for (int i = optind; i < argc; i++)
		points[count++] = parse_point(argv[i]);
	for (int i = 0; i < count; i++)
		if ((points[i].form == PEER) != (setting.peers > 0) || (points[i].form == PROCESS) != setting.apart)
			errx(1, "%s: the form peer needs --socket, the form process --apart, and no other form", points[i].text);
	if (setting.options.packets == 0)
		setting.options.packets = 16384;
	find_frequency();
	if (setting.peers == 0)
		listen_ourselves();
	else if (setting.peers != (int)setting.options.ports)
		errx(1, "there must be %u --socket options", setting.options.ports);
	start();
	pin_to(setting.options.core);
	find_quiet();
	for (int i = 0; i < count; i++)
		measure(&points[i]);
	front_stop();
	if (setting.apart)
		worker_end_process(setting.worker);
	for (uint32_t port = 0; port < setting.options.ports && setting.peers == 0 && !setting.apart; port++)
		backend_close(&setting.backends[port]);
	return 0;
}
