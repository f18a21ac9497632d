#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 900
# Two programs on one bridge of Open vSwitch, which connects to their ports: the counts of all sides agree to the frame, and
# ovs-vswitchd is killed (-9) and started again under traffic. The commands are those of docs/switches.md.
#
#   Tests/wire/dpdk-ovs.sh [FRAMES [KILLS]]
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
# shellcheck source=../support/switch.sh
. "$(dirname "$0")/../support/switch.sh"

frames=${1:-100000} kills=${2:-2} window=200
declare -A is was
flow_count() { sed -n "s/.*n_packets=\([0-9]*\),.*in_port=$1 .*/\1/p" "$work/page.out"; } # NUMBER

look() {
  local n
  page counters
  for n in 1 2; do
    is[rx$n]=$(port_count $n rx pkts) is[tx$n]=$(port_count $n tx pkts)
    is[drop$n]=$(port_count $n tx drop) is[flow$n]=$(flow_count $n)
  done
  for n in near far; do
    ask $n counted 120 counts
    is[$n-sent]=$(value sent) is[$n-came]=$(value came) is[$n-twice]=$(value twice)
  done
}

# counted FRAMES WINDOW: so many frames there and back, and every frame that does not arrive is in a count of drops. Counters
# are read until they agree: the flows' are updated twice a second, and frames may still be under way.
counted() {
  local key began=$SECONDS dropped
  declare -A d
  look_at_rest is
  for key in "${!is[@]}"; do was[$key]=${is[$key]}; done
  ask near went $((300 + $1 / 2000)) "frames $1 $2"
  until_agreed all_agree "$1"
  dropped=$((d[drop1] + d[drop2]))
  echo "${d[near-sent]} frames, $2 under way: ${d[near-came]} came back, $dropped the switch dropped for lack of room" \
    "and counted; $((SECONDS - began)) s"
  all_dropped=$dropped
}
all_agree() { # FRAMES
  local key
  look
  for key in "${!is[@]}"; do d[$key]=$((is[$key] - was[$key])); done
  equal "asked for, sent" "$1" "${d[near-sent]}"
  equal "sent by near, received by the switch" "${d[near-sent]}" "${d[rx1]}"
  equal "received by the switch, in its first flow" "${d[rx1]}" "${d[flow1]}"
  equal "received by the switch, sent or dropped" "${d[rx1]}" $((d[tx2] + d[drop2]))
  equal "sent by the switch, received by far" "${d[tx2]}" "${d[far-came]}"
  equal "received by far, given back" "${d[far-came]}" "${d[far-sent]}"
  equal "given back, received by the switch" "${d[far-sent]}" "${d[rx2]}"
  equal "received by the switch, in its second flow" "${d[rx2]}" "${d[flow2]}"
  equal "received by the switch, sent or dropped, backwards" "${d[rx2]}" $((d[tx1] + d[drop1]))
  equal "sent by the switch, received by near" "${d[tx1]}" "${d[near-came]}"
  equal "came twice" $((d[near-twice] + d[far-twice])) 0
  equal "lost, counted by the switch" $((d[near-sent] - d[near-came])) $((d[drop1] + d[drop2]))
}

# ---- the test ------------------------------------------------------------------------------------------------------------------

page database
page switch
page bridge
side near "$work/vu0.sock" packed_vq=1
side far "$work/vu1.sock" packed_vq=0
await near connected 0 120
await far connected 0 120
page flows
counted "$frames" $window
[ "${is[far-came]}" -gt 0 ] || fail "nothing came"
fds=$(value fds)
counted 200000 4000
[ "$all_dropped" -gt 0 ] || echo "the switch had room for everything: this run has not shown its count of drops"

# again: kills the switch under traffic and waits until it is steady again.
took=()
again() {
  local near_before far_before steady_before frame_before killed since
  near_before=$(lines near connected) far_before=$(lines far connected)
  steady_before=$(lines near steady) frame_before=$(lines near frame)
  killed=${EPOCHREALTIME/./}
  stop_switch KILL
  page switch
  page flows
  since=${EPOCHREALTIME/./}
  await near connected "$near_before" 120
  await far connected "$far_before" 120
  await near frame "$frame_before" 120
  await near steady "$steady_before" 120
  for side in near far; do
    if [ "$(last_time $side connected)" -gt "$since" ]; then since=$(last_time $side connected); fi
  done
  took+=("$((($(last_time near frame) - since) / 100)) $((($(last_time near frame) - killed) / 1000))")
}
ask near running 120 "run $window"
for ((i = 0; i < kills; i++)); do again; done
ask near went 300 pause
echo "near: $answer"
[ "$kills" -eq 0 ] || printf '%s\n' "${took[@]}" | sort -n | awk '{ t[NR] = $1 / 10; if ($2 > k) k = $2 }
  END { printf "%d times ovs-vswitchd was killed and started again: first frame %.1f ms (median), %.1f ms " \
        "(longest) after both ports and the flows were there, at most %d ms after the kill\n", NR, t[int((NR + 1) / 2)], t[NR], k }'
page flows
counted $((frames / 10)) $window
[ "$fds" -eq "$(value fds)" ] || fail "far has $(value fds) descriptors, before it had $fds"

finish far

# The program of docs/switches.md takes the place of far: the kernel receives what near sends. The switch shows "connected"
# before it enables the rings of a port, and drops frames that come before that. So this sends single frames until one is
# received.
export PATH=$examples:$PATH TAP=$tag
bash -c "exec $(part program)" >"$work/program.out" 2>&1 &
children+=($!)
up() { ip link set "$TAP" up 2>/dev/null; }
until_true 60 up || { cat "$work/program.out"; fail "the program of docs/switches.md"; }
received() {
  ip -j -s link show "$TAP" |
    python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["stats64"]["rx"]["packets"])'
}
one_comes() { ask near went 120 "frames 1 $window" && [ "$(received)" -gt 0 ]; }
at_least_1000() { [ "$(received)" -ge $((before + 1000)) ]; }
called() { ovs-vsctl list interface vu1 | grep -q 'status=connected'; }
until_true 60 called || fail "the switch does not connect to the program of docs/switches.md"
until_true 60 one_comes || fail "not one frame goes through the program of docs/switches.md"
before=$(received)
ask near went 300 "frames 1000 $window"
until_true 60 at_least_1000 || { ip -s link show "$TAP"; fail "the kernel received $(($(received) - before)) of 1000 frames"; }
echo "the kernel received $(($(received) - before)) frames through vionet-fwd"
finish near
