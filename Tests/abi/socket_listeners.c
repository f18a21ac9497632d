/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Programs that begin to listen on one path at the same time, where nothing is or what a killed program left: one of them
 * listens and can be reached, the others get -EADDRINUSE, and the socket's file goes with the one that listens.
 */
#include "../support/cases.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <vionet-control.h>

#include "../support/control_client.h" /* for its library */

enum { PROGRAMS = 6, ROUNDS = 400 };

static struct {
	pthread_barrier_t barrier;
	_Atomic int winners, losers, wrong;
} *common;

static char folder[] = "/tmp/vionet-listeners-XXXXXX", path[64], address[100];

/* Listens in one of three ways. Returns the result; the port or control socket goes to the pointers. */
static int listens(int way, uint16_t *port, struct vionet_control **control)
{
	switch (way) {
	case 0: return vionet_probe(address, port);
	case 1: return vionet_soft_serve(path, "sink", port);
	default: return vionet_control_open(path, control);
	}
}

static void ends(int way, uint16_t port, struct vionet_control *control)
{
	switch (way) {
	case 0: vionet_close(port); break;
	case 1: vionet_soft_stop(port); break;
	default: vionet_control_close(control); break;
	}
}

static void rendezvous(void) { (void)pthread_barrier_wait(&common->barrier); }

static void program(int way)
{
	for (int round = 0; round < ROUNDS; round++) {
		uint16_t port = VIONET_PORT_NONE;
		struct vionet_control *control = NULL;
		rendezvous();
		int result = listens(way, &port, &control);
		if (result == 0)
			common->winners++;
		else if (result == -EADDRINUSE)
			common->losers++;
		else
			common->wrong = result;
		rendezvous(); /* the parent looks */
		rendezvous();
		if (result == 0)
			ends(way, port, control);
	}
	_exit(0);
}

static void abandon(void)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	int s = socket(AF_UNIX, SOCK_STREAM, 0);
	same(bind(s, (struct sockaddr *)&at, sizeof(at)), 0);
	close(s);
}

static int can_be_reached(void)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	int s = socket(AF_UNIX, SOCK_STREAM, 0), result = connect(s, (struct sockaddr *)&at, sizeof(at));
	close(s);
	return result == 0;
}

/* Some in each of the ways, or all in the same. */
static void begin_together(int ways)
{
	for (int i = 0; i < PROGRAMS; i++) {
		pid_t parent = getpid(), child = fork();
		yes(child >= 0);
		if (child == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (getppid() != parent)
				_exit(1);
			program(ways < 3 ? ways : i % 3);
		}
	}
	for (int round = 0; round < ROUNDS; round++) {
		soon(access(path, F_OK) != 0); /* the one before has removed it */
		if (round % 2)
			abandon();
		common->winners = common->losers = 0;
		rendezvous();
		rendezvous();
		if (common->winners != 1 || common->losers != PROGRAMS - 1)
			FAILED("round %d: %d programs listen, %d were told that another does, one got %d", round, common->winners,
			       common->losers, common->wrong);
		if (!can_be_reached())
			FAILED("round %d: no program can be reached", round);
		rendezvous();
	}
	for (int i = 0; i < PROGRAMS; i++)
		yes(wait(NULL) > 0);
	soon(access(path, F_OK) != 0);
}

/* With a lock that is never released, the library listens after a while. */
static void locked(void)
{
	uint16_t port;
	int lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	yes(lock >= 0 && flock(lock, LOCK_EX) == 0);
	ok(vionet_probe(address, &port));
	yes(can_be_reached());
	vionet_close(port);
	yes(access(path, F_OK) != 0);
	close(lock);
}

static void begin(void)
{
	pthread_barrierattr_t shared;
	common = mmap(NULL, sizeof(*common), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	yes(common != MAP_FAILED);
	pthread_barrierattr_init(&shared);
	pthread_barrierattr_setpshared(&shared, PTHREAD_PROCESS_SHARED);
	pthread_barrier_init(&common->barrier, &shared, PROGRAMS + 1);
	yes(mkdtemp(folder) != NULL);
	snprintf(path, sizeof(path), "%s/s", folder);
	snprintf(address, sizeof(address), "vhost-user:%s,server=1", path);
}

BEFORE_EACH { begin(); }
AFTER_EACH { same(rmdir(folder), 0); }

CASE("of six ports that listen at once, one does") { begin_together(0); }
CASE("of six served devices that listen at once, one does") { begin_together(1); }
CASE("of six control sockets that listen at once, one does") { begin_together(2); }
CASE("of two ports, two devices and two control sockets that listen at once, one does") { begin_together(3); }
CASE("a folder's lock that another program keeps does not keep a port from listening") { locked(); }
