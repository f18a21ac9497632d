#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 300
# The tests of errors and lives once more under AddressSanitizer, which also sees what the release library takes from
# malloc: nothing may be lost at the end.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"

export ASAN_OPTIONS=detect_leaks=1:exitcode=99
for test in versions closed states packets pools segments events agreement hostile; do
  # shellcheck disable=SC2046
  gcc -std=gnu11 -O1 -g -fsanitize=address -pthread $(pkg-config --cflags vionet) "$root/Tests/abi/$test.c" \
    -o "$work/$test" $(pkg-config --libs vionet) -Wl,-rpath,"$stage/lib" || fail "compiling $test"
  "$work/$test" || fail "$test"
done

# The control socket, instrumented as for the fuzzers, with clients that mean ill.
objects=$build/instrumented/objects
clang=$(dirname "$(readlink -f "$(command -v "${SWIFTC:-swiftc}")")")/clang
make -C "$root" --no-print-directory B=build/instrumented INSTRUMENT=1 \
  build/instrumented/objects/{VioNetControl,Linux,sentence,unix_listen}.o >"$work/make" 2>&1 ||
  { cat "$work/make"; fail "make"; }
for test in talks talks_settings talks_hostile; do
  "$clang" -std=gnu11 -O1 -g -fsanitize=address -pthread "-I$stage/include" "$root/Tests/abi/$test.c" \
    "$objects"/{VioNetControl,Linux,sentence,unix_listen}.o -Wl,--gc-sections -o "$work/$test" "-L$stage/lib" -lvionet \
    -Wl,-rpath,"$stage/lib" || fail "compiling $test"
  ASAN_OPTIONS=$ASAN_OPTIONS:quarantine_size_mb=16 "$work/$test" || fail "$test"
done

# It does see a loss.
printf '#include <stdlib.h>\nint main(void) { volatile char *p = malloc(9); p = 0; return p != 0; }\n' >"$work/loss.c"
gcc -fsanitize=address "$work/loss.c" -o "$work/loss" || fail "compiling the planted loss"
if "$work/loss" 2>/dev/null; then fail "a planted loss went unseen"; fi
