#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 1800
# Four queue pairs, which the control queue switches on: modern devices, with packed rings, and legacy.
# shellcheck source-path=SCRIPTDIR source=../lib/guest.sh
. "$(dirname "$0")/../lib/guest.sh"
seconds_of_iperf=${VIONET_GUEST_SECONDS:-2}
queues=4
pair many "disable-legacy=on,iommu_platform=on,mq=on,vectors=10"
pair many_packed "disable-legacy=on,iommu_platform=on,packed=on,mq=on,vectors=10"
pair many_legacy "disable-modern=on,mq=on,vectors=10"
boot iommu hugepages=64

# spread PAIR: the host's TAP spreads its flows over several queues, and the forwarder received on them.
spread() {
  local used
  carry "$1" || return
  used=$(grep -c "pci:$(address "$1" a).*, queue [0-3]: [1-9][0-9]* received" "$work/said")
  echo "  $1: packets came by $used of 4 queues"
  [ "$used" -ge 2 ] || no "packets came by $used queues only"
}

# More pairs than the device has are refused.
refused_pairs() {
  if guest "vionet-fwd -t 1 pci:$(address "$1" a),queues=5"; then
    no "five pairs of four were opened"
  else
    grep -q "the device has 4" "$work/said" || no "refused without the number four: $(last_said)"
  fi
}

flows=8 keys=,queues=4
for name in "${pairs[@]}"; do
  check "$name-bind" bound "$name" vfio-pci
  check "$name" spread "$name"
done
check too-many refused_pairs many
keys=
# A port may use one pair of a device that has four.
check many-one carry many
done_here
