#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 1800
# Transitional devices (legacy and modern registers) through VFIO. They lack ACCESS_PLATFORM, so they take addresses of the
# guest's memory, whatever the IOMMU maps.
# shellcheck source-path=SCRIPTDIR source=../lib/guest.sh
. "$(dirname "$0")/../lib/guest.sh"
pair both
# By default DPDK gives these devices IOMMU addresses, which they do not translate, and then receives nothing.
testpmd_options=--iova-mode=pa
boot iommu hugepages=64
all_cases both vfio-pci
done_here
