/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the library does to the process that uses it: no signal handler, threads only for soft: devices and those with all
 * signals blocked, no descriptor that a child would inherit, nothing written to the output.
 */
#include "../support/cases.h"
#include "../support/frame.h"
#include "../support/peer.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

/* Requires the default handler for each signal, and none blocked. */
static void signals_are_untouched(void)
{
	for (int number = 1; number < 32; number++) {
		struct sigaction action;
		if (number == SIGKILL || number == SIGSTOP)
			continue;
		same(sigaction(number, NULL, &action), 0);
		if (action.sa_handler != SIG_DFL)
			FAILED("signal %d has a handler", number);
	}
	sigset_t blocked;
	same(pthread_sigmask(SIG_BLOCK, NULL, &blocked), 0);
	for (int number = 1; number < 32; number++)
		same(sigismember(&blocked, number), 0);
}

static int inherited[200]; /* descriptors that this test was started with */

static void descriptors_are_closed_on_exec(void)
{
	for (int fd = 0; fd < 200; fd++) {
		int flags = fcntl(fd, F_GETFD);
		if (flags >= 0 && !(flags & FD_CLOEXEC) && !inherited[fd])
			FAILED("descriptor %d would be inherited", fd);
	}
}

/* How many threads of this process would take SIGTERM. */
static int threads_that_listen(void)
{
	int n = 0;
	DIR *d = opendir("/proc/self/task");
	yes(d != NULL);
	for (struct dirent *entry; (entry = readdir(d)) != NULL;) {
		char path[300], line[256];
		snprintf(path, sizeof(path), "/proc/self/task/%s/status", entry->d_name);
		FILE *f = entry->d_name[0] != '.' ? fopen(path, "re") : NULL;
		while (f != NULL && fgets(line, sizeof(line), f) != NULL)
			if (strncmp(line, "SigBlk:", 7) == 0)
				n += !(strtoull(line + 7, NULL, 16) >> (SIGTERM - 1) & 1);
		if (f != NULL)
			fclose(f);
	}
	closedir(d);
	return n;
}

static void life(void)
{
	struct peer p;
	char address[100];
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	uint16_t soft, port;
	int mine = 1;

	/* Memory in hugepages that a back-end shares has a handler for SIGBUS. */
	config.pool = pool_made_with(2048, VIONET_POOL_NO_HUGEPAGES);
	ok(vionet_open_config("soft:loopback", &config, &soft));
	same(holdings().threads, mine + 1);
	same(threads_that_listen(), mine);
	back_and_forth_in(soft, config.pool);
	signals_are_untouched();
	descriptors_are_closed_on_exec();

	peer_start(&p);
	mine++;
	snprintf(address, sizeof(address), "vhost-user:%s", p.path);
	ok(vionet_open_config(address, &config, &port));
	yes(vionet_rx_fd(port, 0) >= 0);
	same(holdings().threads, mine + 1); /* none for this port */
	descriptors_are_closed_on_exec();
	signals_are_untouched();
	vionet_close(soft);
	soon(holdings().threads == mine);
	peer_end(&p);
	(void)vionet_stop(port); /* a socket whose other end is closed: no SIGPIPE */
	vionet_close(port);
	(void)vionet_open("soft:nothing", &port);
	(void)vionet_open(address, &port);
	signals_are_untouched();
}

CASE("ports leave signals, descriptors, threads and output of the process alone")
{
	char text[4096];
	int pipes[2], status;
	ssize_t written = 0, n;

	for (int number = 1; number < 32; number++)
		if (number != SIGKILL && number != SIGSTOP)
			signal(number, SIG_DFL); /* whatever this was started with */
	for (int fd = 0; fd < 200; fd++)
		inherited[fd] = fcntl(fd, F_GETFD) >= 0;
	same(pipe2(pipes, O_CLOEXEC), 0);
	pid_t child = fork();
	if (child == 0) {
		dup2(pipes[1], 1);
		dup2(pipes[1], 2);
		life();
		_exit(0);
	}
	close(pipes[1]);
	while ((n = read(pipes[0], text + written, sizeof(text) - 1 - (size_t)written)) > 0)
		written += n;
	text[written] = 0;
	same(waitpid(child, &status, 0), child);
	if (written > 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		FAILED("status %#x, written: %s", (unsigned int)status, text);
}
