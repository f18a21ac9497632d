/* SPDX-License-Identifier: BSD-2-Clause */
/* The log: silent by default, by level, through the callback or VIONET_LOG, whole lines without a newline. */
#include "../support/cases.h"

#include <fcntl.h>
#include <sys/wait.h>

static int lines, worst;

static void count(int level, const char *line, void *user)
{
	same((uintptr_t)user, 42);
	yes(level >= VIONET_LOG_ERROR && level <= VIONET_LOG_DEBUG);
	yes(line != NULL && line[0] != 0 && strchr(line, '\n') == NULL);
	lines++;
	if (level > worst)
		worst = level;
}

static void a_life(void)
{
	uint16_t port;
	ok(vionet_open("soft:loopback", &port));
	vionet_close(port);
	err(vionet_open("soft:nothing", &port), -EINVAL);
}

static int lines_at(int level)
{
	lines = worst = 0;
	vionet_log_set(level, count, (void *)(uintptr_t)42);
	a_life();
	yes(worst <= level);
	return lines;
}

/* How many bytes a new process with this VIONET_LOG writes to its standard output and error output. */
static long written(const char *level)
{
	char text[4096];
	long length = 0, n;
	int pipes[2];
	same(pipe2(pipes, O_CLOEXEC), 0);
	pid_t child = fork();
	if (child == 0) {
		dup2(pipes[1], 1);
		dup2(pipes[1], 2);
		if (level != NULL)
			setenv("VIONET_LOG", level, 1);
		else
			unsetenv("VIONET_LOG");
		execl("/proc/self/exe", "logs", "--child", (char *)NULL);
		_exit(127);
	}
	close(pipes[1]);
	while ((n = read(pipes[0], text, sizeof(text))) > 0)
		length += n;
	close(pipes[0]);
	int status;
	same(waitpid(child, &status, 0), child);
	yes(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return length;
}

CHILD { a_life(); }

CASE("a callback gets the lines up to its level")
{
	int error = lines_at(VIONET_LOG_ERROR), info = lines_at(VIONET_LOG_INFO), debug = lines_at(VIONET_LOG_DEBUG);
	yes(info >= error);
	yes(debug > info && debug >= 10); /* every step and every message */
	same(lines_at(VIONET_LOG_OFF), 0);
}

CASE("without a callback there are no lines")
{
	lines = 0;
	vionet_log_set(VIONET_LOG_DEBUG, NULL, NULL);
	a_life();
	same(lines, 0);
}

CASE("VIONET_LOG writes to the standard error output, and nothing is written without it")
{
	same(written(NULL), 0);
	same(written(""), 0);
	same(written("no-such-level"), 0);
	yes(written("debug") > 200);
	yes(written("info") <= written("debug"));
}
