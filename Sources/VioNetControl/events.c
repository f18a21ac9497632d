/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The last events of all ports. What a callback needs lives as long as the library: one that is being removed may be
 * called once more.
 */
#include "control.h"

#include <inttypes.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <time.h>

struct event {
	struct timespec time;
	uint16_t port;
	int number;
	bool link_up;
};

static struct {
	pthread_mutex_t lock;
	uint64_t count;
	struct event ring[EVENTS];
	int wakes[SOCKETS]; /* one more than the descriptor, 0 for none */
	int users;
} events = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void note(uint16_t port, int number, void *user)
{
	struct event event = {.port = port, .number = number};
	struct vionet_info info = VIONET_SIZED(struct vionet_info);
	(void)user;
	if (number == VIONET_EVENT_LINK && vionet_info(port, &info) == 0)
		event.link_up = info.link_up;
	clock_gettime(CLOCK_REALTIME, &event.time);
	pthread_mutex_lock(&events.lock);
	events.ring[events.count++ % EVENTS] = event;
	for (int i = 0; i < SOCKETS; i++)
		if (events.wakes[i] != 0)
			(void)eventfd_write(events.wakes[i] - 1, 1);
	pthread_mutex_unlock(&events.lock);
}

int events_follow(int fd)
{
	int result = -ENOSPC;
	pthread_mutex_lock(&events.lock);
	for (int i = 0; i < SOCKETS && result != 0; i++) {
		if (events.wakes[i] != 0)
			continue;
		events.wakes[i] = fd + 1;
		result = 0;
	}
	/* The library knows no lock of ours, and calls no callback from inside this. */
	if (result == 0 && events.users == 0)
		result = vionet_event_add(note, NULL);
	if (result == 0)
		events.users++;
	else
		for (int i = 0; i < SOCKETS; i++)
			events.wakes[i] = events.wakes[i] == fd + 1 ? 0 : events.wakes[i];
	pthread_mutex_unlock(&events.lock);
	return result;
}

void events_forget(int fd)
{
	if (fd < 0)
		return; /* it was not made */
	pthread_mutex_lock(&events.lock);
	for (int i = 0; i < SOCKETS; i++) {
		if (events.wakes[i] != fd + 1)
			continue;
		events.wakes[i] = 0;
		if (--events.users == 0)
			vionet_event_remove(note, NULL);
	}
	pthread_mutex_unlock(&events.lock);
}

uint64_t events_count(void)
{
	pthread_mutex_lock(&events.lock);
	uint64_t count = events.count;
	pthread_mutex_unlock(&events.lock);
	return count;
}

static void add_name(struct text *answer, const struct event *event)
{
	static const char *const names[] = {
		[VIONET_EVENT_NEW] = "new", [VIONET_EVENT_BROKEN] = "broken", [VIONET_EVENT_GONE] = "gone",
		[VIONET_EVENT_CLOSED] = "closed", [VIONET_EVENT_ANNOUNCE] = "announce",
		[VIONET_EVENT_NEEDS_RESET] = "needs-reset", [VIONET_EVENT_RECOVERED] = "recovered",
		[VIONET_EVENT_CONNECTED] = "connected",
	};
	int count = (int)(sizeof(names) / sizeof(names[0]));
	if (event->number == VIONET_EVENT_LINK)
		text_add(answer, "link-%s\n", event->link_up ? "up" : "down");
	else if (event->number > 0 && event->number < count && names[event->number] != NULL)
		text_add(answer, "%s\n", names[event->number]);
	else
		text_add(answer, "event-%d\n", event->number);
}

void events_tell(uint64_t *next, struct text *answer)
{
	struct event event;
	for (;; ++*next) {
		pthread_mutex_lock(&events.lock);
		uint64_t count = events.count;
		uint64_t lost = count - *next > EVENTS ? count - EVENTS - *next : 0;
		*next += lost;
		event = events.ring[*next % EVENTS];
		pthread_mutex_unlock(&events.lock);
		if (lost != 0)
			text_add(answer, "lost %" PRIu64 "\n", lost);
		if (*next == count)
			return;
		text_add(answer, "%jd.%03ld port %u ", (intmax_t)event.time.tv_sec, event.time.tv_nsec / 1000000, event.port);
		add_name(answer, &event);
	}
}
