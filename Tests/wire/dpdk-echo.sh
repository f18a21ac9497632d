#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# DPDK's vhost back-end gives back what it gets, as it is and with its addresses swapped: every byte is compared.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
# shellcheck source=../support/testpmd.sh
. "$(dirname "$0")/../support/testpmd.sh"

echo=$(program echo) || exit 1
testpmd back "net_vhost0,iface=$work/s,queues=1" --forward-mode=io
say back start
"$echo" "vhost-user:$work/s" 200000 || fail "io"
"$echo" "vhost-user:$work/s,queue_size=1024" 200000 || fail "io, a ring of 1024, on a second connection"
say back stop
[ "$(total back RX-packets)" = 400000 ] || fail "testpmd received $(total back RX-packets)"
[ "$(total back TX-packets)" = 400000 ] || fail "testpmd sent $(total back TX-packets)"

say back "set fwd macswap"
say back start
"$echo" "vhost-user:$work/s" 200000 swapped || fail "macswap"
if "$echo" "vhost-user:$work/s" 100 >"$work/wrong" 2>&1; then fail "swapped addresses went unseen"; fi
