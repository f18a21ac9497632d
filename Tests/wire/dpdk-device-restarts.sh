#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# DPDK's virtio-user listens, and our device connects, is killed and comes again: testpmd goes on sending to the successor,
# which takes the ring where it stands and stays.
# deadline: 600
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
# shellcheck source=../support/testpmd.sh
. "$(dirname "$0")/../support/testpmd.sh"

serve=$(program serve-devices) || exit 1
value() { sed -n "s/.*\\b$1=\\([0-9]*\\).*/\\1/p" "$work/$2.out"; }
# Looking at the link is when virtio-user takes the next connection; `since` is how much was sent before.
goes_on() {
  say front "show port info 0"
  say front "show port stats 0"
  [ "$(nic front TX-packets)" -gt $(($1 + 10000)) ]
}

restarts() { # KEYS
  local sent=0 round device
  background device0 "$serve" "$work/s" sink,client=1
  device=${children[-1]}
  testpmd front "net_virtio_user0,path=$work/s,server=1,queues=1,queue_size=256,$1" --forward-mode=txonly
  say front start
  for round in 1 2 3; do
    until_true 60 goes_on "$sent" || { cat "$work/front.out"; fail "testpmd sends nothing after restart $((round - 1))"; }
    sent=$(nic front TX-packets)
    [ $round = 3 ] && break
    kill -KILL "$device"
    background "device$round" "$serve" "$work/s" sink,client=1
    device=${children[-1]}
  done
  kill -TERM "$device"
  until_true 60 grep -q from_driver= "$work/device2.out" || fail "the device does not end"
  cat "$work/device2.out"
  [ "$(value connections device2)" = 1 ] || fail "the device left its front-end"
  # Some of the 10000 were sent before it came. More than its ring holds have come to it, or it would not go on.
  [ "$(value from_driver device2)" -gt 1000 ] || fail "the device took too little"
  leave front
}

run_case "split rings" restarts packed_vq=0,mrg_rxbuf=0,in_order=0
run_case "split rings in order, merged buffers" restarts packed_vq=0,mrg_rxbuf=1,in_order=1
run_case "packed rings" restarts packed_vq=1
