/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a process may not do: let files grow, have memfds that could be executed. What it may be without: random numbers.
 * Each gives an error that names it, or a port that works.
 */
#include "../support/frame.h"
#include "../support/limits.h"

#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* The library's calls come here first. */
enum { MUST_SAY = 1, UNKNOWN = 2, NOEXEC_SEAL = 8 };
static int memfd_rule, memfds_refused, random_error;

int memfd_create(const char *name, unsigned int flags)
{
	if ((memfd_rule == MUST_SAY && !(flags & NOEXEC_SEAL)) || (memfd_rule == UNKNOWN && (flags & NOEXEC_SEAL))) {
		memfds_refused++;
		errno = memfd_rule == MUST_SAY ? EACCES : EINVAL;
		return -1;
	}
	return (int)syscall(SYS_memfd_create, name, flags);
}

ssize_t getrandom(void *bytes, size_t length, unsigned int flags)
{
	if (random_error == 0)
		return syscall(SYS_getrandom, bytes, length, flags);
	errno = random_error;
	return -1;
}

CASE("memory that ulimit -f forbids is an error that names it, and no signal")
{
	uint16_t port;
	limit(RLIMIT_FSIZE, 1 << 20);
	err(vionet_open("soft:loopback", &port), -EFBIG);
	says("ulimit -f");
	ok(vionet_open("soft:loopback,pool_packets=400", &port));
	vionet_close(port);
}

CASE("a recording that ulimit -f ends loses frames, which are counted, and no process")
{
	uint16_t port, device;
	char wire[128], file[100];
	struct vionet_soft_stats stats = VIONET_SIZED(struct vionet_soft_stats);

	snprintf(file, sizeof(file), "%s/out", folder);
	snprintf(wire, sizeof(wire), "pcap=,out=%s", file);
	snprintf(address, sizeof(address), "vhost-user:%s", path);
	limit(RLIMIT_FSIZE, 0);
	err(vionet_soft_serve(path, wire, &device), -EFBIG);
	says("ulimit -f");
	limit(RLIMIT_FSIZE, 4 << 20);
	snprintf(address, sizeof(address), "vhost-user:%s,pool_packets=1024", path);
	ok(vionet_soft_serve(path, wire, &device));
	port = opened(address);
	limit(RLIMIT_FSIZE, 8192);
	for (int i = 0; i < 400; i++) {
		struct vionet_packet *p = frame_packet(0, 1000, 1);
		yes(p != NULL);
		send_all(port, &p, 1);
	}
	soon(vionet_soft_stats(device, &stats) == 0 && stats.from_driver == 400);
	vionet_close(port);
	vionet_soft_stop(device); /* writes what is left */
	struct stat s;
	same(stat(file, &s), 0);
	yes(s.st_size <= 8192);
	same(unlink(file), 0);
}

CASE("memory is made where files must not be executable (vm.memfd_noexec=2), and on kernels that do not know the flag")
{
	memfd_rule = MUST_SAY;
	uint16_t port = opened("soft:loopback");
	same(memfds_refused, 0);
	back_and_forth(port);
	vionet_close(port);
	memfd_rule = UNKNOWN;
	port = opened("soft:loopback");
	yes(memfds_refused > 0);
	back_and_forth(port);
	vionet_close(port);
}

CASE("a kernel without random numbers gives an error, and does not end the process")
{
	uint16_t port;
	random_error = EAGAIN;
	err(vionet_open("soft:loopback", &port), -EAGAIN);
	says("random");
	random_error = 0;
	vionet_close(opened("soft:loopback"));
}
