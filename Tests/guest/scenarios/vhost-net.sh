#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 240
# Ports on the guest's kernel by way of its vhost: frames compared one by one on interfaces of all kinds, TCP between this
# machine and the guest's kernel through our forwarder, what is said of what cannot be had. VIONET_GUEST_TRANSFERS is how
# many streams go each way.
# shellcheck source-path=SCRIPTDIR source=../guest.sh
. "$(dirname "$0")/../guest.sh"
transfers=${VIONET_GUEST_TRANSFERS:-2}
[ "$forwarder" = ours ] || skip "this is about our ports"
pair net disable-legacy=on,iommu_platform=on
boot iommu iperf3
tap=02:00:00:00:07:07
instead[net-b]=vhost-net:tap0,mac=$tap
there=10.9.1.7

works() { guest -t 60 "$1" || no "$1: $(last_said)"; }
# says COMMAND WORDS: it fails, and that is in what it says.
says() {
  if guest "$1"; then
    no "$1 did not fail"
  else
    grep -qF -- "$2" "$work/said" || no "$1: not a word of \"$2\": $(last_said)"
  fi
}
info() { says "vionet-info vhost-net:$1" "$2"; }

no_module() { info tap0 "cannot open /dev/vhost-net: No such file or directory; modprobe vhost_net"; }
no_taps() {
  works "modprobe vhost_net; rmmod vhost_net tun 2>/dev/null; modprobe vhost_net; mv /dev/net/tun /dev/net/away" || return
  info tap0 "cannot open /dev/net/tun: No such file or directory; modprobe tun"
  works "mv /dev/net/away /dev/net/tun"
}
no_tap() {
  info lo 'interface "lo" exists and is no tap' && works "tap make ip0 tun 0" && info ip0 'interface "ip0" exists and is no tap'
}
one_queue() {
  works "tap make single one 0" && works "vionet-info vhost-net:single" || return
  info single,queues=2 "tap \"single\" has one queue; as root: ip tuntap del single mode tap; ip tuntap add single mode tap multi_queue"
}
no_permission() {
  says "ports as 1000 -1 vionet-info vhost-net:tap0" "cannot open /dev/vhost-net: Permission denied; as root: chown 1000 /dev/vhost-net" &&
    works "chmod 666 /dev/vhost-net /dev/net/tun" || return
  says "ports as 1000 -1 vionet-info vhost-net:tap0" "this wants CAP_NET_ADMIN, or as root: ip tuntap add tap0 mode tap user USER" &&
    works "tap make users one 1000" && works "ports as 1000 -1 vionet-info vhost-net:users"
}
busy() {
  guest "launch forwarder vdpa-port held vhost-net:tap3; i=0; until grep -q ready /tmp/forwarder.out || [ \$i -gt 100 ];
    do i=\$((i + 1)); usleep 50000; done"
  info tap3 'tap "tap3": Device or resource busy; another program has it'
}

# listens PORT COMMAND: returns when somebody in the guest does.
listens() {
  works "$2; i=0; until netstat -ltn | grep -q ':$1 '; do i=\$((i + 1)); [ \$i -lt 200 ] || break; usleep 50000; done; [ \$i -lt 200 ]"
}

# Streams each way between this machine and the guest's kernel, each of which says where it differs, if it does: nc ends
# without a word when a connection does, and a sum tells nothing of what is wrong. $transfers times.
files() {
  local turn way
  listens 5000 "launch transfer transfer listen 5000" || return
  for ((turn = 0; turn < transfers; turn++)); do
    for way in send fetch; do
      in_space a timeout 60 "$build/test-bin/guest-transfer" $way $there 5000 5000000 >"$work/transfer.out" 2>&1 ||
        { sed 's/^/  | /' "$work/transfer.out"; no "$way $turn: $(head -n 1 "$work/transfer.out")"; return; }
    done
  done
  works "put_away transfer"
}

# One way of iperf3's, in that many seconds.
stream() { # NAME OPTIONS...
  local name=$1
  shift
  in_space a timeout 20 iperf3 -c $there -t 2 "$@" >"$work/iperf.out" 2>&1 || { no "iperf3: $(tail -n 1 "$work/iperf.out")"; return; }
  echo "  $name: $(sed -n 's/.* \([0-9.]* [MG]bits\)\/sec.*receiver.*/\1/p' "$work/iperf.out" | tail -n 1)/s"
}

# Frames and bytes of the interface in the guest, both ways, which the kernel counts.
interface() {
  guest "cd /sys/class/net/tap0/statistics; echo \$(cat rx_packets rx_bytes tx_packets tx_bytes); cd /"
  cat "$work/said"
}

# tcp: through the forwarder, which has to have counted what the interface has; $larger is the least mean length of a
# frame in bulk, for checks of offloads.
tcp() {
  local counts before after
  # A frame that comes before the forwarder has begun may be lost in QEMU.
  links net down
  read -ra before < <(counters net)
  launch_forwarder net && links net up && works "ifconfig tap0 $there netmask 255.255.255.0 up" || return
  until_true 10 in_space a ping -q -c 1 -W 1 $there >"$work/ping.out" 2>&1 || { forwarder_said "no ping"; return; }
  in_space a ping -q -c 20 -i 0.05 -W 1 $there >"$work/ping.out" 2>&1 || { no "pings were lost: $(grep loss "$work/ping.out")"; return; }
  listens 5201 "launch iperf iperf3 -s" && stream "into the guest" && stream "out of it" -R && files || return
  works "ifconfig tap0 down; put_away iperf"
  links net down
  sleep 0.5
  read -ra after < <(counters net)
  read -ra counts < <(interface)
  stop_forwarder net || return
  agree "from this machine" $((after[0] - before[0])) "$carried_ab" "$dropped_ab" "${counts[0]}" &&
    agree "to this machine" "${counts[2]}" "$carried_ba" "$dropped_ba" $((after[3] - before[3])) || return
  echo "  frames of $((counts[1] / counts[0])) bytes in the mean into the guest's kernel, $((counts[3] / counts[2])) out of it"
  if [ $((counts[1] / counts[0])) -lt "$larger" ] || [ $((counts[3] / counts[2])) -lt "$larger" ]; then no "these are short frames"; fi
}

# The forwarder is killed with -9 and started again: interface and devices are to be had at once.
killed() {
  links net up
  launch_forwarder net || return
  guest "kill -KILL \$(cat /tmp/forwarder.pid); finish forwarder 10; ! [ -e /sys/class/net/tap0 ]" ||
    { no "the interface has outlived its program"; return; }
  launch_forwarder net && works "ifconfig tap0 $there netmask 255.255.255.0 up" || return
  until_true 10 in_space a ping -q -c 1 -W 1 $there >"$work/ping.out" 2>&1 || { forwarder_said "no ping"; return; }
  stop_forwarder net
}

check no-module no_module
check no-taps no_taps
check no-tap no_tap
check one-queue one_queue
check life works "tap life tap7"
check queues works "tap make many many 0 && tap queues many 4"
check bind bound net vfio-pci
larger=100
check tcp tcp
larger=1000 keys=,lro=1,mrg_rxbuf=1
check offloads tcp
keys=
check killed killed
check busy busy
check no-permission no_permission
done_here
