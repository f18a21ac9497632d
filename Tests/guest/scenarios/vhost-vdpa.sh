#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 1800
# vDPA devices of the guest's kernel: the simulator, which returns what is sent to it and has separate address spaces for
# packets and for control; and QEMU's virtio NICs through vp_vdpa, with one queue pair and with two, between which and other
# NICs our forwarder carries TCP. Debian builds its kernel without these modules: build-guest.sh makes them.
# shellcheck source-path=SCRIPTDIR source=../lib/guest.sh
. "$(dirname "$0")/../lib/guest.sh"
. "$root/Tests/support/tcp.sh"
[ "$forwarder" = ours ] || skip "this is about our ports"
seconds_of_iperf=${VIONET_GUEST_SECONDS:-2}
modern=disable-legacy=on,iommu_platform=on
pair one $modern
pair lock $modern,packed=on
queues=2
pair two $modern,mq=on
# Two hubs of QEMU's with three functions each: what one sends, others receive. One of each becomes a vDPA device.
for address in 1a.0:0 1b.0:0 1c.0:1 1d.0:1 18.0:0 19.0:1; do
  nics+=(-netdev "hubport,id=hub${address%:*},hubid=${address#*:}"
    -device "virtio-net-pci,netdev=hub${address%:*},addr=${address%:*},romfile=,$modern")
done
boot iommu vdpa hugepages=64
simulator=vhost-vdpa:/dev/vhost-vdpa-0

no_module() { says "vionet-info $simulator" "cannot open /dev/vhost-vdpa-0: No such file or directory; modprobe vhost_vdpa"; }
modules() {
  local name
  works "modprobe -a irqbypass vhost vhost_iotlb virtio_pci_modern_dev" || return
  for name in vringh vdpa vdpa_sim vdpa_sim_net vhost_vdpa vp_vdpa; do works "insmod /vdpa/$name.ko" || return; done
  works "vdpa dev add name sim mgmtdev vdpasim_net"
}
# Rings and the default pool are more than the 8 MB that a user may lock.
no_memory() { says "vionet-info $simulator" "this process may lock 8192 KiB: ulimit -l unlimited as root"; }
no_permission() { says "pci-port as 1000 -1 vionet-info $simulator" "cannot open /dev/vhost-vdpa-0: Permission denied"; }
anybody() { works "chmod 666 /dev/vhost-vdpa-0; pci-port as 1000 -1 vdpa-port loop $simulator"; }
# The order of the set-up: memory before rings, the control queue in a space of its own, rings before DRIVER_OK.
order() {
  works "VIONET_LOG=debug vionet-info $simulator" || return
  sed -n 's/^vionet debug: vhost-vdpa write \([A-Z_]*\) \(0x[0-9a-f]*\|[0-9]* [0-9]*\).*/\1 \2/p' "$work/said" >"$work/order"
  grep -e STATUS -e FEATURES -e IOTLB -e ASID -e ENABLE -e SUSPEND "$work/order" | tr '\n' ',' >"$work/in-order"
  echo "SET_BACKEND_FEATURES 0x1e,SET_STATUS 0x0,SET_STATUS 0x1,SET_STATUS 0x3,SET_FEATURES 0x300820028,SET_STATUS 0xb,\
IOTLB 5 0,IOTLB 2 0,IOTLB 2 0,IOTLB 6 0,IOTLB 2 1,SET_GROUP_ASID 0x1,SET_VRING_ENABLE 0x0,SET_VRING_ENABLE 0x1,\
SET_VRING_ENABLE 0x2,SET_STATUS 0xf,SUSPEND 0x0,SET_STATUS 0x0,IOTLB 5 0,IOTLB 3 0,IOTLB 3 0,IOTLB 6 0,IOTLB 3 1," |
    tr -d '\n' | cmp -s - "$work/in-order" || no "the set-up was $(cat "$work/in-order")"
}

# QEMU shows all queues of a device once its features are accepted, and vp_vdpa counts them before that. So this accepts
# them: a reset, two steps of the status, both words of features, FEATURES_OK (virtio 1.4, 4.1.4.3).
accepted() {
  works "d=/sys/bus/pci/devices/$1; echo 1 >\$d/enable; bar=\$(sed -n '5 s/ .*//p' \$d/resource);
    for s in 0 1 3; do devmem \$((bar + 20)) 8 \$s; done;
    for w in 0 1; do devmem \$bar 32 \$w; devmem \$((bar + 8)) 32 \$w;
      devmem \$((bar + 12)) 32 \$(devmem \$((bar + 4)) 32); done;
    devmem \$((bar + 20)) 8 11"
}

# vdpa_of ADDRESS NAME: makes this function a vDPA device of that name; the last thing said is its file.
vdpa_of() {
  accepted "$1" && works "bind vp-vdpa $1 && vdpa dev add name $2 mgmtdev pci/$1 &&
    cd /sys/bus/vdpa/devices/$2 && echo /dev/\$(echo vhost-vdpa-*) && cd /"
}

# taken PAIR: makes NIC a a vDPA device with the name of the pair.
taken() {
  vdpa_of "$(address "$1" a)" "$1" || return
  instead[$1-a]=vhost-vdpa:$(last_said)
  works "modprobe -a vfio-pci vfio_iommu_type1 && bind vfio-pci $(address "$1" b)"
}

# Odd frames between vhost-vdpa: and all other buses; every one is in some count.
odd_frames() {
  vdpa_of 0000:00:18.0 odd-in && in=$(last_said) && vdpa_of 0000:00:19.0 odd-out && out=$(last_said) || return
  works "modprobe -a tun vhost_net vfio-pci vfio_iommu_type1; bind vfio-pci 0000:00:1a.0 0000:00:1b.0 0000:00:1c.0 0000:00:1d.0" || return
  guest -t $((4 * patience)) "VIONET_FAR_VDPA_IN=$in VIONET_FAR_VDPA_OUT=$out odd-frames-vdpa" && return
  grep -B 4 '^not ok' "$work/said" | sed 's/^/  | /'
  no "$(grep -c '^not ok' "$work/said") pairs lose frames: $(last_said)"
}

# The pairs above are without offloads: the simulator offers none, and neither does a NIC on a hub of QEMU's. One that does
# wants the second mode of odd-frames-vdpa.
no_offloads() {
  local device
  for device in "$simulator" "vhost-vdpa:$in" "vhost-vdpa:$out"; do
    works "vionet-info $device" || return
    echo "  $device offers: $(sed -n 's/.*VIRTIO_NET_F_\([A-Z0-9_]*\).*/\1/p' "$work/said" | tr '\n' ' ')"
    grep -q VIRTIO_NET_F_MAC "$work/said" || no "no features were printed" || return
    ! grep -Eo 'VIRTIO_NET_F_((GUEST_)?CSUM|(GUEST|HOST)_(TSO|USO|UFO|ECN)[46]?) ' "$work/said" >"$work/offloads" ||
      no "$device offers $(tr '\n' ' ' <"$work/offloads")" || return
  done
}

# carries PAIR: ping, iperf3 and every frame counted, then a file whose checksum is compared.
carries() {
  carry "$1" || return
  launch_forwarder "$1" && answers "$1" || return
  send_file a b "$(network "$1").2" 3000000 || { no "a file did not come through"; return; }
  stop_forwarder "$1"
}

# spread PAIR: flows come on both queues of the vDPA device.
spread() {
  carry "$1" || return
  grep -c "${instead[$1-a]}.*, queue [01]: [1-9][0-9]* received" "$work/said" >"$work/used"
  echo "  $1: packets came by $(cat "$work/used") of 2 queues"
  [ "$(cat "$work/used")" -eq 2 ] || no "not by both"
}

# control_queue: settings reach the device through its own control queue, which is QEMU's.
control_queue() {
  launch_tuner_on "${instead[one-a]}" && obeys promiscuous 0 || return
  qmp '{"execute": "query-rx-filter", "arguments": {"name": "nic-one-a"}}' | grep -q '"promiscuous": false' ||
    no "QEMU is promiscuous still"
}

# A port that sleeps until the event descriptor reports a change of the link.
link() {
  local way
  works "launch forwarder vdpa-port link ${instead[one-a]}" || return
  for way in up down; do
    works "await_lines forwarder $way 0 $patience; grep $way /tmp/forwarder.out" || { forwarder_said "the link is not $way"; return; }
    monitor "set_link one-a $([ $way = up ] && echo off || echo on)" >/dev/null
  done
  works "finish forwarder 30"
}

check no-module no_module
check modules modules
check no-memory no_memory
check no-permission no_permission
guest "ulimit -l unlimited"
check order order
check loop works "vdpa-port loop $simulator"
check anybody anybody
for name in one two lock; do check "$name-bind" taken "$name"; done
check list works "vdpa-port listed $simulator ${instead[one-a]} ${instead[two-a]} ${instead[lock-a]}"
check list-of-user works "chmod 600 /dev/vhost-vdpa-1;
  pci-port as 1000 -1 vdpa-port listed $simulator ${instead[one-a]} ${instead[two-a]} ${instead[lock-a]}"
check reach works "vdpa-port reach ${instead[one-a]}"
check one carries one
check control-queue control_queue
check link link
flows=4 keys=,queues=2
check two spread two
flows=1 keys=,packed_vq=1
check packed carries lock
keys=
check odd-frames odd_frames
check no-offloads no_offloads
done_here
