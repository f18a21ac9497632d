#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 240
# Devices with fewer interrupts than there are things to announce: whoever sleeps is woken all the same, by packets and by
# news of the link.
# shellcheck source-path=SCRIPTDIR source=../guest.sh
. "$(dirname "$0")/../guest.sh"
modern=disable-legacy=on,iommu_platform=on
pair three $modern,vectors=3
pair two $modern,vectors=2
pair one $modern,vectors=1
pair line $modern,vectors=0
boot iommu
# told PAIR: the descriptor for news is readable once the link goes, and once it comes; not before.
told() {
  local way
  launch_tuner "$1" && tell news || return
  for way in off:0 on:1; do
    tell told 0
    # shellcheck disable=SC2128,SC2154 # "done" is set by tell
    [ "$done" = -110 ] || { no "news before there are any"; return; }
    monitor "set_link nic-$1-a ${way%:*}" >/dev/null && obeys told 5000 && tell news || return
    [[ $(head -n 1 "$work/said") == "events 5 link ${way#*:} "* ]] || { no "the link went ${way%:*}: $(head -n 1 "$work/said")"; return; }
  done
}

for name in three two one line; do check $name-bind bound $name vfio-pci; done
check three-config config_vector three
for name in three two one line; do
  check $name-asleep asleep $name
  check $name-told told $name
done
done_here
