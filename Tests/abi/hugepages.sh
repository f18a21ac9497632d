#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Hugepages are used when the system has some free, not missed when it has none left, and given back.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
count=/proc/sys/vm/nr_hugepages
[ -w "$count" ] || skip "the number of hugepages wants root to change"

free() { awk '/^HugePages_Free/ { print $2 }' /proc/meminfo; }
old=$(cat "$count")
restore() { echo "$old" >"$count"; }
trap 'restore; clean_up' EXIT
echo $((old + 48)) >"$count"
spare=$(free)
[ "$spare" -ge 40 ] || skip "this system has no room for 40 hugepages now ($spare free)"

cat >"$work/pool.c" <<END
#include "$root/Tests/support/frame.h"
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
# shellcheck disable=SC2046
gcc -std=gnu11 -Wall -Wextra -Werror $(pkg-config --cflags vionet) "$work/pool.c" -o "$work/pool" \
  $(pkg-config --libs vionet) -Wl,-rpath,"$stage/lib" || fail "compiling"
"$work/pool" || fail "with hugepages"
for test in states segments serving agreement pools; do
  compile "Tests/abi/$test.c" || fail "compiling $test"
  "$build/test-bin/abi-$test" || fail "$test with hugepages"
done
until_free() { [ "$(free)" -ge "$spare" ]; }
until_true 3 until_free || fail "$(free) hugepages are free, before it were $spare"

# Fewer than a pool wants: plain pages, and no error.
echo $((old + 2)) >"$count"
"$work/pool" few || fail "with two hugepages"
