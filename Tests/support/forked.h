/* SPDX-License-Identifier: BSD-2-Clause */
/* What a forked child may do with the ports of its parent: nothing, and the parent does not notice. */
#ifndef FORKED_H
#define FORKED_H

#include "ok.h"

#include <signal.h>
#include <sys/wait.h>

/* Waits for the end of a child, which has to end well. A child that hangs is killed. */
OK_UNUSED static void child_ends_well(pid_t child)
{
	int status = 0;
	uint64_t end = microseconds() + LONG_WAIT * 1000ull;
	while (waitpid(child, &status, WNOHANG) == 0) {
		if (microseconds() > end) {
			kill(child, SIGKILL);
			waitpid(child, &status, 0);
			FAILED("a forked child hangs");
		}
		usleep(200);
	}
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		FAILED("a forked child ended with %#x", (unsigned int)status);
}

/* Runs the statement in a forked child. */
#define in_child(statement) \
	do { \
		fflush(stdout); \
		pid_t child_ = fork(); \
		if (child_ == 0) { \
			statement; \
			_exit(0); \
		} \
		yes(child_ > 0); \
		child_ends_well(child_); \
	} while (0)

#define is_of_parent(call) \
	do { \
		err(call, -EPERM); \
		says("was forked"); \
	} while (0)

/* In a child: each way to a port of the parent's is refused, and its close does nothing. */
OK_UNUSED static void port_is_of_parent(uint16_t port)
{
	struct vionet_info info = VIONET_SIZED(struct vionet_info);
	struct vionet_stats stats = VIONET_SIZED(struct vionet_stats);
	struct vionet_packet *packet = NULL;
	struct vionet_wait_queue queue = {.port = port, .direction = VIONET_WAIT_RX};
	same(vionet_rx_burst(port, 0, &packet, 1), 0);
	same(vionet_tx_burst(port, 0, &packet, 1), 0);
	same(vionet_tx_done(port, 0), 0);
	is_of_parent(vionet_info(port, &info));
	is_of_parent(vionet_stats(port, &stats));
	is_of_parent(vionet_event_fd(port));
	is_of_parent(vionet_event_handle(port));
	is_of_parent(vionet_rx_fd(port, 0));
	is_of_parent(vionet_rx_wait(port, 0, -1));
	is_of_parent(vionet_tx_wait(port, 0, -1));
	same(vionet_wait(&queue, 1, -1), 1);
	same(queue.ready, -EPERM);
	is_of_parent(vionet_promiscuous_set(port, 1));
	is_of_parent(vionet_stop(port));
	is_of_parent(vionet_start(port));
	is_of_parent(vionet_init(port, NULL));
	same(vionet_port_next(0), VIONET_PORT_NONE);
	vionet_close(port);
	err(vionet_info(port, &info), -ENODEV);
	vionet_close(port);
}

/* The devices' memory, in this process: mappings of the library's files. */
OK_UNUSED static int shared_mappings(void)
{
	char line[512];
	int count = 0;
	FILE *f = fopen("/proc/self/maps", "re");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		count += strstr(line, "memfd:vionet") != NULL;
	if (f != NULL)
		fclose(f);
	return count;
}

/* A child leaves the port alone, and has none of its memory and none of the descriptors beyond `files`. */
OK_UNUSED static void child_leaves(uint16_t port, int files)
{
	yes(shared_mappings() > 0);
	yes(entries("/proc/self/fd") > files);
	in_child({
		same(shared_mappings(), 0);
		same(entries("/proc/self/fd"), files);
		port_is_of_parent(port);
	});
	in_child(vionet_close(port));
}

#endif
