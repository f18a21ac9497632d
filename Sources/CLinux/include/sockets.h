/* SPDX-License-Identifier: BSD-2-Clause */
#pragma clang assume_nonnull begin

/* Unix sockets, and file descriptors sent over them. Part of CLinux.h, which defines SHIM and RESULT. */

/* Signals an eventfd that another process has too, without waiting, whatever that has done to it. 0 or -errno. */
int sys_shared_signal(int fd);
/* Whether a file is an eventfd; also 1 if it may be one and the system does not say. Does not wait. */
int sys_is_eventfd(int fd);
/*
 * Makes a socket that came over a connection one that is only written to. -EINVAL if it is the other end of that connection,
 * which would never end while it is open here; -ENOTSOCK, or another -errno.
 */
int sys_take_channel(int fd, int connection);
/* Closes a file that another process has sent, without waiting for it. */
void sys_close_received(int fd);

SHIM int sys_socket_pair(int *fds)
{
	int result = RESULT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds));
	for (int end = 0; end < 2 && result == 0; end++) {
		fds[end] = descriptor_own(fds[end]);
		if (fds[end] < 0) {
			descriptor_disown(fds[1 - end]);
			close(fds[1 - end]);
			result = fds[end];
		}
	}
	return result;
}
SHIM int sys_unix_address(struct sockaddr_un *address, const char *path)
{
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	return strlcpy(address->sun_path, path, sizeof(address->sun_path)) >= sizeof(address->sun_path) ? -ENAMETOOLONG : 0;
}
SHIM int sys_unix_socket(void) { return OWN(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)); }
SHIM int sys_unix_connect(int fd, const struct sockaddr_un *address)
{
	return RESULT(connect(fd, (const struct sockaddr *)address, sizeof(*address)));
}
SHIM int sys_bind(int fd, const void *address, unsigned int length)
{
	return RESULT(bind(fd, (const struct sockaddr *)address, length));
}
SHIM int sys_listen(int fd, int backlog) { return RESULT(listen(fd, backlog)); }
/* What is there now, without waiting. */
SHIM ssize_t sys_receive_now(int fd, void *bytes, size_t length) { return RESULT(recv(fd, bytes, length, MSG_DONTWAIT)); }
SHIM int sys_accept(int fd) { return OWN(accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)); }
/* What could be received without waiting, which stays there to be received. Bytes (0: the other side closed) or -errno. */
SHIM ssize_t sys_peek(int fd, void *bytes, size_t length) { return RESULT(recv(fd, bytes, length, MSG_PEEK | MSG_DONTWAIT)); }

/* One sendmsg with up to 8 file descriptors; never SIGPIPE, never a wait. Bytes sent or -errno. */
SHIM ssize_t sys_send(int socket, const void *bytes, size_t length, const int *_Nullable fds, unsigned int fd_count)
{
	union { char room[CMSG_SPACE(8 * sizeof(int))]; struct cmsghdr align; } control;
	struct iovec part = {(void *)bytes, length};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	if (fd_count > 8)
		return -EINVAL;
	if (fd_count > 0) {
		memset(&control, 0, sizeof(control));
		message.msg_control = control.room;
		message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		struct cmsghdr *head = CMSG_FIRSTHDR(&message);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(head), fds, fd_count * sizeof(int));
	}
	return RESULT(sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT));
}

/*
 * One recvmsg, without waiting. The first fd_room descriptors that came are left in fds and *fd_count says how many; any
 * more are closed, and then the result is -EPROTO. Bytes received (0: the other side closed) or -errno, -EMFILE also if
 * there was no number left for all descriptors that came.
 */
SHIM ssize_t sys_receive(int socket, void *bytes, size_t length, int *_Nullable fds, unsigned int fd_room,
                         unsigned int *fd_count)
{
	union { char room[CMSG_SPACE(253 * sizeof(int))]; struct cmsghdr align; } control;
	struct iovec part = {bytes, length};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.room,
	                         .msg_controllen = sizeof(control.room)};
	*fd_count = 0;
	ssize_t result = RESULT(recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT));
	if (result < 0)
		return result;
	/* The room is for as many as can be sent, so that what was cut found no free number. */
	int excess = 0, missing = (message.msg_flags & MSG_CTRUNC) != 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c != NULL; c = CMSG_NXTHDR(&message, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		unsigned int count = (unsigned int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		for (unsigned int i = 0; i < count; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (*fd_count < fd_room) {
				fds[*fd_count] = descriptor_own(fd);
				if (fds[*fd_count] < 0)
					missing = 1;
				else
					(*fd_count)++;
			} else {
				sys_close_received(fd);
				excess = 1;
			}
		}
	}
	return excess ? -EPROTO : missing ? -EMFILE : result;
}

#pragma clang assume_nonnull end
