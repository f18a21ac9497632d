#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Runs scenarios, each in a QEMU guest of its own, and counts them; `make test-guest` calls it.
#
#   Tests/guest/run-guest.sh [--with ours|testpmd|kernel] [--list] [SCENARIO...]
#
# VIONET_GUEST_SUITE names a release of Debian whose newest kernel the guests get in place of Debian 12's.
# Without a name it runs all but the benchmarks, in full length. Each scenario is a script of Tests/guest/scenarios and also runs by itself:
# exit 0 is a pass, 77 a skip whose reason is its last line, anything else a failure. A line with the word "deadline:" and
# a number of seconds in its file is its limit. --with names another forwarder in the guest than ours, DPDK's testpmd or a
# bridge of the guest's kernel, which tests the rig itself.
set -u
cd "$(dirname "$0")/../.." || exit 1
folder=Tests/guest/scenarios
passed=0 failed=0 skipped=0 running=''

usage() {
  echo "usage: Tests/guest/run-guest.sh [--with ours|testpmd|kernel] [--list] [SCENARIO...]" >&2
  exit 2
}

interrupted() {
  trap '' INT TERM
  [ -z "$running" ] || { kill -TERM "$running" 2>/dev/null; wait "$running"; }
  echo "interrupted"
  exit 130
}
trap interrupted INT TERM

export VIONET_GUEST_FULL=1
list=0
while [ $# -gt 0 ]; do
  case $1 in
    --with) export VIONET_GUEST_FORWARDER=${2:?--with wants ours, testpmd or kernel}; shift 2 ;;
    --list) list=1; shift ;;
    -*) usage ;;
    *) break ;;
  esac
done
if [ $# -eq 0 ]; then
  for file in "$folder"/*.sh; do
    case $file in */bench*.sh) ;; *) set -- "$@" "$(basename "$file" .sh)" ;; esac
  done
fi
if [ "$list" -eq 1 ]; then
  printf '%s\n' "$@"
  exit 0
fi
for name; do
  [ -x "$folder/$name.sh" ] || { echo "there is no scenario $name in $folder" >&2; exit 2; }
done

logs=build/guest${VIONET_GUEST_SUITE:+-$VIONET_GUEST_SUITE}/logs
mkdir -p "$logs"
for name; do
  log=$logs/$name.log
  limit=$(sed -n 's/.*deadline: *\([0-9][0-9]*\).*/\1/p' "$folder/$name.sh" | head -n 1)
  echo "==> $name"
  timeout --kill-after=15 "${limit:-120}" "$folder/$name.sh" > >(tee "$log") 2>&1 </dev/null &
  running=$!
  wait "$running"
  status=$?
  running=
  case $status in
    0) passed=$((passed + 1)) ;;
    77) skipped=$((skipped + 1)) && echo "# $name is skipped: $(tail -n 1 "$log")" ;;
    124 | 137) failed=$((failed + 1)) && echo "# $name did not end within ${limit:-120} s" ;;
    *) failed=$((failed + 1)) ;;
  esac
done
echo "$passed scenarios passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
