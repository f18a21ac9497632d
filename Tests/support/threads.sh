#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Tests of threads with the library under ThreadSanitizer: no two threads use the same memory without an order between them,
# except where threads-accepted.txt says why.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
cd "$root" || exit 1
clang=$(dirname "$(readlink -f "$(command -v "${SWIFTC:-swiftc}")")")/clang
swift=$(dirname "$clang")/../lib/swift/linux
library=$build/threads
make --no-print-directory B=build/threads INSTRUMENT=thread build/threads/libvionet.a build/threads/libvionet-control.a \
  >"$work/make" 2>&1 || { cat "$work/make"; fail "make"; }

# Each library has its own copy of the runtime's hooks. dispatch and blocks: what Swift's clang wants beside its runtime.
threaded() { # file, program
  "$clang" -std=gnu11 -O1 -g -fsanitize=thread -D__SANITIZE_THREAD__ -pthread -Iinclude "$1" -o "$2" \
    "$library/libvionet-control.a" "$library/libvionet.a" -lbsd "-L$swift" -ldispatch -lBlocksRuntime \
    "-Wl,-rpath,$swift" >"$work/link" 2>&1 || { cat "$work/link"; fail "compiling $1"; }
}

export TSAN_OPTIONS="suppressions=$root/Tests/support/threads-accepted.txt:exitcode=66:die_after_fork=0"
without_races() { # test, words that choose cases
  threaded "Tests/abi/$1.c" "$work/$1"
  inner_tap "$work/$1" --only "${2:-}" || fail "$1"
}

# Two threads send on one queue, which a program must not do.
planted_race() {
  threaded Tests/support/planted_race.c "$work/planted"
  if "$work/planted" >"$work/report" 2>&1; then fail "a planted race went unseen"; fi
  grep -q 'WARNING: ThreadSanitizer: data race' "$work/report" || { cat "$work/report"; fail "no report"; }
}

# shellcheck disable=SC2043
for test in ${VIONET_THREADS:-threads pool_threads pool_lock_bias queue_threads queue_restart tx_buffer_threads loopback \
  receive_wakeups transmit_wakeups device_events soft_serve}; do
  run_case "$test without a race" without_races "$test"
done
run_case "the control socket without a race" without_races control_socket "other threads"
run_case "a planted race is seen" planted_race
