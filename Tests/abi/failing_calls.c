/* SPDX-License-Identifier: BSD-2-Clause */
/* deadline: 600 */
/*
 * Every allocation, mapping, descriptor and request of the library fails once, in its own threads too: the k-th, for each k
 * until no call is left, or each fourth to be short (`make test-failures` takes all). Then the calls of a life give an errno and a sentence, or the port works; and whatever failed,
 * nothing is left behind. The same with signals: a call that was interrupted goes on.
 */
#include "../support/cases.h"
#include "../support/device.h"
#include "../support/failing_calls.h"

#include <signal.h>

/* ---- lives -------------------------------------------------------------------------------------------------------- */

static int is_well; /* no call of this life has failed */
static int is_quiet; /* no frame comes back */

/* Whether the call succeeded; it fails with an errno and a sentence. */
static int done(int result, const char *what)
{
	if (result >= 0)
		return 1;
	if (result <= -134 || vionet_error()[0] == 0)
		FAILED("%s gave %d, at line %d", what, result, fired);
	is_well = 0;
	return 0;
}
#define done(call) done(lib(call), #call)

/* A frame goes round, or the port says that it cannot. */
static void works(uint16_t port, uint16_t pool, struct peer *p)
{
	static const unsigned char frame[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8, 0};
	struct vionet_packet *packet;
	uint64_t end = microseconds() + LONG_WAIT * 1000ull;
	int sent = 0;
	if (is_quiet)
		return;
	for (;;) {
		if (info_of(port).state != VIONET_STATE_STARTED) {
			is_well = 0;
			return;
		}
		if (p != NULL && !sent && p->ring[0].enabled && p->ring[0].started) {
			deliver(p, frame, sizeof(frame));
			sent = 1;
		}
		if (p == NULL && !sent && (packet = lib(vionet_packet_alloc(pool))) != NULL) {
			memcpy(packet->data, frame, sizeof(frame));
			packet->length = packet->total_length = sizeof(frame);
			sent = lib(vionet_tx_burst(port, 0, &packet, 1));
			if (!sent)
				vionet_packet_free(packet);
		}
		done(vionet_rx_wait(port, 0, 1));
		if (lib(vionet_rx_burst(port, 0, &packet, 1)) == 1)
			break;
		if (microseconds() > end)
			FAILED("no frame and no word of it, after line %d", fired);
	}
	vionet_packet_free(packet);
}

static void use(const char *address, struct peer *p)
{
	struct vionet_pool_config with = VIONET_SIZED(struct vionet_pool_config);
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	uint16_t pool, port;
	with.packets = 2048;
	with.memory_fd = -1;
	if (!done(vionet_pool_create(&with, &pool)))
		return;
	config.pool = pool;
	config.rx_descriptors = config.tx_descriptors = 64;
	if (done(vionet_open_config(address, &config, &port))) {
		for (int tries = 0; p != NULL && p->dials && tries < 20000; tries++) {
			if (info_of(port).state == VIONET_STATE_STARTED)
				break;
			done(vionet_event_handle(port));
			usleep(100);
		}
		works(port, pool, p);
		done(vionet_event_handle(port));
		if (p == NULL)
			done(vionet_promiscuous_set(port, 1));
		done(vionet_rx_queue_restart(port, 0, 0));
		if (done(vionet_stop(port)) && done(vionet_start(port)) && (p == NULL || !p->dials || is_well))
			works(port, pool, p);
		in_library = 1;
		vionet_close(port);
		in_library = 0;
	}
	same(vionet_port_next(0), VIONET_PORT_NONE);
	same(pool_of(pool).available, pool_of(pool).packets);
	ok(vionet_pool_destroy(pool));
}

static void hosted(void) { use("soft:loopback,cq=1", NULL); }

static void recorded(void)
{
	char address[160], path[64];
	snprintf(path, sizeof(path), "/tmp/vionet-failing-%d.pcap", getpid());
	snprintf(address, sizeof(address), "soft:pcap=,out=%s,cq=1", path);
	use(address, NULL);
	unlink(path);
}

static void tapped(void) { use("soft:tap=vnfails,cq=1", NULL); }

static void peered(int dials)
{
	static int number;
	struct peer p;
	char address[160], path[64];
	snprintf(path, sizeof(path), "/tmp/vionet-failing-%d-%d.sock", getpid(), number++);
	if (dials)
		peer_dial(&p, path, 0);
	else
		peer_start(&p);
	snprintf(address, sizeof(address), "vhost-user:%s%s", p.path, dials ? ",server=1" : "");
	use(address, &p);
	peer_end(&p);
}
static void client(void) { peered(0); }
static void server(void) { peered(1); }

static void served(void)
{
	char path[64], address[160];
	uint16_t device;
	snprintf(path, sizeof(path), "/tmp/vionet-failing-%d.sock", getpid());
	if (!done(vionet_soft_serve(path, "loopback", &device)))
		return;
	snprintf(address, sizeof(address), "vhost-user:%s,cq=1", path);
	use(address, NULL);
	in_library = 1;
	vionet_soft_stop(device);
	in_library = 0;
}

struct life {
	const char *name;
	void (*run)(void);
	int is_quiet, wants_tap;
};
static const struct life lives[] = {
	{"a soft device", hosted, 0, 0}, {"a back-end", client, 0, 0}, {"a back-end that connects", server, 0, 0},
	{"a served device", served, 0, 0},
	{"a recorder", recorded, 1, 0}, {"a TAP interface", tapped, 1, 1},
};
enum { LIVES = sizeof(lives) / sizeof(lives[0]) };

static void *life_body(void *life)
{
	((const struct life *)life)->run();
	return NULL;
}

static const struct life *begun(unsigned int row)
{
	if (lives[row].wants_tap && access("/dev/net/tun", F_OK) != 0)
		skip("this machine has no /dev/net/tun");
	is_quiet = lives[row].is_quiet;
	return &lives[row];
}

/* In a thread of its own, whose sentence is empty. */
static void run(const struct life *life)
{
	pthread_t thread;
	is_well = 1;
	same(pthread_create(&thread, NULL, life_body, (void *)(uintptr_t)life), 0);
	pthread_join(thread, NULL);
}

/* Calls fail or are interrupted in turn: each n-th, with n from the command line, 1 for all. Returns how many there were. */
static int sweep(const struct life *life)
{
	for (int warm = 0; warm < 3; warm++)
		run(life);
	yes(is_well);
	struct holdings before = holdings();
	int count = 0;
	do {
		fired = 0;
		countdown = count;
		count += (int)case_argument(0, 4);
		run(life);
		countdown = -1;
		if ((interrupts || !fired) && !is_well)
			FAILED("call %d, at line %d", count, fired);
		soon(holdings().threads <= before.threads);
		struct holdings now = holdings();
		if (now.fds != before.fds || now.maps > before.maps)
			FAILED("call %d, at line %d: %d files and %d mappings, before %d and %d", count, fired, now.fds, now.maps,
			       before.fds, before.maps);
	} while (fired);
	held_as_before(before, 4096);
	printf("# about %d calls\n", count);
	return count;
}

static const char *titled(const char *before, unsigned int row, const char *after)
{
	static char text[100];
	snprintf(text, sizeof(text), "%s%s%s", before, lives[row].name, after);
	return text;
}

static const char *failing(unsigned int row) { return titled("each call of ", row, " fails once"); }

CASES(LIVES, failing)
{
	yes(sweep(begun(row)) > 40);
}

static const char *interrupted(unsigned int row) { return titled("each call of ", row, " is interrupted once"); }

CASES(LIVES, interrupted)
{
	interrupts = 1;
	yes(sweep(begun(row)) > (lives[row].is_quiet ? 0 : 10));
}

/* ---- a storm of signals ------------------------------------------------------------------------------------------- */

static _Atomic int storms, hits;

static void hit(int number)
{
	(void)number;
	hits++;
}

static void *storm(void *target)
{
	while (storms) {
		pthread_kill(*(pthread_t *)target, SIGUSR1);
		usleep(50);
	}
	return NULL;
}

static void *stormy_life(void *life)
{
	pthread_t self = pthread_self(), thread;
	storms = 1;
	same(pthread_create(&thread, NULL, storm, &self), 0);
	for (int i = 0; i < 20; i++)
		((const struct life *)life)->run();
	storms = 0;
	pthread_join(thread, NULL);
	return NULL;
}

static const char *stormy(unsigned int row) { return titled("lives of ", row, " in a storm of signals"); }

CASES(LIVES, stormy)
{
	pthread_t thread;
	const struct life *life = begun(row);
	const struct sigaction act = {.sa_handler = hit}; /* without SA_RESTART */
	sigaction(SIGUSR1, &act, NULL);
	is_well = 1;
	same(pthread_create(&thread, NULL, stormy_life, (void *)(uintptr_t)life), 0);
	pthread_join(thread, NULL);
	yes(is_well && hits > 50);
	printf("# %d signals\n", hits);
}
