#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# DPDK's virtio-user front-end drives our device: it receives from a generator and sends to a sink, and both sides count the
# same frames. The device stays for a second front-end.
# deadline: 600
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
# shellcheck source=../support/testpmd.sh
. "$(dirname "$0")/../support/testpmd.sh"

serve=$(program serve-devices) || exit 1
front() { # NAME MODE RX|TX: until it has counted more than 10000 packets
  testpmd "$1" "net_virtio_user0,path=$work/s,queues=1,queue_size=256,mrg_rxbuf=0,in_order=0" \
    --forward-mode="$2"
  say "$1" start
  until_true 60 has_counted "$1" "$3" || fail "testpmd counted only $(nic "$1" "$3-packets") packets"
  say "$1" stop
}
has_counted() {
  say "$1" "show port stats 0"
  [ "$(nic "$1" "$2-packets")" -gt 10000 ]
}
value() { sed -n "s/.*\\b$1=\\([0-9]*\\).*/\\1/p" "$work/$2.out"; }

background sink "$serve" "$work/s" sink
front sender txonly TX
sent=$(total sender TX-packets)
leave sender
front again txonly TX
sent=$((sent + $(total again TX-packets)))
leave again
kill -TERM "${children[0]}"
until_true 60 grep -q from_driver= "$work/sink.out" || fail "the sink does not end"
cat "$work/sink.out"
echo "testpmd sent $sent"
[ "$(value from_driver sink)" = "$sent" ] || fail "the counts differ"
[ "$(value connections sink)" = 2 ] || fail "there were two front-ends"
[ ! -e "$work/s" ] || fail "the socket is still there"

background source "$serve" "$work/s" generate,length=128,rate=100000
source=${children[-1]}
front receiver rxonly RX
say receiver "show port stats 0"
received=$(nic receiver RX-packets)
leave receiver
kill -TERM "$source"
until_true 60 grep -q to_driver= "$work/source.out" || fail "the source does not end"
cat "$work/source.out"
echo "testpmd received $received"
# testpmd did not count what was in the ring when it stopped: at most a ring full.
left=$(($(value to_driver source) - received))
if [ "$left" -lt 0 ] || [ "$left" -gt 256 ]; then fail "$left frames are missing"; fi
