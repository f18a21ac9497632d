#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The forwarder with two ports of 256 descriptors, with traffic on them, is resident in less than 32 MB.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"

# Thousands of packets in two of the lines that it prints each second.
has_carried() { [ "$(grep -c '^->  *[0-9]\{4,\} packets/s' "$work/fwd.out")" -ge 2 ]; }

"$examples/vionet-fwd-wait" soft:generate soft:loopback >"$work/fwd.out" 2>&1 &
forwarder=$!
children+=("$forwarder")
until_true 60 has_carried || { cat "$work/fwd.out"; fail "there is hardly any traffic"; }
peak=$(awk '/^VmHWM/ { print $2 }' "/proc/$forwarder/status")
now=$(awk '/^Rss:/ { print $2 }' "/proc/$forwarder/smaps_rollup")
kill -TERM "$forwarder"
wait "$forwarder" || { cat "$work/fwd.out"; fail "the forwarder ended badly"; }
grep -q 'packets' "$work/fwd.out" || fail "no summary"
carried=$(number_after 'generate -> soft:loopback' "$work/fwd.out")
echo "resident: $now kB, at most $peak kB; $carried packets carried"
# More than the pool has, so that every buffer was used.
[ "$carried" -gt 20000 ] || fail "there was hardly any traffic"
[ "$peak" -lt 32000 ] || fail "that is 32 MB or more"
