/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of libvionet-control share. It is a program's guest: it uses vionet.h, and waits for nobody. */
#ifndef CONTROL_H
#define CONTROL_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <vionet-control.h>

enum {
	SOCKETS = 4,       /* of one process */
	CLIENTS = 16,      /* of one socket */
	REQUEST = 4096,    /* bytes of a request, its end included */
	HEADERS = 16384,   /* bytes of an HTTP request's headers */
	EVENTS = 256,      /* that are kept for those who follow */
	BACKLOG = 65536,   /* bytes that wait for one who follows, before events are lost for him */
	ANSWER = 64 << 20, /* bytes of the longest answer */
	SECONDS = 5,       /* for a request to come, and for an answer to be read */
};

/* ---- text that grows (text.c) ------------------------------------------------------------------------------------ */

struct text {
	char *bytes;
	size_t length, room;
	bool failed; /* there was no memory for all of it */
};

__attribute__((format(printf, 2, 3))) void text_add(struct text *text, const char *format, ...);
/* A string of the program's or a user's, on one line of ASCII whatever it is; with escape as a Prometheus label. */
void text_add_plain(struct text *text, const char *string, bool escape);
void text_free(struct text *text);

/* ---- requests (requests.c, settings.c, metrics.c) ------------------------------------------------------------------ */

/* The answer to one line, which is taken apart in its place. True if the client is to be told of events from now on. */
bool answer_line(char *line, struct text *answer);
/* The answer to an HTTP request whose first line that is. */
void answer_http(char *line, struct text *answer);

/* "error NUMBER sentence": of vionet_error(), or of our own. code is negative. */
void say_error(struct text *answer, int code);
__attribute__((format(printf, 3, 4))) void say_wrong(struct text *answer, int code, const char *format, ...);

/* What the rest of a set request asks for, carried out and answered. */
void answer_set(uint16_t port, char *rest, struct text *answer);
/* key, table and types of a port that has them, as lines of info. */
void add_hashing(uint16_t port, struct text *answer);
void add_metrics(struct text *answer);
const char *state_name(uint32_t state);

/* The next word, ended by a zero; NULL if there is none. */
char *next_word(char **rest);
/* A whole decimal number; false if it is none or larger than most. */
bool read_number(const char *word, uint64_t most, uint64_t *number);

/* ---- events (events.c) ------------------------------------------------------------------------------------------- */

/* From now on this eventfd is written at every event of any port. 0, or a negative errno. */
int events_follow(int fd);
void events_forget(int fd);
/* How many events there were so far. */
uint64_t events_count(void);
/* Adds the lines of those from *next on; lost ones, too, take a line. */
void events_tell(uint64_t *next, struct text *answer);

/* ---- connections (clients.c) ------------------------------------------------------------------------------------- */

struct client {
	int fd; /* -1: none */
	bool follows, ends; /* is told of events; goes when all is sent */
	bool http;          /* the first line is here, headers follow */
	bool deaf;          /* has said all that it will say */
	uint32_t interest;  /* what epoll looks for */
	uint64_t deadline;  /* nanoseconds; UINT64_MAX: none */
	uint64_t next;      /* event to be told of */
	size_t received, headers;
	char line[REQUEST];
	struct text out;
	size_t sent;
};

struct vionet_control {
	int epoll, listener, timer, wake;
	uint64_t deaf_until; /* no connections are accepted before that: descriptors had run out */
	uint64_t device, inode; /* of the socket's file */
	char path[108];
	struct client clients[CLIENTS];
};

uint64_t now_nanoseconds(void);
void clients_accept(struct vionet_control *control);
/* Whatever is to be done for this one, with what epoll said of it. How many requests that were. */
int client_serve(struct vionet_control *control, struct client *client, uint32_t events);
/* Tells those who follow what is new, closes those that are late; the time of the next one that may be. */
uint64_t clients_look(struct vionet_control *control);
void client_close(struct client *client);

#endif
