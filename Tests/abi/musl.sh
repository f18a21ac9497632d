#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 900
# Programs that are linked with musl and the archive, with examples/musl/musl.c for what musl has not: the README's program and
# examples, and tests of the C interface.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need musl-gcc musl-tools
cd "$root" || exit 1

# with_musl PROGRAM SOURCES...: musl-gcc knows no headers of the kernel, which are those of Debian.
with_musl() {
  local program=$1
  shift
  musl-gcc -std=gnu11 -D_GNU_SOURCE -O2 -g -Wall -Wextra -Werror -static -Iinclude "$@" examples/musl/musl.c -o "$work/$program" \
    build/libvionet.a -idirafter /usr/include -idirafter "/usr/include/$(gcc -dumpmachine)" || fail "musl-gcc: $program"
  ! readelf -d "$work/$program" 2>/dev/null | grep NEEDED || fail "$program is not static"
}

programs() {
  # shellcheck disable=SC2016 # back-quotes, in the page
  sed -n '/^```c$/,/^```$/{/^```/!p}' README.md >"$work/forward.c"
  with_musl forward "$work/forward.c"
  "$work/forward" soft:generate,rate=10000 "soft:pcap=,out=$work/out.pcap" >"$work/said" 2>&1 &
  children+=($!)
  until_true 60 is_written || { cat "$work/said"; fail "the README's program forwards nothing"; }
  with_musl info examples/vionet-info.c
  gives 0 "$work/info" -s soft:loopback
  said 'soft:loopback'
  # A sentence with the system's own words.
  gives 1 "$work/info" vhost-user:/nowhere
  said 'no socket "/nowhere": No such file or directory'
  with_musl fwd examples/vionet-fwd.c
  gives 0 "$work/fwd" -t 1 soft:generate soft:sink
  said '[1-9][0-9]* packets'
}
# shellcheck disable=SC2317 # called by until_true
is_written() { [ "$(stat -c %s "$work/out.pcap" 2>/dev/null || echo 0)" -gt 80000 ]; }

interface() { # TEST
  with_musl "$1" -ITests/support '-Dmalloc_trim(room)=(void)(room)' "Tests/abi/$1.c"
  inner_tap env VIONET_TEST_ROOT="$root" "$work/$1" || fail "$1"
}

run_case "the README's program and two examples" programs
for test in loopback port_states segments offloads pools; do
  run_case "Tests/abi/$test.c" interface $test
done
