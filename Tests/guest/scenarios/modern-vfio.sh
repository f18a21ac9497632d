#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 180
# Modern devices behind the guest's IOMMU, through VFIO; what is said while the kernel's driver still has them; and the
# order in which one is set up.
# shellcheck source-path=SCRIPTDIR source=../guest.sh
. "$(dirname "$0")/../guest.sh"
pair modern disable-legacy=on,iommu_platform=on,host_mtu=1500
boot iommu
if [ "$forwarder" = ours ]; then
  guest "modprobe -a virtio_pci virtio_net"
  check refused-while-bound refused modern virtio-pci
fi
row modern vfio-pci
check bind bound modern vfio-pci
check seed-order seed_order modern pci-modern
done_here
