#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 1800
# VFIO in a guest without an IOMMU: what the kernel and we ask for, the risk in the log, and traffic with MSI-X. Debian builds
# its kernel without VFIO_NOIOMMU: build-guest.sh makes that module.
# shellcheck source-path=SCRIPTDIR source=../lib/guest.sh
. "$(dirname "$0")/../lib/guest.sh"
[ "$forwarder" = ours ] || skip "this is about our ports"
pair modern disable-legacy=on
boot noiommu hugepages=64 vionetctl
device=$(address modern a)
sysfs=/sys/bus/pci/devices/$device
switch=/sys/module/vfio/parameters/enable_unsafe_noiommu_mode
info() { says "vionet-info pci:$device$2" "$1"; }

# The kernel gives the function to VFIO only with the switch. Without it, and a tool that does not see that, the function goes
# back to the driver it had.
forbidden() {
  works "modprobe -a virtio_pci virtio_net && insmod /noiommu/vfio.ko && modprobe vfio-pci" || return
  says "vionetctl bind vfio-pci $device" "is in no IOMMU group, which vfio-pci needs" || return
  works "echo Y >/tmp/yes && mount --bind /tmp/yes $switch" || return
  says "vionetctl bind vfio-pci $device" \
    "vfio-pci did not take PCI function $device, as dmesg may explain; it has virtio-pci again" || return
  works "umount $switch && [ \$(driver_of $device) = virtio-pci ] && [ \$(cat $sysfs/driver_override) = '(null)' ]"
}
allowed() {
  works "echo 1 >$switch && vionetctl bind vfio-pci $device && basename \$(readlink $sysfs/iommu_group)" || return
  file=/dev/vfio/noiommu-$(last_said)
  works "[ -c $file ]"
}
# The sentence's command mends it.
switched_off() {
  local command
  works "echo 0 >$switch" && info "VFIO gives out no function without an IOMMU: as root, echo 1 > $switch" || return
  command=$(sed -n 's|.*: as root, ||p' "$work/said")
  works "$command"
}
not_root() {
  local as="pci-port as 1000 -1 vionet-info pci:$device"
  says "$as" "cannot open $file: Permission denied; as root: chown 1000 $file" && works "chown 1000 $file" &&
    says "$as" "cannot open $file: Operation not permitted; a function without an IOMMU wants CAP_SYS_RAWIO"
}
risk() {
  works "VIONET_LOG=info vionet-info -s pci:$device 2>&1" || return
  [ "$(grep -c "no IOMMU stands before $device" "$work/said")" = 1 ] || no "the log does not name the risk once"
  grep -q "3 vectors connected" "$work/said" || no "the device has no vectors of its own"
}
refused_keys() {
  info "iova=va: no IOMMU stands before PCI function $device" ,iova=va &&
    info "vf_token= is for functions of SR-IOV" ,vf_token=14d63f20-8445-11ea-8900-1f9ce7d5650d
}

check forbidden forbidden
check allowed allowed
check switched-off switched_off
check not-root not_root
check risk risk
check keys refused_keys
all_cases modern vfio-pci
done_here
