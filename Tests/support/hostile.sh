#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# What the library withstands, in figures: hostile.sh SECONDS, of which the fuzz targets have as many. Each part prints its
# seed, and what it took.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
seconds=${1:-600}
cd "$root" || exit 1

timed() { # name, command...: its own lines, then how long it took
  local began=$SECONDS status=0
  echo "== $1"
  "${@:2}" || status=1
  echo "== $1: $((SECONDS - began)) s"
  return "$status"
}

# shellcheck disable=SC2317 # timed calls both
concurrent() {
  compile Tests/fuzz/concurrent_device.c && "$build/test-bin/fuzz-concurrent_device" --seconds "$((seconds / 9 + 1))"
}

# shellcheck disable=SC2317
cycles() {
  compile Tests/abi/leaks.c && "$build/test-bin/abi-leaks"
}

hostile_status=0
timed "rows of the catalogue" Tests/gates/catalogue.py || hostile_status=1
timed "traps and calls of the runtime in bursts" Tests/gates/codegen.py || hostile_status=1
timed "fuzz targets under AddressSanitizer" Tests/fuzz/guided.sh "$seconds" || hostile_status=1
timed "a device that writes while the library reads" concurrent || hostile_status=1
timed "opened and closed" cycles || hostile_status=1
timed "checks left out" Tests/mutation/checks.sh all || hostile_status=1
exit "$hostile_status"
