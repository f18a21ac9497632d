/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Named test cases, for a program that has no main() of its own:
 *
 *     CASE("a closed port answers -ENODEV")
 *     {
 *             err(vionet_start(7), -ENODEV);
 *     }
 *
 *     CASES(COUNT, title)          one case per row of a table: title(row) gives its name, the body reads `row`
 *     {
 *             is_received(&rows[row]);
 *     }
 *
 * Each case runs in a process of its own, so a case that fails, crashes or hangs does not hide the others. The results
 * are TAP lines; what a case prints stands above its line.
 *
 *     program [--only TEXT] [NUMBER...]      all cases, or those with TEXT in their names
 *     program --list                         the names
 *     program --case N [NUMBER...]           case N in this process, for a debugger
 *
 * A case reads the numbers with case_argument(). The environment variable VIONET_TEST_DEADLINE says how many seconds a
 * case may take, 300 without it.
 */
#ifndef CASES_H
#define CASES_H

#include "ok.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

struct test_case {
	const char *name;
	const char *(*title)(unsigned int row);
	unsigned int rows;
	void (*run)(unsigned int row);
	struct test_case *next;
};

static struct test_case *first_case, **end_of_cases = &first_case;
static void (*before_each)(void), (*after_each)(void), (*child_main)(void);
static long long case_arguments[8];
static int case_argument_count;

#define CASE(name) CASE_AT(name, NULL, 1, __LINE__)
#define CASES(count, title) CASE_AT(NULL, title, count, __LINE__)
#define CASE_AT(...) CASE_NAMED(__VA_ARGS__)
#define CASE_NAMED(name, title, rows, id) \
	static void case_##id(unsigned int row); \
	__attribute__((constructor)) static void add_case_##id(void) \
	{ \
		static struct test_case it = {name, title, rows, case_##id, NULL}; \
		*end_of_cases = &it; \
		end_of_cases = &it.next; \
	} \
	static void case_##id(OK_UNUSED unsigned int row)

/* What is done before and after each case, in its process: BEFORE_EACH { pool = pool_made(64); } */
#define BEFORE_EACH HOOK(before_each)
#define AFTER_EACH HOOK(after_each)
#define HOOK(name) \
	static void name##_body(void); \
	__attribute__((constructor)) static void set_##name(void) { name = name##_body; } \
	static void name##_body(void)

/* What the program does when one of its cases starts it again with the argument "--child". */
#define CHILD HOOK(child_main)

/* The number on the command line at that place, or the default. */
OK_UNUSED static long long case_argument(int place, long long otherwise)
{
	return place < case_argument_count ? case_arguments[place] : otherwise;
}

/* The case with that number, from 0 on; NULL behind the last. */
static struct test_case *case_at(unsigned int number, unsigned int *row)
{
	for (struct test_case *c = first_case; c != NULL; number -= c->rows, c = c->next)
		if (number < c->rows) {
			*row = number;
			return c;
		}
	return NULL;
}

static const char *case_name(const struct test_case *c, unsigned int row)
{
	return c->title != NULL ? c->title(row) : c->name;
}

static unsigned int case_deadline(void)
{
	const char *seconds = getenv("VIONET_TEST_DEADLINE");
	return seconds != NULL && atoi(seconds) > 0 ? (unsigned int)atoi(seconds) : 300;
}

/* ---- in the process of a case ------------------------------------------------------------------------------------ */

static int run_here(unsigned int number)
{
	static char prefix[400];
	unsigned int row = 0;
	struct test_case *c = case_at(number, &row);
	if (c == NULL) {
		printf("# there is no case %u\n", number + 1);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	snprintf(prefix, sizeof(prefix), "ok %u - %s # SKIP ", number + 1, case_name(c, row));
	skip_prefix = prefix;
	if (before_each != NULL)
		before_each();
	c->run(row);
	if (after_each != NULL)
		after_each();
	return 0;
}

/* ---- in the process that runs them all --------------------------------------------------------------------------- */

static pid_t start_case(unsigned int number, char **arguments)
{
	char text[16], *emulator = getenv("VIONET_TEST_EMULATOR"), *command[17] = {emulator, arguments[0], (char *)"--case", text};
	sigset_t none;
	int count = 4;
	snprintf(text, sizeof(text), "%u", number + 1);
	for (int i = 0; i < case_argument_count; i++)
		command[count++] = arguments[i + 1];
	fflush(stdout);
	pid_t parent = getpid(), child = fork();
	if (child != 0)
		return child;
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (getppid() == parent)
		execv(emulator != NULL ? emulator : "/proc/self/exe", emulator != NULL ? command : command + 1);
	_exit(127);
}

/* Waits for the end of a case. Returns its status, or -1 after the deadline; ends this program when that is asked to. */
static int end_of_case(pid_t child, const sigset_t *signals)
{
	struct timespec left = {(time_t)case_deadline(), 0};
	int status = -1, signal;
	uint64_t end = microseconds() + left.tv_sec * 1000000ull;
	for (;;) {
		signal = sigtimedwait(signals, NULL, &left);
		if (signal == SIGTERM || signal == SIGINT) {
			kill(-child, SIGKILL);
			_exit(128 + signal);
		}
		if (waitpid(child, &status, WNOHANG) == child)
			break;
		uint64_t now = microseconds();
		if (now >= end) {
			kill(-child, SIGKILL);
			waitpid(child, &status, 0);
			return -1;
		}
		left.tv_sec = (time_t)((end - now) / 1000000);
		left.tv_nsec = (long)((end - now) % 1000000 * 1000);
	}
	kill(-child, SIGKILL); /* processes that it left behind */
	return status;
}

static int report(unsigned int number, const char *name, int status)
{
	if (status != -1 && WIFEXITED(status) && WEXITSTATUS(status) == 77)
		return 0; /* skip() has printed the line */
	if (status == -1)
		printf("# not done after %u s\n", case_deadline());
	else if (WIFSIGNALED(status))
		printf("# ended by signal %d (%s)\n", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status) > 1)
		printf("# ended with status %d\n", WEXITSTATUS(status));
	printf("%s %u - %s\n", status == 0 ? "ok" : "not ok", number + 1, name);
	return status != 0;
}

static int run_all(const char *only, char **arguments)
{
	unsigned int count = 0, chosen = 0, row = 0;
	int failures = 0;
	struct test_case *c;
	sigset_t signals;
	sigemptyset(&signals);
	sigaddset(&signals, SIGCHLD);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	for (; (c = case_at(count, &row)) != NULL; count++)
		chosen += strstr(case_name(c, row), only) != NULL;
	printf("1..%u\n", chosen);
	for (unsigned int number = 0; number < count; number++) {
		const char *name;
		c = case_at(number, &row);
		name = case_name(c, row);
		if (strstr(name, only) == NULL)
			continue;
		pid_t child = start_case(number, arguments);
		if (child < 0)
			FAILED("fork: %s", strerror(errno));
		setpgid(child, child);
		failures += report(number, name, end_of_case(child, &signals));
	}
	fflush(stdout);
	return failures > 0 || chosen == 0;
}

int main(int argc, char **argv)
{
	const char *only = "";
	unsigned int number = 0, row = 0;
	int at = 1;
	if (argc > 1 && strcmp(argv[1], "--child") == 0 && child_main != NULL) {
		child_main();
		return 0;
	}
	if (argc > 1 && strcmp(argv[1], "--list") == 0) {
		for (struct test_case *c; (c = case_at(number, &row)) != NULL; number++)
			printf("%u %s\n", number + 1, case_name(c, row));
		return 0;
	}
	if (argc > 2 && (strcmp(argv[1], "--only") == 0 || strcmp(argv[1], "--case") == 0))
		at = 3;
	for (int i = at; i < argc && case_argument_count < 8; i++)
		case_arguments[case_argument_count++] = strtoll(argv[i], NULL, 0);
	if (at == 3 && strcmp(argv[1], "--case") == 0)
		return run_here((unsigned int)atoi(argv[2]) - 1);
	if (at == 3)
		only = argv[2];
	argv[at - 1] = argv[0];
	return run_all(only, argv + at - 1);
}

#endif
