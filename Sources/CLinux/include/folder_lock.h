/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Between its bind() and its listen() a socket looks like one that a killed program left, so that of two programs which
 * begin at the same time one would remove the other's file. Hence whoever makes or removes a socket's file has the lock
 * of its folder meanwhile. Plain C, for whoever listens.
 */
#ifndef FOLDER_LOCK_H
#define FOLDER_LOCK_H

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/un.h>
#include <unistd.h>

/*
 * The lock of the folder that a socket's address names. -1: it cannot be read, or somebody has kept the lock for half a
 * second; that is gone without.
 */
static inline int folder_lock(const struct sockaddr_un *address)
{
	char folder[sizeof(address->sun_path) + 1] = ".";
	const char *slash = strrchr(address->sun_path, '/');
	if (slash != NULL) {
		size_t length = slash == address->sun_path ? 1 : (size_t)(slash - address->sun_path);
		memcpy(folder, address->sun_path, length);
		folder[length] = 0;
	}
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (int tries = 0; fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0; tries++) {
		if (tries == 500) {
			close(fd);
			return -1;
		}
		usleep(1000);
	}
	return fd;
}

static inline void folder_unlock(int fd)
{
	if (fd < 0)
		return;
	flock(fd, LOCK_UN); /* that of a child which has inherited the descriptor, too */
	close(fd);
}

#endif
