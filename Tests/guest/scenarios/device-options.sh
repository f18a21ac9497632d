#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 1800
# Modern devices through VFIO without one of the usual features, or with another ring size: one boot, a pair of NICs for
# each. QEMU limits a transmit ring that ends at a TAP to 256. The short form has the four that change most.
# shellcheck source-path=SCRIPTDIR source=../lib/guest.sh
. "$(dirname "$0")/../lib/guest.sh"
seconds_of_iperf=${VIONET_GUEST_SECONDS:-1}
options=(ctrl_vq=off mrg_rxbuf=off host_mtu=1400) sizes=(1024)
[ "$full" -eq 0 ] || options+=(event_idx=off indirect_desc=off status=off) sizes+=(256 512)
for option in "${options[@]}"; do
  pair "${option%%=*}" "disable-legacy=on,iommu_platform=on,$option"
done
for size in "${sizes[@]}"; do
  pair "ring_$size" "disable-legacy=on,iommu_platform=on,rx_queue_size=$size,tx_queue_size=$size"
done
boot iommu=48
# The TAPs have to agree with what the device says.
in_space a ip link set host_mtu-a mtu 1400
in_space b ip link set host_mtu-b mtu 1400
for name in "${pairs[@]}"; do
  if [ "$name:$forwarder" = ctrl_vq:testpmd ]; then
    skipped "$name" "DPDK 22.11 does not start a port without a control queue"
    continue
  fi
  check "$name-bind" bound "$name" vfio-pci
  check "$name" carry "$name"
done
done_here
