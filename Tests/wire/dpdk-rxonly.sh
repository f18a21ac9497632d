#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# We send to DPDK's vhost back-end: every frame, of three lengths, is counted there, none more and none less.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
# shellcheck source=../support/testpmd.sh
. "$(dirname "$0")/../support/testpmd.sh"

traffic=$(program traffic) || exit 1
testpmd back "net_vhost0,iface=$work/s,queues=1" --forward-mode=rxonly
say back start
for length in 64 512 1514; do
  say back "clear port stats all"
  "$traffic" "vhost-user:$work/s" tx 300000 "$length" >"$work/front.out" || { cat "$work/front.out"; fail "sending"; }
  cat "$work/front.out"
  grep -qx "sent packets=300000 bytes=$((300000 * length)) drops=0" "$work/front.out" || fail "our count"
  say back "show port stats 0"
  theirs="$(nic back RX-packets) packets, $(nic back RX-bytes) bytes"
  echo "testpmd: $theirs"
  [ "$theirs" = "300000 packets, $((300000 * length)) bytes" ] || fail "testpmd counted otherwise"
done
