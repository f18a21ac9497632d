# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# Sourced by the tests of vionetctl: the tool, exact answers, and a simulated PCI bus for it to list.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
vionetctl=$build/bin/vionetctl
[ -x "$vionetctl" ] || fail "vionetctl is not built: run make vionetctl first"
bus=$work/bus on_bus=()

# Makes $bus, which is empty, and the namespace m, where "${on_bus[@]}" runs a command that sees it as /sys/bus/pci. The
# command is not run if that mount fails.
make_bus() {
  need_spaces
  mkdir -p "$bus/devices" "$bus/drivers"
  touch "$bus/simulated"
  space m
  # shellcheck disable=SC2016,SC2034 # variables of the inner shell's; for the tests
  on_bus=(ip netns exec "$tag-m" bash -c
    'mount --bind "$0" /sys/bus/pci && [ -e /sys/bus/pci/simulated ] && exec "$@"' "$bus")
}

add_driver() { mkdir -p "$bus/drivers/$1"; }

# add_function ADDRESS VENDOR:DEVICE [DRIVER [IOMMU GROUP [INTERFACE]]]
add_function() {
  local place=$bus/devices/$1
  mkdir -p "$place"
  echo "0x${2%:*}" >"$place/vendor"
  echo "0x${2#*:}" >"$place/device"
  echo "(null)" >"$place/driver_override"
  [ -z "${3-}" ] || { add_driver "$3" && ln -s "../../drivers/$3" "$place/driver"; }
  [ -z "${5-}" ] || mkdir -p "$place/virtio0/net/$5"
  [ -n "${4-}" ] || return 0
  mkdir -p "$bus/groups/$4/devices"
  ln -s "../../groups/$4" "$place/iommu_group"
  ln -s "../../../devices/$1" "$bus/groups/$4/devices/$1"
}

# prints STATUS command...: its output and error output are exactly the input of this function.
prints() {
  local want=$1 got
  shift
  cat >"$work/wanted"
  timeout 200 "$@" >"$work/said" 2>&1 </dev/null
  got=$?
  diff "$work/wanted" "$work/said" || fail "$* said something else (>) than it should (<)"
  [ "$got" -eq "$want" ] || fail "$* ended with $got, not $want"
}
