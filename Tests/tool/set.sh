#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# vionetctl set: each setting with the command that the device gets for it, byte by byte, and none for what is refused.
# shellcheck source-path=SCRIPTDIR source=../support/tool.sh
. "$(dirname "$0")/../support/tool.sh"
told=$(program control-commands) || exit 1
key=000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021222324252627

set_to() {
  "$vionetctl" set "$work/socket" "$@" >"$work/said" 2>&1 || { cat "$work/said"; fail "set $*"; }
  [ ! -s "$work/said" ] || { cat "$work/said"; fail "set $* is not silent"; }
}
denied() {
  local why=$1
  shift
  gives 1 "$vionetctl" set "$work/socket" "$@"
  said "$why"
}

background told "$told" "$work/socket"
set_to mac 02:00:00:00:00:09
set_to mtu 1400
set_to promisc off
set_to allmulti on
set_to vlan add 513
set_to vlan remove 513
set_to rss "key=$key" table=1,0,1,1 types=ipv4,udp6 unclassified=1
set_to rss types=tcp4
denied 'rss types' rss types=tcp5
denied 'queue 2' rss table=0,2
set_to rss table=0 unclassified=0
set_to coalesce rx all 8 100
set_to coalesce tx all 0 0
set_to coalesce rx 1 2 50
denied 'microseconds' coalesce rx 1 2
denied 'queue 7' coalesce tx 7 1 1
set_to queue_pairs 1
denied 'queue pairs: 1 to 2' queue_pairs 3

end_last || { cat "$work/told.out"; fail "the program ended badly"; }
# Class and command, and what they carry, in the order of the bytes (virtio 1.4, 5.1.6.5).
tr -d ' ' >"$work/wanted" <<END
ready
01 01 020000000009
00 00 00
00 01 01
02 00 0102
02 01 0102
04 01 21000000 0300 0100 0100 0000 0100 0100 0200 28 $key
04 01 02000000 0300 0100 0100 0000 0100 0100 0200 28 $key
04 01 02000000 0000 0000 0000 0200 28 $key
06 01 08000000 64000000
06 00 00000000 00000000
06 02 0200 0000 02000000 32000000
04 01 02000000 0000 0000 0000 0100 28 $key
MTU1400
END
tr -d ' ' <"$work/told.out" | diff - "$work/wanted" || fail "the device was told something else (<) than was set (>)"
