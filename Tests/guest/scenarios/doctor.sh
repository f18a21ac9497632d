#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 1800
# vionetctl doctor beside real devices: what it finds keeps vionet-info from opening them, its commands are run one after the
# other, and once it finds nothing more the device opens.
# shellcheck source-path=SCRIPTDIR source=../lib/guest.sh
. "$(dirname "$0")/../lib/guest.sh"
[ "$forwarder" = ours ] || skip "vionetctl is tested with our forwarder"
pair new disable-legacy=on,iommu_platform=on
pair old
boot iommu vionetctl
a=$(address new a) c=$(address old a)

# mended ADDRESS COMMAND...: the commands are found in this order, and while there is one the address does not open; with
# by_luck=1 it may, since plain pages may happen to lie side by side.
mended() {
  local address=$1 command
  shift
  for command; do
    guest "vionetctl doctor $address" && { no "nothing is found, not \"$command\""; return; }
    grep -qF "      $command" "$work/said" || { sed 's/^/  | /' "$work/said"; no "\"$command\" is not found"; return; }
    [ "${by_luck-0}" -eq 0 ] && guest "vionet-info $address" && { no "it opens before \"$command\""; return; }
    guest "$command" || { no "$command: $(last_said)"; return; }
  done
  guest "vionetctl doctor $address" || { sed 's/^/  | /' "$work/said"; no "something is found, and nothing is left to do"; return; }
  guest "vionet-info $address" || no "it does not open: $(last_said)"
}

vhost_net() { mended vhost-net:tap0 "modprobe vhost_net"; }

# Taken from the kernel's driver, by its interface: the module, then the binding.
with_iommu() {
  guest "modprobe -a virtio_pci virtio_net vfio_iommu_type1" || { no "$(last_said)"; return; }
  mended "pci:$a" "modprobe vfio-pci" "vionetctl bind vfio-pci $a"
}

# A device that goes past the IOMMU wants a hugepage for its rings, which is said and does not count: it cannot be seen.
without_platform() {
  guest "vionetctl bind vfio-pci $c && vionetctl doctor pci:$c" || { no "$(last_said)"; return; }
  grep -q ACCESS_PLATFORM "$work/said" || no "no word of hugepages"
}

without_iommu() {
  guest "modprobe uio_pci_generic && vionetctl bind kernel $c" || { no "$(last_said)"; return; }
  guest "vionetctl bind uio_pci_generic $c" || { no "$(last_said)"; return; }
  by_luck=1 mended "pci:$c" "echo 64 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
}

check vhost-net vhost_net
check vfio with_iommu
check platform without_platform
check uio without_iommu
done_here
