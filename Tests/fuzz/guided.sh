#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 1800
# The fuzz targets of this folder under libFuzzer and AddressSanitizer. libFuzzer changes inputs so that they reach new
# parts of the library, which is linked in, built from the same sources with the same settings, and instrumented. The
# library's calls of libc go to simulated_kernel.h, or to the kernel if a device serves in a thread of its own: then an input
# may reach different parts each time.
#
#   guided.sh             a fixed number of inputs for each target
#   guided.sh SECONDS     that time in all; from a minute on, also on the library without optimisation (-Onone), and without
#                         libFuzzer on the release library
#   guided.sh link NAME   makes build/fuzz/NAME-addresses, which makes its inputs itself: every address is checked
#
# The inputs worth keeping stay in build/fuzz. So does an input that fails, and either of these runs it again:
#   build/fuzz/NAME FILE, build/test-bin/fuzz-NAME --replay FILE
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"

inputs=2000 seconds=${1:-0} linked=
if [ "$seconds" = link ]; then seconds=0 linked=$2; fi
[[ $seconds =~ ^[0-9]+$ ]] || fail "not a number of seconds: $seconds"
clang=$(dirname "$(readlink -f "$(command -v "${SWIFTC:-swiftc}")")")/clang
# libFuzzer is C++.
need g++ g++
cd "$root" || exit 1

instrumented() { # folder, variables of make...
  local folder=$1
  shift
  make --no-print-directory B="build/$folder" INSTRUMENT=1 "$@" objects >"$work/make" 2>&1 || { cat "$work/make"; fail "make"; }
}
instrumented instrumented
[ "$seconds" -lt 60 ] || instrumented unoptimised UNOPTIMISED=1

fuzz=$build/fuzz
mkdir -p "$fuzz"

# take_objects TARGET FOLDER: the library's objects with the names that its calls of libc have for the target, in
# $work/objects
take_objects() {
  local object
  rm -rf "$work/objects"
  mkdir "$work/objects" || fail "mkdir"
  case $1 in
    front_ends | cut_messages | addresses_and_captures)
      cp "build/$2/objects/"*.o "$work/objects" || fail "cp"
      return
      ;;
  esac
  sed -n 's/.*\bKERNEL(\([a-z0-9_]*\))(.*/\1 kernel_\1/p' Tests/support/simulated_kernel.h "Tests/fuzz/$1.c" |
    sort -u >"$work/names"
  [ "$(wc -l <"$work/names")" -ge 12 ] || fail "hardly any function found in simulated_kernel.h"
  for object in "build/$2/objects/"*.o; do
    objcopy --redefine-syms="$work/names" "$object" "$work/objects/${object##*/}" || fail "objcopy $object"
  done
  # The control socket's target makes up vionet.h itself.
  if [ "$1" = control_requests ]; then rm "$work"/objects/{SoftDevice,VioNet,VioNetABI}.o || fail "rm"; fi
}

# The targets themselves look for leaks after each input.
export ASAN_OPTIONS=detect_leaks=0:handle_abort=1

prepare() { # name target folder
  take_objects "$2" "$3"
  "$clang" -std=gnu11 -O1 -g -Wall -Wextra -Werror -Wno-unused-function -DFUZZ_GUIDED -fsanitize=fuzzer,address \
    -pthread -Iinclude "Tests/fuzz/$2.c" "$work"/objects/*.o -o "$fuzz/$1" -lbsd >"$work/link" 2>&1 ||
    { tail -n 20 "$work/link"; fail "linking $1"; }
}

# without_guide NAME TARGET
without_guide() {
  take_objects "$2" instrumented
  "$clang" -std=gnu11 -O1 -g -Wno-unused-function -DFUZZ_RENAMED -fsanitize=address -pthread -Iinclude "Tests/fuzz/$2.c" \
    "$work"/objects/*.o -o "$fuzz/$1-addresses" -lbsd >"$work/link" 2>&1 || { tail -n 20 "$work/link"; fail "linking $1"; }
}

guide() { # name corpus seconds, or 0 for a number of inputs
  local status=0 runs edges limit=-runs=$inputs
  [ "$3" -eq 0 ] || limit=-max_total_time=$3
  "$fuzz/$1" "$fuzz/corpus-$2" -max_len=1024 -timeout=120 -print_final_stats=1 -rss_limit_mb=4096 "$limit" \
    -artifact_prefix="$fuzz/failed-$1-" >"$work/log" 2>&1 || status=1
  [ "$status" -eq 0 ] || tail -n 40 "$work/log"
  runs=$(number_after number_of_executed_units: "$work/log")
  edges=$(sed -n 's/.*cov: \([0-9]*\) .*/\1/p' "$work/log" | tail -n 1)
  echo "$1: ${runs:-0} inputs, ${edges:-0} edges of the library reached"
  [ "${runs:-0}" -ge 100 ] || fail "hardly any input was run"
  return "$status"
}

# one_target TARGET
one_target() {
  local name=${1//_/-} status=0
  compile "Tests/fuzz/$1.c" || fail "compiling $1"
  if [ "$1" != concurrent_device ]; then
    mkdir -p "$fuzz/corpus-$name"
    "$build/test-bin/fuzz-$1" --corpus "$fuzz/corpus-$name" 64 || fail "no inputs to start from"
    prepare "$name" "$1" instrumented && guide "$name" "$name" "$each" || status=1
    [ "$seconds" -lt 60 ] || { prepare "$name-unoptimised" "$1" unoptimised && guide "$name-unoptimised" "$name" "$each"; } || status=1
  fi
  [ "$seconds" -lt 60 ] || "$build/test-bin/fuzz-$1" --seconds "$each" || status=1
  return "$status"
}

if [ -n "$linked" ]; then
  without_guide "$linked" "${linked//-/_}"
  exit
fi
each=$(((seconds + 24) / 25))
for target in ${FUZZ_TARGETS:-pci_space vhost_user_replies cut_replies device_rings control_requests front_ends cut_messages \
  addresses_and_captures concurrent_device}; do
  [ "$target" != concurrent_device ] || [ "$seconds" -ge 60 ] || continue
  run_case "$target" one_target "$target"
done
