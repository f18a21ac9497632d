#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# What the library withstands, in figures: hostile.sh SECONDS, of which the fuzz targets have as many. Each part prints its
# seed, and what it took; a table at the end has what was asked for and what was reached.
#
#   VIONET_HOSTILE="PART..." hostile.sh     some parts: rows code rings fuzz spaces cut cycles budgets beside threads marks
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
seconds=${1:-600}
cd "$root" || exit 1

part() { # name, command...: its own lines, then how long it took
  local began=$SECONDS name=$1
  [[ " ${VIONET_HOSTILE:-$name} " == *" $name "* ]] || return 0
  shift
  echo "== $name"
  "$@" 2>&1 | tee "$work/$name"
  [ "${PIPESTATUS[0]}" -eq 0 ] || { hostile_status=1 && echo "FAIL: $name" | tee -a "$work/$name"; }
  echo "== $name: $((SECONDS - began)) s" | tee -a "$work/$name"
}

# rings COUNT: mutations of rings while every address is checked, in pieces of 100 s
# shellcheck disable=SC2317 # part calls all of these
rings() {
  local began=$SECONDS
  Tests/fuzz/guided.sh link device-rings || return 1
  while [ "$(sum rings ' \([0-9]*\) other mutations')" -lt "$1" ]; do
    ASAN_OPTIONS=detect_leaks=0:handle_abort=1 "$build/fuzz/device-rings-addresses" --seconds 100 || return 1
    echo "# $((SECONDS - began)) s"
  done
}

# shellcheck disable=SC2317
cut_messages() { # of front-ends, of back-ends: both at once
  compile Tests/fuzz/cut_messages.c && compile Tests/fuzz/cut_replies.c || return 1
  "$build/test-bin/fuzz-cut_messages" "$1" >"$work/cut-messages" 2>&1 &
  local failed=0 other=$!
  "$build/test-bin/fuzz-cut_replies" "$2" || failed=1
  wait "$other" || failed=1
  cat "$work/cut-messages"
  return "$failed"
}

# shellcheck disable=SC2317
spaces() { compile Tests/fuzz/pci_space.c && "$build/test-bin/fuzz-pci_space" "$1" 2; }

# shellcheck disable=SC2317
cycles() {
  compile Tests/abi/leaks.c && VIONET_TEST_DEADLINE=7200 "$build/test-bin/abi-leaks" 10000
}

# shellcheck disable=SC2317
budgets() {
  compile Tests/abi/time_budgets.c && VIONET_TEST_DEADLINE=7200 "$build/test-bin/abi-time_budgets" 5
}

# The same lies for a forwarder of ours and, if it is here, for DPDK's virtio-user, whose figures decide nothing.
# shellcheck disable=SC2317,SC2016 # the program's own shell knows $S
beside() {
  local lies=$build/test-bin/support-hostile_beside
  compile Tests/support/hostile_beside.c || return 1
  "$lies" 20 "exec $examples/vionet-fwd "'vhost-user:$S,queue_size=256,mrg_rxbuf=0 >/dev/null 2>&1' | tee "$work/ours" || return 1
  command -v dpdk-testpmd >/dev/null || { echo "DPDK's testpmd is not here"; return; }
  "$lies" 6 'exec dpdk-testpmd --lcores 0@0,1@0 --no-pci --no-huge -m 192 --no-shconf --no-telemetry --file-prefix=lies$$ \
    --vdev net_virtio_user0,path=$S,queues=1,queue_size=256,mrg_rxbuf=0,in_order=0 -- -i --auto-start --nb-cores=1 \
    --total-num-mbufs=16384 --no-lsc-interrupt --disable-link-check < <(sleep 60) >/dev/null 2>&1' | sed 's/^#/# testpmd:/'
  grep -q ', 0 ended at a signal, 0 did not end' "$work/ours"
}

# sum PART PATTERN: of the numbers that match the pattern's \(\) in what a part printed
sum() { sed -n "s/.*$2.*/\1/p" "$work/$1" 2>/dev/null | awk '{ n += $1 } END { printf "%d", n }'; }

# figure PART WHAT ASKED REACHED
figure() { [ ! -e "$work/$1" ] || printf '| %s | %s | %s | %s |\n' "$2" "$3" "$4" "$(sed -n '$s/.*: //p' "$work/$1")"; }

table() {
  echo "| figure | asked for | reached | the part took |"
  echo "|---|---|---|---|"
  figure rows "rows of the catalogue with a test" "all" "$(tail -n 2 "$work/rows" 2>/dev/null | head -n 1)"
  figure code "faults in what bursts and control calls are compiled to" 0 "$(grep -c '^FAIL' "$work/code" 2>/dev/null)"
  figure rings "mutations of rings, every address checked" 10^9 "$(sum rings ' \([0-9]*\) other mutations')"
  figure fuzz "mutations of rings, release library" - "$(($(sum fuzz ' \([0-9]*\) other mutations') + $(sum fuzz '^\([0-9]*\) writes in')))"
  figure spaces "PCI configuration spaces" 10^7 "$(sum spaces 'pci-space: \([0-9]*\) inputs of')"
  figure fuzz "messages of front-ends" - "$(sum fuzz ' \([0-9]*\) messages with')"
  figure fuzz "wrong answers of back-ends" - "$(sum fuzz ' \([0-9]*\) wrong answers')"
  figure cut "messages cut at every byte, with 0 to 8 files of 12 kinds" 10^7 "$(sum cut '^\([0-9]*\) cut messages of')"
  figure cycles "lives of each kind of port" 10000 "$(sed -n 's/^# \([0-9]*\) lives of.*/\1/p' "$work/cycles" 2>/dev/null | sort -n | head -n 1)"
  figure budgets "longest calls" "5 s, 3.5 s" "$(sed -n 's/.*the longest: *//p' "$work/budgets" 2>/dev/null | sort -u | tr '\n' ';')"
  figure beside "front-ends that a lying back-end ended or held" 0 "$(sed -n 's/^# [0-9]* trials, //p' "$work/beside" 2>/dev/null | head -n 1)"
  figure beside "the same of DPDK's testpmd" - "$(sed -n 's/^# testpmd: [0-9]* trials, //p' "$work/beside" 2>/dev/null)"
  figure threads "reports of ThreadSanitizer" 0 "$(grep -c 'SUMMARY: ThreadSanitizer' "$work/threads" 2>/dev/null)"
  figure marks "checks left out that a test noticed" "all, at least 120" \
    "$(sed -n 's/^# [0-9]* marks, \([0-9]*\) checks removed, \([0-9]*\) noticed.*/\2 of \1/p' "$work/marks" 2>/dev/null)"
}

hostile_status=0
part rows Tests/gates/catalogue.py
part code Tests/gates/codegen.py
part rings rings 1000000000
part fuzz Tests/fuzz/guided.sh "$seconds"
part spaces spaces 10000000
part cut cut_messages 7000000 3000000
part cycles cycles
part budgets budgets
part beside beside
part threads Tests/support/threads.sh
part marks Tests/mutation/checks.sh all
table
exit "$hostile_status"
