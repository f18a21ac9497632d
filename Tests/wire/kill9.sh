#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# kill -9 of the forwarder under traffic leaves no interface, socket, shared memory or process behind, five times over.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need_spaces
need ping iputils-ping

serve=$(program serve) || exit 1
space mid; space a; space b
left() { # what the system holds outside processes
  find /dev/shm /run -maxdepth 1 -iname '*vionet*'
  for name in mid a b; do in_space "$name" ip -o link show | awk -F': ' '{ print $2 }'; done
  awk '{ print $8 }' /proc/net/unix | grep -F "$work"
  # Anonymous shared memory lives as long as a process holds it, and our back-end is the only one that could.
  readlink "/proc/${children[0]}/fd"/* | sed 's/:\[.*//' | sort
  grep -c memfd: "/proc/${children[0]}/maps"
}

background sink "$serve" "$work/s" loopback
left >"$work/before"
for round in 1 2 3 4 5; do
  become mid "$examples/vionet-fwd" soft:tap=tap-a soft:tap=tap-b >"$work/fwd.out" 2>&1 &
  forwarder=$!
  become mid "$examples/vionet-fwd" soft:generate "vhost-user:$work/s" >"$work/fwd2.out" 2>&1 &
  other=$!
  children+=("$forwarder" "$other")
  tap_into mid a tap-a 10.9.8.1/24
  tap_into mid b tap-b 10.9.8.2/24
  become a ping -q -f -w 2 10.9.8.2 >"$work/ping.out" &
  children+=($!)
  sleep 0.7
  if cmp -s <(left) "$work/before"; then fail "the traffic is not there"; fi
  kill -KILL "$forwarder" "$other"
  wait "$forwarder" "$other" 2>/dev/null
  grep -q . "$work/fwd2.out" && cat "$work/fwd2.out"
  same_as_before() { left | diff "$work/before" - >"$work/difference"; }
  until_true 5 same_as_before || { cat "$work/difference"; fail "left behind in round $round"; }
  children=("${children[0]}")
done
# The back-end that was left is as good as new.
"$examples/vionet-pktgen" -q -m tx -t 1 "vhost-user:$work/s" >"$work/again.out" 2>&1 || { cat "$work/again.out"; fail "the served device is no longer of use"; }
