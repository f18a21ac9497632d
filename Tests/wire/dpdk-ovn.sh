#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 90
# Two programs on a logical switch of OVN, whose flows carry their frames by address, counted on all sides; not from an
# address that its port does not have; and again after ovs-vswitchd was killed (-9) and started again, with nobody's help.
#
#   Tests/wire/dpdk-ovn.sh [FRAMES]
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need ovn-northd ovn-central
need ovn-controller ovn-host
# shellcheck source=../support/switch.sh
. "$(dirname "$0")/../support/switch.sh"

frames=${1:-20000} failed=0
declare -A was now

look() {
  local name number
  for name in near far; do
    ask $name counted 10 counts
    now[$name-sent]=$(value sent) now[$name-came]=$(value came) now[$name-twice]=$(value twice)
    number=$(ovs-vsctl get Interface "$([ $name = near ] && echo vu0 || echo vu1)" ofport)
    ovs-ofctl dump-ports br-int >"$work/page.out" || fail "no counters of br-int"
    now[$name-rx]=$(port_count "$number" rx pkts) now[$name-tx]=$(port_count "$number" tx pkts)
    now[$name-drop]=$(port_count "$number" tx drop)
  done
}
more() { echo $((now[$1] - was[$1])); } # of that counter, since the last look

# carried FRAMES: so many there and back, and nobody has lost one that nobody counts.
carried() {
  local key
  look
  for key in "${!now[@]}"; do was[$key]=${now[$key]}; done
  ask near went 60 "frames $1 200"
  look
  equal "sent by near, received by the switch" "$1" "$(more near-rx)"
  equal "received from near, sent to far or dropped" "$1" $(($(more far-tx) + $(more far-drop)))
  equal "sent to far, received there" "$(more far-tx)" "$(more far-came)"
  equal "given back, received by the switch" "$(more far-came)" "$(more far-rx)"
  equal "received from far, sent to near or dropped" "$(more far-rx)" $(($(more near-tx) + $(more near-drop)))
  equal "sent to near, received there" "$(more near-tx)" "$(more near-came)"
  equal "came twice" $((now[near-twice] + now[far-twice])) 0
  echo "$1 frames: $(more near-came) came back, the switch dropped $(($(more far-drop) + $(more near-drop)))"
}

page database
page switch
page ovn
page chassis
page logical
page placed
side near "$work/vu0.sock" mac=02:00:00:00:00:01
side far "$work/vu1.sock" mac=02:00:00:00:00:02
await near connected 0 20
await far connected 0 20
sleep 1 # what the ports announce of themselves
carried "$frames"
[ "$(more near-came)" -gt $((frames / 2)) ] || fail "next to nothing came"

# These are OVN's flows: what a port may not send goes nowhere.
ovn-nbctl --wait=hv --timeout=20 lsp-set-port-security near 02:00:00:00:00:09 || fail "port security"
look
before=${now[far-came]}
ask near went 20 "frames 100 100"
look
equal "frames of an address that the port does not have, and those that came" 0 $((now[far-came] - before))
ovn-nbctl --wait=hv --timeout=20 lsp-set-port-security near || fail "port security"

known=$(lines near connected) too=$(lines far connected)
stop_switch KILL
page switch
await near connected "$known" 20
await far connected "$too" 20
again() {
  ask near went 20 "frames 10 10"
  came=$(value came)
  [ "$came" -gt "$arrived" ]
}
ask near counted 10 counts
arrived=$(value came)
until_true 20 again || fail "no frame comes after the switch was started again"
sleep 1
carried "$frames"
finish near
finish far
[ "$failed" -eq 0 ]
