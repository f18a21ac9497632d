#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 240
# Our devices behind QEMU's vhost-user netdev: the guest's own driver speaks through our tap wire with this machine's
# kernel, on split and packed rings, with one queue pair and with two, with all offloads and with none; devices are
# killed and come back under the same guest. Not the one on packed rings: these do not say where a dead back-end stood,
# and QEMU keeps nothing for net devices that would.
# shellcheck source-path=SCRIPTDIR source=../guest.sh
. "$(dirname "$0")/../guest.sh"
[ "$forwarder" = ours ] || skip "the guest's forwarder has no part in this"
serve=$(program serve) || exit 1
devices=()

# device NAME KEYS PROPERTIES: one of ours with that wire, and a NIC in the guest on it. $queues pairs. It has no MSI-X,
# since QEMU 7.2 without KVM ends with a segmentation fault when a guest sets up the vectors of any vhost-user device.
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

# serve_again NAME: makes the device and gives its interface an address; its number goes to $work/NAME.pid.
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
  local limit=$((SECONDS + 15))
  until in_space host ping -q -c 1 -W 1 "$(guest_of "$1")" >"$work/ping.out" 2>&1; do
    [ $SECONDS -lt $limit ] || { no "no ping comes back"; return; }
  done
  in_space host ping -q -c 20 -i 0.05 -W 1 "$(guest_of "$1")" >"$work/ping.out" 2>&1 ||
    no "pings were lost: $(grep loss "$work/ping.out")"
}

# streams NAME: iperf3 from the guest and to it; a frame on the interface is then longer than on a wire if segmentation
# is left to the kernel, and is not if it is not: $large is 1 or 0.
streams() {
  local name=$1 server before after
  for way in "" -R; do
    become host iperf3 -s -1 -B "$(host_of "$name")" --forceflush >"$work/server.out" 2>&1 &
    server=$!
    children+=("$server")
    until_true 5 grep -qs listening "$work/server.out" || { no "iperf3 does not listen"; return; }
    before="$(traffic "$name" "$way")"
    guest -t 40 "iperf3 -c $(host_of "$name") -t 2 -P ${queues_of:-1} $way" || { no "iperf3 $way: $(last_said)"; return; }
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
# Bytes and frames of the interface: from the guest is what it receives.
traffic() {
  local way=rx
  [ -z "$2" ] || way=tx
  echo "$(counter host "$1" ${way}_bytes) $(counter host "$1" ${way}_packets)"
}
size_of() {
  awk '{ print int(($3 - $1) / ($4 - $2)) }' <<<"$1 $2"
}

# comes_back NAME SIGNAL: the device ends under traffic and another takes its place; the guest hardly notices.
comes_back() {
  local flood pid status=0
  pid=$(cat "$work/$1.pid")
  become host ping -q -i 0.01 -w 4 "$(guest_of "$1")" >"$work/flood.out" 2>&1 &
  flood=$!
  sleep 0.5
  kill "-$2" "$pid"
  wait "$pid" 2>/dev/null
  serve_again "$1"
  reached "$1" || status=1
  # It says then whether any of it came back.
  kill -INT "$flood" 2>/dev/null
  wait "$flood" || { no "there was no traffic: $(grep loss "$work/flood.out")"; return; }
  return $status
}

space host
queues=2 device wide "" ""
device packed "" packed=on
device bare "mrg_rxbuf=0" "mrg_rxbuf=off,event_idx=off,indirect_desc=off,csum=off,gso=off,guest_csum=off,guest_tso4=off,guest_tso6=off,guest_ecn=off"
device jumbo "mtu=9000" host_mtu=9000
nics+=(-object "memory-backend-memfd,id=memory,size=1024M,share=on" -machine memory-backend=memory)
boot iperf3
guest "modprobe -a virtio_pci virtio_net" || fail "no driver in the guest"
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
