/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every function in every situation in which a program may get it wrong: what it returns is the table docs/misuse.md, which
 * this test writes and compares. Each call runs in a process of its own. It may not crash, hang, fail without a sentence or
 * leave a descriptor behind. deadline: 600
 */
#include "../support/cases.h"
#include "../support/each_function.h"
#include "../support/frame.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

/* ---- no memory: the library's calls of the allocator come here -------------------------------------------------------- */

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_memalign(size_t, size_t);
static _Atomic int has_no_memory;

static int none(void)
{
	if (has_no_memory)
		errno = ENOMEM;
	return has_no_memory;
}

void *malloc(size_t size) { return none() ? NULL : __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return none() ? NULL : __libc_calloc(count, size); }
void *aligned_alloc(size_t alignment, size_t size) { return none() ? NULL : __libc_memalign(alignment, size); }

void *mmap(void *hint, size_t length, int protection, int flags, int file, off_t offset)
{
	if (none())
		return MAP_FAILED;
	return (void *)syscall(SYS_mmap, hint, length, protection, flags, file, offset); // NOLINT
}

/* ---- situations -------------------------------------------------------------------------------------------------------- */

enum situation { CHILD_OF_FORK, CLOSED, PROBED, OTHER_THREAD, NO_MEMORY, NO_DESCRIPTORS, NO_STANDARD, SITUATIONS };
static const char *const titles[SITUATIONS] = {
	"forked child", "closed before", "probed only", "another thread", "no memory", "no descriptors", "0 to 2 closed",
};

static void set_up(enum situation situation)
{
	struct vionet_tx_buffer_config with = VIONET_SIZED(struct vionet_tx_buffer_config);
	for (int fd = 0; situation == NO_STANDARD && fd < 3; fd++)
		close(fd);
	ok(vionet_probe("soft:loopback,cq=1", &the.port));
	if (situation != PROBED) {
		ok(vionet_init(the.port, NULL));
		ok(vionet_start(the.port));
	}
	the.pool = pool_made(64);
	the.packet = frame_packet(0, 100, 1);
	with.port = the.port;
	ok(vionet_tx_buffer_create(&with, &the.buffer));
	snprintf(the.path, sizeof(the.path), "/tmp/vionet-test-%d-a", (int)getpid());
	ok(vionet_soft_serve(the.path, "sink", &the.device));
	snprintf(the.path, sizeof(the.path), "/tmp/vionet-test-%d-b", (int)getpid());
	ok(vionet_event_add(no_event, NULL));
	err(vionet_start(9999), -ENODEV); /* this thread has room for a sentence */
	if (situation == CLOSED) {
		vionet_close(the.port);
		ok(vionet_pool_destroy(the.pool));
		vionet_soft_stop(the.device);
		ok(vionet_event_remove(no_event, NULL));
	}
}

static int open_descriptors(void)
{
	int count = 0;
	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void use_up_descriptors(void)
{
	struct rlimit limit = {256, 256};
	same(setrlimit(RLIMIT_NOFILE, &limit), 0);
	while (fcntl(1, F_DUPFD_CLOEXEC, 0) >= 0)
		continue;
}

static void *call_in_thread(void *function)
{
	return (void *)((const struct function *)function)->call();
}

static long result_of(const struct function *function, enum situation situation)
{
	pthread_t thread;
	void *result;
	if (situation != OTHER_THREAD)
		return function->call();
	same(pthread_create(&thread, NULL, call_in_thread, (void *)(uintptr_t)function), 0);
	pthread_join(thread, &result);
	return (long)(intptr_t)result;
}

/* In a process of its own: the call, and whether it left what it should not. */
static void one_cell(const struct function *function, enum situation situation, int report)
{
	set_up(situation);
	if (situation == CHILD_OF_FORK) {
		pid_t child = fork();
		if (child != 0) {
			int status;
			waitpid(child, &status, 0);
			unlink(the.path);
			vionet_soft_stop(the.device);
			_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
		}
		alarm(LONG_WAIT_SECONDS);
		vionet_packet_free(vionet_packet_alloc(0)); /* the shared pool, which stays */
	}
	if (situation == NO_DESCRIPTORS)
		use_up_descriptors();
	int files = open_descriptors();
	has_no_memory = situation == NO_MEMORY;
	long result = result_of(function, situation);
	has_no_memory = 0;
	int is_silent = result < 0 && result != NULL_RETURNED && vionet_error()[0] == 0 && situation != OTHER_THREAD;
	long found[2] = {result, is_silent ? 1 : result < 0 && open_descriptors() > files ? 2 : 0};
	if (write(report, found, sizeof(found)) != sizeof(found))
		_exit(1);
	if (situation != CHILD_OF_FORK) {
		vionet_soft_stop(the.device);
		unlink(the.path);
	}
	_exit(0);
}

static const char *in_words(long result)
{
	static char word[40];
	if (result >= 0)
		return "done";
	if (result == NULL_RETURNED)
		return "NULL";
	snprintf(word, sizeof(word), "-%s", result == -ENOTSUP ? "ENOTSUP" : strerrorname_np((int)-result));
	return word;
}

/* Bursts and the like return how many: 0 is worth a word. */
static int counts(const char *name)
{
	static const char *const names[] = {"packet_alloc_bulk", "rx_burst", "tx_burst", "tx_prepare", "tx_done", "tx_buffer_put"};
	for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++)
		if (strcmp(name, names[n]) == 0)
			return 1;
	return 0;
}

static const char *const faults[] = {"ended badly", "failed without a sentence", "left a descriptor"};

static void cell(char *line, size_t room, const struct function *function, enum situation situation)
{
	long found[2] = {0, 3};
	int pipes[2], status = 0;
	size_t at = strlen(line);
	same(pipe2(pipes, O_CLOEXEC), 0);
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		alarm(LONG_WAIT_SECONDS);
		int report = fcntl(pipes[1], F_DUPFD_CLOEXEC, 200);
		close(pipes[0]);
		close(pipes[1]);
		one_cell(function, situation, report);
	}
	close(pipes[1]);
	ssize_t got = read(pipes[0], found, sizeof(found));
	close(pipes[0]);
	same(waitpid(child, &status, 0), child);
	if (got != sizeof(found) || status != 0 || found[1] != 0)
		FAILED("%s, %s: %s, status %#x", function->name, titles[situation],
		       got != sizeof(found) ? "crashed or hung" : faults[found[1]], (unsigned int)status);
	snprintf(line + at, room - at, " %s |", found[0] == 0 && counts(function->name) ? "0" : in_words(found[0]));
}

CASE("the list of functions is that of vionet.map")
{
	char path[400], line[200], name[100];
	int count = 0;
	snprintf(path, sizeof(path), "%s/vionet.map", getenv("VIONET_TEST_ROOT"));
	FILE *f = fopen(path, "re");
	yes(f != NULL);
	while (fgets(line, sizeof(line), f) != NULL) {
		int n = 0;
		if (sscanf(line, " vionet_%99[a-z_];", name) != 1)
			continue;
		while (n < FUNCTIONS && strcmp(functions[n].name, name) != 0)
			n++;
		if (n == FUNCTIONS)
			FAILED("vionet_%s is not in Tests/support/each_function.h", name);
		count++;
	}
	fclose(f);
	same(count, FUNCTIONS);
}

CASE("what every function returns in every situation is what docs/misuse.md says")
{
	static char page[60000], known[60000], path[400], line[400];
	const char *root = getenv("VIONET_TEST_ROOT");
	size_t at = 0;
	yes(root != NULL);
	snprintf(path, sizeof(path), "%s/docs/misuse.md", root);
	FILE *f = fopen(path, "re");
	yes(f != NULL);
	known[fread(known, 1, sizeof(known) - 1, f)] = 0;
	fclose(f);
	char *table = strstr(known, "| function |");
	yes(table != NULL);
	at += (size_t)snprintf(page, sizeof(page), "| function |");
	for (int s = 0; s < SITUATIONS; s++)
		at += (size_t)snprintf(page + at, sizeof(page) - at, " %s |", titles[s]);
	at += (size_t)snprintf(page + at, sizeof(page) - at, "\n|---|---|---|---|---|---|---|---|\n");
	for (int n = 0; n < FUNCTIONS; n++) {
		snprintf(line, sizeof(line), "| `vionet_%s` |", functions[n].name);
		for (int s = 0; s < SITUATIONS; s++)
			cell(line, sizeof(line), &functions[n], (enum situation)s);
		at += (size_t)snprintf(page + at, sizeof(page) - at, "%s\n", line);
	}
	if (strcmp(table, page) == 0)
		return;
	*table = 0;
	snprintf(path, sizeof(path), "%s/build/misuse.md", root);
	f = fopen(path, "we");
	yes(f != NULL && fprintf(f, "%s%s", known, page) > 0 && fclose(f) == 0);
	FAILED("docs/misuse.md says something else: diff it with build/misuse.md, and copy that if it is right");
}
