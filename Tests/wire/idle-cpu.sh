#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The forwarder in waiting mode between two silent TAPs uses less than 1 % of a core over 10 s, and then still carries.
# shellcheck source-path=SCRIPTDIR source=../scripts/lib.sh
. "$(dirname "$0")/../scripts/lib.sh"
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
