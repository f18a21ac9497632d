#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Odd frames are forwarded between a port whose back-end is DPDK's and ports of every other bus, both ways, with the port as
# client and as server of the socket, and with offloads, and every frame is in one count. The frames go through testpmd, from
# one port of ours to another.
# deadline: 900
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
# shellcheck source=../support/testpmd.sh
. "$(dirname "$0")/../support/testpmd.sh"

pairs=$(program odd-frames-testpmd) || exit 1

# back_end NAME KEYS [testpmd options...]: testpmd with the two pairs of ports that the program joins.
back_end() {
  local device devices=() number=0
  for device in in-0 in-1 out-0 out-1; do
    devices+=("net_vhost$number,iface=$work/$1-odd-$device,queues=1$2")
    number=$((number + 1))
  done
  testpmd "$1" "${devices[*]}" --port-topology=paired "${@:3}"
}

# checksums NAME: testpmd leaves those of TCP and UDP to the next port, and keeps addresses.
checksums() {
  local port
  say "$1" "port stop all"
  for port in 0 1 2 3; do
    say "$1" "csum set tcp hw $port"
    say "$1" "csum set udp hw $port"
    say "$1" "csum mac-swap off $port"
  done
  say "$1" "port start all"
}

back_end listens "" --forward-mode=io
say listens start
export VIONET_FAR_TESTPMD=$work/listens
run_case "our port connects" inner_tap "$pairs" --only ""
leave listens
back_end calls ",client=1" --forward-mode=io
say calls start
export VIONET_FAR_TESTPMD=$work/calls VIONET_FAR_CALLS=1
run_case "our port listens" inner_tap "$pairs" --only ""
leave calls
back_end offloads ",tso=1" --forward-mode=csum
checksums offloads
say offloads start
unset VIONET_FAR_CALLS
export VIONET_FAR_TESTPMD=$work/offloads
run_case "our port connects, with offloads" inner_tap "$pairs" --only "" 1
