#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The forwarder with two ports of 256 descriptors, with traffic on them, is resident in less than 32 MB.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"

"$examples/vionet-fwd" soft:generate soft:loopback >"$work/fwd.out" 2>&1 &
forwarder=$!
children+=("$forwarder")
sleep 3
peak=$(awk '/^VmHWM/ { print $2 }' "/proc/$forwarder/status")
now=$(awk '/^VmRSS/ { print $2 }' "/proc/$forwarder/status")
kill -TERM "$forwarder"
wait "$forwarder" || { cat "$work/fwd.out"; fail "the forwarder ended badly"; }
grep -q 'packets' "$work/fwd.out" || fail "no summary"
carried=$(number_after 'generate -> soft:loopback' "$work/fwd.out")
echo "resident: $now kB, at most $peak kB; $carried packets carried"
[ "$carried" -gt 100000 ] || fail "there was no traffic"
[ "$peak" -lt 32000 ] || fail "that is 32 MB or more"
