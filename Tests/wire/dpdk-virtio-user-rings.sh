#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# DPDK's virtio-user drives our device with every kind of ring it has, and with two queue pairs: frames of a capture go
# out, come back, and every byte is compared. One device serves all of these front-ends, one after the other.
# deadline: 1200
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
# shellcheck source=../support/testpmd.sh
. "$(dirname "$0")/../support/testpmd.sh"

serve=$(program serve-devices) || exit 1
capture=$root/Tests/support/capture.py
"$capture" make "$work/short.pcap" 288 || fail "no capture"
"$capture" make "$work/long.pcap" 288 8000 || fail "no capture"

# A ring holds all frames of a capture: testpmd does not receive while it waits for room to send, so a device that waits for
# room, too, would never get any.
#
# round NAME CAPTURE KEYS [testpmd options...]: from one file through the device to another, on each of $pairs queue pairs.
pairs=1
round() {
  local name=$1 frames=$2 keys=$3 size files='' pair
  shift 3
  rm -f "$work"/out*.pcap
  for ((pair = 0; pair < pairs; pair++)); do files+=",rx_pcap=$work/$frames.pcap,tx_pcap=$work/out$pair.pcap"; done
  testpmd "$name" "net_virtio_user0,path=$work/s,$keys net_pcap0$files" --no-flush-rx --disable-device-start \
    --rxq=$pairs --txq=$pairs "$@"
  # The file port does not have these offloads.
  [ "$frames" = short ] || {
    say "$name" "port config 0 rx_offload scatter on"
    say "$name" "port config 0 tx_offload multi_segs on"
  }
  say "$name" "port start all"
  say "$name" "set fwd io retry"
  say "$name" "set burst tx delay 20 retry 10000"
  say "$name" start
  size=$(stat -c %s "$work/$frames.pcap")
  until_true 60 came_back "$size"
  say "$name" stop
  leave "$name"
  for ((pair = 0; pair < pairs; pair++)); do
    "$capture" compare "$work/$frames.pcap" "$work/out$pair.pcap" || { cat "$work/$name.out"; fail "$name"; }
  done
}
came_back() {
  local file
  for file in "$work"/out*.pcap; do [ "$(stat -c %s "$file")" -ge "$1" ] || return 1; done
}

background device "$serve" "$work/s" loopback,mtu=9000,queues=2
number=0
for packed in 0 1; do
  for order in 0 1; do
    for merged in 0 1; do
      row="packed_vq=$packed,in_order=$order,mrg_rxbuf=$merged"
      for size in 256 $([ $packed = 1 ] && echo 255); do
        number=$((number + 1))
        run_case "$row,queue_size=$size" round "row$number" short "queues=1,queue_size=$size,$row" --txd=256 --rxd=256
      done
      [ $merged = 1 ] || continue
      run_case "$row, frames of up to 8000 bytes in buffers of 2048" round "long$number" long "queues=1,queue_size=1024,$row" --txd=1024 --rxd=1024 --max-pkt-len=9000
    done
  done
done
run_case "split, DPDK's vector functions" round vector short queues=1,queue_size=256,mrg_rxbuf=0,in_order=0,vectorized=1 --txd=256 --rxd=256
pairs=2
for packed in 0 1; do
  run_case "packed_vq=$packed, two pairs" round "two$packed" short "queues=2,cq=1,queue_size=256,packed_vq=$packed" --txd=256 --rxd=256
done
kill -TERM "${children[0]}"
until_true 60 grep -q to_driver= "$work/device.out" || fail "the device does not end"
cat "$work/device.out"
