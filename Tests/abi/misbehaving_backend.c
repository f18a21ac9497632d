/* SPDX-License-Identifier: BSD-2-Clause */
/* deadline: 900 */
/*
 * A back-end that misbehaves at one message of a port's life: the call fails in its time with an errno and a sentence, no
 * port is left that should not be, and no descriptor, mapping or thread.
 */
#include "../support/cases.h"
#include "../support/peer.h"

static const char *const names[] = {"behaves", "closes before", "closes after", "is silent", "names another request",
                                    "has another version", "lacks the reply flag", "is too short", "is too long",
                                    "claims a huge size", "cuts off", "sends files", "refuses", "makes noise"};

/* Requires an error that a fault of the back-end may give. */
static void fault(int result, enum mischief mischief, int at)
{
	int right = result == -EPROTO || result == -ECONNRESET || result == -ETIMEDOUT;
	/* A wrong number is still an answer: of features, of queues. */
	right |= mischief == REFUSE && (result == -ENOTSUP || result == -EINVAL || result == -EIO);
	if (!right)
		FAILED("a back-end that %s at message %d: %d (%s)", names[mischief], at, result, strerror(-result));
	if (vionet_error()[0] == 0)
		FAILED("a back-end that %s at message %d: no sentence", names[mischief], at);
}

static uint16_t pool; /* large enough for all silent back-ends at once */

/* One life: probe, init, start, stop, close. Returns how many messages the opening took. */
static int live(struct peer *p, int *result)
{
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	char address[100];
	uint16_t port = VIONET_PORT_NONE;

	config.pool = pool;
	snprintf(address, sizeof(address), "vhost-user:%s", p->path);
	*result = vionet_probe(address, &port);
	if (*result != 0)
		return 0;
	*result = vionet_init(port, &config);
	if (*result == 0)
		*result = vionet_start(port);
	int count = p->seen_count;
	if (*result == 0)
		*result = vionet_stop(port);
	vionet_close(port); /* whatever they said */
	return count;
}

/* How many messages a whole life takes, and how many its opening. */
static int messages(uint64_t without, int *of_opening)
{
	struct peer p;
	int result;
	peer_start(&p);
	p.features &= ~without;
	*of_opening = live(&p, &result);
	same(result, 0);
	soon(p.gone == 1);
	int count = p.seen_count;
	peer_end(&p);
	return count;
}

static int opening;

/* A program with many thread-local variables: the threads of the library have room for them on their stacks. */
static __thread char much[600 * 1024];

static void misbehave(enum mischief mischief, int at, uint64_t without)
{
	struct peer p;
	int result, answered;
	uint64_t began = microseconds();
	much[at] = 1;

	peer_start(&p);
	p.features &= ~without;
	p.mischief = mischief;
	p.at = at;
	live(&p, &result);
	answered = p.seen_count;
	peer_end(&p);
	/* The library promises to wait for an answer for 3 s; ten times that is a hang, however slow the machine. */
	if (microseconds() - began > 30000000)
		FAILED("a back-end that %s at message %d held the call up for 30 s", names[mischief], at);
	if (answered <= at)
		FAILED("message %d was never sent", at);
	if (result != 0)
		fault(result, mischief, at);
	else if (at < opening && p.replied[at] && mischief != REFUSE && mischief != CLOSE_AFTER)
		FAILED("a back-end that %s at message %d of a life was not noticed", names[mischief], at);
}

struct silence {
	int at;
	pthread_t thread;
};

static void *one_silence(void *argument)
{
	struct silence *s = argument;
	misbehave(SILENT, s->at, 0);
	return NULL;
}

/* Before the first fault: how many messages a life has, with protocol features and without, and what the process holds. */
static int all_messages, bare_messages;
static struct holdings before;

BEFORE_EACH
{
	pool = pool_made(65536);
	int ignored;
	all_messages = messages(0, &opening);
	bare_messages = messages(BIT(F_PROTOCOL), &ignored);
	yes(opening > 15 && all_messages >= opening && all_messages < 64);
	before = holdings();
}

static const enum mischief loud[] = {
	CLOSE_BEFORE, CLOSE_AFTER, WRONG_REQUEST, WRONG_VERSION, NO_REPLY_FLAG, TOO_SHORT, TOO_LONG, HUGE_SIZE, CUT_OFF,
	WITH_FILES, REFUSE, NOISE,
};

static const char *title(unsigned int row)
{
	static char text[100];
	snprintf(text, sizeof(text), "a back-end that %s, at each message", names[loud[row]]);
	return text;
}

CASES(sizeof(loud) / sizeof(loud[0]), title)
{
	same(sizeof(loud) / sizeof(loud[0]), MISCHIEFS - 2); /* all but BEHAVE and SILENT */
	for (int at = 0; at < all_messages; at++)
		misbehave(loud[row], at, 0);
	before.maps += loud[row] == WITH_FILES; /* stacks of the threads that close another process's files, which stay */
	soon(vionet_port_next(0) == VIONET_PORT_NONE);
	/* Files that found all closing threads busy are closed with those of the next connection. */
	if (loud[row] == WITH_FILES)
		soon((misbehave(CLOSE_BEFORE, 0, 0), entries("/proc/self/fd") <= before.fds));
	held_as_before(before, 1024);
}

/* Few messages are answered then, but a back-end that leaves is noticed or forgotten. */
CASE("a back-end without protocol features that leaves, at each message")
{
	yes(bare_messages > 10);
	for (int at = 0; at < bare_messages; at++)
		misbehave(CLOSE_BEFORE, at, BIT(F_PROTOCOL));
	soon(vionet_port_next(0) == VIONET_PORT_NONE);
	held_as_before(before, 1024);
}

/* Each silence lasts for some seconds, and all begin together: a silent back-end must not hold up another port. */
CASE("silent back-ends, at each message, all at once")
{
	static struct silence silences[64];
	uint64_t began = microseconds();
	for (int at = 0; at < opening; at++) {
		silences[at].at = at;
		same(pthread_create(&silences[at].thread, NULL, one_silence, &silences[at]), 0);
	}
	for (int at = 0; at < opening; at++)
		pthread_join(silences[at].thread, NULL);
	yes(microseconds() - began > 3000000);
	same(vionet_port_next(0), VIONET_PORT_NONE);
	before.maps += 2 * all_messages + 8; /* stacks and arenas of our own threads, which libc keeps */
	held_as_before(before, 4096);
}
