#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 240
# Devices with fewer interrupts than there are things to announce: whoever sleeps is woken all the same.
# shellcheck source-path=SCRIPTDIR source=../guest.sh
. "$(dirname "$0")/../guest.sh"
modern=disable-legacy=on,iommu_platform=on
pair three $modern,vectors=3
pair two $modern,vectors=2
pair one $modern,vectors=1
pair line $modern,vectors=0
boot iommu
for name in three two one line; do check $name-bind bound $name vfio-pci; done
check three-config config_vector three
for name in three two one line; do check $name-asleep asleep $name; done
done_here
