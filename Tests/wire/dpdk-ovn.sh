#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 900
# Two programs on a logical switch of OVN, whose flows forward frames by address, counted on all sides; frames from an
# address that the port may not use go nowhere; and traffic flows again after ovs-vswitchd was killed (-9) and restarted.
#
#   Tests/wire/dpdk-ovn.sh [FRAMES]
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need ovn-northd ovn-central
need ovn-controller ovn-host
# shellcheck source=../support/switch.sh
. "$(dirname "$0")/../support/switch.sh"

frames=${1:-20000}
declare -A was now

look() {
  local name number
  for name in near far; do
    ask $name counted 120 counts
    now[$name-sent]=$(value sent) now[$name-came]=$(value came) now[$name-twice]=$(value twice)
    number=$(ovs-vsctl get Interface "$([ $name = near ] && echo vu0 || echo vu1)" ofport)
    ovs-ofctl dump-ports br-int >"$work/page.out" || fail "no counters of br-int"
    now[$name-rx]=$(port_count "$number" rx pkts) now[$name-tx]=$(port_count "$number" tx pkts)
    now[$name-drop]=$(port_count "$number" tx drop)
  done
}
more() { echo $((now[$1] - was[$1])); } # of that counter, since "was"

# carried FRAMES: so many frames there and back, and every frame that does not arrive is in some count of drops. Counters
# are read until they agree: some are updated late, and frames may still be under way.
carried() {
  local key
  look_at_rest now
  for key in "${!now[@]}"; do was[$key]=${now[$key]}; done
  ask near went 300 "frames $1 200"
  until_agreed all_agree "$1"
  echo "$1 frames: $(more near-came) came back, the switch dropped $(($(more far-drop) + $(more near-drop)))"
}
all_agree() {
  look
  equal "sent by near, received by the switch" "$1" "$(more near-rx)"
  equal "received from near, sent to far or dropped" "$1" $(($(more far-tx) + $(more far-drop)))
  equal "sent to far, received there" "$(more far-tx)" "$(more far-came)"
  equal "given back, received by the switch" "$(more far-came)" "$(more far-rx)"
  equal "received from far, sent to near or dropped" "$(more far-rx)" $(($(more near-tx) + $(more near-drop)))
  equal "sent to near, received there" "$(more near-tx)" "$(more near-came)"
  equal "came twice" $((now[near-twice] + now[far-twice])) 0
}

page database
page switch
page ovn
page chassis
page logical
page placed
side near "$work/vu0.sock" mac=02:00:00:00:00:01
side far "$work/vu1.sock" mac=02:00:00:00:00:02
await near connected 0 120
await far connected 0 120
carried "$frames"
[ "$(more near-came)" -gt $((frames / 2)) ] || fail "only $(more near-came) frames came back"

# OVN's flows drop what a port may not send.
ovn-nbctl --wait=hv --timeout=120 lsp-set-port-security near 02:00:00:00:00:09 || fail "port security"
look
before=${now[far-came]}
ask near went 120 "frames 100 100"
look
[ $((now[far-came] - before)) -eq 0 ] || fail "$((now[far-came] - before)) frames came from an address that the port may not use"
ovn-nbctl --wait=hv --timeout=120 lsp-set-port-security near || fail "port security"

known=$(lines near connected) known_far=$(lines far connected)
stop_switch KILL
page switch
await near connected "$known" 120
await far connected "$known_far" 120
again() {
  ask near went 120 "frames 10 10"
  came=$(value came)
  [ "$came" -gt "$arrived" ]
}
ask near counted 120 counts
arrived=$(value came)
until_true 60 again || fail "no frame comes after the switch was started again"
carried "$frames"
finish near
finish far
