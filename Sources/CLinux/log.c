/* SPDX-License-Identifier: BSD-2-Clause */
/* Where log lines go: nowhere, to the program's callback, or to standard error when VIONET_LOG asks for it. */
#include "CLinux.h"

#include <stdio.h>

static struct {
	int asked; /* VIONET_LOG was looked at, or log_set called */
	int level;
	void (*callback)(int level, const char *line, void *user);
	void *user;
} sink;

static void to_standard_error(int level, const char *line, void *user)
{
	(void)user;
	static const char *const names[] = {"off", "error", "info", "debug"};
	char whole[600];
	int length = snprintf(whole, sizeof(whole), "vionet %s: %s\n", names[level & 3], line);
	(void)sys_write_quietly(STDERR_FILENO, whole, (size_t)length < sizeof(whole) ? (size_t)length : sizeof(whole) - 1);
}

static void ask_environment(void)
{
	static const char *const names[] = {"off", "error", "info", "debug"};
	const char *wish = secure_getenv("VIONET_LOG");
	for (int level = 1; wish != NULL && level < 4; level++) {
		if (strcmp(wish, names[level]) == 0) {
			sink.callback = to_standard_error;
			sink.level = level;
		}
	}
	__atomic_store_n(&sink.asked, 1, __ATOMIC_RELEASE);
}

int log_wanted(int level)
{
	if (!__atomic_load_n(&sink.asked, __ATOMIC_ACQUIRE))
		ask_environment();
	return sink.callback != NULL && level <= sink.level;
}

void log_set(int level, void (*callback)(int level, const char *line, void *user), void *user)
{
	sink.level = level;
	sink.callback = callback;
	sink.user = user;
	__atomic_store_n(&sink.asked, 1, __ATOMIC_RELEASE);
}

void log_deliver(int level)
{
	if (log_wanted(level))
		sink.callback(level, sentence_get(SENTENCE_LOG), sink.user);
}
