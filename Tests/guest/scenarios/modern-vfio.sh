#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 180
# Modern devices behind the guest's IOMMU, through VFIO; and what is said while the kernel's driver still has them.
# shellcheck source-path=SCRIPTDIR source=../guest.sh
. "$(dirname "$0")/../guest.sh"
pair modern disable-legacy=on,iommu_platform=on
boot iommu
if [ "$forwarder" = ours ]; then
  guest "modprobe -a virtio_pci virtio_net"
  check refused-while-bound refused modern virtio-pci
fi
row modern vfio-pci
done_here
