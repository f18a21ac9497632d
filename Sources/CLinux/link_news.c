/* SPDX-License-Identifier: BSD-2-Clause */
#include "CLinux.h"

int sys_link_news(void)
{
	struct sockaddr_nl links = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
	int on = 1, fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&links, sizeof(links)) < 0) {
		int result = -errno;
		close(fd);
		return result;
	}
	/* An interface that is moved gives its new namespace a number here. Without CAP_NET_BROADCAST it is lost from sight. */
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, &on, sizeof(on));
	return fd;
}

int sys_link_news_drain(int fd)
{
	char byte;
	int found = 0;
	/* What was lost for want of room (ENOBUFS) counts too. */
	for (int left = 256; left > 0; left--) {
		if (recv(fd, &byte, 1, MSG_DONTWAIT) < 0 && errno != ENOBUFS)
			break;
		found = 1;
	}
	return found;
}
