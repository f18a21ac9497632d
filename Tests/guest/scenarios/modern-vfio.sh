#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 1800
# Modern devices behind the guest's IOMMU, through VFIO; the message while the kernel's driver has them; and the order of a
# device's set-up.
# shellcheck source-path=SCRIPTDIR source=../lib/guest.sh
. "$(dirname "$0")/../lib/guest.sh"
pair modern disable-legacy=on,iommu_platform=on,host_mtu=1500
boot iommu
if [ "$forwarder" = ours ]; then
  guest "modprobe -a virtio_pci virtio_net"
  check refused-while-bound refused modern virtio-pci
fi
all_cases modern vfio-pci
check bind bound modern vfio-pci
check setup-order setup_order modern pci-modern
done_here
