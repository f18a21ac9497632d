/* SPDX-License-Identifier: BSD-2-Clause */
/* The back-end of back-end-restarts.c as a process: a keeper starts and kills it, and /proc shows the state of its socket. */
#ifndef BACK_END_PROCESS_H
#define BACK_END_PROCESS_H

#include "../support/echo_backend.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static struct notes *notes;
static int is_server, is_packed, is_own;
static const char *path;
static char *const *command;

/* ---- the keeper: a process from before the library was used, so that it holds none of its files ------------------------ */

static int to_keeper, from_keeper;
static pid_t keeper;

static pid_t start_backend(void)
{
	pid_t parent = getpid(), child = fork();
	if (child != 0)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	if (is_own)
		echo_for_ever(path, is_server, is_packed, notes);
	if (!is_server)
		unlink(path);
	int in[2];
	if (pipe(in) == 0)
		dup2(in[0], 0); /* testpmd ends when its input does */
	int out = open(getenv("RESTARTS_LOG") != NULL ? getenv("RESTARTS_LOG") : "/dev/null", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	dup2(out, 1);
	dup2(out, 2);
	execvp(command[0], command);
	_exit(127);
}

static void keep(int in, int out)
{
	pid_t child = 0;
	char order;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (read(in, &order, 1) == 1) {
		if (child > 0) {
			kill(child, SIGKILL);
			waitpid(child, NULL, 0);
		}
		child = order == 's' ? start_backend() : 0;
		notes->backend = child;
		(void)!write(out, &order, 1);
	}
	if (child > 0)
		kill(child, SIGKILL);
	_exit(0);
}

static void start_keeper(void)
{
	int there[2], back[2];
	same(pipe(there) | pipe(back), 0);
	keeper = fork();
	if (keeper == 0) {
		close(there[1]);
		keep(there[0], back[1]);
	}
	close(there[0]);
	close(back[1]);
	to_keeper = there[1];
	from_keeper = back[0];
}

/* 's' kills the back-end, if there is one, and starts another; 'k' only kills. */
static void order(char what)
{
	char done;
	notes->there = 0;
	same(write(to_keeper, &what, 1), 1);
	same(read(from_keeper, &done, 1), 1);
}

/*
 * The state of a command's socket as the kernel shows it, so that no connection is needed to find out: 1 it listens, 2 a
 * connection was accepted, 4 a connection waits to be accepted, which has no inode then.
 */
static int socket_state(void)
{
	char line[300];
	unsigned int flags, state;
	unsigned long inode;
	int found = 0;
	FILE *f = fopen("/proc/net/unix", "re");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		if (strstr(line, path) == NULL || sscanf(line, "%*s %*x %*x %x %*x %x %lu", &flags, &state, &inode) != 3)
			continue;
		if (flags & 0x10000)
			found |= 1;
		else if (state == 3)
			found |= inode != 0 ? 2 : 4;
	}
	if (f != NULL)
		fclose(f);
	return found;
}

#endif
