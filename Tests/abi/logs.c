/* SPDX-License-Identifier: BSD-2-Clause */
/* The log: silent by default, by level, through the callback or VIONET_LOG, whole lines without a newline. */
#include "../support/cases.h"

#include <fcntl.h>
#include <sys/wait.h>

static int lines, worst;

static void count(int level, const char *line, void *user)
{
	same((uintptr_t)user, 42);
	yes(level >= VIONET_LOG_ERROR && level <= VIONET_LOG_DEBUG);
	yes(line != NULL && line[0] != 0 && strchr(line, '\n') == NULL);
	lines++;
	if (level > worst)
		worst = level;
}

static void a_life(void)
{
	uint16_t port;
	ok(vionet_open("soft:loopback", &port));
	vionet_close(port);
	err(vionet_open("soft:nothing", &port), -EINVAL);
}

static int lines_at(int level)
{
	lines = worst = 0;
	vionet_log_set(level, count, (void *)(uintptr_t)42);
	a_life();
	yes(worst <= level);
	return lines;
}

/* How many bytes a new process with this VIONET_LOG writes to its standard output and error output. */
static long written(const char *level)
{
	char text[4096];
	long length = 0, n;
	int pipes[2];
	same(pipe2(pipes, O_CLOEXEC), 0);
	pid_t child = fork();
	if (child == 0) {
		dup2(pipes[1], 1);
		dup2(pipes[1], 2);
		if (level != NULL)
			setenv("VIONET_LOG", level, 1);
		else
			unsetenv("VIONET_LOG");
		execl("/proc/self/exe", "logs", "--child", (char *)NULL);
		_exit(127);
	}
	close(pipes[1]);
	while ((n = read(pipes[0], text, sizeof(text))) > 0)
		length += n;
	close(pipes[0]);
	int status;
	same(waitpid(child, &status, 0), child);
	yes(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return length;
}

CHILD { a_life(); }

CASE("a callback gets the lines up to its level")
{
	int error = lines_at(VIONET_LOG_ERROR), info = lines_at(VIONET_LOG_INFO), debug = lines_at(VIONET_LOG_DEBUG);
	yes(info >= error);
	yes(debug > info && debug >= 10); /* every step and every message */
	same(lines_at(VIONET_LOG_OFF), 0);
}

CASE("without a callback there are no lines")
{
	lines = 0;
	vionet_log_set(VIONET_LOG_DEBUG, NULL, NULL);
	a_life();
	same(lines, 0);
}

CASE("VIONET_LOG writes to the standard error output, and nothing is written without it")
{
	same(written(NULL), 0);
	same(written(""), 0);
	same(written("no-such-level"), 0);
	yes(written("debug") > 200);
	yes(written("info") <= written("debug"));
}

static char last_line[400];

static void keep(int level, const char *line, void *user)
{
	(void)user;
	same(level, VIONET_LOG_ERROR);
	snprintf(last_line, sizeof(last_line), "%s", line);
	lines++;
}

/* Bursts tell nothing themselves, so that a program with the wrong number would look at a 0 for ever. */
CASE("the first burst on a queue that a port does not have is an error in the log")
{
	struct vionet_packet *packet = NULL;
	uint16_t port;
	char wanted[100];

	vionet_log_set(VIONET_LOG_ERROR, keep, NULL);
	same(vionet_rx_burst(0, 5, &packet, 1), 0);
	for (int life = 0; life < 2; life++) {
		lines = 0;
		ok(vionet_probe("soft:loopback,queues=2", &port));
		ok(vionet_init(port, NULL));
		same(vionet_rx_burst(port, 2, &packet, 1), 0);
		ok(vionet_start(port));
		same(vionet_rx_burst(port, 1, &packet, 1), 0);
		same(lines, 0);
		for (int i = 0; i < 5; i++) {
			same(life == 0 ? vionet_rx_burst(port, 2, &packet, 1) : vionet_tx_burst(port, 7, &packet, 1), 0);
			same(lines, 1);
		}
		snprintf(wanted, sizeof(wanted), "port %u has 2 %s queues: a burst on queue %u does nothing", port,
			 life == 0 ? "receive" : "transmit", life == 0 ? 2 : 7);
		yes(strcmp(last_line, wanted) == 0);
		ok(vionet_stop(port));
		same(vionet_rx_burst(port, 2, &packet, 1), 0);
		vionet_close(port);
	}
	same(lines, 1);
}

static char unmet[1000];

static void keep_unmet(int level, const char *line, void *user)
{
	(void)user;
	if (strncmp(line, "the key ", 8) != 0)
		return;
	same(level, VIONET_LOG_INFO);
	snprintf(unmet + strlen(unmet), sizeof(unmet) - strlen(unmet), "%s\n", line);
}

static const char *unmet_of(const char *device)
{
	uint16_t port;
	unmet[0] = 0;
	vionet_log_set(VIONET_LOG_INFO, keep_unmet, NULL);
	ok(vionet_open(device, &port));
	vionet_close(port);
	return unmet;
}

CASE("a key that asks for what the device lacks is said to do nothing")
{
	same(strcmp(unmet_of("soft:loopback"), ""), 0);
	same(strcmp(unmet_of("soft:loopback,lro=1,rx_csum=1,rss=soft"), ""), 0);
	same(strcmp(unmet_of("soft:loopback,rss=1"),
		    "the key rss=1 does nothing: the device does not offer VIRTIO_NET_F_RSS or what that needs and spreads "
		    "packets over queues as it likes\n"), 0);
	same(strcmp(unmet_of("soft:loopback,rx_hash=1,vlan_filter=1,features_off=0x80000"),
		    "the key vlan_filter=1 does nothing: the device does not offer VIRTIO_NET_F_CTRL_VLAN or what that needs\n"
		    "the key rx_hash=1 does nothing: the device does not offer VIRTIO_NET_F_HASH_REPORT or what that needs\n"), 0);
}
