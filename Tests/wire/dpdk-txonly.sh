#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# DPDK's vhost back-end sends to us as fast as it can. We count as many frames as it says it has delivered.
# deadline: 600
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
# shellcheck source=../support/testpmd.sh
. "$(dirname "$0")/../support/testpmd.sh"

traffic=$(program traffic) || exit 1
testpmd back "net_vhost0,iface=$work/s,queues=1" --forward-mode=txonly --txpkts=200
background front taskset -c 0 "$traffic" "vhost-user:$work/s" rx
has_sent() {
  say back "show port stats 0"
  [ "$(nic back TX-packets)" -gt 100000 ]
}
say back start
until_true 60 has_sent || fail "testpmd sent only $(nic back TX-packets) frames"
say back stop
end_last # it receives what is left in the ring before it ends
status=$?
[ $status -eq 0 ] || { cat "$work/front.out"; fail "receiving"; }
sent=$(total back TX-packets)
cat "$work/front.out"
echo "testpmd: $sent sent, $(total back TX-dropped) dropped"
grep -qx "received packets=$sent bytes=$((sent * 200)) drops=0" "$work/front.out" || fail "the counts differ"
