#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 1800
# The messages about a function that cannot be opened through VFIO; and the commands in them mend what is wrong.
# shellcheck source-path=SCRIPTDIR source=../lib/guest.sh
. "$(dirname "$0")/../lib/guest.sh"
[ "$forwarder" = ours ] || skip "this is about messages of our library"
pair modern disable-legacy=on,iommu_platform=on
boot iommu vionetctl
device=$(address modern a)
sysfs=/sys/bus/pci/devices/$device

info() { says "vionet-info pci:$1" "$2"; }
# mends PATTERN: behind the pattern the last message has a command, which works.
mends() {
  local command
  command=$(sed -n "s|.*$1\(.*\)|\1|p" "$work/said")
  works "$command"
}

not_there() { info 0000:00:1e.0 "there is no PCI function 0000:00:1e.0"; }
not_ours() { info 0000:00:00.0 "0000:00:00.0 is 0x8086:0x29c0, not a virtio-net device (0x1af4:0x1041 or 0x1af4:0x1000)"; }
kernels() {
  guest "modprobe -a virtio_pci virtio_net vfio_iommu_type1 vfio-pci"
  info "$device" "PCI function $device belongs to the kernel's driver virtio-pci" && mends ': '
}
nobodys() {
  guest "echo $device >$sysfs/driver/unbind; echo '' >$sysfs/driver_override"
  info "$device" "PCI function $device has no driver" && mends ': ' && works "vionet-info pci:$device"
}
no_node() {
  guest "rm /dev/vfio/$group"
  info "$device" "cannot open /dev/vfio/$group: No such file or directory; modprobe vfio-pci" &&
    works "vionetctl unbind $device && vionetctl bind vfio-pci $device && vionet-info pci:$device"
}
no_permission() {
  says "pci-port as 1000 64 vionet-info pci:$device" "cannot open /dev/vfio/$group: Permission denied" && mends 'as root: '
}
no_memory() {
  says "pci-port as 1000 64 vionet-info pci:$device" "this process may lock 64 KiB: ulimit -l unlimited as root"
}
no_root() { works "pci-port as 1000 -1 vionet-info pci:$device"; }
busy() {
  guest "launch forwarder pci-port revive pci:$device"
  until guest "grep -q take /tmp/forwarder.out"; do
    guest 'running forwarder' || { forwarder_said "it ended"; return; }
  done
  info "$device" "cannot open /dev/vfio/$group: Device or resource busy; another process has its IOMMU group"
}

check not-there not_there
check not-virtio not_ours
check kernels kernels
check nobodys nobodys
guest "basename \$(readlink $sysfs/iommu_group)"
group=$(last_said)
check no-node no_node
check no-permission no_permission
check no-memory no_memory
check not-root no_root
check busy busy
done_here
