#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 1800
# Ports on the guest's vhost beside DPDK's virtio-user on the same /dev/vhost-net, in turns, five runs each: frames of 64
# bytes sent to the interface, as the guest's kernel counts them, and TCP from this machine to the guest's kernel through a
# forwarder, both ways. Both poll on the second processor with bursts of 32 and rings of 1024; what counts is the median.
# Neither has EVENT_IDX on the way to this machine: DPDK's driver does not know it.
# VIONET_GUEST_SECONDS is the length of a run.
# shellcheck source-path=SCRIPTDIR source=../lib/guest.sh
. "$(dirname "$0")/../lib/guest.sh"
seconds=${VIONET_GUEST_SECONDS:-5}
with_testpmd=1
pair net disable-legacy=on,iommu_platform=on
boot iommu iperf3
there=10.9.1.7 mac=02:00:00:00:07:07

works() { guest -t 60 "$1" || no "$1: $(last_said)"; }
median() { printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"; }

# testpmd has to have several ports, or one with itself, to forward between; a device that is not named is not probed.
dpdk="testpmd -l 0,1 --in-memory -m 256"
virtio_user="--vdev=net_virtio_user0,path=/dev/vhost-net,iface=tap0,queues=1,queue_size=1024,mac=$mac"
testpmd_more="-i --nb-cores=1 --auto-start --no-flush-rx --total-num-mbufs=16384 --no-lsc-interrupt --txd=1024 --rxd=1024"

start() { # NAME DEED: "send" or "forward"
  case $1-$2 in
    ours-send) works "launch forwarder taskset 2 vionet-pktgen -m tx -q -n 1024 vhost-net:tap0,mac=$mac" ;;
    ours-forward) works "launch forwarder taskset 2 vionet-fwd pci:$(address net a),queue_size=256,event_idx=0 vhost-net:tap0,queue_size=1024,mac=$mac" ;;
    testpmd-send) works "launch forwarder $dpdk --no-pci $virtio_user -- --forward-mode=txonly $testpmd_more" ;;
    testpmd-forward) works "launch forwarder $dpdk -a $(address net a) $virtio_user -- --forward-mode=io $testpmd_more" ;;
  esac || return
  works "i=0; until [ -e /sys/class/net/tap0 ] || [ \$i -gt 200 ]; do i=\$((i + 1)); usleep 50000; done;
    ifconfig tap0 $there netmask 255.255.255.0 up" || forwarder_said "no interface"
}

# sent NAME: thousands of frames in a second.
sent() {
  local before began rate
  local -n runs=$1_sent
  start "$1" send || return
  sleep 2
  began=$(date +%s%N)
  works "cat /sys/class/net/tap0/statistics/rx_packets" || return
  before=$(last_said)
  sleep "$seconds"
  works "cat /sys/class/net/tap0/statistics/rx_packets" || return
  rate=$((($(last_said) - before) * 1000000 / ($(date +%s%N) - began)))
  runs+=("$rate")
  echo "  $1: $rate thousand frames/s"
}

# forwarded_by NAME: megabits in a second, into the guest and out of it.
forwarded_by() {
  local way rate
  local -n in=$1_in out=$1_out
  start "$1" forward || return
  until_true 10 in_space a ping -q -c 1 -W 1 $there >"$work/ping.out" 2>&1 || { forwarder_said "no ping"; return; }
  works "launch iperf iperf3 -s; i=0; until netstat -ltn | grep -q ':5201 ' || [ \$i -gt 200 ]; do i=\$((i + 1)); usleep 50000; done"
  for way in "" -R; do
    # shellcheck disable=SC2086 # an option or none
    in_space a timeout 60 iperf3 -c $there -t "$seconds" $way -J >"$work/iperf.json" || { no "iperf3 failed"; return; }
    rate=$(python3 -c 'import json, sys
print(int(json.load(open(sys.argv[1]))["end"]["sum_received"]["bits_per_second"] / 1e6))' "$work/iperf.json")
    if [ -z "$way" ]; then in+=("$rate"); else out+=("$rate"); fi
  done
  works "put_away iperf"
  echo "  $1: ${in[-1]} Mbit/s into the guest, ${out[-1]} out of it"
}

# shellcheck disable=SC2034 # by their names
ours_sent=() testpmd_sent=() ours_in=() testpmd_in=() ours_out=() testpmd_out=()
guest "modprobe -a vhost_net tun"
check bind bound net vfio-pci
for round in 1 2 3 4 5; do
  # Whoever is first this time is second next time.
  if [ $((round % 2)) -eq 1 ]; then order="ours testpmd"; else order="testpmd ours"; fi
  for name in $order; do check "send-$name-$round" sent "$name"; done
  for name in $order; do check "forward-$name-$round" forwarded_by "$name"; done
done
for what in sent in out; do
  declare -n ours=ours_$what testpmd=testpmd_$what
  if [ "${#ours[@]}" -eq 5 ] && [ "${#testpmd[@]}" -eq 5 ]; then
    echo "$what: vionet $(median "${ours[@]}"), testpmd $(median "${testpmd[@]}")," \
      "$(awk -v a="$(median "${ours[@]}")" -v b="$(median "${testpmd[@]}")" 'BEGIN { printf "%.2f", a / b }')"
  fi
done
done_here
