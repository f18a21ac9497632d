#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 240
# Legacy devices, whose registers are I/O ports, through VFIO and then through UIO: the same devices, one after the other.
# shellcheck source-path=SCRIPTDIR source=../guest.sh
. "$(dirname "$0")/../guest.sh"
pair legacy disable-modern=on,disable-legacy=off,host_mtu=1500
# Left to itself DPDK gives these devices addresses of the IOMMU, which they do not go through, and hears nothing.
testpmd_options=--iova-mode=pa
boot iommu hugepages=64
row legacy vfio-pci
check bind bound legacy vfio-pci
check seed-order seed_order legacy pci-legacy
row legacy uio_pci_generic
done_here
