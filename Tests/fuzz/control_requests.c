/* SPDX-License-Identifier: BSD-2-Clause */
/* deadline: 900 */
/*
 * Clients of a control socket that send, read and leave as an input says, above a library that an input makes up, too.
 * No call takes more steps than a few for each connection, every answer has the form that vionet-control.h gives it, and
 * when the socket is closed no file, memory or callback is left.
 */
#include "control-client.h"
#include "control-library.h"
#include "../support/simulated_kernel.h"

#include <malloc.h>
#include <sys/epoll.h>
#include <vionet-control.h>

/* Calls of the kernel by one vionet_control_process(): about 12 for each connection, and 6 for each new one. */
enum { CONNECTIONS = 16, CALLS = 16 * 16 + 20, SETTLED = 100 };

static struct vionet_control *control;
static uint32_t longest_call, inputs;
static size_t settled_heap;

/* ---- the kernel's calls that simulated_kernel.h does not count ------------------------------------------------------- */

int KERNEL(epoll_wait)(int epoll, struct epoll_event *events, int count, int milliseconds)
{
	kernel.calls++;
	if (milliseconds != 0)
		FAILED("the control socket waits");
	return (int)syscall(SYS_epoll_wait, epoll, events, count, 0);
}

int KERNEL(epoll_ctl)(int epoll, int operation, int file, struct epoll_event *event)
{
	kernel.calls++;
	return (int)syscall(SYS_epoll_ctl, epoll, operation, file, event);
}

ssize_t KERNEL(recv)(int file, void *bytes, size_t length, int flags)
{
	kernel.calls++;
	yes(length <= 4096);
	return syscall(SYS_recvfrom, file, bytes, length, flags, NULL, NULL);
}

int KERNEL(accept4)(int file, struct sockaddr *address, socklen_t *length, int flags)
{
	kernel.calls++;
	return (int)syscall(SYS_accept4, file, address, length, flags);
}

/* ---- one input ----------------------------------------------------------------------------------------------------- */

static int process(void)
{
	uint64_t before = kernel.calls;
	int requests_taken = vionet_control_process(control);
	uint32_t calls = (uint32_t)(kernel.calls - before);
	if (requests_taken < 0 || requests_taken > CONNECTIONS || calls > CALLS)
		FAILED("one call took %d requests and called the kernel %u times", requests_taken, calls);
	longest_call = calls > longest_call ? calls : longest_call;
	return requests_taken;
}

static void act(struct input *i)
{
	uint8_t what = next8(i);
	struct client *c = &clients[next8(i) % CLIENTS];
	switch (what % 16) {
	case 0: come(c); break;
	case 1: case 2: case 3: tell_request(c, next8(i)); break;
	case 4: tell_bytes(c, i, next8(i) % 64); break;
	case 5: case 6: {
		const char *word = words[next8(i) % WORDS], *separator = &separators[next8(i) % sizeof(separators)];
		c->exact = c->is_http = 0;
		tell(c, word, strlen(word));
		tell(c, separator, 1);
		break;
	}
	case 7: tell_long_line(c, next8(i), (uint16_t)next_bytes(i, 2)); break;
	case 8: if (c->file >= 0) shutdown(c->file, SHUT_WR); break;
	case 9: leave(c, 0); break;
	case 10: hear(c, next8(i) * 64u); break;
	case 11:
		for (uint8_t count = next8(i), kind = next8(i); count > 0; count--) {
			if (kind % 12 == VIONET_EVENT_CLOSED)
				library.watched &= (uint8_t)~(1 << (kind & 7));
			library.callback(kind & 7, kind % 12, NULL);
		}
		break;
	case 12: /* time passes, and who is late loses the connection */
		kernel.now += next8(i) * 50000000ull;
		for (int n = 0; n < CLIENTS; n++)
			clients[n].exact = clients[n].is_http = 0;
		break;
	case 13:
		library.open = next8(i);
		library.counters = (uint32_t)next_number(i) % 600;
		library.text = next8(i) % 7;
		library.key_length = next8(i);
		library.table_length = (uint16_t)next_number(i);
		break;
	case 14: tell_http(c, next8(i)); break;
	default:
		c->exact = c->is_http = 0;
		if (next8(i) % 2 == 0)
			tell(c, "events\n", 7);
		else
			tell(c, "filter 0006000000000001\ncapture ring=64\n", 40);
	}
	if ((what & 0x80) == 0)
		process();
}

/* Everything that was sent is answered, and everything that was answered is read. */
static void settle(void)
{
	for (int idle = 0, round = 0; idle < 3; round++) {
		size_t progress = (size_t)process();
		for (int n = 0; n < CLIENTS; n++)
			progress += hear(&clients[n], HEARD);
		idle = progress > 0 ? 0 : idle + 1;
		yes(round < 20000);
	}
}

static size_t heap(void)
{
#ifdef FUZZ_GUIDED
	size_t __sanitizer_get_current_allocated_bytes(void);
	return __sanitizer_get_current_allocated_bytes();
#else
	return mallinfo2().uordblks;
#endif
}

static void run(struct input *i)
{
	size_t before = heap();
	kernel.now = 1000000000000;
	library.open = next8(i);
	library.counters = next8(i);
	library.text = 0;
	library.table_length = 4;
	ok(vionet_control_open(path, &control));
	while (i->at < i->size)
		act(i);
	settle();
	for (int n = 0; n < CLIENTS; n += 2) /* the others are there when the socket is closed */
		leave(&clients[n], 1);
	process();
	vionet_control_close(control);
	for (int n = 0; n < CLIENTS; n++)
		leave(&clients[n], 1);
	same(library.watched, 0);
	yes(library.callback == NULL && access(path, F_OK) != 0);
#ifdef FUZZ_GUIDED
	same(heap(), before);
#endif
	(void)before;
	if (++inputs == SETTLED)
		settled_heap = heap();
}

/* A few clients, then anything; half of the inputs are requests alone, and in some much is sent before it is served. */
static void make(struct input *i, struct chance *c)
{
	static const uint8_t often[] = {1, 1, 2, 3, 1, 0, 4, 5, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
	unsigned int actions = 4 + below(c, 120), served = 1 + below(c, 8), first = 2 + below(c, CLIENTS - 2);
	unsigned int kinds = below(c, 2) == 0 ? 5 : sizeof(often);
	i->bytes[i->size++] = (uint8_t)below(c, 256);
	i->bytes[i->size++] = (uint8_t)below(c, 100);
	for (unsigned int n = 0; n < first + actions && i->size < INPUT_ROOM - 80; n++) {
		uint8_t what = n < first ? 0 : often[below(c, kinds)];
		unsigned int count = what == 4 ? 2 + below(c, 60) : what == 0 ? 0 : 4;
		i->bytes[i->size++] = (uint8_t)(what | (below(c, served) == 0 ? 0 : 0x80));
		i->bytes[i->size++] = (uint8_t)(n < first ? n : below(c, first));
		while (count-- > 0)
			i->bytes[i->size++] = (uint8_t)(below(c, 3) == 0 ? below(c, 256) : below(c, 40));
	}
}

static void begin(void)
{
#ifndef FUZZ_GUIDED
	/* A call that is not made up here: libvionet is linked, and found for libvionet-control. */
	yes(vionet_version_number() > 0);
#endif
	snprintf(path, sizeof(path), "/tmp/vionet-fuzz-%d", (int)getpid());
	same(vionet_control_open(NULL, NULL), -EINVAL); /* so that this thread has a sentence */
	for (int n = 0; n < CLIENTS; n++) {
		clients[n].file = -1;
		clients[n].heard = calloc(1, HEARD);
		yes(clients[n].heard != NULL);
	}
}

static void end(void)
{
	printf("%u answers; one call of vionet_control_process() called the kernel %u times at most\n", requests_answered,
	       longest_call);
	yes(requests_answered > inputs);
	/* What libc keeps to hand out again differs a little. */
	if (inputs > SETTLED && heap() > settled_heap + (256 << 10))
		FAILED("%zu bytes allocated, after %d inputs it were %zu", heap(), SETTLED, settled_heap);
}

static const struct target target = {"control-requests", 2000, INPUT_ROOM, begin, make, NULL, run, end};
