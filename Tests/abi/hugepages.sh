#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 900
# Hugepages are used when the system has some free, replaced by plain pages when it has none left, and given back.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
count=$hugepages
[ "$(id -u)" -eq 0 ] || skip "the number of hugepages wants root to change"
[ -w "$count" ] || skip "the number of hugepages cannot be changed"

free() { cat "${count%/*}/free_hugepages"; }
keep "$count"
old=$kept_value
trap 'give_back; clean_up' EXIT
echo $((old + 48)) >"$count"
spare=$(free)
[ "$spare" -ge 40 ] || skip "this system has no room for 40 hugepages now ($spare free)"

cat >"$work/pool.c" <<END
#define _GNU_SOURCE
#include "$root/Tests/support/frame.h"
#include <sys/mman.h>
#include <sys/syscall.h>
#ifdef DEFAULT_1GB
/* A system started with default_hugepagesz=1G. */
int memfd_create(const char *name, unsigned int flags)
{
	if ((flags & MFD_HUGETLB) != 0 && flags >> 26 == 0)
		flags |= 30u << 26;
	return (int)syscall(SYS_memfd_create, name, flags);
}
#endif
int main(int argc, char **argv)
{
	uint16_t port = opened("soft:loopback"), pool = info_of(port).pool, small = pool_made(512);
	struct vionet_packet *p = frame_packet(0, 1000, 1);
	(void)argv;
	printf("pages of %u bytes\n", pool_of(pool).hugepages);
	if (argc == 1)
		same(pool_of(pool).hugepages, 2 << 20);
	yes(pool_of(small).hugepages == 0 || pool_of(small).memory % (2 << 20) == 0);
	send_all(port, &p, 1);
	receive_all(port, &p, 1);
	yes(frame_right((unsigned char *)p->data, 1000, 1));
	vionet_packet_free(p);
	vionet_close(port);
	ok(vionet_pool_destroy(small));
	return 0;
}
END
for flag in '' -DDEFAULT_1GB; do
  # shellcheck disable=SC2046,SC2086
  gcc -std=gnu11 -Wall -Wextra -Werror $flag $(pkg-config --cflags vionet) "$work/pool.c" -o "$work/pool$flag" \
    $(pkg-config --libs vionet) -Wl,-rpath,"$stage/lib" || fail "compiling"
done

with_hugepages() { # test
  compile "Tests/abi/$1.c" || fail "compiling $1"
  inner_tap "$build/test-bin/abi-$1" || fail "$1 with hugepages"
}

all_free() { [ "$(free)" -ge "$spare" ]; }
given_back() { until_true 10 all_free || fail "$(free) hugepages are free, before it were $spare"; }

# A back-end takes hugepages out of the pool's file when the system has no more. In this program it is a thread.
cat >"$work/holes.c" <<END
#include "$root/Tests/support/device.h"
#include <sys/stat.h>
static int hugepage_file(void)
{
	for (int fd = 3; fd < 256; fd++) {
		struct stat s;
		if (fcntl(fd, F_GET_SEALS) > 0 && fstat(fd, &s) == 0 && s.st_blksize == 2 << 20)
			return fd;
	}
	FAILED("no hugepages");
}
int main(void)
{
	struct peer p;
	struct vionet_packet *packet;
	peer_start(&p);
	uint16_t pool = pool_made(4096), port = peer_port(&p, pool, 0, "queue_size=64");
	int file = hugepage_file();
	off_t size = lseek(file, 0, SEEK_END);
	yes((packet = vionet_packet_alloc(pool)) != NULL);
	memset(packet->data, 1, 60);
	same(system("echo 0 >$count"), 0);
	same(fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, size), 0);
	for (int i = 0; i < 60; i++)
		same(((volatile unsigned char *)packet->data)[i], 0);
	memset(packet->data, 2, 60);
	packet->length = packet->total_length = 60;
	same(vionet_tx_burst(port, 0, &packet, 1), 1);
	vionet_close(port);
	same(pool_of(pool).available, pool_of(pool).packets);
	same(vionet_pool_destroy(pool), 0);
	peer_end(&p);
	return 0;
}
END
# shellcheck disable=SC2046
gcc -std=gnu11 -Wall -Wextra -Werror -pthread $(pkg-config --cflags vionet) "$work/holes.c" -o "$work/holes" \
  $(pkg-config --libs vionet) -Wl,-rpath,"$stage/lib" || fail "compiling"

with_holes() {
  "$work/holes" || fail "hugepages that are taken away"
  echo $((old + 48)) >"$count"
}

too_few() {
  echo $((old + 2)) >"$count"
  "$work/pool" few || fail "with two hugepages"
}

run_case "a pool uses hugepages" "$work/pool"
run_case "a pool uses hugepages of 2 MB where the system's default is another size" "$work/pool-DDEFAULT_1GB"
for test in port_states segments soft_serve negotiation pools; do
  run_case "$test with hugepages" with_hugepages "$test"
done
run_case "hugepages that a back-end takes out of a pool's file end no process" with_holes
run_case "all hugepages are given back" given_back
run_case "a pool that wants more hugepages than there are uses plain pages" too_few
