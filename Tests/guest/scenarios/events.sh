#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 240
# What a running device does of its own accord, as QEMU makes it do so: the link goes and comes, the network is to hear of
# us, the function is unplugged under traffic and another one comes.
# shellcheck source-path=SCRIPTDIR source=../guest.sh
. "$(dirname "$0")/../guest.sh"
modern=disable-legacy=on,iommu_platform=on
pair gone $modern,speed=10000,duplex=full
# The first of the two in a slot of its own, which can be emptied.
slot=(-device "pcie-root-port,id=port1,chassis=1,slot=1,addr=1c.0")
plugged=${nics[3]/addr=04.0/bus=port1}
nics[3]=$plugged
nics=("${slot[@]}" "${nics[@]}")
address() { if [ "$2" = a ]; then echo 0000:01:00.0; else echo 0000:00:05.0; fi; }
own=52:54:00:00:04:0a
boot iommu hugepages=64

# news EVENTS LINK: what one look brings.
news() {
  tell news
  case $(head -n 1 "$work/said") in "events${1:+ $1} link $2 "*) ;; *) no "not the events '$1' and link $2: $(head -n 1 "$work/said")" ;; esac
}
# soon_news EVENTS LINK: within some seconds, for the device's interrupt takes its time.
soon_news() {
  local limit=$((SECONDS + 5))
  until news "$@"; do [ $SECONDS -lt $limit ] || return; done
}

link() {
  launch_tuner gone && news "" 1 || return
  grep -q 'speed 10000$' "$work/said" || { no "the device's speed is not known: $(head -n 1 "$work/said")"; return; }
  passes gone "1=$own" 1:5 || return
  for _ in 1 2 3; do
    monitor "set_link nic-gone-a off" && soon_news 5 0 && news "" 0 && passes gone "1=$own" "" || return
    monitor "set_link nic-gone-a on" && soon_news 5 1 && news "" 1 && passes gone "1=$own" 1:5 || return
  done
}

# announced SENTENCE COMMAND...: QEMU asks for it, and sends a RARP request itself; this is what the interface hears.
announced() {
  local ear right=$1
  shift
  become a "$here/frames.py" gone-a hear 4 >"$work/heard" &
  ear=$!
  children+=("$ear")
  until_true 3 grep -q listening "$work/heard" || { no "nobody listens"; return; }
  qmp '{"execute": "announce-self", "arguments": {"initial": 50, "max": 550, "rounds": 1, "step": 100}}' >"$work/qmp.out"
  "$@" || return
  wait "$ear"
  unset 'children[-1]'
  [ "$(tail -n 1 "$work/heard")" = "$right" ] || no "on the interface were: $(tail -n 1 "$work/heard"), not $right"
}

# The tuner adds a RARP request and an ARP request.
wish_heard() { soon_news 6 1 && news "" 1; }
announce() { launch_tuner gone && announced "rarp 2 arp 1" wish_heard; }

# The forwarder, for each of its ports, a RARP request.
announce_forwarder() {
  guest "bind vfio-pci $(address gone b)" || { no "$(last_said)"; return; }
  start_forwarder gone -w && announced "rarp 2 arp 0" true && stop_forwarder gone
}

# shellcheck disable=SC2128 # "done" is no array, whatever another file has
# is NUMBER COMMAND...
is() {
  local right=$1
  shift
  tell "$@"
  [ "$done" = "$right" ] || no "$* returns $done, not $right: $(last_said)"
}
is_unplugged() { guest "[ ! -e /sys/bus/pci/devices/$(address gone a) ]"; }
is_plugged() { guest "[ -e /sys/bus/pci/devices/$(address gone a)/driver_override ]"; }

unplugged() {
  local traffic limit
  launch_tuner gone && passes gone "1=$own" 1:5 || return
  become a bash -c "while :; do $here/frames.py gone-a flows $own 2000; done" >/dev/null 2>&1 &
  traffic=$!
  children+=("$traffic")
  sleep 1
  monitor "device_del nic-gone-a"
  limit=$((SECONDS + 20))
  until tell arm && [ "$done" = -19 ]; do
    [ $SECONDS -lt $limit ] || { no "20 s after device_del: $(last_said)"; return; }
  done
  is -19 wait 1000 && is -19 promiscuous 1 && is -19 announce || return
  # The first of these calls has noticed it, and told.
  news 3 0 && is -19 news && is -19 arm || return
  tell flows
  echo "  received until then: $(head -n 1 "$work/said")"
  guest 'echo end >/tmp/forwarder.in; finish forwarder 10' || { no "the tuner ends with ${line##* }"; return; }
  end "$traffic"
  unset 'children[-1]'
  until_true 20 is_unplugged || no "the guest did not let go of the function"
}

plug_in_again() {
  local said
  said=$(monitor "device_add $plugged")
  [ -z "$said" ] || { no "QEMU: $said"; return; }
  until_true 20 is_plugged || { no "the guest sees no new function"; return; }
  guest "bind vfio-pci $(address gone a)" || no "$(last_said)"
}

plugged_again() {
  plug_in_again && launch_tuner gone && passes gone "1=$own" 1:5 && is 0 promiscuous 1 && is 0 arm
}

# The forwarder, under iperf3: it ends by itself, and says why.
unplugged_iperf3() {
  local server client before
  guest "bind vfio-pci $(address gone b)" || { no "$(last_said)"; return; }
  start_forwarder gone || return
  become b iperf3 -s -1 -B "$(network gone).2" --forceflush >"$work/server.out" 2>&1 &
  server=$!
  children+=("$server")
  until_true 5 grep -q listening "$work/server.out" || { no "iperf3 does not listen"; return; }
  become a iperf3 -c "$(network gone).2" -t 60 >"$work/client.out" 2>&1 &
  client=$!
  children+=("$client")
  before=$(counter b gone-b rx_packets)
  sleep 3
  monitor "device_del nic-gone-a"
  guest -t 30 'finish forwarder 20'
  [ "${line##* }" = 1 ] || { no "20 s after device_del the forwarder ends with ${line##* }"; return; }
  echo "  iperf3 until then: $(($(counter b gone-b rx_packets) - before)) frames"
  [ $(($(counter b gone-b rx_packets) - before)) -gt 500 ] || { no "there was next to no traffic"; return; }
  guest 'cat /tmp/forwarder.out'
  grep -q 'the device .*is gone' "$work/said" || { forwarder_said "it does not say why"; return; }
  end "$client"
  end "$server"
  unset 'children[-1]' 'children[-1]'
  until_true 20 is_unplugged || no "the guest did not let go of the function"
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
