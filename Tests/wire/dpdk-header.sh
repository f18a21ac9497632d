#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 600
# DPDK's own skeleton and l2fwd against examples/vionet_dpdk.h: their sources compile when one line takes the place of those
# that include rte_*.h, with no warning, and the programs forward the frames of a capture, with l2fwd's addresses.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need python3 python3

sources=$build/dpdk-examples
"$root/Tools/fetch-dpdk-examples.sh" "$sources" || fail "DPDK's examples"
# As many as a ring of theirs has room for: what it has no room for they drop.
python3 "$root/Tests/support/capture.py" make "$work/in" 1000 || fail "making a capture"
# shellcheck disable=SC2317 # called by until_true
all_there() { [ "$(stat -c %s "$work/out" 2>/dev/null)" = "$(stat -c %s "$work/in")" ]; }
compare() { python3 "$root/Tests/support/capture.py" compare "$work/in" "$work/out" "$@" || fail "other frames"; }

# port SOURCE PROGRAM: every line that includes rte_*.h goes, and one comes. No other line changes.
port() {
  awk '/^#include <rte_/ { if (n++ == 0) print "#include <vionet_dpdk.h>"; next } { print }' "$sources/$1" >"$work/$2.c"
  # shellcheck disable=SC2046
  gcc -std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -I"$root/examples" $(pkg-config --cflags vionet) "$work/$2.c" \
    -o "$work/$2" $(pkg-config --libs vionet) -pthread "-Wl,-rpath,$stage/lib" || fail "compiling $1"
  echo "# $1 has $(wc -l <"$sources/$1") lines: $(grep -c '^#include <rte_' "$sources/$1") go, 1 comes"
}

in=soft:pcap=$work/in,cq=1 out=soft:pcap=,out=$work/out,mac=02:00:00:00:00:42,cq=1
start() {
  rm -f "$work/out"
  : >"$work/said"
  stdbuf -oL "$@" >"$work/said" 2>&1 &
  children+=($!)
  until_true 60 all_there || { cat "$work/said"; fail "not all frames came out"; }
}

skeleton() {
  port skeleton/basicfwd.c basicfwd
  start "$work/basicfwd" "$in" "$out"
  compare io
  said 'Port 1 MAC: 02 00 00 00 00 42'
}

# The statistics that it prints count what went through.
l2fwd() {
  port l2fwd/main.c l2fwd
  start "$work/l2fwd" "$in" "$out" -- -p 3 -q 2 -T 1
  compare l2fwd 02:00:00:00:00:42
  said 'Port 1, MAC address: 02:00:00:00:00:42'
  until_true 60 grep -q 'Total packets sent: *1000$' "$work/said" || { cat "$work/said"; fail "its statistics"; }
  end_last || { cat "$work/said"; fail "it ended badly"; }
  said 'Total packets received: *1000$'
  said 'Total packets dropped: *0$'
  said '^Bye'
}

# Each lcore is a thread.
lcores() {
  [ "$(nproc)" -gt 1 ] || { echo "# one processor: one lcore"; return; }
  port l2fwd/main.c l2fwd
  start "$work/l2fwd" "$in" "$out" -- -p 3 --no-mac-updating
  compare io
  said 'entering main loop on lcore 1'
  end_last || { cat "$work/said"; fail "it ended badly"; }
}

errors() {
  port l2fwd/main.c l2fwd
  gives 1 "$work/l2fwd" soft:nothing -- -p 1
  said 'unknown wire "nothing"'
  port skeleton/basicfwd.c basicfwd
  gives 1 "$work/basicfwd" soft:sink soft:sink
  said 'cq=1'
}

run_case "skeleton forwards" skeleton
run_case "l2fwd forwards, writes addresses, counts and ends" l2fwd
run_case "l2fwd with an lcore for each port" lcores
run_case "the library's sentence is said when DPDK's program gives up" errors
