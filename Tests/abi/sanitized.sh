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

# The control socket with its own sources in it, whose clients mean ill; and what they do is defined.
for test in talks talks_settings talks_hostile; do
  gcc -std=gnu11 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -pthread "-I$stage/include" \
    "-I$root/Sources/CLinux/include" \
    "$root/Tests/abi/$test.c" "$root"/Sources/VioNetControl/*.c -o "$work/$test" "-L$stage/lib" -lvionet \
    -Wl,-rpath,"$stage/lib" || fail "compiling $test"
  ASAN_OPTIONS=$ASAN_OPTIONS:quarantine_size_mb=16 "$work/$test" || fail "$test"
done

# It does see a loss.
printf '#include <stdlib.h>\nint main(void) { volatile char *p = malloc(9); p = 0; return p != 0; }\n' >"$work/loss.c"
gcc -fsanitize=address "$work/loss.c" -o "$work/loss" || fail "compiling the planted loss"
if "$work/loss" 2>/dev/null; then fail "a planted loss went unseen"; fi
