#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A front-end is killed (-9) with both its rings full, and started again, on testpmd between two of its net_vhost: every
# frame that testpmd took or was given is received by somebody or counted as dropped, none comes twice.
#
#   dpdk-killed.sh [TIMES]
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
# shellcheck source=../support/testpmd.sh
. "$(dirname "$0")/../support/testpmd.sh"
# shellcheck source=../support/killed.sh
. "$(dirname "$0")/../support/killed.sh"

figure() { # PORT WHAT
  tr -d '\r' <"$work/pmd.out" | sed -n "/Forward statistics for port $1/,/----\$/p" |
    sed -n "s/.*$2: *\([0-9][0-9]*\).*/\1/p" | tail -n 1
}

heading
for rings in split packed; do
  testpmd pmd "net_vhost0,iface=$work/a,queues=1 net_vhost1,iface=$work/b,queues=1" --forward-mode=io --no-flush-rx
  say pmd start
  kill_often $rings testpmd "${children[-1]}" "${1:-10}"
  say pmd stop
  compare $rings testpmd "$(figure 0 RX-packets)" "$(figure 1 TX-packets)" "$(figure 1 TX-dropped)" \
    "$(figure 1 RX-packets)" "$(figure 0 TX-packets)" "$(figure 0 TX-dropped)"
  leave pmd
done
[ "$failed" -eq 0 ]
