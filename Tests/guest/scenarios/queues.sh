#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 240
# Four pairs of queues, of which the device is told through its control queue: modern, with packed rings, and legacy.
# shellcheck source-path=SCRIPTDIR source=../guest.sh
. "$(dirname "$0")/../guest.sh"
seconds_of_iperf=${VIONET_GUEST_SECONDS:-2}
queues=4
pair many "disable-legacy=on,iommu_platform=on,mq=on,vectors=10"
pair many_packed "disable-legacy=on,iommu_platform=on,packed=on,mq=on,vectors=10"
pair many_legacy "disable-modern=on,mq=on,vectors=10"
boot iommu hugepages=64

# spread PAIR: the host's TAP deals its flows to several queues, and the forwarder has received on them.
spread() {
  local used
  carry "$1" || return
  used=$(grep -c "pci:$(address "$1" a).*, queue [0-3]: [1-9][0-9]* received" "$work/said")
  echo "  $1: packets came by $used of 4 queues"
  [ "$used" -ge 2 ] || no "packets came by $used queues only"
}

# More pairs than the device has.
refused_pairs() {
  if guest "vionet-fwd -t 1 pci:$(address "$1" a),queues=5"; then
    no "five pairs of four were had"
  else
    grep -q "the device has 4" "$work/said" || no "refused without a word of four: $(last_said)"
  fi
}

flows=8 keys=,queues=4
for name in "${pairs[@]}"; do
  check "$name-bind" bound "$name" vfio-pci
  check "$name" spread "$name"
done
check too-many refused_pairs many
keys=
# One pair of a device that has four.
check many-one carry many
done_here
