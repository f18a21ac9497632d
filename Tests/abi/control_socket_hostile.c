/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A control socket with hostile clients: half lines, lines without end, zeroes, answers that are not read, a thousand
 * connections. No call waits for them, nothing grows, and the next client is served.
 */
#include "../support/cases.h"
#include "../support/control_client.h"

#include <signal.h>
#include <sys/resource.h>

enum { LIMIT = 16 };
static char blob[1 << 20];

static void still_serves(void)
{
	int fd = caller();
	answers(fd, "list", "port 0 started soft:sink\nok\n");
	close(fd);
	served();
}

/* Sends as much as the socket takes without waiting. Returns how much. */
static size_t pushed(int fd, const char *bytes, size_t length)
{
	size_t done = 0;
	for (int idle = 0; done < length && idle < 3; idle++) {
		ssize_t count = send(fd, bytes + done, length - done, MSG_NOSIGNAL);
		if (count < 0 && errno != EAGAIN)
			break;
		if (count > 0) {
			done += (size_t)count;
			idle = 0;
		}
		served();
	}
	return done;
}

static void long_lines(void)
{
	int over, fd = caller();
	memset(blob, 'x', sizeof(blob));
	yes(pushed(fd, blob, sizeof(blob)) < sizeof(blob));
	same(strcmp(heard(fd, &over), "error 7 a request has at most 4095 bytes\n"), 0);
	yes(over);
	close(fd);

	/* The longest line there may be, and one byte more. */
	for (int more = 0; more < 2; more++) {
		fd = caller();
		memset(blob, ' ', 4096);
		memcpy(blob + more, "list", 4);
		blob[4095 + more] = '\n';
		pushed(fd, blob, 4096 + (size_t)more);
		const char *answer = heard(fd, &over);
		same(strncmp(answer, more ? "error 7 " : "port 0 ", 7), 0);
		same(over, more);
		close(fd);
	}

	/* A megabyte of short lines: an answer each, however slowly they are read. */
	fd = caller();
	for (size_t i = 0; i < sizeof(blob); i += 2)
		memcpy(blob + i, "x\n", 2);
	size_t sent = pushed(fd, blob, sizeof(blob)), lines = 0;
	for (int round = 0; round < 100000 && lines < sent / 2; round++)
		for (const char *at = heard(fd, &over); (at = strchr(at, '\n')) != NULL; at++)
			lines++;
	same(lines, sent / 2);
	close(fd);

	/* Zeroes, and every byte there is. */
	fd = caller();
	same(send(fd, "list\0\n", 6, MSG_NOSIGNAL), 6);
	same(strcmp(heard(fd, &over), "error 22 a request is text, without zeroes\n"), 0);
	yes(over);
	close(fd);
	fd = caller();
	for (int i = 1; i < 256; i++)
		blob[i - 1] = (char)(i == '\n' ? ' ' : i);
	blob[255] = '\n';
	pushed(fd, blob, 256);
	same(strncmp(heard(fd, &over), "error 22 there is no request \"", 30), 0);
	close(fd);
	served();
	still_serves();
}

static void half_lines(void)
{
	int fd = caller(), quiet = caller(), web = caller(), drip = caller();
	say(web, "GET /metrics HTTP/1.1\r\nHost: x\r\n");
	say(fd, "lis");
	served();
	close(fd);
	served();
	/* A silent client and one that sends a byte now and then end alike. */
	uint64_t begin = microseconds();
	int over = 0;
	while (!over && microseconds() - begin < LONG_WAIT * 1000ull) {
		if (send(drip, "x", 1, MSG_NOSIGNAL) < 0)
			break;
		usleep(100000);
		heard(drip, &over);
	}
	yes(microseconds() - begin > 2500000 && microseconds() - begin < LONG_WAIT * 1000ull);
	close(drip);
	/* Each has its own time, which began when it was accepted or its answer was made. */
	size_t said = 0;
	soon((said += strlen(heard(quiet, &over)), over));
	close(quiet);
	soon((said += strlen(heard(web, &over)), over));
	same(said, 0);
	close(web);
	still_serves();
}

/* Headers without end end with the answer. */
static void headers(void)
{
	int over, fd = caller();
	for (size_t i = 0; i + 8 <= sizeof(blob); i += 8)
		memcpy(blob + i, "a: bcd\r\n", 8);
	say(fd, "GET /metrics HTTP/1.1\r\n");
	yes(pushed(fd, blob, sizeof(blob)) < sizeof(blob));
	same(strncmp(heard(fd, &over), "HTTP/1.1 200 OK\r\n", 17), 0);
	yes(over);
	close(fd);
	still_serves();
}

/* A client that does not read an answer gets no other one, and is disconnected in the end. */
static void deaf_clients(void)
{
	int fd = caller(), small = 4096;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	for (size_t i = 0; i < sizeof(blob); i += 8)
		memcpy(blob + i, "stats 0\n", 8);
	size_t before = (size_t)resident_kib();
	pushed(fd, blob, sizeof(blob));
	yes((size_t)resident_kib() < before + SLACK);
	same(control_wants(0), 0); /* nothing to do while the client does not read */
	uint64_t begin = microseconds();
	while (microseconds() - begin < LONG_WAIT * 1000ull && (send(fd, "x", 1, MSG_NOSIGNAL) > 0 || errno == EAGAIN)) {
		control_wants(200);
		served();
	}
	same(errno, EPIPE);
	yes(microseconds() - begin > 2500000);
	close(fd);

	/* Followers that do not read: events go on, and what is kept for them has a limit. */
	int follower[3];
	for (int i = 0; i < 3; i++) {
		follower[i] = caller();
		setsockopt(follower[i], SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
		answers(follower[i], "events", "ok\n");
	}
	before = (size_t)resident_kib();
	for (int i = 0; i < 4500; i++) {
		vionet_close(opened("soft:sink"));
		served();
	}
	yes((size_t)resident_kib() < before + SLACK);
	for (int i = 0; i < 3; i++)
		close(follower[i]);
	served();
	still_serves();
}

static void crowds(void)
{
	int over, crowd[1000];
	for (int i = 0; i < 1000; i++) { /* one after another, with a request, half of one or none */
		int fd = caller();
		if (i % 3 == 1)
			say(fd, "list\n");
		if (i % 3 == 2)
			say(fd, "li");
		if (i % 2 == 0)
			served();
		close(fd);
		served();
	}
	for (int i = 0; i < 1000; i++) { /* and all at once: some are served, the others are told why not */
		crowd[i] = caller();
		served();
	}
	int connected = 0, refused = 0;
	for (int i = 0; i < 1000; i++) {
		const char *said = heard(crowd[i], &over);
		refused += over && strcmp(said, "error 11 16 connections are open, which is the limit\n") == 0;
		connected += !over;
	}
	same(connected, LIMIT);
	same(refused, 1000 - LIMIT);
	for (int i = 0; i < 1000; i++)
		close(crowd[i]);
	served();
	still_serves();
}

/* The next connection waits a moment, and the control socket does not report it again at once. */
static void no_descriptors(void)
{
	struct rlimit before, none;
	int over, fd = caller();
	same(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = (rlim_t)fd + 1;
	int rest[64], count = 0;
	same(setrlimit(RLIMIT_NOFILE, &none), 0);
	while (count < 64 && (rest[count] = dup(fd)) >= 0)
		count++;
	uint64_t begin = microseconds();
	for (int processed = 0; processed < 20; processed++) {
		yes(control_wants(LONG_WAIT) > 0);
		vionet_control_process(control);
	}
	yes(microseconds() - begin >= 300000);
	same(setrlimit(RLIMIT_NOFILE, &before), 0);
	while (count > 0)
		close(rest[--count]);
	say(fd, "list\n");
	const char *answer = "";
	for (int i = 0; i < 20 && *answer == 0; i++) {
		control_wants(LONG_WAIT);
		answer = heard(fd, &over);
	}
	same(strcmp(answer, "port 0 started soft:sink\nok\n"), 0);
	close(fd);
	served();
}

static struct holdings before;
static uint16_t port;

BEFORE_EACH
{
	struct rlimit many;
	same(getrlimit(RLIMIT_NOFILE, &many), 0);
	many.rlim_cur = many.rlim_max;
	setrlimit(RLIMIT_NOFILE, &many);
	signal(SIGPIPE, SIG_DFL); /* no test raises that */
	must_be_served_at_once = 1;
	port = opened("soft:sink");
	same(port, 0);
	control_made("hostile");
	vionet_close(opened("soft:sink"));
	crowds(); /* makes what the process makes once */
	before = holdings();
	before.maps += MORE_MAPS;
}

AFTER_EACH
{
	held_as_before(before, SLACK);
	vionet_control_close(control);
	yes(access(control_path, F_OK) != 0);
	vionet_close(port);
}

CASE("a thousand connections, one after another and all at once") { crowds(); }
CASE("lines without end, zeroes and all bytes") { long_lines(); }
CASE("headers without end") { headers(); }
CASE("half a line and silence end a connection after a while") { half_lines(); }
CASE("clients that do not read their answers or events") { deaf_clients(); }
CASE("no descriptor for the next connection") { no_descriptors(); }
