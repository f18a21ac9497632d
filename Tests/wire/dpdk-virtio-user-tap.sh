#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# DPDK's virtio-user between two of our devices on kernel interfaces: TCP between two network namespaces, with two queue
# pairs and merged buffers, on split and packed rings. Checksums and segmentation are offloaded, so the kernel sends and
# receives long frames.
# deadline: 600
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need_spaces
need iperf3 iperf3
# shellcheck source=../support/testpmd.sh
. "$(dirname "$0")/../support/testpmd.sh"
# shellcheck source=../support/tcp.sh
. "$(dirname "$0")/../support/tcp.sh"

serve=$(program serve-devices) || exit 1
space mid; space a; space b

# start_pmd NAME RINGS: testpmd passes the offload requests of frames on to the next device.
start_pmd() {
  local port line keys="queues=2,cq=1,queue_size=1024,mrg_rxbuf=1,packed_vq=$2"
  testpmd "$1" "net_virtio_user0,path=$work/a,$keys net_virtio_user1,path=$work/b,$keys" --disable-device-start \
    --forward-mode=csum --txd=1024 --rxd=1024 --rxq=2 --txq=2
  for port in 0 1; do
    for line in "rx_offload tcp_cksum" "rx_offload tcp_lro" "rx_offload scatter" "tx_offload tcp_cksum" \
      "tx_offload tcp_tso" "tx_offload multi_segs"; do
      say "$1" "port config $port $line on"
    done
    say "$1" "csum set tcp hw $port"
    say "$1" "csum mac-swap off $port"
    say "$1" "tso set 1448 $port"
  done
  say "$1" "port start all"
  say "$1" start
}

# streams FROM TO ADDRESS: four at a time. The mean frame on the interfaces is then longer than on a wire.
streams() {
  local out in server
  iperf3_server "$2"
  out=$(traffic "$1" tx) in=$(traffic "$2" rx)
  in_space "$1" timeout 120 iperf3 -c "$3" -t 2 -P 4 >"$work/iperf.out" 2>&1 || { cat "$work/iperf.out"; fail "iperf3"; }
  wait "$server"
  unset 'children[-1]'
  out=$(size_of "$out" "$(traffic "$1" tx)") in=$(size_of "$in" "$(traffic "$2" rx)")
  echo "$rings from $1: $(sed -n 's/^\[SUM\].* \([0-9.]* [MG]bits\)\/sec.*receiver.*/\1/p' "$work/iperf.out")/s," \
    "frames of $out bytes from the kernel and of $in to it"
  if [ "$out" -le 1514 ] || [ "$in" -le 1514 ]; then fail "these frames are as short as on a wire"; fi
}
traffic() { echo "$(counter "$1" "tap-$1" "$2_bytes") $(counter "$1" "tap-$1" "$2_packets")"; }
size_of() { awk '{ print int(($3 - $1) / ($4 - $2)) }' <<<"$1 $2"; }

# Packets that came on each queue of each port, from the output of "stop".
by_queues() {
  tr -d '\r' <"$work/$1.out" | awk '/Forward Stats for RX Port=/ { at = $6 $7 $8 } /RX-packets:/ && at { print at, $2; at = "" }'
}

gone_links() { ! has_link a tap-a && ! has_link b tap-b; }

declare -A packed=([split]=0 [packed]=1)
reached() { in_space a ping -q -c 1 -W 1 10.9.8.2 >"$work/ping.out" 2>&1; }

# tcp_over RINGS
tcp_over() {
  local rings=$1 served
  background "$rings" become mid "$serve" "$work/a" tap=tap-a,queues=2 "$work/b" tap=tap-b,queues=2
  served=${children[-1]}
  tap_into mid a tap-a 10.9.8.1/24
  tap_into mid b tap-b 10.9.8.2/24
  start_pmd "pmd-$rings" "${packed[$rings]}"
  until_true 60 reached || { cat "$work/ping.out"; fail "no ping"; }
  streams a b 10.9.8.2
  streams b a 10.9.8.1
  send_file a b 10.9.8.2 5000000 || fail "a file from a"
  send_file b a 10.9.8.1 5000000 || fail "a file from b"
  say "pmd-$rings" stop
  by_queues "pmd-$rings" >"$work/queues"
  cat "$work/queues"
  [ "$(awk '$NF > 0' "$work/queues" | wc -l)" -eq 4 ] || fail "not all queues have carried frames"
  leave "pmd-$rings"
  kill -TERM "$served"
  until_true 60 grep -q to_driver= "$work/$rings.out" || fail "the devices do not end"
  until_true 60 gone_links || fail "an interface is left"
  cat "$work/$rings.out"
}

for rings in split packed; do run_case "$rings rings" tcp_over $rings; done
