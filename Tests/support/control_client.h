/* SPDX-License-Identifier: BSD-2-Clause */
/* A client of a control socket in the thread that serves it: each message fits into the buffer of a socket. */
#ifndef CONTROL_CLIENT_H
#define CONTROL_CLIENT_H

#include "blocking_calls.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <vionet-control.h>

/* KiB and mappings that a process may gain: a sanitizer keeps freed memory for a while. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SLACK = 300000, MORE_MAPS = 1000 };
#else
enum { SLACK = 4096, MORE_MAPS = 0 };
#endif

static struct vionet_control *control;
static char control_path[64];
static int must_be_served_at_once; /* a setting may wait for the device's answer, nothing else may wait */

OK_UNUSED static void control_made(const char *name)
{
	snprintf(control_path, sizeof(control_path), "/tmp/vionet-test-%d-%s", (int)getpid(), name);
	if (vionet_control_open(control_path, &control) != 0)
		FAILED("%s", vionet_control_error());
}

/* Whether the control socket has something to do, or gets it within the time. */
OK_UNUSED static int control_wants(int milliseconds)
{
	struct pollfd file = {.fd = vionet_control_fd(control), .events = POLLIN};
	return poll(&file, 1, milliseconds);
}

/* Serves until nothing is left to do. Returns the number of requests. */
OK_UNUSED static int served(void)
{
	int requests = 0;
	for (int round = 0; control_wants(0) > 0; round++) {
		unsigned int before = blocking_calls;
		yes(round < 100000);
		requests += vionet_control_process(control);
		yes(!must_be_served_at_once || blocking_calls == before);
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

/* All answers so far; *over: the connection was closed behind them. */
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

/* The answer to one request; the connection must stay. */
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

/* Requires that the answer contains the text. */
#define tells(fd, request, needle) \
	do { \
		const char *answer_ = asked(fd, request); \
		if (strstr(answer_, needle) == NULL) \
			FAILED("\"%s\" is answered with\n%s, without %s", request, answer_, needle); \
	} while (0)

#endif
