#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Every burst function against DPDK's vhost back-end, which gives back what it gets: rings of both kinds, in order and
# not, frames in one buffer and in several, sent whole and in pieces; every byte is compared. deadline: 240
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
# shellcheck source=../support/testpmd.sh
. "$(dirname "$0")/../support/testpmd.sh"

echo=$(program echo) || exit 1
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
      "$echo" "$device,mrg_rxbuf=0" 30000 rx=rx-$plain tx=tx-$plain || fail "$kind $size"
      "$echo" "$device,mrg_rxbuf=1" 30000 rx=rx-$kind-mergeable tx=tx-$plain || fail "$kind $size merged"
    done
    device="vhost-user:$work/s,$keys"
    "$echo" "$device,mrg_rxbuf=1" 20000 buffers=512 segments=3 || fail "$kind, several buffers"
    "$echo" "$device,mrg_rxbuf=1" 10000 buffers=128 segments=9 || fail "$kind, many buffers"
    "$echo" "$device,mrg_rxbuf=0,rx_csum=1" 30000 rx=rx-$kind-offload || fail "$kind, checksums"
  done
done

# Two queue pairs: what goes out on one comes back on the same.
leave back
testpmd two "net_vhost0,iface=$work/t,queues=2" --forward-mode=io --rxq=2 --txq=2
say two start
for ring in 0 1; do
  "$echo" "vhost-user:$work/t,queues=2,packed_vq=$ring" 30000 queues=2 || fail "two pairs, packed_vq=$ring"
done
