#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 1800
# Events of a running device that QEMU brings about: the link goes and comes, the device asks for an announcement, the
# function is unplugged under traffic and another one is plugged in.
# shellcheck source-path=SCRIPTDIR source=../lib/guest.sh
. "$(dirname "$0")/../lib/guest.sh"
modern=disable-legacy=on,iommu_platform=on
pair gone $modern,speed=10000,duplex=full
# The first NIC is in a slot of its own, which can be emptied.
slot=(-device "pcie-root-port,id=port1,chassis=1,slot=1,addr=1c.0")
plugged=${nics[3]/addr=04.0/bus=port1}
nics[3]=$plugged
nics=("${slot[@]}" "${nics[@]}")
address() { if [ "$2" = a ]; then echo 0000:01:00.0; else echo 0000:00:05.0; fi; }
own=52:54:00:00:04:0a
boot iommu hugepages=64

# events EVENTS LINK: one look at the port brings these events, and the link is then up (1) or down (0).
events() {
  tell events
  case $(head -n 1 "$work/said") in "events${1:+ $1} link $2 "*) ;; *) no "not the events '$1' and link $2: $(head -n 1 "$work/said")" ;; esac
}
# soon_events EVENTS LINK: one of the next looks does, once the device's interrupt has come. A look that brings nothing
# changes nothing.
soon_events() {
  local limit=$((SECONDS + patience))
  until events "$@"; do [ $SECONDS -lt $limit ] || return; done
}

link() {
  launch_tuner gone && events "" 1 || return
  grep -q 'speed 10000$' "$work/said" || { no "the device's speed is not known: $(head -n 1 "$work/said")"; return; }
  passes gone "1=$own" 1:5 || return
  for _ in 1 2 3; do
    monitor "set_link nic-gone-a off" && soon_events 5 0 && events "" 0 && passes gone "1=$own" "" || return
    monitor "set_link nic-gone-a on" && soon_events 5 1 && events "" 1 && passes gone "1=$own" 1:5 || return
  done
}

# announced COUNTS COMMAND...: QEMU asks for an announcement, and sends a RARP request itself; then these frames are on the
# interface.
announced() {
  local ear right=$1
  shift
  : >"$work/heard" # an earlier ear said "listening", too
  # shellcheck disable=SC2086 # "rarp N arp N"
  become a "$here/tools/frames.py" gone-a hear $right "$patience" >"$work/heard" &
  ear=$!
  children+=("$ear")
  until_true "$patience" grep -q listening "$work/heard" || { no "nobody listens"; return; }
  qmp '{"execute": "announce-self", "arguments": {"initial": 50, "max": 550, "rounds": 1, "step": 100}}' >"$work/qmp.out"
  "$@" || return
  wait "$ear"
  unset 'children[-1]'
  [ "$(tail -n 1 "$work/heard")" = "$right" ] || no "on the interface were: $(tail -n 1 "$work/heard"), not $right"
}

# The tuner adds a RARP request and an ARP request.
announcement_asked() { soon_events 6 1 && events "" 1; }
announce() { launch_tuner gone && announced "rarp 2 arp 1" announcement_asked; }

# The forwarder adds a RARP request.
announce_forwarder() {
  guest "bind vfio-pci $(address gone b)" || { no "$(last_said)"; return; }
  our_forwarder=vionet-fwd-wait start_forwarder gone && announced "rarp 2 arp 0" true && stop_forwarder gone
}

# is NUMBER COMMAND...: the call returns that.
is() {
  local right=$1
  shift
  tell "$@"
  [ "$result" = "$right" ] || no "$* returns $result, not $right: $(last_said)"
}
is_unplugged() { guest "[ ! -e /sys/bus/pci/devices/$(address gone a) ]"; }
is_plugged() { guest "[ -e /sys/bus/pci/devices/$(address gone a)/driver_override ]"; }

unplugged() {
  local traffic limit
  launch_tuner gone && passes gone "1=$own" 1:5 || return
  become a bash -c "while :; do $here/tools/frames.py gone-a flows $own 2000; done" >/dev/null 2>&1 &
  traffic=$!
  children+=("$traffic")
  until_true "$patience" received_flows 100 || { no "there is no traffic"; return; }
  monitor "device_del nic-gone-a"
  limit=$((SECONDS + patience))
  until tell arm && [ "$result" = -19 ]; do
    [ $SECONDS -lt $limit ] || { no "$patience s after device_del: $(last_said)"; return; }
  done
  is -19 wait 1000 && is -19 promiscuous 1 && is -19 announce || return
  # The first of these calls has noticed it and brought the event.
  events 3 0 && is -19 events && is -19 arm || return
  tell flows
  echo "  received until then: $(head -n 1 "$work/said")"
  guest 'echo end >/tmp/forwarder.in; finish forwarder 30' || { no "the tuner ends with ${line##* }"; return; }
  end "$traffic"
  unset 'children[-1]'
  until_true "$patience" is_unplugged || no "the guest did not let go of the function"
}

plug_in_again() {
  local said
  said=$(monitor "device_add $plugged")
  [ -z "$said" ] || { no "QEMU: $said"; return; }
  until_true "$patience" is_plugged || { no "the guest sees no new function"; return; }
  guest "bind vfio-pci $(address gone a)" || no "$(last_said)"
}

plugged_again() {
  plug_in_again && launch_tuner gone && passes gone "1=$own" 1:5 && is 0 promiscuous 1 && is 0 arm
}

# The forwarder, under iperf3, ends by itself and prints the reason.
unplugged_iperf3() {
  local server client frames
  guest "bind vfio-pci $(address gone b)" || { no "$(last_said)"; return; }
  start_forwarder gone || return
  listening_iperf3 "$(network gone).2" || return
  frames=$(counter b gone-b rx_packets)
  become a iperf3 -c "$(network gone).2" -t 600 >"$work/client.out" 2>&1 &
  client=$!
  children+=("$client")
  until_true "$patience" more_frames gone $((frames + 500)) || { no "there is hardly any traffic"; return; }
  monitor "device_del nic-gone-a"
  guest -t $((2 * patience)) "finish forwarder $patience"
  [ "${line##* }" = 1 ] || { no "after device_del the forwarder ended with ${line##* }"; return; }
  echo "  iperf3 until then: $(($(counter b gone-b rx_packets) - frames)) frames"
  guest 'cat /tmp/forwarder.out'
  grep -q 'the device .*is gone' "$work/said" || { forwarder_said "it does not print the reason"; return; }
  end "$client"
  end "$server"
  unset 'children[-1]' 'children[-1]'
  until_true "$patience" is_unplugged || no "the guest did not let go of the function"
}

iperf3_again() { plug_in_again && start_forwarder gone && iperf_through gone 3 && echo "  iperf3 $gigabits Gbit/s"; }

guest "modprobe -a vfio-pci vfio_iommu_type1 && bind vfio-pci $(address gone a)" || fail "$(last_said)"
check link link
check announce announce
check announce-forwarder announce_forwarder
check unplugged unplugged
check plugged-again plugged_again
check unplugged-iperf3 unplugged_iperf3
check iperf3-again iperf3_again
done_here
