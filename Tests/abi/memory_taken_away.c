/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A front-end that takes away the memory it has given: it shortens a file, or the file has no room for its pages. The
 * served device ends that session; the process and its other devices go on. The handler that this takes is there only
 * when there is such memory, and passes on what is not its own.
 */
#include "../support/cases.h"
#include "../support/frame.h"

#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { MEMORY = 4 << 20 };

static char folder[] = "/tmp/vionet-test-XXXXXX", path[2][80], address[2][120];
static uint16_t device[2], pool; /* on plain pages: hugepages would need a handler */
static char line[400];
static _Atomic int told;

static void note(int level, const char *text, void *user)
{
	(void)user;
	if (level == VIONET_LOG_ERROR && strstr(text, "memory is gone") != NULL) {
		snprintf(line, sizeof(line), "%s", text);
		told++;
	}
}

static void serve(int which, const char *wire) { ok(vionet_soft_serve(path[which], wire, &device[which])); }

BEFORE_EACH
{
	yes(mkdtemp(folder) != NULL);
	for (int i = 0; i < 2; i++) {
		snprintf(path[i], sizeof(path[i]), "%s/%d", folder, i);
		snprintf(address[i], sizeof(address[i]), "vhost-user:%s", path[i]);
	}
	vionet_log_set(VIONET_LOG_ERROR, note, NULL);
	pool = pool_made_with(2048, VIONET_POOL_NO_HUGEPAGES);
}

AFTER_EACH
{
	vionet_soft_stop(device[0]);
	vionet_soft_stop(device[1]);
	same(rmdir(folder), 0);
}

static int has_handler(void)
{
	struct sigaction now;
	same(sigaction(SIGBUS, NULL, &now), 0);
	return now.sa_handler != SIG_DFL;
}

static uint16_t pool_in(int file)
{
	struct vionet_pool_config config = VIONET_SIZED(struct vionet_pool_config);
	uint16_t made;
	config.memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	yes(config.memory != MAP_FAILED);
	config.memory_length = MEMORY;
	config.memory_fd = file;
	ok(vionet_pool_create(&config, &made));
	return made;
}

static int unsealed(void)
{
	int file = memfd_create("unsealed", MFD_CLOEXEC);
	same(ftruncate(file, MEMORY), 0);
	return file;
}

static int open_in(const char *where, uint16_t in, uint16_t *port)
{
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	config.pool = in;
	return vionet_open_config(where, &config, port);
}

/* The device generates frames, slowly, so that it goes on writing into buffers that nobody fetches. */
static void session_ends(int file, int shortens)
{
	uint16_t port, other, next;
	struct vionet_packet *packet;

	serve(0, "generate,rate=100");
	serve(1, "loopback");
	ok(open_in(address[1], pool, &other));
	back_and_forth_in(other, pool);
	same(has_handler(), 0); /* the library's own memory is sealed */
	ok(open_in(address[0], pool_in(file), &port));
	if (shortens)
		same(ftruncate(file, 0), 0);
	soon(told > 0);
	soon(info_of(port).state == VIONET_STATE_BROKEN);
	struct vionet_soft_stats stats = VIONET_SIZED(struct vionet_soft_stats);
	ok(vionet_soft_stats(device[0], &stats));
	same(stats.faults, 1);
	yes(strstr(stats.fault, "the front-end's memory is gone: ") == stats.fault);
	yes(has_handler());
	back_and_forth_in(other, pool);
	vionet_close(port);
	ok(open_in(address[0], pool, &next));
	receive_all(next, &packet, 1);
	vionet_packet_free(packet);
	same(told, 1);
	vionet_close(next);
	vionet_close(other);
}

CASE("a front-end that shortens its file loses its session, and nobody else does")
{
	session_ends(unsealed(), 1);
}

CASE("a front-end whose file has no room for its pages loses its session, and nobody else does")
{
	char place[100], name[120];
	snprintf(place, sizeof(place), "%s/full", folder);
	same(mkdir(place, 0700), 0);
	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
	    mount("none", place, "tmpfs", 0, "size=64k") != 0) {
		rmdir(place);
		rmdir(folder);
		skip("this machine lets nobody mount a file system");
	}
	snprintf(name, sizeof(name), "%s/file", place);
	int file = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	same(ftruncate(file, MEMORY), 0);
	session_ends(file, 0);
	same(umount2(place, MNT_DETACH), 0);
	same(rmdir(place), 0);
}

CASE("with sealed=1 only sealed memory is taken, and there is no handler")
{
	uint16_t port;
	int file = unsealed();

	serve(0, "loopback,sealed=1");
	serve(1, "loopback,sealed=1");
	yes(open_in(address[0], pool_in(file), &port) < 0);
	same(has_handler(), 0);
	same(fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK), -1); /* made without */
	file = memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	same(ftruncate(file, MEMORY), 0);
	same(fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	ok(open_in(address[0], pool_in(file), &port));
	vionet_close(port);
	ok(open_in(address[1], pool, &port));
	back_and_forth_in(port, pool);
	vionet_close(port);
	same(has_handler(), 0);
	err(vionet_open("soft:loopback,sealed=1", &port), -EINVAL);
	says("sealed");
}

/* ---- what is not the library's ------------------------------------------------------------------------------------ */

static sigjmp_buf before_fault;
static _Atomic int sent, plain;
static volatile unsigned char *faulty;

static void on_fault(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	if (info->si_code <= 0) {
		sent++;
		return;
	}
	if (info->si_addr != (void *)(uintptr_t)faulty)
		_exit(3);
	siglongjmp(before_fault, 1);
}

static void on_plain(int number) { plain += number == SIGBUS; }

/* A page of this program's own that is not there. */
static void make_faulty(void)
{
	int file = memfd_create("own", MFD_CLOEXEC);
	same(ftruncate(file, 4096), 0);
	faulty = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	yes(faulty != MAP_FAILED);
	same(ftruncate(file, 0), 0);
	close(file);
}

/* Makes the library install its handler, in front of the one there is. */
static void make_guarded(void)
{
	uint16_t port;
	serve(0, "loopback");
	serve(1, "sink");
	ok(open_in(address[0], pool_in(unsealed()), &port));
	yes(has_handler());
	vionet_close(port);
}

CASE("a handler of the program's own gets the faults that are not the library's")
{
	struct sigaction mine = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
	same(sigaction(SIGBUS, &mine, NULL), 0);
	make_guarded();
	make_faulty();
	for (int i = 0; i < 3; i++) {
		if (sigsetjmp(before_fault, 1) == 0) {
			*faulty = 1;
			FAILED("memory that is not there was written");
		}
	}
	raise(SIGBUS);
	same(sent, 1);
}

CASE("so does one of the old kind, and a program that ignores the signal goes on ignoring it")
{
	struct sigaction mine = {.sa_handler = on_plain};
	same(sigaction(SIGBUS, &mine, NULL), 0);
	make_guarded();
	raise(SIGBUS);
	same(plain, 1);
}

CASE("without a handler of the program's own a fault ends the program as it does without the library")
{
	int status, kind;
	for (kind = 0; kind < 2; kind++) {
		pid_t child = fork();
		if (child == 0) {
			const struct rlimit none = {0, 0};
			setrlimit(RLIMIT_CORE, &none);
			make_guarded();
			make_faulty();
			if (kind == 0)
				*faulty = 1;
			else
				raise(SIGBUS);
			_exit(0);
		}
		same(waitpid(child, &status, 0), child);
		yes(WIFSIGNALED(status));
		same(WTERMSIG(status), SIGBUS);
		unlink(path[0]);
		unlink(path[1]);
	}
}
