#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A back-end of our own is killed (-9) and started again under traffic, as client and as server, on split and packed
# rings: no frame is lost, no buffer, nothing grows. deadline: 120
#
#   restarts.sh [TIMES]
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"

restarts=$(program restarts) || exit 1
failed=0
echo "                                                                                ms to the first frame, from"
echo "                                                                  fds  RSS    the meeting              testpmd's"
echo "mode   rings  back-end times     sent     came  lost twice before->now  KiB | median     p99     max   listening"
for mode in client server; do
  for rings in split packed; do
    "$restarts" "$mode" "$rings" "${1:-25}" "$work/$mode-$rings" || failed=$((failed + 1))
  done
done
[ "$failed" -eq 0 ]
