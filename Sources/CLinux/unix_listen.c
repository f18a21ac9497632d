/* SPDX-License-Identifier: BSD-2-Clause */
#include "CLinux.h"

/* A socket, and one on which nobody listens any more. */
static int is_abandoned(const struct sockaddr_un *address)
{
	if (sys_is_socket(address->sun_path) != 1)
		return 0;
	int probe = sys_unix_socket();
	if (probe < 0)
		return 0;
	int answer = sys_unix_connect(probe, address);
	close(probe);
	return answer == -ECONNREFUSED;
}

static int bind_to(int fd, const struct sockaddr_un *address)
{
	return RESULT(bind(fd, (const struct sockaddr *)address, sizeof(*address)));
}

int sys_unix_listen(const struct sockaddr_un *address, int backlog)
{
	int fd = sys_unix_socket();
	if (fd < 0)
		return fd;
	int result = bind_to(fd, address);
	if (result == -EADDRINUSE && is_abandoned(address)) {
		unlink(address->sun_path);
		result = bind_to(fd, address);
	}
	if (result == 0 && listen(fd, backlog) < 0) {
		result = -errno;
		unlink(address->sun_path);
	}
	if (result == 0)
		return fd;
	close(fd);
	return result;
}
