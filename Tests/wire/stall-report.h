/* SPDX-License-Identifier: BSD-2-Clause */
/* The report of back-end-restarts.c when no frame comes: the port, its last log lines, the back-end's threads and output. */
#ifndef STALL_REPORT_H
#define STALL_REPORT_H

#include "back-end-process.h"

enum { LOG_LINES = 48, LOG_WIDTH = 160 };

static char log_lines[LOG_LINES][LOG_WIDTH];
static uint32_t log_count;

/* Keeps the last log lines: the library's steps and its messages to the back-end. */
static void keep_line(int level, const char *line, void *user)
{
	(void)level, (void)user;
	char *place = log_lines[log_count++ % LOG_LINES];
	snprintf(place, LOG_WIDTH, "%" PRIu64 " ms  %s", microseconds() / 1000 % 1000000, line);
}

static void report_file(const char *name)
{
	char text[600] = "";
	FILE *f = fopen(name, "re");
	if (f == NULL)
		return;
	text[fread(text, 1, sizeof(text) - 1, f)] = 0;
	fclose(f);
	if (strstr(name, "/stack") == NULL)
		text[strcspn(text, "\n")] = 0;
	printf("    %s: %s\n", name, text);
}

static void report_threads(pid_t pid)
{
	static const char *const files[] = {"comm", "wchan", "stack", "syscall", "stat"};
	char name[400];
	snprintf(name, sizeof(name), "/proc/%d/task", (int)pid);
	DIR *threads = opendir(name);
	for (struct dirent *one; threads != NULL && (one = readdir(threads)) != NULL;) {
		if (one->d_name[0] == '.')
			continue;
		for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
			snprintf(name, sizeof(name), "/proc/%d/task/%s/%s", (int)pid, one->d_name, files[i]);
			report_file(name);
		}
	}
	if (threads != NULL)
		closedir(threads);
}

static void report_output(void)
{
	char text[2000];
	FILE *f = getenv("RESTARTS_LOG") != NULL ? fopen(getenv("RESTARTS_LOG"), "re") : NULL;
	if (f == NULL)
		return;
	if (fseek(f, -(long)sizeof(text) + 1, SEEK_END) != 0)
		rewind(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = 0;
	fclose(f);
	printf("  the end of the back-end's output:\n%s\n", text);
}

static void report_queue(const char *name, const struct vionet_queue_stats *q)
{
	printf("  %s: %" PRIu64 " packets, %" PRIu64 " kicks, %" PRIu64 " times full, %" PRIu64 " times no buffer, broken %" PRIu64
	       "\n",
	       name, q->packets, q->kicks, q->ring_full, q->no_buffer, q->broken);
}

/* When what must come counts as not coming: only a hang takes that long. */
static uint64_t deadline(void)
{
	return microseconds() + LONG_WAIT * 1000ull;
}

static void report(uint16_t port)
{
	struct vionet_stats stats = stats_of(port);
	struct vionet_info info = info_of(port);
	printf("  port: state %d, link %d; socket %d; the back-end is process %d\n", (int)info.state, (int)info.link_up,
	       socket_state(), (int)notes->backend);
	report_queue("rx", &stats.rx);
	report_queue("tx", &stats.tx);
	for (uint32_t i = log_count > LOG_LINES ? log_count - LOG_LINES : 0; i < log_count; i++)
		printf("    %s\n", log_lines[i % LOG_LINES]);
	printf("  at %" PRIu64 " ms\n", microseconds() / 1000 % 1000000);
	report_file("/proc/loadavg");
	report_threads((pid_t)notes->backend);
	report_output();
}

#endif
