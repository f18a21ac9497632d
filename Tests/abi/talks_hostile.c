/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A control socket whose clients mean ill: half lines, lines without end, zeroes, answers that nobody reads, a thousand
 * connections. Nothing waits for them, nothing grows, and the next client is served.
 */
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

/* As much as it takes without waiting. */
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

	/* The longest that there may be, and one byte more. */
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

	/* A megabyte of short ones: an answer each, however slowly they are read. */
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
	/* Silence, and a byte now and then, have the same end. */
	uint64_t begin = microseconds();
	int over = 0;
	while (!over && microseconds() - begin < 8000000) {
		if (send(drip, "x", 1, MSG_NOSIGNAL) < 0)
			break;
		usleep(100000);
		heard(drip, &over);
	}
	yes(microseconds() - begin > 2500000 && microseconds() - begin < 8000000);
	close(drip);
	heard(quiet, &over);
	yes(over);
	close(quiet);
	same(strlen(heard(web, &over)), 0);
	yes(over);
	close(web);
	still_serves();
}

/* Headers without end are cut off with the answer. */
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

/* Who reads no answer gets no other, and in the end none. */
static void deaf_clients(void)
{
	int fd = caller(), small = 4096;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	for (size_t i = 0; i < sizeof(blob); i += 8)
		memcpy(blob + i, "stats 0\n", 8);
	size_t before = (size_t)status_value("VmRSS");
	pushed(fd, blob, sizeof(blob));
	yes((size_t)status_value("VmRSS") < before + SLACK);
	same(control_wants(0), 0); /* nothing to do while he does not read */
	uint64_t begin = microseconds();
	while (microseconds() - begin < 8000000 && (send(fd, "x", 1, MSG_NOSIGNAL) > 0 || errno == EAGAIN)) {
		control_wants(200);
		served();
	}
	same(errno, EPIPE);
	yes(microseconds() - begin > 2500000);
	close(fd);

	/* Followers that do not read: events go on, at most so much is kept, then they are gone. */
	int follower[3];
	for (int i = 0; i < 3; i++) {
		follower[i] = caller();
		setsockopt(follower[i], SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
		answers(follower[i], "events", "ok\n");
	}
	before = (size_t)status_value("VmRSS");
	for (int i = 0; i < 4500; i++) {
		vionet_close(opened("soft:sink"));
		served();
	}
	yes((size_t)status_value("VmRSS") < before + SLACK);
	for (int i = 0; i < 3; i++)
		close(follower[i]);
	served();
	still_serves();
}

static void crowds(void)
{
	int over, crowd[1000];
	for (int i = 0; i < 1000; i++) { /* one after another, with something said or not */
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
	for (int i = 0; i < 1000; i++) { /* and all at once: some are heard, the others told why not */
		crowd[i] = caller();
		served();
	}
	int heard_of = 0, told = 0;
	for (int i = 0; i < 1000; i++) {
		const char *said = heard(crowd[i], &over);
		told += over && strcmp(said, "error 11 16 connections are open, which is the limit\n") == 0;
		heard_of += !over;
	}
	same(heard_of, LIMIT);
	same(told, 1000 - LIMIT);
	for (int i = 0; i < 1000; i++)
		close(crowd[i]);
	served();
	still_serves();
}

/* No descriptor for the next connection: it waits a moment, and nobody goes round in circles for it. */
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
	int processed = 0;
	uint64_t begin = microseconds();
	while (microseconds() - begin < 300000)
		if (control_wants(50) > 0) {
			vionet_control_process(control);
			processed++;
		}
	yes(processed > 0 && processed < 20);
	same(setrlimit(RLIMIT_NOFILE, &before), 0);
	while (count > 0)
		close(rest[--count]);
	say(fd, "list\n");
	const char *answer = "";
	for (int i = 0; i < 20 && *answer == 0; i++) {
		control_wants(50);
		answer = heard(fd, &over);
	}
	same(strcmp(answer, "port 0 started soft:sink\nok\n"), 0);
	close(fd);
	served();
}

int main(void)
{
	struct rlimit many;
	same(getrlimit(RLIMIT_NOFILE, &many), 0);
	many.rlim_cur = many.rlim_max;
	setrlimit(RLIMIT_NOFILE, &many);
	signal(SIGPIPE, SIG_DFL); /* none of it raises that */
	uint16_t port = opened("soft:sink");
	same(port, 0);
	control_made("hostile");
	vionet_close(opened("soft:sink"));
	crowds();
	struct holdings before = holdings();
	crowds();
	long_lines();
	headers();
	half_lines();
	deaf_clients();
	no_descriptors();
	before.maps += MORE_MAPS;
	held_as_before(before, SLACK);
	vionet_control_close(control);
	yes(access(control_path, F_OK) != 0);
	vionet_close(port);
	return 0;
}
