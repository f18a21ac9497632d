#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 1800
# Legacy devices, whose registers are I/O ports, through VFIO and then through UIO, with the same devices.
# shellcheck source-path=SCRIPTDIR source=../lib/guest.sh
. "$(dirname "$0")/../lib/guest.sh"
pair legacy disable-modern=on,disable-legacy=off,host_mtu=1500
# By default DPDK gives these devices IOMMU addresses, which they do not translate, and then receives nothing.
testpmd_options=--iova-mode=pa
boot iommu hugepages=64
all_cases legacy vfio-pci
check bind bound legacy vfio-pci
check setup-order setup_order legacy pci-legacy
all_cases legacy uio_pci_generic
done_here
