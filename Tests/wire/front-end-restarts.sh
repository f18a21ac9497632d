#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A front-end is killed (-9) with both its rings full and started again, on a device of ours that tracks descriptors in
# flight: every frame that the device took or was given is received or counted as lost, and none comes twice. deadline: 900
#
#   front-end-restarts.sh [TIMES]
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
# shellcheck source=../support/front-end-restarts.sh
. "$(dirname "$0")/../support/front-end-restarts.sh"

serve=$(program serve-devices) || exit 1
column() { sed -n "s/.*\\b$2=\\([0-9]*\\).*/\\1/p" "$work/pair.out" | sed -n "$1p"; } # DEVICE WHAT

# killed_often RINGS TIMES
killed_often() {
  local rings=$1
  background pair "$serve" "$work/a" pipe=x "$work/b" pipe=x
  device=${children[-1]}
  kill_often "$rings" own "$device" "$2"
  end_last || fail "the devices did not end well"
  compare "$rings" own "$(column 1 from_driver)" "$(column 2 to_driver)" \
    $(($(column 1 from_driver_drops) + $(column 2 to_driver_drops))) "$(column 2 from_driver)" "$(column 1 to_driver)" \
    $(($(column 2 from_driver_drops) + $(column 1 to_driver_drops)))
  equal "front-ends with tracked descriptors" "$(of tracked)" $(($2 + 1))
  equal "front-ends that connected" "$(column 1 connections)" $(($2 + 1))
  [ "$failed" -eq 0 ]
}

heading
for rings in split packed; do run_case "$rings rings" killed_often $rings "${1:-25}"; done
