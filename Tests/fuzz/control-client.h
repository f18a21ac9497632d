/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A client of a control socket under a fuzzer: what it may send, what it has received, and the form that answers have
 * in vionet-control.h.
 */
#ifndef CONTROL_CLIENT_H
#define CONTROL_CLIENT_H

#include "fuzz.h"

enum { CLIENTS = 18, HEARD = 1 << 19 };

static char path[64];
static uint32_t requests_answered;

static struct client {
	int file;     /* -1: none */
	int exact;    /* only whole requests were sent, so that each has an answer */
	int is_http;  /* only an HTTP request was sent */
	int has_sent;
	uint32_t requests;
	char *heard;  /* what was answered */
	size_t length;
	int is_over;  /* the other side has closed the connection */
} clients[CLIENTS];

/* ---- what was answered --------------------------------------------------------------------------------------------- */

/* One line of an answer: printable, and not empty. Returns whether it is the last one of an answer. */
static int check_line(const char *line, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (line[i] < ' ' || line[i] > '~')
			FAILED("byte %#x in the line \"%.*s\"", (unsigned char)line[i], (int)length, line);
	yes(length > 0 && line[0] != ' ');
	if (length == 2 && memcmp(line, "ok", 2) == 0)
		return 1;
	if (length < 6 || memcmp(line, "error ", 6) != 0)
		return 0;
	size_t at = 6;
	while (at < length && line[at] >= '0' && line[at] <= '9')
		at++;
	if (at == 6 || at == length || line[at] != ' ')
		FAILED("no error: \"%.*s\"", (int)length, line);
	return 1;
}

/* "NAME{LABEL="VALUE",...} NUMBER", or a comment. */
static void check_sample(const char *line, size_t length)
{
	size_t at = 0;
	if (length > 2 && line[0] == '#')
		return;
	while (at < length && (line[at] == '_' || (line[at] >= 'a' && line[at] <= 'z') || (line[at] >= '0' && line[at] <= '9')))
		at++;
	int quoted = 0;
	if (at == 0 || at == length || line[at] != '{')
		FAILED("no sample: \"%.*s\"", (int)length, line);
	for (at++; at < length && (quoted || line[at] != '}'); at++) {
		if (quoted && line[at] == '\\')
			at++;
		else if (line[at] == '"')
			quoted = !quoted;
	}
	if (at + 2 >= length || line[at + 1] != ' ' || strspn(line + at + 2, "0123456789") != length - at - 2)
		FAILED("no sample: \"%.*s\"", (int)length, line);
}

/* A whole answer to an HTTP request, whose body is as long as it says. */
static void check_http(const struct client *c)
{
	const char *body = strstr(c->heard, "\r\n\r\n"), *size = strstr(c->heard, "\r\nContent-Length: ");
	yes(strncmp(c->heard, "HTTP/1.1 ", 9) == 0 && body != NULL && size != NULL && size < body);
	body += 4;
	size_t length = c->length - (size_t)(body - c->heard);
	same(strtoul(size + 18, NULL, 10), length);
	if (strncmp(c->heard, "HTTP/1.1 200", 12) != 0)
		return;
	for (const char *end; length > 0 && (end = memchr(body, '\n', length)) != NULL; body = end + 1) {
		check_line(body, (size_t)(end - body));
		check_sample(body, (size_t)(end - body));
		length -= (size_t)(end - body) + 1;
	}
	same(length, 0);
}

/* All whole lines; and an answer to each request if that is known. */
static void check_answers(const struct client *c)
{
	uint32_t answers = 0;
	const char *line = c->heard;
	for (const char *end; (end = memchr(line, '\n', c->length - (size_t)(line - c->heard))) != NULL; line = end + 1)
		answers += (uint32_t)check_line(line, (size_t)(end - line));
	if (c->exact && (answers != c->requests || line != c->heard + c->length))
		FAILED("%u requests have %u answers: \"%s\"", c->requests, answers, c->heard);
	requests_answered += answers;
}

static void check_client(const struct client *c)
{
	static const char full[] = "error 11 16 connections are open, which is the limit\n";
	if (c->length == HEARD - 1 || (c->is_over && strcmp(c->heard, full) == 0))
		return;
	if (c->is_http && c->is_over && c->length > 0)
		check_http(c);
	else if (!c->is_http && strncmp(c->heard, "HTTP/", 5) != 0 && strstr(c->heard, "\nHTTP/") == NULL)
		check_answers(c);
}

/* ---- clients ------------------------------------------------------------------------------------------------------- */

static size_t hear(struct client *c, size_t most)
{
	size_t before = c->length;
	while (c->file >= 0 && !c->is_over && most > 0 && c->length < HEARD - 1) {
		size_t room = HEARD - 1 - c->length;
		ssize_t count = syscall(SYS_recvfrom, c->file, c->heard + c->length, room < most ? room : most, MSG_DONTWAIT, NULL, NULL);
		if (count <= 0) {
			c->is_over = count == 0 || errno != EAGAIN;
			break;
		}
		c->length += (size_t)count;
		most -= (size_t)count;
	}
	c->heard[c->length] = 0;
	return c->length - before;
}

/* An answer to each request is there only when all is complete. */
static void leave(struct client *c, int is_complete)
{
	if (c->file < 0)
		return;
	c->exact &= is_complete;
	c->is_http &= is_complete;
	check_client(c);
	syscall(SYS_close, c->file);
	c->file = -1;
}

static void come(struct client *c)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	leave(c, 0);
	strcpy(address.sun_path, path);
	int file = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	yes(file >= 0);
	*c = (struct client){.file = file, .exact = 1, .heard = c->heard};
	c->heard[0] = 0;
	if (syscall(SYS_connect, file, &address, sizeof(address)) != 0) {
		same(errno, EAGAIN); /* too many that have left wait to be accepted */
		syscall(SYS_close, file);
		c->file = -1;
	}
}

static void tell(struct client *c, const void *bytes, size_t length)
{
	if (c->file >= 0 && send(c->file, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)length)
		c->exact = c->is_http = 0;
	c->has_sent = 1;
}

/* ---- what a client may send ---------------------------------------------------------------------------------------- */

static const char *const requests[] = {
	"help", "list", "info 0", "info 1", "stats 0", "stats 3", "set 0 mac 02:00:00:00:00:01", "set 0 mtu 1400",
	"set 0 promiscuous on", "set 1 all_multicast off", "set 0 vlan add 5", "set 2 vlan remove 4095", "set 0 queue_pairs 2",
	"set 0 coalesce rx all 8 100", "set 0 coalesce tx 3 0 4294967295", "set 0 rss key=00ff table=0,1,2,3 types=ipv4,udp6_ex",
	"set 0 rss types=all unclassified=1", "", " \t list \r", "events all", "stats 99999999999999999999", "info -1", "dance",
	"filter 0006000000000001", "filter 2800000c", "filter", "capture ring=1", "capture port=400 direction=rx",
};
static const char *const words[] = {
	"help", "list", "info", "stats", "set", "events", "filter", "capture", "ring=64", "0006000000000001", "snaplen=9",
	"GET", "POST", "/metrics", "/metrics?x", "HTTP/1.1", "mac", "mtu",
	"promiscuous", "all_multicast", "vlan", "queue_pairs", "coalesce", "rss", "on", "off", "add", "remove", "rx", "tx", "all",
	"key=", "table=", "types=", "unclassified=", "ipv4", "tcp6_ex", "0", "1", "4095", "4096", "65535", "65536", "4294967296",
	"99999999999999999999", "00000000000000000000001", "02:00:00:00:00:01", "aA", "0x1", "-1", "ok", "error 5 x",
};
static const char separators[] = " \t\n\r=,:\0";
enum { REQUESTS = sizeof(requests) / sizeof(requests[0]), WORDS = sizeof(words) / sizeof(words[0]) };

static void tell_request(struct client *c, uint8_t which)
{
	char line[200];
	c->is_http = 0;
	c->requests++;
	tell(c, line, (size_t)snprintf(line, sizeof(line), "%s\n", requests[which % REQUESTS]));
}

static void tell_bytes(struct client *c, struct input *i, unsigned int count)
{
	uint8_t bytes[64];
	for (unsigned int n = 0; n < count; n++)
		bytes[n] = next8(i);
	c->exact = c->is_http = 0;
	tell(c, bytes, count);
}

static void tell_http(struct client *c, uint8_t which)
{
	static const char *const lines[] = {
		"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "GET /metrics?a=b HTTP/1.0\n\n", "PUT /metrics HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\n\r\n",
	};
	c->exact = 0;
	c->is_http = !c->has_sent;
	tell(c, lines[which % 4], strlen(lines[which % 4]));
}

static void tell_long_line(struct client *c, uint8_t byte, uint16_t length)
{
	static char line[8192];
	memset(line, byte, length % sizeof(line));
	c->exact = c->is_http = 0;
	tell(c, line, length % sizeof(line));
}

#endif
