#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 1800
# A benchmark: iperf3 through vionet-fwd and through DPDK's testpmd in the same guest, on the same two NICs, in turns, three
# runs each; the result is the median. Both poll on the second processor with bursts of 32. VIONET_GUEST_SECONDS is the
# length of a run, VIONET_GUEST_NIC sets other properties of the NICs.
# shellcheck source-path=SCRIPTDIR source=../lib/guest.sh
. "$(dirname "$0")/../lib/guest.sh"
seconds_of_iperf=${VIONET_GUEST_SECONDS:-10}
with_testpmd=1
pair bench "${VIONET_GUEST_NIC:-disable-legacy=on,iommu_platform=on}"
boot iommu

median() { printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"; }

# one_run NAME: adds to the array of that name.
one_run() {
  local -n runs=$1
  forwarder=$1
  our_forwarder="taskset 2 vionet-fwd" start_forwarder bench || return
  iperf_through bench "$seconds_of_iperf" || return
  stop_forwarder bench || return
  runs+=("$gigabits")
  echo "  $1: $gigabits Gbit/s"
}

# shellcheck disable=SC2034 # one_run names them
ours=() testpmd=()
check bind bound bench vfio-pci
for round in 1 2 3; do
  # Whoever is first this time is second next time.
  if [ $((round % 2)) -eq 1 ]; then order="ours testpmd"; else order="testpmd ours"; fi
  for name in $order; do check "$name-$round" one_run "$name"; done
done
[ "${#ours[@]}" -eq 0 ] || echo "vionet-fwd: $(median "${ours[@]}") Gbit/s, median of ${#ours[@]}"
[ "${#testpmd[@]}" -eq 0 ] || echo "testpmd:    $(median "${testpmd[@]}") Gbit/s, median of ${#testpmd[@]}"
if [ "${#ours[@]}" -eq 3 ] && [ "${#testpmd[@]}" -eq 3 ]; then
  echo "vionet-fwd / testpmd: $(awk -v a="$(median "${ours[@]}")" -v b="$(median "${testpmd[@]}")" 'BEGIN { printf "%.2f", a / b }')"
fi
done_here
