#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 180
# Modern devices in a guest without an IOMMU, through UIO, with memory of hugepages.
# shellcheck source-path=SCRIPTDIR source=../guest.sh
. "$(dirname "$0")/../guest.sh"
pair modern disable-legacy=on
boot hugepages=64
row modern uio_pci_generic
done_here
