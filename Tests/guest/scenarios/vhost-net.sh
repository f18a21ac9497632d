#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 1800
# Ports on the guest's kernel through its vhost: frames compared one by one on interfaces of all kinds, TCP between this
# machine and the guest's kernel through our forwarder, the messages about interfaces that cannot be opened.
# VIONET_GUEST_TRANSFERS is how many streams go each way.
# shellcheck source-path=SCRIPTDIR source=../lib/guest.sh
. "$(dirname "$0")/../lib/guest.sh"
transfers=${VIONET_GUEST_TRANSFERS:-2}
[ "$forwarder" = ours ] || skip "this is about our ports"
pair net disable-legacy=on,iommu_platform=on
# Four more functions, two on each hub of QEMU's: what one sends the other receives.
for place in 0 1 2 3; do
  nics+=(-netdev "hubport,id=hub$place,hubid=$((place / 2))"
    -device "virtio-net-pci,netdev=hub$place,addr=1$(printf %x $((10 + place))),romfile=,disable-legacy=on,iommu_platform=on")
done
boot iommu iperf3
tap=02:00:00:00:07:07
instead[net-b]=vhost-net:tap0,mac=$tap
there=10.9.1.7

info() { says "vionet-info vhost-net:$1" "$2"; }

no_module() { info tap0 "cannot open /dev/vhost-net: No such file or directory; modprobe vhost_net"; }
no_taps() {
  works "modprobe vhost_net; rmmod vhost_net tun 2>/dev/null; modprobe vhost_net; mv /dev/net/tun /dev/net/away" || return
  info tap0 "cannot open /dev/net/tun: No such file or directory; modprobe tun"
  works "mv /dev/net/away /dev/net/tun"
}
no_tap() {
  info lo 'interface "lo" exists and is no tap' && works "vhost-net-port make ip0 tun 0" && info ip0 'interface "ip0" exists and is no tap'
}
one_queue() {
  works "vhost-net-port make single one 0" && works "vionet-info vhost-net:single" || return
  info single,queues=2 "tap \"single\" has one queue; as root: ip tuntap del single mode tap; ip tuntap add single mode tap multi_queue"
}
no_permission() {
  says "pci-port as 1000 -1 vionet-info vhost-net:tap0" "cannot open /dev/vhost-net: Permission denied; as root: chown 1000 /dev/vhost-net" &&
    works "chmod 666 /dev/vhost-net /dev/net/tun" || return
  says "pci-port as 1000 -1 vionet-info vhost-net:tap0" "this wants CAP_NET_ADMIN, or as root: ip tuntap add tap0 mode tap user USER" &&
    works "vhost-net-port make users one 1000" && works "pci-port as 1000 -1 vionet-info vhost-net:users"
}
busy() {
  guest "launch forwarder vdpa-port held vhost-net:tap3; await_lines forwarder ready 0 $patience"
  info tap3 'tap "tap3": Device or resource busy; another program has it'
}

# listens PORT COMMAND: starts it in the guest and returns when it listens.
listens() {
  works "$2; i=0; until netstat -ltn | grep -q ':$1 '; do i=\$((i + 1)); [ \$i -lt 1000 ] || break; usleep 50000; done; [ \$i -lt 1000 ]"
}

# Streams between this machine and the guest's kernel, $transfers times each way. A stream that differs shows where.
files() {
  local turn way
  listens 5000 "launch transfer transfer listen 5000" || return
  for ((turn = 0; turn < transfers; turn++)); do
    for way in send fetch; do
      in_space a timeout 300 "$build/test-bin/programs-transfer" $way $there 5000 5000000 >"$work/transfer.out" 2>&1 ||
        { sed 's/^/  | /' "$work/transfer.out"; no "$way $turn: $(head -n 1 "$work/transfer.out")"; return; }
    done
  done
  works "put_away transfer"
}

# One direction of iperf3. Its rate is printed and not judged.
stream() { # NAME OPTIONS...
  local name=$1 tries=0
  shift
  until in_space a timeout "$patience" iperf3 -c $there -t 2 "$@" >"$work/iperf.out" 2>&1; do
    # Between two clients the server listens anew, and for a moment not at all.
    if ! grep -q "Connection refused" "$work/iperf.out" || [ $((tries += 1)) -gt 20 ]; then
      no "iperf3: $(tail -n 1 "$work/iperf.out")"
      return
    fi
    sleep 1
  done
  echo "  $name: $(sed -n 's/.* \([0-9.]* [MG]bits\)\/sec.*receiver.*/\1/p' "$work/iperf.out" | tail -n 1)/s"
}

# The kernel's counts of frames and bytes of the interface in the guest, both ways.
interface() {
  guest "cd /sys/class/net/tap0/statistics; echo \$(cat rx_packets rx_bytes tx_packets tx_bytes); cd /"
  cat "$work/said"
}

# tcp: TCP through the forwarder, whose counts must agree with the interface's. The mean length of a frame must be at least
# $larger bytes, which shows whether offloads are in use.
tcp() {
  local counts before after
  # QEMU may lose a frame that comes before the forwarder has begun.
  links net down
  read -ra before < <(counters net)
  launch_forwarder net && links net up && works "ifconfig tap0 $there netmask 255.255.255.0 up" || return
  until_true "$patience" reached || { forwarder_said "no ping"; return; }
  in_space a ping -q -c 20 -i 0.05 -W "$patience" $there >"$work/ping.out" 2>&1 || { no "pings were lost: $(grep loss "$work/ping.out")"; return; }
  listens 5201 "launch iperf iperf3 -s" && stream "into the guest" && stream "out of it" -R && files || return
  works "ifconfig tap0 down; put_away iperf"
  links net down
  until_true 5 all_agree || :
  read -ra after < <(counters net)
  read -ra counts < <(interface)
  stop_forwarder net || return
  agree "from this machine" $((after[0] - before[0])) "$carried_ab" "$dropped_ab" "${counts[0]}" &&
    agree "to this machine" "${counts[2]}" "$carried_ba" "$dropped_ba" $((after[3] - before[3])) || return
  echo "  frames of $((counts[1] / counts[0])) bytes in the mean into the guest's kernel, $((counts[3] / counts[2])) out of it"
  if [ $((counts[1] / counts[0])) -lt "$larger" ] || [ $((counts[3] / counts[2])) -lt "$larger" ]; then no "these are short frames"; fi
}

# reached: the guest's kernel answers a ping.
reached() { in_space a ping -q -c 1 -W 1 $there >"$work/ping.out" 2>&1; }

# all_agree: every frame that one side sent has arrived at the other.
all_agree() {
  read -ra after < <(counters net)
  read -ra counts < <(interface)
  [ $((after[0] - before[0])) -eq "${counts[0]}" ] && [ "${counts[2]}" -eq $((after[3] - before[3])) ]
}

# A header with room for a tunnel's offsets, where the kernel has them: since Linux 6.17.
tunnels() {
  local kernel bytes=12
  guest "uname -r" || return
  kernel=$(last_said)
  [ "$(printf '%s\n' 6.17 "$kernel" | sort -V | head -n 1)" = "$kernel" ] || bytes=24
  works "vhost-net-port life tap8 ,tunnel=1,lro=1 $bytes" && echo "  Linux $kernel: headers of $bytes bytes"
}

# The forwarder is killed with -9 and started again: it can open interface and device at once.
killed() {
  links net up
  launch_forwarder net || return
  kill_forwarder
  guest "! [ -e /sys/class/net/tap0 ]" ||
    { no "the interface has outlived its program"; return; }
  launch_forwarder net && works "ifconfig tap0 $there netmask 255.255.255.0 up" || return
  until_true "$patience" reached || { forwarder_said "no ping"; return; }
  stop_forwarder net
}

# Odd frames between vhost-net: and pci: and all other buses; every one is in some count.
odd_frames() {
  guest "modprobe -a tun vhost_net vfio-pci vfio_iommu_type1; bind vfio-pci 0000:00:1a.0 0000:00:1b.0 0000:00:1c.0 0000:00:1d.0" || { no "$(last_said)"; return; }
  guest -t $((4 * patience)) odd-frames && return
  grep -B 4 '^not ok' "$work/said" | sed 's/^/  | /'
  no "$(grep -c '^not ok' "$work/said") pairs lose frames: $(last_said)"
}

check no-module no_module
check no-taps no_taps
check no-tap no_tap
check one-queue one_queue
check life works "vhost-net-port life tap7 '' 12"
check tunnels tunnels
check queues works "vhost-net-port make many many 0 && vhost-net-port queues many 4"
check bind bound net vfio-pci
check odd-frames odd_frames
larger=100
check tcp tcp
larger=1000 keys=,lro=1,mrg_rxbuf=1
check offloads tcp
keys=
check killed killed
check busy busy
check no-permission no_permission
done_here
