/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Connections. A client may send and read as it likes: one request is taken at a time, and none while an answer is not
 * read; what lasts too long ends the connection.
 */
#include "control.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { OF_CLIENTS = 3 }; /* as in control.c */

static uint64_t later(void)
{
	return now_nanoseconds() + SECONDS * 1000000000ull;
}

void client_close(struct client *client)
{
	if (client->fd < 0)
		return;
	close(client->fd);
	text_free(&client->out);
	*client = (struct client){.fd = -1};
}

/* Reading goes on when all is sent. Whoever follows is heard only to learn that he went. */
static void set_interest(struct vionet_control *control, struct client *client)
{
	uint64_t tag = OF_CLIENTS + (uint64_t)(client - control->clients);
	bool sending = !client->http && client->sent < client->out.length;
	uint32_t interest = sending ? EPOLLOUT : 0;
	if (!client->deaf && (client->follows || !sending))
		interest |= EPOLLIN;
	struct epoll_event event = {.events = interest, .data.u64 = tag};
	if (interest != client->interest && epoll_ctl(control->epoll, EPOLL_CTL_MOD, client->fd, &event) == 0)
		client->interest = interest;
}

void clients_accept(struct vionet_control *control)
{
	static const char full[] = "error 11 16 connections are open, which is the limit\n";
	for (int round = 0; round < CLIENTS; round++) {
		int fd = accept4(control->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
				control->deaf_until = now_nanoseconds() + 100000000;
			return;
		}
		int place = 0;
		while (place < CLIENTS && control->clients[place].fd >= 0)
			place++;
		struct epoll_event event = {.events = EPOLLIN, .data.u64 = OF_CLIENTS + (uint64_t)place};
		if (place == CLIENTS || epoll_ctl(control->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
			(void)send(fd, full, sizeof(full) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
			close(fd);
			continue;
		}
		control->clients[place] = (struct client){.fd = fd, .interest = EPOLLIN, .deadline = later()};
	}
}

/* ---- in ---------------------------------------------------------------------------------------------------------- */

/* Takes what is there up to the end of a line: 1 a line is complete, 0 it is not yet, -1 there will be no more. */
static int read_line(struct client *client)
{
	char *end = client->line + client->received;
	size_t room = sizeof(client->line) - client->received;
	ssize_t count = recv(client->fd, end, room, MSG_PEEK | MSG_DONTWAIT);
	if (count < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (count == 0)
		return -1;
	char *newline = memchr(end, '\n', (size_t)count);
	if (newline != NULL)
		count = newline - end + 1;
	count = recv(client->fd, end, (size_t)count, MSG_DONTWAIT);
	if (count <= 0)
		return -1;
	client->received += (size_t)count;
	return newline != NULL;
}

/* The line without its end; NULL if there is a zero inside, and so not the text that it seems. */
static char *take_line(struct client *client)
{
	size_t length = client->received - 1;
	client->received = 0;
	if (memchr(client->line, 0, length) != NULL)
		return NULL;
	if (length > 0 && client->line[length - 1] == '\r')
		length--;
	client->line[length] = 0;
	return client->line;
}

static bool is_http(const char *line)
{
	size_t length = strlen(line);
	return length > 9 && strncmp(line + length - 9, " HTTP/1.", 8) == 0;
}

/* One whole line: a request, or part of one. How many requests it was. */
static int take_request(struct client *client)
{
	size_t length = client->received;
	char *line = take_line(client);
	if (line == NULL) {
		say_wrong(&client->out, -EINVAL, "a request is text, without zeroes");
		client->ends = true;
		return 1;
	}
	if (client->http) {
		client->headers += length;
		if (line[0] != 0 && client->headers < HEADERS)
			return 0;
		/* The first line was answered when it came; now is the time to send that. */
		client->http = false;
		client->ends = true;
		return 1;
	}
	if (is_http(line)) {
		answer_http(line, &client->out);
		client->http = true;
		return 0;
	}
	if (answer_line(line, &client->out)) {
		client->follows = true;
		client->next = events_count();
	}
	return 1;
}

static int hear(struct client *client)
{
	int what = read_line(client);
	if (what < 0) {
		client->deaf = true;
		/* Who has shut one direction may still read the other. */
		client->ends |= !client->follows;
		client->http = false;
		return 0;
	}
	if (client->follows) {
		client->received = 0;
		return 0;
	}
	if (what == 0 && client->received == sizeof(client->line)) {
		text_free(&client->out);
		say_wrong(&client->out, -E2BIG, "a request has at most %d bytes", REQUEST - 1);
		client->ends = true;
		return 1;
	}
	return what == 0 ? 0 : take_request(client);
}

/* ---- out --------------------------------------------------------------------------------------------------------- */

/* Sends what goes; false if the connection is over. */
static bool tell(struct client *client)
{
	if (client->out.failed) {
		text_free(&client->out);
		client->sent = 0;
		client->ends = true;
		say_wrong(&client->out, -ENOMEM, "no memory for the answer");
	}
	while (client->sent < client->out.length) {
		ssize_t count = send(client->fd, client->out.bytes + client->sent, client->out.length - client->sent,
		                     MSG_NOSIGNAL | MSG_DONTWAIT);
		if (count < 0)
			return errno == EAGAIN || errno == EINTR;
		client->sent += (size_t)count;
	}
	text_free(&client->out);
	client->sent = 0;
	client->deadline = client->follows ? UINT64_MAX : later();
	return !client->ends;
}

/* With something to send, sends; the time for it begins when there is something. */
static void serve_out(struct vionet_control *control, struct client *client, bool is_new)
{
	if (is_new)
		client->deadline = later();
	if (!client->http && (client->out.length > 0 || client->ends) && !tell(client)) {
		client_close(client);
		return;
	}
	set_interest(control, client);
}

int client_serve(struct vionet_control *control, struct client *client, uint32_t events)
{
	int requests = 0;
	if (client->fd < 0)
		return 0;
	bool was_empty = client->out.length == 0;
	if (events & EPOLLIN)
		requests = hear(client);
	if (client->fd >= 0 && events & (EPOLLHUP | EPOLLERR) && client->deaf) {
		client_close(client);
		return requests;
	}
	serve_out(control, client, was_empty && client->out.length > 0);
	return requests;
}

uint64_t clients_look(struct vionet_control *control)
{
	uint64_t now = now_nanoseconds(), next = UINT64_MAX;
	for (int i = 0; i < CLIENTS; i++) {
		struct client *client = &control->clients[i];
		if (client->fd >= 0 && client->follows && client->out.length < BACKLOG) {
			bool was_empty = client->out.length == 0;
			events_tell(&client->next, &client->out);
			if (client->out.length > 0)
				serve_out(control, client, was_empty);
		}
		if (client->fd >= 0 && client->deadline <= now)
			client_close(client);
		if (client->fd >= 0 && client->deadline < next)
			next = client->deadline;
	}
	return next;
}
