/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TCP streams whose bytes tell their place, so that a difference shows where wrong bytes came from:
 *
 *     transfer listen PORT            serves connections, one after the other, until it is killed
 *     transfer send HOST PORT SIZE    sends SIZE bytes of a stream; the other side reports what arrived
 *     transfer fetch HOST PORT SIZE   the other side sends, and this one compares
 *
 * Each 8 bytes are a number made from the stream's number and their place in it; both can be recovered from it. The
 * receiver reads to the end of the stream and prints the places that differ, which stream and place the bytes there
 * belong to, and whether the stream was too short. Exit 0: nothing differed.
 */
#include <errno.h>
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include <err.h>

enum { CHUNK = 1 << 16, REPORTED = 16 };

struct request {
	char what; /* 's': the caller sends, 'f': the caller fetches */
	char rest[7];
	uint64_t stream, size;
};

/* An odd factor has an inverse, which undoes the multiplication. */
#define FACTOR 0x9e3779b97f4a7c15ull
#define INVERSE 0xf1de83e19937733dull

static uint64_t word(uint64_t stream, uint64_t place)
{
	uint64_t w = (stream << 32 | place) * FACTOR;

	return (w ^ w >> 32) * FACTOR;
}

static uint64_t unword(uint64_t w)
{
	w *= INVERSE;
	return (w ^ w >> 32) * INVERSE;
}

static int write_all(int fd, const void *data, size_t size)
{
	const char *at = data;

	while (size > 0) {
		ssize_t n = send(fd, at, size, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

/* Reads up to the end of the stream. Returns the number of bytes. */
static ssize_t read_all(int fd, void *data, size_t size)
{
	size_t have = 0;

	while (have < size) {
		ssize_t n = recv(fd, (char *)data + have, size - have, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		have += (size_t)n;
	}
	return (ssize_t)have;
}

static int send_stream(int fd, uint64_t stream, uint64_t size)
{
	static uint64_t words[CHUNK / 8];

	for (uint64_t at = 0; at < size; at += CHUNK) {
		uint64_t count = size - at < CHUNK ? size - at : CHUNK;

		for (uint64_t i = 0; i < CHUNK / 8; i++)
			words[i] = word(stream, at / 8 + i);
		if (write_all(fd, words, count) < 0)
			return -1;
	}
	return shutdown(fd, SHUT_WR);
}

/* Describes bytes that should not be there: their stream and place if they belong to one. They may begin inside a word. */
static void describe(const unsigned char *data, size_t size, uint64_t stream, uint64_t limit, char *text, size_t room)
{
	for (size_t shift = 0; shift < 8 && shift + 8 <= size; shift++) {
		uint64_t found, is;

		memcpy(&found, data + shift, 8);
		is = unword(found);
		if ((is & 0xffffffff) <= limit / 8 && (is >> 32) <= stream && stream - (is >> 32) < 1000) {
			snprintf(text, room, "bytes %lld of stream %llu", (long long)(is & 0xffffffff) * 8 - (long long)shift,
				(unsigned long long)(is >> 32));
			return;
		}
	}
	int at = 0;
	for (size_t i = 0; i < 16 && i < size; i++)
		at += snprintf(text + at, room - (size_t)at, "%02x ", data[i]);
}

/* Returns the end of a difference that begins at `at`: 32 equal bytes end it. */
static size_t end_of(const unsigned char *data, const unsigned char *wanted, size_t at, size_t count)
{
	size_t end = at, equal = 0;

	for (size_t i = at; i < count && equal < 32; i++) {
		equal = data[i] == wanted[i] ? equal + 1 : 0;
		if (equal == 0)
			end = i + 1;
	}
	return end;
}

/* Prints each difference. Returns how many there are. */
static int compare(const unsigned char *data, const unsigned char *wanted, size_t count, uint64_t stream, FILE *out)
{
	int found = 0;

	for (size_t at = 0; at < count; at++) {
		char text[100] = "";
		if (data[at] == wanted[at])
			continue;
		size_t end = end_of(data, wanted, at, count);
		describe(data + at, end - at, stream, count, text, sizeof(text));
		if (found++ < REPORTED)
			fprintf(out, "stream %llu: bytes %zu to %zu differ: %s\n", (unsigned long long)stream, at, end, text);
		at = end;
	}
	return found;
}

/* Returns the number of faults. */
static int receive_stream(int fd, uint64_t stream, uint64_t size, FILE *out)
{
	unsigned char *data = malloc(size + CHUNK), *wanted = malloc(size + 8);
	ssize_t count = read_all(fd, data, size + CHUNK);
	int wrong = 0;

	for (uint64_t i = 0; i * 8 < size; i++) {
		uint64_t w = word(stream, i);
		memcpy(wanted + i * 8, &w, 8);
	}
	if (count < 0)
		wrong += fprintf(out, "stream %llu: %s\n", (unsigned long long)stream, strerror(errno)) > 0;
	else if ((uint64_t)count != size)
		wrong += fprintf(out, "stream %llu: %zd bytes came, not %llu\n", (unsigned long long)stream, count,
		                 (unsigned long long)size) > 0;
	if (count > 0)
		wrong += compare(data, wanted, (uint64_t)count < size ? (size_t)count : size, stream, out);
	free(data);
	free(wanted);
	return wrong;
}

static void timeouts(int fd)
{
	struct timeval limit = {.tv_sec = 60};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

static void serve(int fd)
{
	struct request request;
	char text[4096] = "";

	timeouts(fd);
	if (read_all(fd, &request, sizeof(request)) != sizeof(request))
		return;
	if (request.what == 'f') {
		send_stream(fd, request.stream, request.size);
		return;
	}
	FILE *out = fmemopen(text, sizeof(text), "w");
	receive_stream(fd, request.stream, request.size, out);
	fclose(out);
	if (!*text)
		snprintf(text, sizeof(text), "same\n");
	write_all(fd, text, strlen(text));
	if (strcmp(text, "same\n"))
		printf("%s", text);
}

static int listens(const char *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 8) < 0)
		err(1, "port %s", port);
	for (;;) {
		int client = accept(fd, NULL, NULL);
		if (client < 0)
			continue;
		serve(client);
		close(client);
	}
}

static int call(const char *what, const char *host, const char *port, const char *size)
{
	struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;
	struct timeval now;
	char text[4096];
	ssize_t count;
	int fd;

	gettimeofday(&now, NULL);
	struct request request = {.what = *what, .stream = (uint64_t)now.tv_sec * 10 + (uint64_t)now.tv_usec / 100000,
		.size = strtoull(size, NULL, 0)};
	request.stream &= 0xffffffff;
	if (getaddrinfo(host, port, &hints, &found))
		errx(1, "%s: not an address", host);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	timeouts(fd);
	if (connect(fd, found->ai_addr, found->ai_addrlen) < 0)
		err(1, "%s port %s", host, port);
	freeaddrinfo(found);
	if (write_all(fd, &request, sizeof(request)) < 0)
		err(1, "asking");
	if (*what == 'f')
		return receive_stream(fd, request.stream, request.size, stdout) != 0;
	if (send_stream(fd, request.stream, request.size) < 0)
		err(1, "sending");
	count = read_all(fd, text, sizeof(text) - 1);
	if (count <= 0)
		errx(1, "no answer");
	text[count] = 0;
	if (!strcmp(text, "same\n"))
		return 0;
	fputs(text, stdout);
	return 1;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "listen"))
		return listens(argv[2]);
	if (argc == 5 && (!strcmp(argv[1], "send") || !strcmp(argv[1], "fetch")))
		return call(argv[1], argv[2], argv[3], argv[4]);
	fprintf(stderr, "usage: transfer listen PORT | send HOST PORT SIZE | fetch HOST PORT SIZE\n");
	return 2;
}
