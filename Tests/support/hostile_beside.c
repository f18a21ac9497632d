/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A back-end that lies, in front of any front-end that is a program: hostile_beside TRIALS COMMAND. For each kind of lie the
 * command is started that many times by a shell, with the socket's path as $S. The back-end first does its work, then lies,
 * then works on for 200 ms. A table says what became of the front-end: that it ended at a signal, ended by itself, or did not
 * end within 10 s of being asked to. The numbers that are drawn are the same in every run.
 */
#include "device.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static const char *const lies[] = {
	"nothing: a correct device", "a used index that jumps", "a used id beyond the ring", "a used id given three times",
	"a length beyond the buffer", "a used id never given", "bytes of the used ring", "bytes of the whole ring",
	"2000 of these",
};
enum { LIES = sizeof(lies) / sizeof(lies[0]), CORRECT = 0, MANY = LIES - 1 };

static struct peer p;
static uint64_t state;
static uint16_t next[2]; /* place in the available ring, of each ring */

static uint32_t drawn(uint32_t limit)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 11) % limit;
}

static uint16_t *available_ring(int r) { return peer_at(&p, p.ring[r].available, 6 + 2 * p.ring[r].size, 0); }
static uint16_t *used_ring(int r) { return peer_at(&p, p.ring[r].used, 6 + 8 * p.ring[r].size, 0); }

static void put(int r, uint32_t id, uint32_t length, uint32_t advance)
{
	uint16_t *used = used_ring(r), at = used[1];
	struct vring_used_elem element = {id, length};
	memcpy(used + 2 + 4 * (at % p.ring[r].size), &element, sizeof(element));
	__atomic_store_n(&used[1], (uint16_t)(at + advance), __ATOMIC_RELEASE);
}

static void work(int rounds)
{
	for (int n = 0; n < 64 * rounds; n++) {
		int r = n & 1;
		uint16_t *available = available_ring(r);
		if (next[r] != __atomic_load_n(&available[1], __ATOMIC_ACQUIRE))
			put(r, available[2 + next[r]++ % p.ring[r].size], r == RX ? HEADER + 60 : 0, 1);
		if (n % 64 == 0)
			usleep(1000);
	}
}

static void lie(int r, int which)
{
	static const uint32_t lengths[] = {2100, 9000, 0x10000, 0x80000000, 0xffffffff};
	uint32_t size = p.ring[r].size;
	uint32_t id = available_ring(r)[2 + next[r] % size];
	uint8_t *used = (uint8_t *)used_ring(r), *table = (uint8_t *)descriptors(&p, r);
	switch (which) {
	case 1: put(r, id, HEADER + 60, 1 + drawn(60000)); break;
	case 2: put(r, size + drawn(60000), HEADER + 60, 1); break;
	case 3:
		for (int n = 0; n < 3; n++)
			put(r, id, HEADER + 60, 1);
		break;
	case 4:
		put(r, id, lengths[drawn(5)], 1);
		next[r]++;
		break;
	case 5: put(r, (id + size / 2) % size, 0xffffffff, 1); break;
	default:
		for (int n = 0; n < 32; n++) {
			uint8_t bit = (uint8_t)(1 << drawn(8));
			if (which == 6 || drawn(2) == 0)
				used[drawn(6 + 8 * size)] ^= bit;
			else
				table[drawn(16 * size)] ^= bit;
		}
	}
}

static pid_t begin(const char *command)
{
	pid_t child = fork();
	if (child == 0) {
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setenv("S", p.path, 1);
		execl("/bin/bash", "bash", "-c", command, NULL);
		_exit(127);
	}
	for (int tries = 0; tries < 6000 && !(p.ring[RX].enabled && p.ring[TX].enabled && p.ring[RX].size); tries++)
		usleep(10000);
	yes(child > 0 && p.ring[RX].enabled && p.ring[TX].enabled);
	usleep(300000); /* it fills its rings */
	return child;
}

/* Waits for its end; false if that does not come. */
static int ends(pid_t child, int milliseconds, int *status)
{
	for (; milliseconds > 0; milliseconds -= 10) {
		if (waitpid(child, status, WNOHANG) == child)
			return 1;
		usleep(10000);
	}
	return 0;
}

int main(int count, char **words)
{
	yes(count == 3);
	int trials = atoi(words[1]), crashes = 0, hangs = 0;
	printf("| lie | trials | signals | ended by itself | did not end |\n|---|---|---|---|---|\n");
	for (int which = 0; which < LIES; which++) {
		int signals = 0, exits = 0, stuck = 0;
		for (int trial = 0; trial < trials; trial++) {
			int status = 0;
			state = 0x9e3779b97f4a7c15 * (uint64_t)(which * 1000 + trial + 1);
			memset(next, 0, sizeof(next));
			peer_start(&p);
			pid_t child = begin(words[2]);
			work(20);
			for (int n = which == MANY ? 2000 : which != CORRECT; n > 0; n--) {
				lie(which == MANY ? (int)drawn(2) : trial & 1, which == MANY ? 1 + (int)drawn(MANY - 1) : which);
				usleep(which == MANY && drawn(4) == 0);
			}
			work(100);
			int asked = !ends(child, 100, &status) && kill(child, SIGTERM) == 0;
			if (asked && !ends(child, 10000, &status))
				stuck++;
			else if (WIFSIGNALED(status) && !(asked && WTERMSIG(status) == SIGTERM))
				signals++;
			else
				exits += !asked;
			kill(-child, SIGKILL);
			while (waitpid(child, &status, 0) > 0)
				;
			p.leave = 1;
			peer_end(&p);
		}
		printf("| %s | %d | %d | %d | %d |\n", lies[which], trials, signals, exits, stuck);
		fflush(stdout);
		crashes += signals;
		hangs += stuck;
	}
	printf("# %d trials, %d ended at a signal, %d did not end\n", LIES * trials, crashes, hangs);
	return 0;
}
