/* SPDX-License-Identifier: BSD-2-Clause */
/* Sends bytes with files, as a peer does: the simulated kernel does not see it. */
#ifndef SEND_FILES_H
#define SEND_FILES_H

#include "fuzz.h"

#include <sys/socket.h>

enum { MOST_SENT = 16 };

/* Does not wait. Returns how many bytes were sent, or -1. */
OK_UNUSED static ssize_t send_files(int socket, const void *bytes, size_t length, const int *files, int count)
{
	union { char room[CMSG_SPACE(MOST_SENT * sizeof(int))]; struct cmsghdr align; } control = {{0}};
	struct iovec part = {(void *)(uintptr_t)bytes, length};
	struct msghdr head = {.msg_iov = &part, .msg_iovlen = 1};
	if (count > 0) {
		yes(count <= MOST_SENT);
		head.msg_control = control.room;
		head.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&head);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
		memcpy(CMSG_DATA(c), files, (size_t)count * sizeof(int));
	}
	return syscall(SYS_sendmsg, socket, &head, MSG_NOSIGNAL | MSG_DONTWAIT);
}

#endif
