#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A front-end of ours is killed (-9) with both its rings full and started again, on testpmd between two of its net_vhost:
# every frame that testpmd took or was given is received or counted as dropped, and none comes twice. deadline: 900
#
#   dpdk-front-end-restarts.sh [TIMES]
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
# shellcheck source=../support/testpmd.sh
. "$(dirname "$0")/../support/testpmd.sh"
# shellcheck source=../support/front-end-restarts.sh
. "$(dirname "$0")/../support/front-end-restarts.sh"

figure() { # PORT WHAT
  tr -d '\r' <"$work/pmd.out" | sed -n "/Forward statistics for port $1/,/----\$/p" |
    sed -n "s/.*$2: *\([0-9][0-9]*\).*/\1/p" | tail -n 1
}

# killed_often RINGS TIMES
killed_often() {
  testpmd pmd "net_vhost0,iface=$work/a,queues=1 net_vhost1,iface=$work/b,queues=1" --forward-mode=io --no-flush-rx
  say pmd start
  kill_often "$1" testpmd "${children[-1]}" "$2"
  say pmd stop
  compare "$1" testpmd "$(figure 0 RX-packets)" "$(figure 1 TX-packets)" "$(figure 1 TX-dropped)" \
    "$(figure 1 RX-packets)" "$(figure 0 TX-packets)" "$(figure 0 TX-dropped)"
  leave pmd
  [ "$failed" -eq 0 ]
}

heading
for rings in split packed; do run_case "$rings rings" killed_often $rings "${1:-10}"; done
