/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Descriptors: the standard ones are the program's own matter, also when it has closed them. When none is left, an error or
 * a line of the log names the limit, and nothing spins.
 */
#include "../support/frame.h"
#include "../support/limits.h"
#include "../support/peer.h"

#include <signal.h>
#include <sys/syscall.h>

/* The library's calls come here first. */
static _Atomic int accepts_failed;

int accept4(int file, struct sockaddr *restrict address, socklen_t *restrict length, int flags)
{
	int result = (int)syscall(SYS_accept4, file, address, length, flags);
	accepts_failed += result < 0 && errno == EMFILE;
	return result;
}

/* Leaves no number for a further descriptor. */
static void use_up_descriptors(void)
{
	int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
	yes(next >= 0);
	limit(RLIMIT_NOFILE, (rlim_t)next + 1);
	while (open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0)
		;
	same(errno, EMFILE);
}

static int client(void)
{
	int file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	yes(file >= 0);
	return file;
}

static void connect_to(int file)
{
	struct sockaddr_un where = {.sun_family = AF_UNIX};
	snprintf(where.sun_path, sizeof(where.sun_path), "%s", path);
	same(connect(file, (const struct sockaddr *)(const void *)&where, sizeof(where)), 0);
}

/* ---- standard descriptors ----------------------------------------------------------------------------------------- */

static void standard_stay_closed(void)
{
	for (int i = 0; i < 3; i++)
		if (fcntl(i, F_GETFD) >= 0)
			_exit(10 + i);
}

CASE("descriptors 0 to 2 that the program has closed stay closed, and its output harms no port")
{
	int status;
	pid_t child = fork();
	if (child == 0) {
		uint16_t port, device;
		setenv("VIONET_LOG", "debug", 1);
		for (int i = 0; i < 3; i++)
			close(i);
		if (vionet_open("soft:loopback,cq=1", &port) < 0)
			_exit(2);
		standard_stay_closed();
		(void)!write(1, "hello\n", 6);
		(void)!write(2, "a message of the program's own\n", 31);
		if (vionet_promiscuous_set(port, 1) < 0 || vionet_stop(port) < 0 || vionet_start(port) < 0)
			_exit(3);
		standard_stay_closed();
		back_and_forth(port);
		vionet_close(port);
		if (vionet_soft_serve(path, "loopback", &device) < 0)
			_exit(4);
		snprintf(address, sizeof(address), "vhost-user:%s,recover=auto", path);
		if (vionet_open(address, &port) < 0)
			_exit(5);
		standard_stay_closed();
		back_and_forth(port);
		vionet_close(port);
		vionet_soft_stop(device);
		snprintf(address, sizeof(address), "vhost-user:%s,server=1", path);
		if (vionet_open(address, &port) < 0)
			_exit(6);
		standard_stay_closed();
		vionet_close(port);
		_exit(0);
	}
	same(waitpid(child, &status, 0), child);
	same(status, 0);
}

CASE("a log line to a reader that is gone ends no process")
{
	int status, ends[2];
	same(pipe2(ends, O_CLOEXEC), 0);
	close(ends[0]);
	pid_t child = fork();
	if (child == 0) {
		uint16_t port;
		signal(SIGPIPE, SIG_DFL);
		setenv("VIONET_LOG", "debug", 1);
		dup2(ends[1], 2);
		close(ends[1]);
		int result = vionet_open("soft:loopback", &port);
		sigset_t waiting;
		sigpending(&waiting);
		_exit(result < 0 ? 2 : sigismember(&waiting, SIGPIPE) ? 3 : 0);
	}
	same(waitpid(child, &status, 0), child);
	same(status, 0);
}

/* ---- no descriptor left ------------------------------------------------------------------------------------------- */

static _Atomic int shortages;

static void note(int level, const char *line, void *user)
{
	(void)user;
	shortages += level == VIONET_LOG_ERROR && strstr(line, "Too many open files") != NULL;
}

CASE("a served device without a descriptor for who connects waits, says so once, and goes on afterwards")
{
	uint16_t device;
	struct rlimit before;
	vionet_log_set(VIONET_LOG_ERROR, note, NULL);
	ok(vionet_soft_serve(path, "loopback", &device));
	int file = client();
	same(getrlimit(RLIMIT_NOFILE, &before), 0);
	use_up_descriptors();
	connect_to(file);
	soon(shortages > 0);
	accepts_failed = 0;
	usleep(1000000);
	if (accepts_failed > 50)
		FAILED("%d failing calls in a second", accepts_failed);
	same(shortages, 1);
	limit(RLIMIT_NOFILE, before.rlim_cur);
	struct vionet_soft_stats stats = VIONET_SIZED(struct vionet_soft_stats);
	soon(vionet_soft_stats(device, &stats) == 0 && stats.connections == 1);
	close(file);
	snprintf(address, sizeof(address), "vhost-user:%s", path);
	uint16_t port = opened(address);
	back_and_forth(port);
	vionet_close(port);
	vionet_soft_stop(device);
}

CASE("server=1 without a descriptor for a back-end that connects says so, is not called for it all the time, and goes on")
{
	uint16_t port, device;
	struct rlimit before;
	int calls = 0, told = 0;

	snprintf(address, sizeof(address), "vhost-user:%s,server=1", path);
	port = opened(address);
	int file = client();
	same(getrlimit(RLIMIT_NOFILE, &before), 0);
	use_up_descriptors();
	connect_to(file);
	struct pollfd event = {vionet_event_fd(port), POLLIN, 0};
	for (uint64_t end = microseconds() + 1000000; microseconds() < end;) {
		if (poll(&event, 1, 100) <= 0)
			continue;
		calls++;
		if (vionet_event_handle(port) == -EMFILE) {
			says("ulimit -n");
			told++;
		}
	}
	yes(told > 0);
	if (calls > 50)
		FAILED("%d calls in a second", calls);
	limit(RLIMIT_NOFILE, before.rlim_cur);
	close(file);
	ok(vionet_soft_serve(path, "loopback,client=1", &device));
	for (uint64_t end = microseconds() + LONG_WAIT * 1000ull; info_of(port).state != VIONET_STATE_STARTED;) {
		yes(microseconds() < end);
		(void)poll(&event, 1, 100);
		(void)vionet_event_handle(port);
	}
	back_and_forth(port);
	vionet_close(port);
	vionet_soft_stop(device);
}

CASE("a port that finds too few descriptors says which limit that is, wherever they end, and leaves none behind")
{
	uint16_t port;
	struct rlimit before;
	same(getrlimit(RLIMIT_NOFILE, &before), 0);
	vionet_close(opened("soft:loopback"));
	struct holdings held = holdings();
	int next = open("/dev/null", O_RDONLY | O_CLOEXEC), result = -1;
	close(next);
	for (int more = 0; result < 0; more++) {
		yes(more < 100);
		limit(RLIMIT_NOFILE, (rlim_t)(next + more));
		result = vionet_open("soft:loopback", &port);
		limit(RLIMIT_NOFILE, before.rlim_cur);
		if (result < 0) {
			same(result, -EMFILE);
			says("ulimit -n");
			soon(holdings().threads == held.threads);
			same(holdings().fds, held.fds);
		}
	}
	back_and_forth(port);
	vionet_close(port);
}
