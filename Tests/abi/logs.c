/* SPDX-License-Identifier: BSD-2-Clause */
/* The log: silent unless asked, by level, through the callback or VIONET_LOG, whole lines without newline. */
#include "../support/ok.h"

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

/* What a fresh process with this environment writes to its standard error and output. */
static long written(const char *program, const char *wish)
{
	char text[4096];
	long length = 0, n;
	int pipes[2];
	same(pipe2(pipes, O_CLOEXEC), 0);
	pid_t child = fork();
	if (child == 0) {
		dup2(pipes[1], 1);
		dup2(pipes[1], 2);
		if (wish != NULL)
			setenv("VIONET_LOG", wish, 1);
		else
			unsetenv("VIONET_LOG");
		execl(program, program, "child", (char *)NULL);
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

int main(int argc, char **argv)
{
	if (argc > 1) {
		a_life();
		return 0;
	}
	int error = lines_at(VIONET_LOG_ERROR), info = lines_at(VIONET_LOG_INFO), debug = lines_at(VIONET_LOG_DEBUG);
	yes(info >= error);
	yes(debug > info && debug >= 10); /* every step and every message */
	same(lines_at(VIONET_LOG_OFF), 0);
	lines = 0;
	vionet_log_set(VIONET_LOG_DEBUG, NULL, NULL);
	a_life();
	same(lines, 0);

	same(written(argv[0], NULL), 0);
	same(written(argv[0], ""), 0);
	same(written(argv[0], "nonsense"), 0);
	yes(written(argv[0], "debug") > 200);
	yes(written(argv[0], "info") <= written(argv[0], "debug"));
	return 0;
}
