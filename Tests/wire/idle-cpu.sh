#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The forwarder in adaptive mode between two silent TAPs uses less than 1 % of a core over 10 s, and then still carries.
# With a frame each 10 ms it sleeps in between: its own thread takes less than a quarter of a core. With a patience longer
# than the gaps, and so never asleep, it takes twice as much as that at least.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need_spaces
need ping iputils-ping
forward_between_taps
in_space a ping -q -c 3 -i 0.2 10.9.8.2 >/dev/null || fail "ping before"

# User and system time of all threads, in clock ticks: fields 14 and 15 behind the name in brackets.
ticks() { sed 's/.*) //' "/proc/$forwarder/stat" | awk '{ print $12 + $13 }'; }
sleep 1
frames=$(counter a tap-a tx_packets)
before=$(ticks)
sleep 10
used=$(($(ticks) - before))
stray=$(($(counter a tap-a tx_packets) - frames))
limit=$(($(getconf CLK_TCK) / 10))
echo "idle for 10 s: $used ticks of $(getconf CLK_TCK) a second, $stray stray frames"
[ "$used" -lt "$limit" ] || fail "that is 1 % of a core or more"
in_space a ping -q -c 3 -i 0.2 10.9.8.2 >/dev/null || fail "ping after"

# share PROCESS: of its first thread, the forwarder's own, in thousandths of a core, while frames come for 2 s.
share() {
  local before after
  before=$(cut -d ' ' -f 1 "/proc/$1/task/$1/schedstat")
  in_space a ping -q -i 0.01 -c 200 10.9.8.2 >"$work/ping.out" || { cat "$work/ping.out"; fail "ping of frames in a row"; }
  after=$(cut -d ' ' -f 1 "/proc/$1/task/$1/schedstat")
  echo $(((after - before) / 2000000))
}

sleeping=$(share "$forwarder")
end "$forwarder"
become mid "$examples/vionet-fwd-wait" -p 1000000 -q soft:tap=tap-a soft:tap=tap-b >"$work/fwd.out" 2>&1 &
children+=($!)
busy=$!
tap_into mid a tap-a 10.9.8.1/24
tap_into mid b tap-b 10.9.8.2/24
polling=$(share "$busy")
echo "a frame each 10 ms: $sleeping thousandths of a core asleep in between, $polling never asleep"
[ "$sleeping" -lt 250 ] || fail "it polls where it should sleep"
[ "$polling" -gt $((2 * sleeping)) ] || fail "it sleeps where it should poll"
