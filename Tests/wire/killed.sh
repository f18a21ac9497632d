#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A front-end is killed (-9) with both its rings full, and started again, on a device of ours that tracks what is in
# flight: every frame that the device took or was given is received by somebody or counted as lost, none comes twice.
#
#   killed.sh [TIMES]
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
# shellcheck source=../support/killed.sh
. "$(dirname "$0")/../support/killed.sh"

serve=$(program serve) || exit 1
column() { sed -n "s/.*\\b$2=\\([0-9]*\\).*/\\1/p" "$work/pair.out" | sed -n "$1p"; } # DEVICE WHAT

heading
for rings in split packed; do
  background pair "$serve" "$work/a" pipe=x "$work/b" pipe=x
  device=${children[-1]}
  kill_often $rings own "$device" "${1:-25}"
  end_last || fail "the devices did not end well"
  compare $rings own "$(column 1 from_driver)" "$(column 2 to_driver)" \
    $(($(column 1 from_driver_drops) + $(column 2 to_driver_drops))) "$(column 2 from_driver)" "$(column 1 to_driver)" \
    $(($(column 2 from_driver_drops) + $(column 1 to_driver_drops)))
  equal "front-ends that had their chains in flight tracked" "$(of tracked)" $((${1:-25} + 1))
  equal "front-ends that came" "$(column 1 connections)" $((${1:-25} + 1))
done
[ "$failed" -eq 0 ]
