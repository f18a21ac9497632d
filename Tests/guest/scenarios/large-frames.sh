#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 1800
# Packed rings, jumbo frames, and segmentation left to the devices, through VFIO: one boot, a pair of NICs for each. The
# mean length of frames shows that they were longer than a link's MTU allows. The short form leaves out the second kind of
# ring for some of them.
# shellcheck source-path=SCRIPTDIR source=../lib/guest.sh
. "$(dirname "$0")/../lib/guest.sh"
# shellcheck source=../../support/tcp.sh
. "$root/Tests/support/tcp.sh"
[ "$forwarder" = ours ] || skip "this is about what our library negotiates"
seconds_of_iperf=${VIONET_GUEST_SECONDS:-2}
modern=disable-legacy=on,iommu_platform=on
pair packed $modern,packed=on
pair jumbo $modern,host_mtu=9000
pair jumbo_packed $modern,host_mtu=9000,packed=on
pair jumbo_whole $modern,host_mtu=9000,mrg_rxbuf=off
pair jumbo_alone $modern,host_mtu=9000,mrg_rxbuf=off,packed=on
pair lro $modern
pair lro_packed $modern,packed=on
pair lro_alone $modern,mrg_rxbuf=off
boot iommu

# agreed PAIR PATTERN...: vionet-info prints such lines about the device.
agreed() {
  local pattern
  guest "vionet-info -s pci:$(address "$1" a)${keys-}" || { no "$(last_said)"; return; }
  for pattern in "${@:2}"; do
    grep -qE -- "$pattern" "$work/said" || { no "no line \"$pattern\" in the output of vionet-info"; return; }
  done
}

# average PAIR FROM TO: the mean length of frames in one direction, from the forwarder's summary.
average() {
  sed -n "s/^pci:$(address "$1" "$2")[^ ]* -> pci:$(address "$1" "$3")[^ ]*: \([0-9]*\) packets, \([0-9]*\) bytes.*/\1 \2/p" \
    "$work/said" | awk '{ print int($2 / ($1 ? $1 : 1)) }'
}

# longer PAIR BYTES: the frames that the forwarder carried from a to b were longer than that on average.
longer() {
  local bytes
  bytes=$(average "$1" a b)
  echo "  $1: $bytes bytes in a frame from a to b"
  [ "${bytes:-0}" -gt "$2" ] || no "frames from a to b had ${bytes:-no} bytes on average, which does not show longer ones than $2"
}

packed_rings() { agreed packed '^ *rings *packed,' '^ *paths *rx-packed'; }

# Pings that need a frame of 9000 bytes, without fragments.
whole_pings() {
  start_forwarder "$1" || return
  in_space a ping -q -c 20 -i 0.05 -W "$patience" -s 8972 -M "do" "$(network "$1").2" >"$work/ping.out" 2>&1 ||
    { no "pings were lost: $(grep -e loss -e local "$work/ping.out" | head -n 1)"; return; }
  stop_forwarder "$1" && longer "$1" 1514
}

jumbo_frames() { carry "$1" && longer "$1" 1514; }

# Segments of a connection go from kernel to kernel as one frame.
joined_frames() { carry "$1" && longer "$1" 1514; }

unchanged() { # PAIR ADDRESS
  start_forwarder "$1" || return
  send_file a b "$2" 10000000 >"$work/transfer" || { no "$(cat "$work/transfer")"; return; }
  stop_forwarder "$1" && longer "$1" 1514
}

# A file over IPv6, which the namespaces switch off.
unchanged6() {
  local end
  for end in a b; do
    in_space $end sysctl -qw "net.ipv6.conf.$1-$end.disable_ipv6=0"
    ip -n "$tag-$end" address add "fd00::$end/64" dev "$1-$end" nodad
  done
  unchanged "$1" fd00::b
}

# Packets for the device to segment pass the forwarder unchanged, with their requests.
through() { # PAIR FROM TO
  start_forwarder "$1" || return
  "$here/tools/segment-frames.py" through "$tag-$2/$1-$2" "$tag-$3/$1-$3" 40 >"$work/segments" 2>&1 ||
    { no "from $2 to $3: $(tail -n 1 "$work/segments")"; return; }
  sed 's/^/  /' "$work/segments"
  stop_forwarder "$1" || return
  [ $((dropped_ab + dropped_ba)) -eq 0 ] || no "$dropped_ab packets from a to b and $dropped_ba from b to a were dropped"
}

# Packets for the device to segment, made by a program in the guest.
prepared() {
  local receiver
  : >"$work/segments" # an earlier receiver said "ready", too
  "$here/tools/segment-frames.py" expect "$tag-a/$1-a" 40 >"$work/segments" 2>&1 &
  receiver=$!
  children+=("$receiver")
  until_true "$patience" grep -q '^ready' "$work/segments" || { no "$(tail -n 1 "$work/segments")"; return; }
  guest -t $((2 * patience)) "large-frames segments pci:$(address "$1" a)${keys-} 40" || { no "$(last_said)"; return; }
  wait "$receiver" || { no "$(tail -n 1 "$work/segments")"; return; }
  unset 'children[-1]'
  sed -n '2,$s/^/  /p' "$work/segments"
}

check packed-bind bound packed vfio-pci
check packed-agreed packed_rings
check packed carry packed
check packed-prepared prepared packed

merged=(jumbo) whole=(jumbo_alone jumbo_whole) joined=(lro)
[ "$full" -eq 0 ] || merged+=(jumbo_packed) joined+=(lro_packed)
for name in "${merged[@]}" "${whole[@]}"; do
  for end in a b; do in_space $end ip link set "$name-$end" mtu 9000; done
  check "$name-bind" bound "$name" vfio-pci
done
for name in "${merged[@]}"; do
  check "$name-agreed" agreed "$name" '^ *MTU *9000$' 'VIRTIO_NET_F_MRG_RXBUF *in use' '^ *paths *rx-[a-z-]*mergeable'
  check "$name" jumbo_frames "$name"
done
check jumbo-ping whole_pings jumbo
check jumbo-file unchanged jumbo "$(network jumbo).2"

# Without merged buffers one entry of the ring has several buffers.
for name in "${whole[@]}"; do
  check "$name-agreed" agreed "$name" '^ *MTU *9000$' '^ *paths *rx-[a-z-]*-scatter'
  check "$name" jumbo_frames "$name"
  check "$name-file" unchanged "$name" "$(network "$name").2"
done

# Or each buffer holds a whole frame, from a pool that the program makes.
our_forwarder=large-frames
check jumbo_whole-ping whole_pings jumbo_whole
check jumbo_whole-large jumbo_frames jumbo_whole
check jumbo_whole-large-file unchanged jumbo_whole "$(network jumbo_whole).2"
unset our_forwarder

keys=,lro=1
for name in "${joined[@]}"; do
  check "$name-bind" bound "$name" vfio-pci
  check "$name-agreed" agreed "$name" VIRTIO_NET_F_{GUEST,HOST}_{TSO4,TSO6,ECN}' *in use' 'VIRTIO_NET_F_MRG_RXBUF *in use'
  check "$name" joined_frames "$name"
  check "$name-there" through "$name" a b
  check "$name-back" through "$name" b a
done
check lro-file unchanged lro "$(network lro).2"
check lro-prepared prepared lro
check lro-file6 unchanged6 lro

# Without merged buffers one entry takes 34 of them. With these rings the shared pool has enough.
keys=,lro=1,queue_size=128
check lro_alone-bind bound lro_alone vfio-pci
check lro_alone-agreed agreed lro_alone 'VIRTIO_NET_F_GUEST_TSO4 *in use' '^ *paths *rx-[a-z-]*-scatter'
check lro_alone joined_frames lro_alone
check lro_alone-there through lro_alone a b
done_here
