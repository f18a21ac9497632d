#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# DPDK's vhost back-end sends to us, as fast as it can: we count what it says it has delivered.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
# shellcheck source=../support/testpmd.sh
. "$(dirname "$0")/../support/testpmd.sh"

traffic=$(program traffic) || exit 1
testpmd back "net_vhost0,iface=$work/s,queues=1" --forward-mode=txonly --txpkts=200
background front taskset -c 0 "$traffic" "vhost-user:$work/s" rx
say back start
sleep 3
say back stop
sleep 0.5 # what is in the ring is still to be taken
end_last || { cat "$work/front.out"; fail "receiving"; }
sent=$(total back TX-packets)
cat "$work/front.out"
echo "testpmd: $sent sent, $(total back TX-dropped) dropped"
[ "$sent" -gt 100000 ] || fail "testpmd sent next to nothing"
grep -qx "received packets=$sent bytes=$((sent * 200)) drops=0" "$work/front.out" || fail "the counts differ"
