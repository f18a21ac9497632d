#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 300
# The forwarder in adaptive mode sleeps. Between two silent TAPs it wakes once in a second, for its timer. With a frame each
# half second it sleeps in between; with a patience longer than the gaps it does not. Wake-ups are counted, since times
# depend on the machine. Before it sleeps it yields some fifty times, which takes long on a busy machine.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need_spaces
need ping iputils-ping

# wake_ups PROCESS [THREAD]: how often its threads, or one of them, have gone to sleep and were woken.
# shellcheck disable=SC2086 # a pattern
wake_ups() { cat "/proc/$1/task/"${2-*}/status | awk '/^voluntary_ctxt_switches/ { n += $2 } END { print n + 0 }'; }
# all_asleep PROCESS: no thread of it runs at this moment.
all_asleep() { ! cat "/proc/$1/task/"*/status | grep '^State:' | grep -qv 'S (sleeping)'; }
times_asleep() { # PROCESS LOOKS
  local look asleep=0
  for ((look = 0; look < $2; look++)); do
    if all_asleep "$1"; then asleep=$((asleep + 1)); fi
    sleep 0.1
  done
  echo "$asleep"
}
# pings COUNT GAP: so many, of which none is lost.
pings() {
  in_space a ping -q -i "$2" -c "$1" -W 60 10.9.8.2 >"$work/ping.out" || { cat "$work/ping.out"; fail "pings"; }
}

idle() {
  forward_between_taps
  pings 3 0.2
  local threads woken began=$SECONDS asleep
  threads=$(find "/proc/$forwarder/task" -mindepth 1 -maxdepth 1 | wc -l)
  woken=$(wake_ups "$forwarder")
  asleep=$(times_asleep "$forwarder" 50)
  woken=$(($(wake_ups "$forwarder") - woken))
  echo "# $threads threads woke $woken times in $((SECONDS - began)) s, and were asleep in $asleep of 50 looks"
  # One that polls is never asleep.
  [ "$asleep" -ge 5 ] || fail "it does not sleep"
  [ "$woken" -le $((5 * threads * (SECONDS - began + 1))) ] || fail "it wakes too often"
  pings 3 0.2
}

# woken_by_frames OPTIONS...: sets "woken" to how often the forwarder's own thread woke in 20 pings, half a second apart.
woken_by_frames() {
  space mid; space a; space b
  become mid "$examples/vionet-fwd-wait" "$@" -q soft:tap=tap-a soft:tap=tap-b >"$work/fwd.out" 2>&1 &
  children+=($!)
  forwarder=$!
  tap_into mid a tap-a 10.9.8.1/24
  tap_into mid b tap-b 10.9.8.2/24
  pings 3 0.2
  woken=$(wake_ups "$forwarder" "$forwarder")
  pings 20 0.5
  woken=$(($(wake_ups "$forwarder" "$forwarder") - woken))
  echo "# its thread woke $woken times in 20 pings"
}

sleeps_between_frames() {
  woken_by_frames
  [ "$woken" -ge 5 ] || fail "it polls where it should sleep"
}

# The longest patience is a second. On a busy machine a ping may be later than that, but not often.
polls_between_frames() {
  woken_by_frames -p 1000000
  [ "$woken" -lt 5 ] || fail "it sleeps where it should poll"
}

run_case "an idle forwarder sleeps, and carries afterwards" idle
run_case "it sleeps between frames" sleeps_between_frames
run_case "with a longer patience it does not sleep between them" polls_between_frames
