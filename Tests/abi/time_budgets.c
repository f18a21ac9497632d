/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long a call may take, all of its waits together, with a back-end that answers at the last moment, or is silent, from
 * any message on. The library's clock is made up. One case has a stopped process and the real clock.
 */
#include "../support/cases.h"
#include "../support/control_queue.h"
#include "../support/made_up_clock.h"

/* ---- calls and their budgets -------------------------------------------------------------------------------------- */

enum call { OPEN, HANDLE, SET, STOP, START, CLOSE, CALLS };
static const char *const names[CALLS] = {"open", "event_handle", "a setting", "stop", "start", "close"};
static const double budgets[CALLS] = {5, 5, 3.5, 3.5, 5, 3.5};
static double longest[CALLS];
static int calls_made;

/* Requires that the call ends in its budget and a tenth more, with an error that may come of this. */
static int timed(enum call call, int result, uint64_t began)
{
	double took = (double)(passed - began) / 1e9;
	if (took > budgets[call] * 1.1)
		FAILED("%s took %.3f s of %.1f", names[call], took, budgets[call]);
	if (result < 0 && result != -ETIMEDOUT && result != -ECONNRESET && result != -ENOTCONN && result != -EPROTO)
		FAILED("%s: %s", names[call], strerror(-result));
	yes(result >= 0 || vionet_error()[0] != 0);
	longest[call] = took > longest[call] ? took : longest[call];
	calls_made++;
	return result;
}

#define timed(call, statement) \
	({ \
		uint64_t began_ = passed; \
		in_call = 1; \
		int result_ = (statement); \
		in_call = 0; \
		timed(call, result_, began_); \
	})

AFTER_EACH
{
	printf("# %d calls; the longest:", calls_made);
	for (int call = 0; call < CALLS; call++)
		printf(" %s %.3f s", names[call], longest[call]);
	printf("\n");
}

static int closed(uint16_t port)
{
	vionet_close(port);
	return 0;
}

static struct vionet_config config;

BEFORE_EACH
{
	config = (struct vionet_config)VIONET_SIZED(struct vionet_config);
	config.pool = pool_made(8192);
}

/* ---- a life, with a back-end that is slow or silent from one message on ------------------------------------------- */

struct life {
	const char *name;
	uint32_t pairs;
	int breaks, listens; /* a queue breaks and is recovered; the back-end comes to the port */
};
static const struct life lives[] = {
	{"one pair", 1, 0, 0}, {"8 pairs", 8, 0, 0}, {"a broken queue", 1, 1, 0}, {"a back-end that connects", 1, 0, 1},
};

static const char *title(unsigned int row)
{
	static char text[100];
	snprintf(text, sizeof(text), "every call ends in its time with %s", lives[row].name);
	return text;
}

static void use(struct peer *p, const struct life *life, uint16_t port)
{
	struct vionet_packet *packet;
	if (timed(HANDLE, vionet_event_handle(port)) < 0 || info_of(port).state != VIONET_STATE_STARTED)
		return;
	if (timed(SET, vionet_rx_queue_restart(port, 0, 0)) < 0)
		return;
	if (life->pairs > 1 && timed(SET, vionet_queue_pairs_set(port, 1)) < 0)
		return;
	if (life->breaks && info_of(port).state == VIONET_STATE_STARTED) {
		publish(p, 0, 9999);
		same(vionet_rx_burst(port, 0, &packet, 1), 0);
		timed(HANDLE, vionet_event_handle(port));
	}
	if (timed(STOP, vionet_stop(port)) == 0)
		timed(START, vionet_start(port));
}

/* Returns how many messages the whole life took. */
static int live(const struct life *life, int slow, int silent)
{
	static int sockets;
	struct peer p;
	char address[160], path[64];
	uint16_t port = VIONET_PORT_NONE;
	snprintf(path, sizeof(path), "/tmp/vionet-budget-%d-%d.sock", getpid(), sockets++);
	if (life->listens)
		peer_dial(&p, path, 1);
	else
		peer_start(&p);
	p.features |= BIT(F_MQ);
	p.pairs = life->pairs;
	p.config[8] = (uint8_t)life->pairs;
	p.mischief = SILENT;
	p.at = silent;
	slow_from = slow;
	waited_for = &p;
	snprintf(address, sizeof(address), "vhost-user:%s,queues=%u%s", p.path, life->pairs,
	         life->listens ? ",server=1" : life->breaks ? ",recover=auto" : "");
	if (timed(OPEN, vionet_open_config(address, &config, &port)) == 0) {
		p.absent = 0;
		if (life->listens)
			for (int tries = 0; tries < 10000 && timed(HANDLE, vionet_event_handle(port)) == 0; tries++)
				usleep(100);
		use(&p, life, port);
		(void)timed(CLOSE, closed(port));
	}
	same(vionet_port_next(0), VIONET_PORT_NONE);
	int count = p.seen_count;
	peer_end(&p);
	soon(pool_of(config.pool).available == pool_of(config.pool).packets);
	return count;
}

CASES(sizeof(lives) / sizeof(lives[0]), title)
{
	int messages = live(&lives[row], -1, -1);
	yes(messages > 30 && messages < 500);
	for (long long round = case_argument(0, 1); round > 0; round--)
		for (int at = 0; at < messages; at++) {
			live(&lives[row], at, -1);
			live(&lives[row], -1, at);
		}
	printf("# %d messages in a life\n", messages);
	/* A call that is always short was not slowed at all. */
	yes(lives[row].listens || longest[OPEN] > 4.4);
	yes(longest[STOP] > 2.9 && longest[START] > 4.4 && longest[CLOSE] > 2.9);
}

/* ---- other waits -------------------------------------------------------------------------------------------------- */

CASE("a socket whose queue of connections stays full")
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int files[16], count = 0, listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint16_t port;
	char address[160];
	snprintf(at.sun_path, sizeof(at.sun_path), "/tmp/vionet-budget-%d.sock", getpid());
	unlink(at.sun_path);
	same(bind(listener, (struct sockaddr *)&at, sizeof(at)), 0);
	same(listen(listener, 0), 0);
	do
		files[count] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	while (connect(files[count], (struct sockaddr *)&at, sizeof(at)) == 0 && ++count < 16);
	yes(count < 16);
	snprintf(address, sizeof(address), "vhost-user:%s", at.sun_path);
	in_call = 1;
	uint64_t began = passed;
	int result = vionet_open(address, &port);
	in_call = 0;
	same(result, -EAGAIN);
	double took = (double)(passed - began) / 1e9;
	yes(took > 4.4 && took < 5.5);
	unlink(at.sun_path);
}

static struct control c;

/* Answers a command at the last moment: shortly before the 3 s are over that it has at most. */
static uint8_t at_last(const uint8_t *command, uint32_t length)
{
	(void)command, (void)length;
	uint64_t end = passed + 2900000000;
	while (c.silent == 0 && passed < end)
		usleep(20);
	return 0;
}

CASE("settings of many commands, each answered at the last moment")
{
	uint16_t port = VIONET_PORT_NONE;
	char address[160];
	control_start(&c, BIT(F_CTRL_RX) | BIT(F_CTRL_RX_EXTRA) | BIT(F_CTRL_VLAN), 1);
	waited_for = &c.peer;
	snprintf(address, sizeof(address), "vhost-user:%s,cq=1,vlan_filter=1", c.peer.path);
	same(timed(OPEN, vionet_open_config(address, &config, &port)), 0);
	for (uint16_t vlan = 1; vlan < 20; vlan++)
		same(timed(SET, vionet_vlan_filter_set(port, vlan, 1)), 0);
	c.answer = at_last;
	timed(SET, vionet_rx_filter_set(port, VIONET_FILTER_ALL_UNICAST | VIONET_FILTER_NO_UNICAST | VIONET_FILTER_NO_BROADCAST));
	c.silent = 1;
	timed(STOP, vionet_stop(port));
	c.silent = 0;
	timed(START, vionet_start(port));
	c.silent = 1; /* whoever is in at_last() leaves it */
	c.answer = NULL;
	(void)timed(CLOSE, closed(port));
	yes(longest[SET] > 2.8 && longest[START] > 2.8);
	control_end(&c);
}

/* ---- a stopped process, and the real clock ------------------------------------------------------------------------ */

CHILD
{
	struct peer p;
	char ready = 1;
	peer_start(&p);
	same(write(STDOUT_FILENO, p.path, sizeof(p.path)), sizeof(p.path));
	(void)!read(STDIN_FILENO, &ready, 1);
	peer_end(&p);
}

CASE("a stopped process: close and open end in their time")
{
	int in[2], out[2], status;
	char path[64], address[160];
	uint16_t port, other;
	same(pipe2(in, O_CLOEXEC), 0);
	same(pipe2(out, O_CLOEXEC), 0);
	pid_t child = fork();
	if (child == 0) {
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		execl("/proc/self/exe", "peer", "--child", NULL);
		_exit(127);
	}
	same(read(out[0], path, sizeof(path)), sizeof(path));
	snprintf(address, sizeof(address), "vhost-user:%s", path);
	ok(vionet_open_config(address, &config, &port));
	kill(child, SIGSTOP);
	same(waitpid(child, &status, WUNTRACED), child);
	yes(WIFSTOPPED(status));
	uint64_t began = microseconds();
	vionet_close(port);
	uint64_t then = microseconds();
	err(vionet_open_config(address, &config, &other), -ETIMEDOUT);
	uint64_t end = microseconds();
	printf("# close %.3f s, open %.3f s\n", (double)(then - began) / 1e6, (double)(end - then) / 1e6);
	yes(then - began < 3500000 + 3000000 && end - then < 5000000 + 3000000);
	kill(child, SIGCONT);
	close(in[1]);
	waitpid(child, NULL, 0);
}
