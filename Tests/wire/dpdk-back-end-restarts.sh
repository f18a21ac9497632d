#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# testpmd with net_vhost is killed (-9) and started again under traffic, as server and as client, on split and packed
# rings: packets flow again, no buffer is lost, nothing grows. Times are printed, and nothing judges them. deadline: 1800
#
#   dpdk-back-end-restarts.sh [TIMES]
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need dpdk-testpmd dpdk-dev

restarts=$(program back-end-restarts) || exit 1
export RESTARTS_LOG=$work/testpmd.out
echo "                                                                                ms to the first frame, from"
echo "                                                                  fds  RSS    the connection           testpmd's"
echo "mode   rings  back-end times     sent     came  lost twice before->now  KiB | median     p99     max   listening"
row() { # client|server split|packed TIMES [further devargs]
  timeout --foreground 3600 "$restarts" "$1" "$2" "$3" "$work/$1-$2" \
    dpdk-testpmd --lcores "0@0,1@$(($(nproc) - 1))" --no-pci --no-huge -m 192 --no-shconf --no-telemetry \
    --log-level=lib.vhost.*:error --file-prefix="$tag" --vdev "net_vhost0,iface=$work/$1-$2,queues=1${4-}" -- \
    --auto-start --forward-mode=io --no-flush-rx --nb-cores=1 --total-num-mbufs=16384 --no-lsc-interrupt \
    --disable-link-check || { tail -n 5 "$RESTARTS_LOG"; return 1; }
}
for rings in split packed; do
  run_case "testpmd as server, $rings rings" row client $rings "${1:-10}"
  run_case "testpmd as client, $rings rings" row server $rings "${1:-10}" ,client=1
done
