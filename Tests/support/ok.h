/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every C test program uses: checks that end the process at the first failure, and counts of what a process holds.
 * cases.h makes a program a list of named cases.
 */
#ifndef OK_H
#define OK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <vionet.h>

#define OK_UNUSED __attribute__((unused))

__attribute__((noreturn, format(printf, 3, 4))) OK_UNUSED static void
failed(const char *file, int line, const char *format, ...)
{
	__builtin_va_list list;
	printf("# %s:%d: ", file, line);
	__builtin_va_start(list, format);
	vprintf(format, list);
	__builtin_va_end(list);
	printf("\n# vionet_error: \"%s\"\n", vionet_error());
	fflush(stdout);
	_exit(1);
}
#define FAILED(...) failed(__FILE__, __LINE__, __VA_ARGS__)

/* Requires that the condition is true. */
#define yes(condition) \
	do { \
		if (!(condition)) \
			FAILED("not so: %s", #condition); \
	} while (0)

/* Requires that the two numbers are equal. */
#define same(a, b) \
	do { \
		long long a_ = (long long)(a), b_ = (long long)(b); \
		if (a_ != b_) \
			FAILED("%s is %lld, %s is %lld", #a, a_, #b, b_); \
	} while (0)

/* Requires that the call succeeds. */
#define ok(call) \
	do { \
		long long r_ = (long long)(call); \
		if (r_ < 0) \
			FAILED("%s gave %lld (%s)", #call, r_, strerror((int)-r_)); \
	} while (0)

/* Requires that the call fails with this code and leaves a sentence. */
#define err(call, code) \
	do { \
		long long r_ = (long long)(call); \
		if (r_ != (code)) \
			FAILED("%s gave %lld (%s), not %s", #call, r_, r_ < 0 ? strerror((int)-r_) : "", #code); \
		if (vionet_error()[0] == 0) \
			FAILED("%s failed without a sentence", #call); \
	} while (0)

/* Requires that the sentence of the last failure contains the text. */
#define says(needle) \
	do { \
		if (strcasestr(vionet_error(), needle) == NULL) \
			FAILED("the sentence does not name %s", needle); \
	} while (0)

/* What stands before the reason: cases.h makes it the beginning of a TAP line. */
static const char *skip_prefix = "";

__attribute__((noreturn)) OK_UNUSED static void skip(const char *reason)
{
	printf("%s%s\n", skip_prefix, reason);
	fflush(stdout);
	_exit(77);
}

/* ---- time ------------------------------------------------------------------------------------------------------- */

OK_UNUSED static uint64_t microseconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

/*
 * No test passes or fails by how fast the machine is. LONG_WAIT is how long a test waits for what must come: its end only
 * tells a hang from a slow machine.
 */
enum { LONG_WAIT_SECONDS = 60, LONG_WAIT = 1000 * LONG_WAIT_SECONDS }; /* milliseconds, for poll() and vionet_rx_wait() */

/* Waits until the condition is true. */
#define soon(condition) \
	do { \
		uint64_t end_ = microseconds() + LONG_WAIT * 1000ull; \
		while (!(condition)) { \
			if (microseconds() > end_) \
				FAILED("waited %d s for: %s", LONG_WAIT_SECONDS, #condition); \
			usleep(200); \
		} \
	} while (0)

/* ---- what this process holds ------------------------------------------------------------------------------------ */

struct holdings {
	int fds, maps, threads, resident_kib;
	int mapped_files; /* of maps: files and shared memory */
};

OK_UNUSED static int entries(const char *folder)
{
	int n = 0;
	DIR *d = opendir(folder);
	while (d != NULL && readdir(d) != NULL)
		n++;
	if (d != NULL)
		closedir(d);
	return n;
}

OK_UNUSED static int status_value_of(const char *status, const char *key)
{
	char line[256];
	int value = -1;
	FILE *f = fopen(status, "re");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, key, strlen(key)) == 0)
			value = atoi(line + strlen(key) + 1);
	if (f != NULL)
		fclose(f);
	return value;
}

OK_UNUSED static int status_value(const char *key)
{
	return status_value_of("/proc/self/status", key);
}

/* The kernel counts each page here. VmRSS is a sum that lags behind by up to 31 pages for each processor and kind of memory. */
OK_UNUSED static int resident_kib(void)
{
	int exact = status_value_of("/proc/self/smaps_rollup", "Rss");
	return exact >= 0 ? exact : status_value("VmRSS");
}

OK_UNUSED static int count_maps_of(int only_files)
{
	char line[512];
	unsigned long inode;
	int n = 0;
	FILE *f = fopen("/proc/self/maps", "re");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		n += sscanf(line, "%*s %*s %*s %*s %lu", &inode) == 1 && (inode != 0 || !only_files);
	if (f != NULL)
		fclose(f);
	return n;
}

OK_UNUSED static int count_maps(void) { return count_maps_of(0); }

OK_UNUSED static struct holdings holdings(void)
{
	malloc_trim(0); /* what the allocator keeps of freed memory is nobody's */
	return (struct holdings){entries("/proc/self/fd"), count_maps(), entries("/proc/self/task") - 2,
	                         resident_kib(), count_maps_of(1)};
}

/*
 * Requires that the process holds no more than before. A thread that has just ended may be listed for a moment, and files
 * that another process has sent are closed by threads.
 */
#define held_as_before(before, resident_drift_kib) \
	do { \
		soon(holdings().threads <= (before).threads); \
		soon(entries("/proc/self/fd") <= (before).fds); \
		struct holdings now_ = holdings(); \
		if (now_.mapped_files > (before).mapped_files) \
			FAILED("%d mappings of files, before %d", now_.mapped_files, (before).mapped_files); \
		/* Private memory that lies side by side is one mapping, and whether it does is chance. */ \
		if (now_.maps > (before).maps + 8) \
			FAILED("%d mappings, before %d", now_.maps, (before).maps); \
		/* An emulator keeps translated code there. */ \
		if (getenv("VIONET_TEST_EMULATOR") == NULL && now_.resident_kib > (before).resident_kib + (resident_drift_kib)) \
			FAILED("%d KiB resident, before %d", now_.resident_kib, (before).resident_kib); \
	} while (0)

/* ---- short names for frequent calls ------------------------------------------------------------------------ */

OK_UNUSED static struct vionet_info info_of(uint16_t port)
{
	struct vionet_info info = VIONET_SIZED(struct vionet_info);
	ok(vionet_info(port, &info));
	return info;
}

OK_UNUSED static struct vionet_pool_info pool_of(uint16_t pool)
{
	struct vionet_pool_info info = VIONET_SIZED(struct vionet_pool_info);
	ok(vionet_pool_info(pool, &info));
	return info;
}

OK_UNUSED static struct vionet_stats stats_of(uint16_t port)
{
	struct vionet_stats stats = VIONET_SIZED(struct vionet_stats);
	ok(vionet_stats(port, &stats));
	return stats;
}

OK_UNUSED static uint16_t opened(const char *device)
{
	uint16_t port = VIONET_PORT_NONE;
	ok(vionet_open(device, &port));
	return port;
}

OK_UNUSED static uint16_t pool_made_with(uint32_t packets, uint32_t flags)
{
	struct vionet_pool_config config = VIONET_SIZED(struct vionet_pool_config);
	uint16_t pool = 0;
	config.packets = packets;
	config.memory_fd = -1;
	config.flags = flags;
	ok(vionet_pool_create(&config, &pool));
	yes(pool != 0);
	return pool;
}

OK_UNUSED static uint16_t pool_made(uint32_t packets) { return pool_made_with(packets, 0); }

#endif
