#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# DPDK's vhost back-end returns frames, unchanged and with swapped addresses; every byte is compared.
# deadline: 600
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
# shellcheck source=../support/testpmd.sh
. "$(dirname "$0")/../support/testpmd.sh"

round_trip=$(program round-trip) || exit 1
testpmd back "net_vhost0,iface=$work/s,queues=1" --forward-mode=io
say back start

counts_agree() {
  say back stop
  [ "$(total back RX-packets)" = 400000 ] || fail "testpmd received $(total back RX-packets)"
  [ "$(total back TX-packets)" = 400000 ] || fail "testpmd sent $(total back TX-packets)"
}
changes_are_noticed() {
  if "$round_trip" "vhost-user:$work/s" 100 >"$work/wrong" 2>&1; then fail "swapped addresses were not noticed"; fi
}

run_case "unchanged frames" "$round_trip" "vhost-user:$work/s" 200000
run_case "a ring of 1024, on a second connection" "$round_trip" "vhost-user:$work/s,queue_size=1024" 200000
run_case "testpmd counts as many" counts_agree
say back "set fwd macswap"
say back start
run_case "swapped addresses" "$round_trip" "vhost-user:$work/s" 200000 swapped
run_case "swapped addresses are noticed" changes_are_noticed
