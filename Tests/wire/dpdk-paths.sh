#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Every burst function against DPDK's vhost back-end, which returns frames: rings of both kinds, with IN_ORDER and without,
# frames in one buffer and in several, sent whole and in pieces; every byte is compared. deadline: 1800
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
# shellcheck source=../support/testpmd.sh
. "$(dirname "$0")/../support/testpmd.sh"

round_trip=$(program round-trip) || exit 1
testpmd back "net_vhost0,iface=$work/s,queues=1" --forward-mode=io
say back start

for ring in split packed; do
  for order in 0 1; do
    kind=$ring
    [ $order = 1 ] && kind=$ring-in-order
    plain=$kind
    [ $order = 0 ] && plain=$kind-plain
    keys="packed_vq=$([ $ring = packed ] && echo 1 || echo 0),in_order=$order"
    for size in 256 1024 $([ $ring = packed ] && echo 255); do
      device="vhost-user:$work/s,$keys,queue_size=$size"
      run_case "$kind, $size" "$round_trip" "$device,mrg_rxbuf=0" 30000 rx=rx-$plain tx=tx-$plain
      run_case "$kind, $size, merged buffers" "$round_trip" "$device,mrg_rxbuf=1" 30000 rx=rx-$kind-mergeable tx=tx-$plain
    done
    device="vhost-user:$work/s,$keys"
    run_case "$kind, several buffers" "$round_trip" "$device,mrg_rxbuf=1" 20000 buffers=512 segments=3
    run_case "$kind, many buffers" "$round_trip" "$device,mrg_rxbuf=1" 10000 buffers=128 segments=9
    run_case "$kind, checksums" "$round_trip" "$device,mrg_rxbuf=0,rx_csum=1" 30000 rx=rx-$kind-offload
  done
done

# With two queue pairs a frame comes back on the queue on which it went out.
leave back
testpmd two "net_vhost0,iface=$work/t,queues=2" --forward-mode=io --rxq=2 --txq=2
say two start
for ring in 0 1; do
  run_case "two pairs, packed_vq=$ring" "$round_trip" "vhost-user:$work/t,queues=2,packed_vq=$ring" 30000 queues=2
done
