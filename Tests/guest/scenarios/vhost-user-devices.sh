#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 1800
# Our devices behind QEMU's vhost-user netdev: the guest's own driver speaks through our tap wire with this machine's
# kernel, on split and packed rings, with one queue pair and with two, with all offloads and with none; devices are
# killed and come back under the same guest. The device with packed rings is not killed: packed rings do not tell how far a
# dead back-end was, and QEMU does not record it for net devices.
# shellcheck source-path=SCRIPTDIR source=../lib/guest.sh
. "$(dirname "$0")/../lib/guest.sh"
[ "$forwarder" = ours ] || skip "the guest's forwarder has no part in this"
serve=$(program serve-devices) || exit 1
devices=()

# device NAME KEYS PROPERTIES: serves a device of ours with $queues pairs on a tap and puts a NIC in the guest on it. The
# NIC has no MSI-X: QEMU 7.2 without KVM crashes when a guest sets up the vectors of a vhost-user device.
device() {
  local place=${#devices[@]} more=
  [ "${queues:-1}" -eq 1 ] || more=",mq=on"
  devices+=("$1")
  nics+=(-chardev "socket,id=chr-$1,path=$work/$1,reconnect=1"
    -netdev "vhost-user,id=net-$1,chardev=chr-$1,queues=${queues:-1}"
    -device "virtio-net-pci,netdev=net-$1,addr=$(printf %02x $((4 + place))),romfile=,vectors=0,mac=52:54:00:00:01:0$place$more${3:+,$3}")
  echo "tap=$1,queues=${queues:-1}${2:+,$2}" >"$work/$1.wire"
  serve_again "$1"
}
place_of() {
  local i
  for i in "${!devices[@]}"; do
    [ "${devices[i]}" != "$1" ] || echo "$i"
  done
}
host_of() { echo "10.8.$(place_of "$1").1"; }
guest_of() { echo "10.8.$(place_of "$1").2"; }

# serve_again NAME: serves the device and gives its interface an address; the process number goes to $work/NAME.pid.
serve_again() {
  background "$1" become host "$serve" "$work/$1" "$(cat "$work/$1.wire")"
  echo "${children[-1]}" >"$work/$1.pid"
  ip -n "$tag-host" address add "$(host_of "$1")/24" dev "$1" || fail "cannot give $1 its address"
  ip -n "$tag-host" link set "$1" up || fail "cannot bring up $1"
}

# up NAME: the guest's driver has the NIC and answers.
up() {
  local name place
  place=$(place_of "$1")
  guest "interface_of 0000:00:$(printf %02x $((4 + place))).0" || { no "$(last_said)"; return; }
  name=$(last_said)
  guest "ifconfig $name $(guest_of "$1") netmask 255.255.255.0 up" || { no "$(last_said)"; return; }
  reached "$1"
}

reached() {
  local limit=$((SECONDS + patience))
  until in_space host ping -q -c 1 -W 1 "$(guest_of "$1")" >"$work/ping.out" 2>&1; do
    [ $SECONDS -lt $limit ] || { no "no ping comes back"; return; }
  done
  in_space host ping -q -c 20 -i 0.05 -W "$patience" "$(guest_of "$1")" >"$work/ping.out" 2>&1 ||
    no "pings were lost: $(grep loss "$work/ping.out")"
}

# streams NAME: iperf3 from the guest and to it. If $large is 1, the mean frame on the interface is longer than on a wire,
# since segmentation is left to the kernel; if it is 0, it is not.
streams() {
  local name=$1 server before after
  for way in "" -R; do
    listening_iperf3 "$(host_of "$name")" host || return
    before="$(traffic "$name" "$way")"
    guest -t $((2 * patience)) "iperf3 -c $(host_of "$name") -t 2 -P ${queues_of:-1} $way" || { no "iperf3 $way: $(last_said)"; return; }
    after="$(traffic "$name" "$way")"
    wait "$server"
    unset 'children[-1]'
    echo "  $name: iperf3 $way $(sed -n 's/.* \([0-9.]* [MG]bits\)\/sec.*receiver.*/\1/p' "$work/said" | tail -n 1)/s, $(size_of "$before" "$after") bytes a frame"
    if [ "$large" -eq 1 ]; then
      [ "$(size_of "$before" "$after")" -gt 2000 ] || { no "frames are no longer than on a wire $way"; return; }
    else
      [ "$(size_of "$before" "$after")" -le 1514 ] || { no "frames are longer than on a wire $way"; return; }
    fi
  done
}
# traffic NAME -R|"": bytes and frames of the interface. It receives what the guest sends.
traffic() {
  local way=rx
  [ -z "$2" ] || way=tx
  echo "$(counter host "$1" ${way}_bytes) $(counter host "$1" ${way}_packets)"
}
size_of() {
  awk '{ print int(($3 - $1) / ($4 - $2)) }' <<<"$1 $2"
}

# comes_back NAME SIGNAL: the device ends under traffic and another takes its place; pings go on.
comes_back() {
  local flood pid before status=0
  pid=$(cat "$work/$1.pid")
  before=$(counter host "$1" rx_packets)
  become host ping -q -i 0.01 "$(guest_of "$1")" >"$work/flood.out" 2>&1 &
  flood=$!
  children+=("$flood")
  until_true "$patience" answered_pings "$1" $((before + 20)) || { no "there is no traffic"; return; }
  kill "-$2" "$pid"
  wait "$pid" 2>/dev/null
  serve_again "$1"
  reached "$1" || status=1
  kill -INT "$flood" 2>/dev/null
  wait "$flood" || { no "no ping came back: $(grep loss "$work/flood.out")"; return; }
  return $status
}
# QEMU, which has connected to all devices by now, has no warning about what they offer.
no_warnings() { ! grep -i warning "$work/qemu.out" || no "QEMU warns: $(grep -i -m 1 warning "$work/qemu.out")"; }
answered_pings() { [ "$(counter host "$1" rx_packets)" -ge "$2" ]; }

space host
queues=2 device wide "" ""
device packed "" packed=on
device bare "mrg_rxbuf=0" "mrg_rxbuf=off,event_idx=off,indirect_desc=off,csum=off,gso=off,guest_csum=off,guest_tso4=off,guest_tso6=off,guest_ecn=off"
device jumbo "mtu=9000" host_mtu=9000
nics+=(-object "memory-backend-memfd,id=memory,size=1024M,share=on" -machine memory-backend=memory)
boot iperf3
guest "modprobe -a virtio_pci virtio_net" || fail "no driver in the guest"
check no-warnings no_warnings
for name in "${devices[@]}"; do check "$name-up" up "$name"; done
large=1 queues_of=2
check wide-streams streams wide
queues_of=1
check packed-streams streams packed
check jumbo-streams streams jumbo
large=0
check bare-streams streams bare
for name in wide bare jumbo; do
  check "$name-killed" comes_back "$name" KILL
  check "$name-stopped" comes_back "$name" TERM
done
done_here
