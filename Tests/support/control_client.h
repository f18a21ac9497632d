/* SPDX-License-Identifier: BSD-2-Clause */
/* A client of a control socket in the thread that serves it: what is said and heard is never more than a buffer's worth. */
#ifndef TALK_H
#define TALK_H

#include "ok.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <vionet-control.h>

/* KiB and mappings that may come to stay: AddressSanitizer keeps what was freed for a while. */
#ifdef __SANITIZE_ADDRESS__
enum { SLACK = 300000, MORE_MAPS = 1000 };
#else
enum { SLACK = 4096, MORE_MAPS = 0 };
#endif

static struct vionet_control *control;
static char control_path[64];

OK_UNUSED static void control_made(const char *name)
{
	snprintf(control_path, sizeof(control_path), "/tmp/vionet-test-%d-%s", (int)getpid(), name);
	if (vionet_control_open(control_path, &control) != 0)
		FAILED("%s", vionet_control_error());
}

/* Whether there is something to do now. */
OK_UNUSED static int control_wants(int milliseconds)
{
	struct pollfd file = {.fd = vionet_control_fd(control), .events = POLLIN};
	return poll(&file, 1, milliseconds);
}

/* Does all that there is to do; it comes to an end, and none of it takes long. How many requests that were. */
OK_UNUSED static int served(void)
{
	int requests = 0;
	for (int round = 0; control_wants(0) > 0; round++) {
		uint64_t begin = microseconds();
		yes(round < 100000);
		requests += vionet_control_process(control);
		yes(microseconds() - begin < 2000000);
	}
	return requests;
}

OK_UNUSED static int caller(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	strcpy(address.sun_path, control_path);
	yes(fd >= 0);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
		FAILED("connect: %s", strerror(errno));
	return fd;
}

OK_UNUSED static void say(int fd, const char *text)
{
	same(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* All that is answered by now; *over: the connection was closed behind it. */
OK_UNUSED static const char *heard(int fd, int *over)
{
	static char text[1 << 20];
	size_t length = 0;
	ssize_t count;
	*over = 0;
	do {
		served();
		count = recv(fd, text + length, sizeof(text) - 1 - length, 0);
		if (count > 0)
			length += (size_t)count;
		if (count == 0 || (count < 0 && errno == ECONNRESET))
			*over = 1;
	} while (count > 0 && length < sizeof(text) - 1);
	text[length] = 0;
	return text;
}

/* One request to a connection that stays. */
OK_UNUSED static const char *asked(int fd, const char *request)
{
	int over;
	say(fd, request);
	say(fd, "\n");
	const char *answer = heard(fd, &over);
	if (over)
		FAILED("the connection ended with \"%s\"", answer);
	return answer;
}

#define answers(fd, request, wanted) \
	do { \
		const char *answer_ = asked(fd, request); \
		if (strcmp(answer_, wanted) != 0) \
			FAILED("\"%s\" is answered with\n%s, not\n%s", request, answer_, wanted); \
	} while (0)

/* The answer has that in it. */
#define tells(fd, request, needle) \
	do { \
		const char *answer_ = asked(fd, request); \
		if (strstr(answer_, needle) == NULL) \
			FAILED("\"%s\" is answered with\n%s, without %s", request, answer_, needle); \
	} while (0)

#endif
