/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A setting of the machine that a test changes. A process in a session of its own writes the old value back when the test
 * has ended, by whatever signal, and holds a lock on the file until then: the next test reads the old value and not this
 * test's.
 */
#ifndef KEPT_H
#define KEPT_H

#include "ok.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>

/* How many hugepages there are: the one name that tests know it by, as in lib.sh. */
#define HUGEPAGES "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"

static struct kept {
	const char *path;
	char value[64];
	int end;
	pid_t keeper;
} kept;

/* False if this user may not write the file. */
OK_UNUSED static int setting_write(const char *path, const char *value)
{
	int file = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	ssize_t length = (ssize_t)strlen(value);
	int done = file >= 0 && write(file, value, (size_t)length) == length;
	if (file >= 0)
		close(file);
	return done;
}

OK_UNUSED static int setting_read(const char *path, char *value, size_t room)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t length = file < 0 ? -1 : read(file, value, room - 1);
	if (file >= 0)
		close(file);
	value[length < 0 ? 0 : length] = 0;
	return length > 0;
}

static void keep_until_the_end(int ends)
{
	char byte;
	int locked = open(kept.path, O_RDONLY | O_CLOEXEC);
	setsid();
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	if (locked < 0 || flock(locked, LOCK_EX) != 0 || !setting_read(kept.path, kept.value, sizeof(kept.value)) ||
	    !setting_write(kept.path, kept.value))
		_exit(1);
	yes(write(ends, kept.value, sizeof(kept.value)) == sizeof(kept.value)); /* now no signal for the test's group ends it */
	while (read(ends, &byte, 1) < 0 && errno == EINTR)
		;
	setting_write(kept.path, kept.value);
	_exit(0); /* unlocks */
}

/* False if the setting cannot be changed. */
OK_UNUSED static int keep(const char *path)
{
	int ends[2], null = open("/dev/null", O_RDWR | O_CLOEXEC);
	kept.path = path;
	yes(null >= 0 && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	kept.keeper = fork();
	yes(kept.keeper >= 0);
	if (kept.keeper == 0) {
		close(ends[1]);
		for (int standard = 0; standard < 3; standard++) /* the test's output ends with the test */
			dup2(null, standard);
		keep_until_the_end(ends[0]);
	}
	close(ends[0]);
	close(null);
	kept.end = ends[1];
	return recv(kept.end, kept.value, sizeof(kept.value), MSG_WAITALL) == sizeof(kept.value);
}

/* Gives the old value back now. */
OK_UNUSED static void give_back(void)
{
	close(kept.end);
	same(waitpid(kept.keeper, NULL, 0), kept.keeper);
}

#endif
