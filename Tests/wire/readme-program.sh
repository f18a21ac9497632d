#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 600
# README's program between two TAP interfaces: it carries pings and TCP, and is asleep between them. Rings to a TAP have
# room for a burst of the kernel's.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
# shellcheck source=../support/tcp.sh
. "$(dirname "$0")/../support/tcp.sh"
need_spaces
need ping iputils-ping

awk '/^```c$/ { inside = 1; next } /^```/ { inside = 0 } inside' "$root/README.md" >"$work/forward.c"
# shellcheck disable=SC2046
gcc -std=gnu11 -O2 -Wall -Wextra -Werror "$work/forward.c" -o "$work/forward" $(pkg-config --cflags --libs vionet) \
  "-Wl,-rpath,$stage/lib" || fail "compiling README's program"

switches() { awk '/^voluntary_ctxt_switches/ { print $2 }' "/proc/$1/task/$1/status"; }

carries() {
  space mid; space a; space b
  become mid "$work/forward" soft:tap=tap-a soft:tap=tap-b >"$work/forward.out" 2>&1 &
  local forwarder=$! before
  children+=("$forwarder")
  tap_into mid a tap-a 10.9.8.1/24
  tap_into mid b tap-b 10.9.8.2/24
  in_space a ping -q -c 3 -i 0.2 -W 60 10.9.8.2 >"$work/ping.out" || { cat "$work/ping.out" "$work/forward.out"; fail "pings"; }
  send_file a b 10.9.8.2 50000000 || fail "50 MB from a to b"
  until_true 10 is_asleep "$forwarder" || fail "it does not sleep when nothing comes"
  before=$(switches "$forwarder")
  in_space a ping -q -c 10 -i 0.2 -W 60 10.9.8.2 >"$work/ping.out" || { cat "$work/ping.out"; fail "pings to a sleeper"; }
  echo "# woken $(($(switches "$forwarder") - before)) times for 10 pings and their answers"
  [ "$(switches "$forwarder")" -gt "$before" ] || fail "it was not asleep between pings"
}

rings() { # queue sizes to receive and to send, keys
  space mid
  in_space mid "$examples/vionet-info" "soft:tap=tap-a$3" >"$work/said" || { cat "$work/said"; fail "vionet-info"; }
  said "$1 descriptors to receive, $2 to transmit"
}

run_case "it carries pings and TCP between two TAP interfaces, and sleeps in between" carries
run_case "a TAP gets 2048 descriptors to send to" rings 256 2048 ''
run_case "queue_size is for both directions" rings 512 512 ,queue_size=512
