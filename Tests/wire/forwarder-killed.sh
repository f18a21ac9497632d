#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 300
# kill -9 of the forwarder under traffic leaves no interface, socket, shared memory or process behind, five times over.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need_spaces
need ping iputils-ping

serve=$(program serve-devices) || exit 1
space mid; space a; space b
# left: what the system holds outside processes.
left() {
  find /dev/shm /run -maxdepth 1 -iname '*vionet*'
  for name in mid a b; do in_space "$name" ip -o link show | awk -F': ' '{ print $2 }'; done
  awk '{ print $8 }' /proc/net/unix | grep -F "$work"
  # Anonymous shared memory lives as long as a process holds it, and only our back-end could.
  readlink "/proc/${children[0]}/fd"/* | sed 's/:\[.*//' | sort
  grep -c memfd: "/proc/${children[0]}/maps"
}
same_as_before() { left | diff "$work/before" - >"$work/difference"; }
traffic_flows() { [ "$(counter b tap-b rx_packets)" -ge 100 ] && ! same_as_before; }

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
  become a ping -q -f -w 600 10.9.8.2 >"$work/ping.out" &
  ping=$!
  children+=("$ping")
  until_true 60 traffic_flows || fail "there is no traffic"
  kill -KILL "$forwarder" "$other"
  wait "$forwarder" "$other" 2>/dev/null
  [ ! -s "$work/fwd2.out" ] || cat "$work/fwd2.out"
  end "$ping"
  until_true 60 same_as_before || { cat "$work/difference"; fail "left behind in round $round"; }
  children=("${children[0]}")
done
"$examples/vionet-pktgen" -q -m tx -t 1 "vhost-user:$work/s" >"$work/again.out" 2>&1 ||
  { cat "$work/again.out"; fail "the back-end that stayed cannot be used any more"; }
