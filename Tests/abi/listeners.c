/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Programs that begin to listen on one path at the same time, where nothing is, or what a killed program left: one of
 * them has it and can be reached there, the others are told that it is in use, and its file goes with it.
 */
#include "../support/ok.h"

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

/* In one of three ways. Returns what it gave; what is to be closed goes to *place. */
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

static void meet(void) { (void)pthread_barrier_wait(&common->barrier); }

static void program(int way)
{
	for (int round = 0; round < ROUNDS; round++) {
		uint16_t port = VIONET_PORT_NONE;
		struct vionet_control *control = NULL;
		meet();
		int result = listens(way, &port, &control);
		if (result == 0)
			common->winners++;
		else if (result == -EADDRINUSE)
			common->losers++;
		else
			common->wrong = result;
		meet(); /* the parent looks */
		meet();
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
		meet();
		meet();
		if (common->winners != 1 || common->losers != PROGRAMS - 1)
			FAILED("round %d: %d programs listen, %d were told that another does, one got %d", round, common->winners,
			       common->losers, common->wrong);
		if (!can_be_reached())
			FAILED("round %d: nobody can be reached", round);
		meet();
	}
	for (int i = 0; i < PROGRAMS; i++)
		yes(wait(NULL) > 0);
	soon(access(path, F_OK) != 0);
}

/* Somebody who keeps the folder's lock holds nobody up for long, nor keeps him from anything. */
static void locked(void)
{
	uint16_t port;
	int lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	yes(lock >= 0 && flock(lock, LOCK_EX) == 0);
	uint64_t began = microseconds();
	ok(vionet_probe(address, &port));
	yes(can_be_reached());
	vionet_close(port);
	yes(microseconds() - began < 5000000);
	yes(access(path, F_OK) != 0);
	close(lock);
}

int main(void)
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
	for (int ways = 0; ways <= 3; ways++)
		begin_together(ways);
	locked();
	same(rmdir(folder), 0);
	return 0;
}
