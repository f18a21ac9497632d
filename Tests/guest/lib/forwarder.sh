# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: BSD-2-Clause
# Sourced by guest.sh: the forwarder between the two NICs of a pair, started and stopped in the guest. It is ours, DPDK's
# testpmd, or a bridge of the guest's kernel.

# launch_forwarder PAIR [options of vionet-fwd...]: returns when it forwards, which each forwarder prints.
# Our device addresses end with $keys. The program is $our_forwarder, or vionet-fwd if that is not set.
launch_forwarder() {
  local name=$1 one two limit=$((SECONDS + patience)) ready='^->\|^forwarding'
  shift
  one=$(address "$name" a) two=$(address "$name" b)
  case $forwarder in
    ours)
      guest "launch forwarder ${our_forwarder-vionet-fwd} $* $(port_on "$name" a)${keys-} $(port_on "$name" b)${keys-}"
      ;;
    testpmd)
      ready='^testpmd>'
      guest "launch forwarder testpmd -l 0,1 --in-memory -m 256 ${testpmd_options-} -a $one -a $two -- -i --nb-cores=1 \
--forward-mode=io --auto-start --no-flush-rx --total-num-mbufs=16384 --no-lsc-interrupt"
      ;;
    kernel) ready='' && guest "bridge $one $two" ;;
  esac || { no "not started: $(last_said)"; return; }
  until guest "grep -qe '$ready' /tmp/forwarder.out"; do
    guest 'running forwarder' || { forwarder_said "the forwarder ended"; return; }
    [ $SECONDS -lt $limit ] || { forwarder_said "the forwarder does not begin"; return; }
    sleep 0.1
  done
}

# start_forwarder PAIR [options of vionet-fwd...]: returns when a ping comes through.
start_forwarder() {
  launch_forwarder "$@" && answers "$1"
}

answers() {
  local limit=$((SECONDS + patience))
  until ping_through "$1" 1; do
    [ $SECONDS -lt $limit ] || { forwarder_said "no ping comes through"; return; }
  done
}

# forwarder_said REASON: the check fails for this reason and the forwarder's last line; its last lines are printed.
forwarder_said() {
  guest 'tail -n 15 /tmp/forwarder.out'
  sed 's/^/  | /' "$work/said"
  no "$1: $(last_said)"
}

# stop_forwarder PAIR: sets carried_ab, dropped_ab, carried_ba and dropped_ba to what the forwarder has counted.
stop_forwarder() {
  local name=$1
  case $forwarder in
    ours) guest "kill -TERM \$(cat /tmp/forwarder.pid); finish forwarder 30" ;;
    testpmd) guest 'echo stop >/tmp/forwarder.in; echo quit >/tmp/forwarder.in; finish forwarder 30' ;;
    kernel) guest 'unbridge' ;;
  esac || no "the forwarder ended badly, status ${line##* }" || return
  guest 'cat /tmp/forwarder.out'
  read -r carried_ab dropped_ab < <(forwarded "$name" a b)
  read -r carried_ba dropped_ba < <(forwarded "$name" b a)
  if [ -z "$dropped_ab" ] || [ -z "$dropped_ba" ]; then no "no summary: $(last_said)"; fi
}

# kill_forwarder: ends it without a chance to clean up.
kill_forwarder() { guest "kill -KILL \$(cat /tmp/forwarder.pid); finish forwarder 30"; }

# forwarded PAIR FROM TO: packets and drops of one direction, from the forwarder's summary.
forwarded() {
  local from=0 to=1
  [ "$2" = a ] || from=1 to=0
  case $forwarder in
    ours)
      sed -n "s|^$(port_on "$1" "$2")[^ ]* -> $(port_on "$1" "$3")[^ ]*: \([0-9]*\) packets, .* \([0-9]*\) drops$|\1 \2|p" \
        "$work/said"
      ;;
    testpmd) awk -v from=$from -v to=$to '
      /Forward statistics for port/ { port = $6 }
      port == from && /RX-packets:/ { dropped += $4 }
      port == to && /TX-packets:/ { carried = $2; dropped += $4; port = "" }
      /Accumulated/ { exit }
      END { print carried, dropped }' "$work/said" ;;
    kernel) sed -n "s/^bridge $2 //p" "$work/said" ;;
  esac
}
