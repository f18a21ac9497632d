#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A back-end of our own is killed (-9) and started again under traffic, as client and as server, on split and packed
# rings: no frame and no buffer is lost, nothing grows. Times are printed, and nothing judges them. deadline: 900
#
#   back-end-restarts.sh [TIMES]
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"

restarts=$(program back-end-restarts) || exit 1
echo "                                                                                ms to the first frame, from"
echo "                                                                  fds  RSS    the connection           testpmd's"
echo "mode   rings  back-end times     sent     came  lost twice before->now  KiB | median     p99     max   listening"
for mode in client server; do
  for rings in split packed; do
    run_case "the port is $mode, $rings rings" "$restarts" "$mode" "$rings" "${1:-25}" "$work/$mode-$rings"
  done
done
