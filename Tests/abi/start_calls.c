/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a port costs from vionet_probe() to its start: system calls of the caller's thread, none of which sleeps without a
 * message to wait for; and start_microseconds, which is no longer than the caller measures.
 */
#include "../support/cases.h"

#include <sys/ptrace.h>
#include <sys/syscall.h>

enum { RUNS = 21, MOST_CALLS = 400 };

static uint16_t started(void)
{
	uint16_t port;
	ok(vionet_probe("soft:sink", &port));
	ok(vionet_init(port, NULL));
	ok(vionet_start(port));
	return port;
}

/* In the traced process: each start lies between two calls of getppid(), which the library does not use. */
static void starts(void)
{
	for (int i = 0; i < RUNS; i++) {
		syscall(SYS_getppid);
		uint16_t port = started();
		syscall(SYS_getppid);
		vionet_close(port);
	}
	_exit(0);
}

/* Runs the child to the next entry or exit of a system call. Returns 0 at its end. */
static int to_next_stop(pid_t child)
{
	int status;
	same(ptrace(PTRACE_SYSCALL, child, NULL, 0), 0);
	same(waitpid(child, &status, 0), child);
	if (WIFEXITED(status)) {
		same(WEXITSTATUS(status), 0);
		return 0;
	}
	yes(WIFSTOPPED(status));
	return 1;
}

static int by_size(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

CASE("a port starts in a limited number of system calls")
{
	int counts[RUNS] = {0}, run = -1, is_start = 0, status;
	pid_t child = fork();
	if (child == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
			_exit(2);
		raise(SIGSTOP);
		starts();
	}
	same(waitpid(child, &status, 0), child);
	yes(WIFSTOPPED(status));
	same(ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL), 0);
	while (to_next_stop(child)) {
		struct __ptrace_syscall_info info;
		same(ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof(info), &info) > 0, 1);
		if (info.op != PTRACE_SYSCALL_INFO_ENTRY)
			continue;
		if (info.entry.nr == SYS_getppid) {
			is_start = !is_start;
			run += is_start;
		} else if (is_start) {
			counts[run]++;
		}
	}
	same(run, RUNS - 1);
	int first = counts[0];
	qsort(counts, RUNS, sizeof(counts[0]), by_size);
	printf("system calls from probe to start: the first time %d, median %d, at most %d\n", first, counts[RUNS / 2],
	       counts[RUNS - 1]);
	yes(counts[0] > 10 && counts[RUNS / 2] < MOST_CALLS);
}

CASE("start_microseconds is within what the caller measures")
{
	for (int i = 0; i < RUNS; i++) {
		uint64_t began = microseconds();
		uint16_t port = started();
		uint64_t took = microseconds() - began;
		uint32_t said = info_of(port).start_microseconds;
		yes(said > 0 && said <= took + 1000);
		vionet_close(port);
	}
}
