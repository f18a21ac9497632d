#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 600
# The fuzzers of this folder under libFuzzer, which goes where the library has not been yet, with every address checked:
# guided.sh [SECONDS] in all, 20 by default. The library is linked in, built from the same sources with the same
# settings and instrumented; its calls of libc go to kernel.h. What was found worth keeping stays in build/fuzz; so does
# an input that fails, which is run once more by: build/fuzz/NAME FILE, or build/test-bin/fuzz-NAME --replay FILE
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"

seconds=${1:-20}
[[ $seconds =~ ^[1-9][0-9]*$ ]] || fail "not a number of seconds: $seconds"
clang=$(dirname "$(readlink -f "$(command -v "${SWIFTC:-swiftc}")")")/clang
# libFuzzer is C++.
need g++ g++
cd "$root" || exit 1
make --no-print-directory B=build/instrumented INSTRUMENT=1 objects >"$work/make" 2>&1 ||
  { cat "$work/make"; fail "make"; }

fuzz=$build/fuzz
mkdir -p "$fuzz/objects"
sed -n 's/.*\bKERNEL(\([a-z_]*\))(.*/\1 kernel_\1/p' Tests/fuzz/kernel.h | sort -u >"$work/names"
[ "$(wc -l <"$work/names")" -ge 12 ] || fail "hardly any function found in kernel.h"
for object in build/instrumented/objects/*.o; do
  objcopy --redefine-syms="$work/names" "$object" "$fuzz/objects/${object##*/}" || fail "objcopy $object"
done

# Leaks are looked for by the targets themselves, after each input.
export ASAN_OPTIONS=detect_leaks=0:handle_abort=1

prepare() { # name target
  "$clang" -std=gnu11 -O1 -g -Wall -Wextra -Werror -Wno-unused-function -DFUZZ_GUIDED -fsanitize=fuzzer,address \
    -pthread -Iinclude "Tests/fuzz/$2.c" "$fuzz"/objects/*.o -o "$fuzz/$1" -lbsd >"$work/link" 2>&1 ||
    { tail -n 20 "$work/link"; fail "linking $1"; }
  mkdir -p "$fuzz/corpus-$1"
  "$build/test-bin/fuzz-$2" --corpus "$fuzz/corpus-$1" 64 || fail "no inputs to start from"
}

guide() { # name seconds
  local status=0 runs edges
  "$fuzz/$1" "$fuzz/corpus-$1" -max_len=1024 -timeout=20 -print_final_stats=1 -rss_limit_mb=4096 -max_total_time="$2" \
    -artifact_prefix="$fuzz/failed-$1-" >"$work/log" 2>&1 || status=1
  [ "$status" -eq 0 ] || tail -n 40 "$work/log"
  runs=$(number_after number_of_executed_units: "$work/log")
  edges=$(sed -n 's/.*cov: \([0-9]*\) .*/\1/p' "$work/log" | tail -n 1)
  echo "$1: ${runs:-0} inputs, ${edges:-0} edges of the library reached"
  [ "${runs:-0}" -ge 100 ] || fail "hardly any input was run"
  return "$status"
}

# The short form is guided only; the long one has the release library run as long, and with a second thread.
failed=0 parts=3
[ "$seconds" -lt 60 ] || parts=7
each=$(((seconds + parts - 1) / parts))
for target in ${FUZZ_TARGETS:-config_space replies rings restless}; do
  compile "Tests/fuzz/$target.c" || fail "compiling $target"
  name=${target//_/-}
  if [ "$target" != restless ]; then
    prepare "$name" "$target"
    guide "$name" "$each" || failed=1
  fi
  [ "$parts" -eq 3 ] || "$build/test-bin/fuzz-$target" --seconds "$each" || failed=1
done
exit "$failed"
