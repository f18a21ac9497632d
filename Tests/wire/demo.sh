#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 600
# The demo reports round trip, Gbit/s, packets and drops, and leaves nothing behind. It also cleans up when it is
# interrupted.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need_spaces
need ping iputils-ping
need iperf3 iperf3

mkdir "$work/tmp"
export TMPDIR=$work/tmp
left() {
  ip netns list | grep vionet-demo
  ip -o link show | awk -F': ' '{ print $2 }' | grep '^vn[ab]'
  ls -A "$TMPDIR"
}
before=$(left)
"$root/Tools/demo/demo.sh" >"$work/demo.out" 2>&1 || { tail -n 30 "$work/demo.out"; fail "the demo failed"; }
tail -n 12 "$work/demo.out"
echo "$SECONDS s"
grep -qi 'Gbit/s' "$work/demo.out" || fail "no rate"
grep -qi 'drop' "$work/demo.out" || fail "no drops"
grep -q 'without offloads *with offloads' "$work/demo.out" || fail "no table of both"
[ "$(left)" = "$before" ] || fail "left behind: $(left)"

# Its last lines are commands to try next, each with what it shows. They work.
cd "$root" || exit 1
commands=$(sed -n '/^==> To try next/,$s/^    \(build[^ ]*\( [^ ]*\)*\)  .*/\1/p' "$work/demo.out")
[ "$(wc -l <<<"$commands")" -eq 3 ] || fail "what to try next: $commands"
while read -r command; do
  # shellcheck disable=SC2086
  gives 0 $command
done <<<"$commands"

# An interrupt from a terminal goes to all processes of the demo. The wrapper is needed because processes in the background
# start with this signal ignored.
for line in '20 pings' 'TCP for 5 seconds'; do
  : >"$work/demo.out"
  python3 -c 'import os, signal, sys
os.setpgid(0, 0)
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])' "$root/Tools/demo/demo.sh" >"$work/demo.out" 2>&1 &
  demo=$!
  children+=("$demo")
  until_true 60 grep -q "$line" "$work/demo.out" || { cat "$work/demo.out"; fail "the demo does not come to $line"; }
  sleep 1
  kill -INT -- "-$demo"
  wait "$demo"
  status=$?
  unset 'children[-1]'
  [ "$status" -eq 130 ] || { cat "$work/demo.out"; fail "a demo that was interrupted at $line ended with $status"; }
  [ "$(left)" = "$before" ] || fail "left behind by a demo that was interrupted at $line: $(left)"
  if kill -0 -- "-$demo" 2>/dev/null; then fail "processes of a demo that was interrupted at $line go on"; fi
done
