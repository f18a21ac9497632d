#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 180
# Transitional devices (legacy and modern registers) through VFIO. They have no ACCESS_PLATFORM, so that what they are
# told is an address of the guest's memory, whatever the IOMMU maps.
# shellcheck source-path=SCRIPTDIR source=../guest.sh
. "$(dirname "$0")/../guest.sh"
pair both
# Left to itself DPDK gives these devices addresses of the IOMMU, which they do not go through, and hears nothing.
testpmd_options=--iova-mode=pa
boot iommu hugepages=64
row both vfio-pci
done_here
