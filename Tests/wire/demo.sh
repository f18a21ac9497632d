#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The demo runs in less than a minute, reports round trip, Gbit/s, packets and drops, and leaves nothing behind; ended
# in the middle it cleans up, too.
# shellcheck source-path=SCRIPTDIR source=../scripts/lib.sh
. "$(dirname "$0")/../scripts/lib.sh"
need_spaces
need ping iputils-ping
need iperf3 iperf3

left() { ip netns list | grep vionet-demo; ip -o link show | awk -F': ' '{ print $2 }' | grep '^vn[ab]'; }
before=$(left)
began=$(date +%s)
"$root/Tools/demo/demo.sh" >"$work/demo.out" 2>&1 || { tail -n 30 "$work/demo.out"; fail "the demo failed"; }
took=$(($(date +%s) - began))
tail -n 12 "$work/demo.out"
echo "$took s"
[ "$took" -lt 60 ] || fail "that is a minute or more"
grep -qi 'Gbit/s' "$work/demo.out" || fail "no rate"
grep -qi 'drop' "$work/demo.out" || fail "no drops"
[ "$(left)" = "$before" ] || fail "left behind: $(left)"

# The interrupt of a terminal, 5 s into it. Background processes start with SIGINT ignored, hence the wrapper.
python3 -c 'import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])' \
  "$root/Tools/demo/demo.sh" >"$work/demo.out" 2>&1 &
demo=$!
sleep 5
kill -INT "$demo"
kill -TERM "$demo"
wait "$demo"
status=$?
[ "$status" -ge 128 ] || fail "an interrupted demo ended with $status"
[ "$(left)" = "$before" ] || fail "left behind by an interrupted demo: $(left)"
