/* SPDX-License-Identifier: BSD-2-Clause */
#include "CLinux.h"
#include "folder_lock.h"

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

static struct sys_unix_file file_at(const struct sockaddr_un *address)
{
	struct stat is;
	if (lstat(address->sun_path, &is) != 0)
		return (struct sys_unix_file){0, 0};
	return (struct sys_unix_file){is.st_dev, is.st_ino};
}

static void remove_own(const struct sockaddr_un *address, const struct sys_unix_file *file)
{
	struct sys_unix_file now = file_at(address);
	if (file->inode != 0 && now.device == file->device && now.inode == file->inode)
		unlink(address->sun_path);
}

void sys_unix_remove(const struct sockaddr_un *address, const struct sys_unix_file *file)
{
	int lock = folder_lock(address);
	remove_own(address, file);
	folder_unlock(lock);
}

static int bind_and_listen(int fd, const struct sockaddr_un *address, int backlog, struct sys_unix_file *file)
{
	int result = bind_to(fd, address);
	if (result == -EADDRINUSE && is_abandoned(address)) {
		unlink(address->sun_path);
		result = bind_to(fd, address);
	}
	if (result < 0)
		return result;
	*file = file_at(address);
	result = RESULT(listen(fd, backlog));
	if (result < 0)
		remove_own(address, file);
	return result;
}

int sys_unix_listen_with_mode(const struct sockaddr_un *address, int backlog, int mode, struct sys_unix_file *file)
{
	int fd = sys_unix_socket();
	if (fd < 0)
		return fd;
	/* The file gets the mode that the socket has when it is bound: it never has another. */
	int result = mode < 0 ? 0 : RESULT(fchmod(fd, (mode_t)mode));
	int lock = folder_lock(address);
	if (result == 0)
		result = bind_and_listen(fd, address, backlog, file);
	folder_unlock(lock);
	if (result == 0)
		return fd;
	close(fd);
	return result;
}

int sys_unix_listen(const struct sockaddr_un *address, int backlog, struct sys_unix_file *file)
{
	return sys_unix_listen_with_mode(address, backlog, -1, file);
}
