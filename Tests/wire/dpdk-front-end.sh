#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# DPDK's virtio-user front-end drives our device: it receives from the generator and sends to the sink, and both sides
# count the same; then it comes again to a device that is still there.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
# shellcheck source=../support/testpmd.sh
. "$(dirname "$0")/../support/testpmd.sh"

serve=$(program serve) || exit 1
front() { # name mode
  testpmd "$1" "net_virtio_user0,path=$work/s,queues=1,queue_size=256,mrg_rxbuf=0,in_order=0" \
    --forward-mode="$2"
  say "$1" start
  sleep 2
  say "$1" stop
}
value() { sed -n "s/.*\\b$1=\\([0-9]*\\).*/\\1/p" "$work/$2.out"; }

background sink "$serve" "$work/s" sink
front sender txonly
sent=$(total sender TX-packets)
leave sender
front again txonly
sent=$((sent + $(total again TX-packets)))
leave again
kill -TERM "${children[0]}"
until_true 5 grep -q from_driver= "$work/sink.out" || fail "the sink does not end"
cat "$work/sink.out"
echo "testpmd sent $sent"
[ "$sent" -gt 10000 ] || fail "testpmd sent next to nothing"
[ "$(value from_driver sink)" = "$sent" ] || fail "the counts differ"
[ "$(value connections sink)" = 2 ] || fail "two front-ends had come"
[ ! -e "$work/s" ] || fail "the socket is still there"

background source "$serve" "$work/s" generate,length=128,rate=100000
source=${children[-1]}
front receiver rxonly
say receiver "show port stats 0"
received=$(nic receiver RX-packets)
leave receiver
kill -TERM "$source"
until_true 5 grep -q to_driver= "$work/source.out" || fail "the source does not end"
cat "$work/source.out"
echo "testpmd received $received"
# What was in the ring when testpmd stopped asking, it never counted: less than the ring.
left=$(($(value to_driver source) - received))
[ "$received" -gt 10000 ] || fail "next to nothing came"
if [ "$left" -lt 0 ] || [ "$left" -gt 256 ]; then fail "$left frames are missing"; fi
