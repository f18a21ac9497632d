#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# DPDK's vhost back-end counts exactly the frames that we send, of three lengths.
# deadline: 600
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
# shellcheck source=../support/testpmd.sh
. "$(dirname "$0")/../support/testpmd.sh"

traffic=$(program traffic) || exit 1
testpmd back "net_vhost0,iface=$work/s,queues=1" --forward-mode=rxonly
say back start
# counted LENGTH: 300000 frames.
counted() {
  local theirs
  say back "clear port stats all"
  "$traffic" "vhost-user:$work/s" tx 300000 "$1" >"$work/front.out" || { cat "$work/front.out"; fail "sending"; }
  cat "$work/front.out"
  grep -qx "sent packets=300000 bytes=$((300000 * $1)) drops=0" "$work/front.out" || fail "our count"
  say back "show port stats 0"
  theirs="$(nic back RX-packets) packets, $(nic back RX-bytes) bytes"
  echo "testpmd: $theirs"
  [ "$theirs" = "300000 packets, $((300000 * $1)) bytes" ] || fail "testpmd counted otherwise"
}

for length in 64 512 1514; do run_case "frames of $length bytes" counted $length; done
