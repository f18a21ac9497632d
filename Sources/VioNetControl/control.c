/* SPDX-License-Identifier: BSD-2-Clause */
/* The socket: made, served and removed. Everything that may become ready is behind one epoll descriptor. */
#include "control.h"
#include "folder_lock.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* Whom epoll tells of; clients come after these. */
enum { OF_LISTENER, OF_TIMER, OF_WAKE, OF_CLIENTS };

static __thread char sentence[256];

const char *vionet_control_error(void)
{
	return sentence;
}

__attribute__((format(printf, 2, 3))) static int failure(int code, const char *format, ...)
{
	va_list list;
	va_start(list, format);
	vsnprintf(sentence, sizeof(sentence), format, list);
	va_end(list);
	return code;
}

uint64_t now_nanoseconds(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* ---- the socket's file ------------------------------------------------------------------------------------------- */

/* A socket on which nobody listens any more. */
static bool is_abandoned(const struct sockaddr_un *address)
{
	struct stat is;
	if (lstat(address->sun_path, &is) != 0 || !S_ISSOCK(is.st_mode))
		return false;
	int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool answer = probe >= 0 && connect(probe, (const struct sockaddr *)address, sizeof(*address)) != 0 &&
	              errno == ECONNREFUSED;
	if (probe >= 0)
		close(probe);
	return answer;
}

static int bind_and_listen(struct vionet_control *control, const struct sockaddr_un *address)
{
	const struct sockaddr *generic = (const struct sockaddr *)address;
	struct stat is;
	int bound = bind(control->listener, generic, sizeof(*address));
	if (bound != 0 && errno == EADDRINUSE && is_abandoned(address)) {
		unlink(control->path);
		bound = bind(control->listener, generic, sizeof(*address));
	}
	if (bound != 0)
		return -errno;
	if (lstat(control->path, &is) == 0) {
		control->device = is.st_dev;
		control->inode = is.st_ino;
	}
	return listen(control->listener, 64) != 0 ? -errno : 0;
}

static struct sockaddr_un address_of(const struct vionet_control *control)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	strcpy(address.sun_path, control->path);
	return address;
}

static int listen_at(struct vionet_control *control)
{
	struct sockaddr_un address = address_of(control);
	control->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	/* The file gets the mode that the socket has when it is bound: there is no moment of another. */
	if (control->listener < 0 || fchmod(control->listener, 0600) != 0)
		return -errno;
	int lock = folder_lock(&address), result = bind_and_listen(control, &address);
	folder_unlock(lock);
	return result;
}

/* Another program may have taken the path meanwhile. */
static void remove_file(const struct vionet_control *control)
{
	struct stat is;
	struct sockaddr_un address = address_of(control);
	if (control->inode == 0)
		return;
	int lock = folder_lock(&address);
	if (lstat(control->path, &is) == 0 && is.st_dev == control->device && is.st_ino == control->inode)
		unlink(control->path);
	folder_unlock(lock);
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static int watch(const struct vionet_control *control, int fd, uint64_t tag)
{
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = tag};
	return epoll_ctl(control->epoll, EPOLL_CTL_ADD, fd, &event) != 0 ? -errno : 0;
}

static int make_descriptors(struct vionet_control *control)
{
	control->epoll = epoll_create1(EPOLL_CLOEXEC);
	control->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	control->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (control->epoll < 0 || control->timer < 0 || control->wake < 0)
		return -errno;
	int result = watch(control, control->timer, OF_TIMER);
	return result != 0 ? result : watch(control, control->wake, OF_WAKE);
}

int vionet_control_open(const char *path, struct vionet_control **result)
{
	if (path == NULL || result == NULL || path[0] == 0)
		return failure(-EINVAL, result == NULL ? "control is NULL" : "the path is NULL or empty");
	*result = NULL;
	struct vionet_control *control = calloc(1, sizeof(*control));
	if (control == NULL)
		return failure(-ENOMEM, "no memory for a control socket");
	control->epoll = control->listener = control->timer = control->wake = -1;
	for (int i = 0; i < CLIENTS; i++)
		control->clients[i].fd = -1;
	int code = strlen(path) >= sizeof(control->path) ? -ENAMETOOLONG : make_descriptors(control);
	if (code == 0) {
		strcpy(control->path, path);
		code = listen_at(control);
	}
	if (code == 0)
		code = watch(control, control->listener, OF_LISTENER);
	if (code != 0) {
		failure(code, "control socket \"%.120s\": %s", path, strerror(-code));
	} else if ((code = events_follow(control->wake)) != 0) {
		failure(code, "control socket \"%.120s\": this process has %d, or 8 other event callbacks, already", path, SOCKETS);
	} else {
		*result = control;
		return 0;
	}
	vionet_control_close(control);
	return code;
}

void vionet_control_close(struct vionet_control *control)
{
	if (control == NULL)
		return;
	const int fds[] = {control->listener, control->timer, control->wake, control->epoll};
	events_forget(control->wake);
	for (int i = 0; i < CLIENTS; i++)
		client_close(&control->clients[i]);
	remove_file(control);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	free(control);
}

int vionet_control_fd(const struct vionet_control *control)
{
	return control->epoll;
}

/* ---- what there is to do ----------------------------------------------------------------------------------------- */

/* The time is not asked for again before it has come, and a timer that is set has nothing to be read. */
static void set_timer(const struct vionet_control *control, uint64_t time)
{
	struct itimerspec when = {0};
	if (time != UINT64_MAX) {
		when.it_value.tv_sec = (time_t)(time / 1000000000u);
		when.it_value.tv_nsec = (long)(time % 1000000000u);
	}
	timerfd_settime(control->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

/* Without a descriptor for the next connection it would be offered for ever: not again before a moment has passed. */
static void watch_listener(struct vionet_control *control)
{
	struct epoll_event event = {.events = control->deaf_until == 0 ? EPOLLIN : 0, .data.u64 = OF_LISTENER};
	epoll_ctl(control->epoll, EPOLL_CTL_MOD, control->listener, &event);
}

int vionet_control_process(struct vionet_control *control)
{
	struct epoll_event ready[OF_CLIENTS + CLIENTS];
	int requests = 0;
	bool has_calls = false;
	int count = epoll_wait(control->epoll, ready, OF_CLIENTS + CLIENTS, 0);
	for (int i = 0; i < count; i++) {
		uint64_t who = ready[i].data.u64;
		eventfd_t ignored;
		if (who == OF_LISTENER)
			has_calls = true;
		else if (who == OF_WAKE)
			(void)eventfd_read(control->wake, &ignored);
		else if (who >= OF_CLIENTS)
			requests += client_serve(control, &control->clients[who - OF_CLIENTS], ready[i].events);
	}
	/* Last, so that nothing in the list is of one whose place another has now. */
	bool was_deaf = control->deaf_until != 0;
	if (was_deaf && now_nanoseconds() >= control->deaf_until)
		control->deaf_until = 0;
	if (has_calls)
		clients_accept(control);
	if (was_deaf != (control->deaf_until != 0))
		watch_listener(control);
	uint64_t next = clients_look(control);
	set_timer(control, control->deaf_until != 0 && control->deaf_until < next ? control->deaf_until : next);
	return requests;
}
