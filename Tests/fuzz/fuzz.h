/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The frame of every fuzz target. An input is a list of bytes, and the target reads them as decisions. Without libFuzzer
 * the program makes its inputs itself from fixed seeds and prints which one failed:
 *
 *     program [COUNT [N]]         runs COUNT inputs instead of the target's own number, in N processes at once
 *     program --seconds N         runs for N seconds, from a seed that it prints
 *     program --replay FILE...    runs inputs that were kept
 *     program --corpus FOLDER N   writes N inputs for libFuzzer to start from
 */
#ifndef FUZZ_H
#define FUZZ_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include <unistd.h>

/* When a check of ok.h fails, fuzz_failed() also prints which input it was. */
__attribute__((noreturn)) static void fuzz_failed(int status);
#define _exit fuzz_failed
#include "../support/peer.h"
#undef _exit

#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* ---- an input, and reading it: behind its end come zeroes: a correct device ------------------------------------- */

enum { INPUT_ROOM = 1024, DEADLINE = 120 }; /* seconds for one input, which takes milliseconds: only a hang needs more */
struct input {
	uint8_t bytes[INPUT_ROOM];
	size_t size, at;
};

OK_UNUSED static uint8_t next8(struct input *i)
{
	return i->at < i->size ? i->bytes[i->at++] : 0;
}

OK_UNUSED static uint64_t next_bytes(struct input *i, unsigned int count)
{
	uint64_t value = 0;
	for (unsigned int n = 0; n < count; n++)
		value |= (uint64_t)next8(i) << (8 * n);
	return value;
}

/* A number at which comparisons tend to go wrong, or any number. */
OK_UNUSED static uint64_t next_number(struct input *i)
{
	static const uint64_t edges[] = {
		0, 1, 2, 3, 4, 7, 8, 11, 12, 13, 25, 26, 27, 63, 64, 65, 127, 128, 255, 256, 257, 1500, 1995, 1996, 1997,
		0x7fff, 0x8000, 0xfffe, 0xffff, 0x10000, 0x10001, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff,
		0x100000000, 0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff,
	};
	uint8_t which = next8(i);
	return which < sizeof(edges) / sizeof(edges[0]) ? edges[which] : next_bytes(i, which % 8 + 1);
}

/* ---- random numbers from a seed (SplitMix64)------------------------------------------------------------------------- */

struct chance {
	uint64_t state;
};

OK_UNUSED static uint64_t chance_next(struct chance *c)
{
	uint64_t z = c->state += 0x9e3779b97f4a7c15;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

OK_UNUSED static uint32_t below(struct chance *c, uint32_t limit)
{
	return (uint32_t)((chance_next(c) >> 32) * limit >> 32);
}

/* ---- a target: the end of this file calls its functions --------------------------------------------------------- */

struct target {
	const char *name;
	unsigned int count;                                    /* of inputs, if the command line has none */
	size_t most;                                           /* the longest useful input, in bytes */
	void (*begin)(void);                                   /* once */
	void (*make)(struct input *input, struct chance *c);   /* makes an input */
	void (*spoil)(struct input *input, struct chance *c);  /* may be NULL: changes an input where it matters */
	void (*run)(struct input *input);
	void (*end)(void);                                     /* may be NULL: checks and prints totals */
};
static const struct target target;

static struct {
	uint64_t seed;
	unsigned int number;
	const char *replayed;
	struct input input;
	int files; /* open files of the process before the input; libFuzzer opens one at times */
} now_running;

/* The real clock, which decides only when --seconds is over. simulated_kernel.h replaces clock_gettime(). */
OK_UNUSED static uint64_t real_nanoseconds(clockid_t clock)
{
	struct timespec t;
	syscall(SYS_clock_gettime, clock, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void fuzz_run(void)
{
	now_running.files = entries("/proc/self/fd");
	now_running.input.at = 0;
	target.run(&now_running.input);
	/* Files of another process are closed by other threads. The simulated clock does not wait for those. */
	for (int tries = 0; tries < 30000 && entries("/proc/self/fd") != now_running.files; tries++)
		syscall(SYS_nanosleep, &(struct timespec){0, tries < 20 ? 20000 : 1000000}, NULL);
	same(entries("/proc/self/fd"), now_running.files);
}

#ifndef FUZZ_GUIDED
static void fuzz_failed(int status)
{
	char path[200];
	const char *root = getenv("VIONET_TEST_ROOT");
	snprintf(path, sizeof(path), "%s/build/failed-%s-%" PRIx64 "-%u", root != NULL ? root : ".", target.name,
	         now_running.seed, now_running.number);
	int file = now_running.replayed ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, O_CREAT | O_TRUNC | O_WRONLY, 0644);
	if (file >= 0)
		(void)!syscall(SYS_write, file, now_running.input.bytes, now_running.input.size);
	printf("%s: seed %#" PRIx64 ", input %u%s%s\n", target.name, now_running.seed, now_running.number,
	       file >= 0 ? ", kept as " : "", file >= 0 ? path : "");
	fflush(stdout);
	(_exit)(status);
}

static void on_signal(int number)
{
	printf("signal %d (%s)\n", number, number == SIGALRM ? "an input hangs" : strsignal(number));
	fuzz_failed(1);
}

static void fuzz_make(uint64_t seed, unsigned int number)
{
	struct chance c = {seed ^ (uint64_t)number << 32};
	now_running.seed = seed;
	now_running.number = number;
	now_running.input.size = now_running.input.at = 0;
	target.make(&now_running.input, &c);
	yes(now_running.input.size <= target.most);
}

static void write_corpus(const char *folder, unsigned int count)
{
	char path[400];
	for (unsigned int i = 0; i < count; i++) {
		fuzz_make(1, i);
		snprintf(path, sizeof(path), "%s/%u", folder, i);
		FILE *f = fopen(path, "wbe");
		yes(f != NULL);
		fwrite(now_running.input.bytes, 1, now_running.input.size, f);
		fclose(f);
	}
}

static void fuzz_seed(uint64_t seed, unsigned int count, uint64_t until)
{
	for (unsigned int i = 0; i < count && real_nanoseconds(CLOCK_MONOTONIC) < until; i++) {
		fuzz_make(seed, i);
		alarm(DEADLINE);
		fuzz_run();
	}
	alarm(0);
	printf("%s: %u inputs of seed %#" PRIx64 "\n", target.name, now_running.number + 1, seed);
}

static void fuzz_case(uint64_t seed, unsigned int count, uint64_t until)
{
	target.begin();
	fuzz_seed(seed, count, until);
	if (target.end != NULL)
		target.end();
}

/* Starts the inputs of a seed in a process of their own. */
static pid_t fuzz_start(uint64_t seed, unsigned int count)
{
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fuzz_case(seed, count, UINT64_MAX);
		exit(0);
	}
	return child;
}

/* All seeds, some at once. Returns how many failed. */
static int fuzz_seeds(unsigned int count, unsigned int at_once)
{
	static const uint64_t seeds[] = {1, 0x5eed, 20261122, 0xffffffffffffffff};
	pid_t started[4];
	int failures = 0;
	printf("1..4\n");
	for (unsigned int s = 0, next = 0; s < 4; s++) {
		int status = -1;
		for (; next < 4 && next < s + at_once; next++)
			started[next] = fuzz_start(seeds[next], count / 4);
		int failed = started[s] < 0 || waitpid(started[s], &status, 0) != started[s] || status != 0;
		printf("%s %u - inputs of seed %#" PRIx64 "\n", failed ? "not ok" : "ok", s + 1, seeds[s]);
		failures += failed;
	}
	return failures;
}

static void fuzz_replay(int count, char **paths)
{
	for (int i = 0; i < count; i++) {
		FILE *f = fopen(paths[i], "rbe");
		yes(f != NULL);
		now_running.replayed = paths[i];
		now_running.input.size = fread(now_running.input.bytes, 1, INPUT_ROOM, f);
		fclose(f);
		alarm(DEADLINE);
		fuzz_run();
	}
}

int main(int count, char **words)
{
	static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGALRM};
	const char *what = count > 1 ? words[1] : "";
	for (unsigned int i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		signal(signals[i], on_signal);
	if (count > 3 && strcmp(what, "--corpus") == 0) {
		write_corpus(words[2], (unsigned int)atoi(words[3]));
		return 0;
	}
	if (strcmp(what, "--replay") == 0) {
		target.begin();
		fuzz_replay(count - 2, words + 2);
		return 0;
	}
	if (count > 2 && strcmp(what, "--seconds") == 0) {
		uint64_t now = real_nanoseconds(CLOCK_MONOTONIC);
		fuzz_case(real_nanoseconds(CLOCK_REALTIME), UINT32_MAX, now + (uint64_t)atoi(words[2]) * 1000000000u);
		return 0;
	}
	return fuzz_seeds(count > 1 ? (unsigned int)atoi(what) : target.count, count > 2 ? (unsigned int)atoi(words[2]) : 1) > 0;
}
#else
static void fuzz_failed(int status)
{
	(void)status;
	abort();
}

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t room);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned int seed);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int has_begun;
	if (!has_begun)
		target.begin();
	has_begun = 1;
	now_running.input.size = size < target.most ? size : target.most;
	memcpy(now_running.input.bytes, data, now_running.input.size);
	fuzz_run();
	return 0;
}

/* In half of the cases the target makes the change, since it knows what the bytes mean. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t room, unsigned int seed)
{
	static struct input input;
	struct chance c = {seed};
	if (target.spoil == NULL || room < INPUT_ROOM || size > INPUT_ROOM || below(&c, 2) == 0)
		return LLVMFuzzerMutate(data, size < target.most ? size : target.most, room < target.most ? room : target.most);
	memcpy(input.bytes, data, size);
	input.size = size;
	target.spoil(&input, &c);
	memcpy(data, input.bytes, input.size);
	return input.size;
}
#endif

#endif
