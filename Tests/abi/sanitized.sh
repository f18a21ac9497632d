#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 1800
# Tests of errors and lives under AddressSanitizer, which also sees what the release library takes from malloc: nothing may
# be lost at the end. And the control socket's sources, instrumented, with hostile clients.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"

export ASAN_OPTIONS=detect_leaks=1:exitcode=99

sanitized() { # test
  # shellcheck disable=SC2046
  gcc -std=gnu11 -O1 -g -fsanitize=address -pthread $(pkg-config --cflags vionet) "$root/Tests/abi/$1.c" \
    -o "$work/$1" $(pkg-config --libs vionet) -Wl,-rpath,"$stage/lib" || fail "compiling $1"
  inner_tap "$work/$1" || fail "$1"
}

# The control socket, instrumented as for the fuzzers.
cd "$root" || exit 1
objects=(build/instrumented/objects/{VioNetControl,Linux}.o)
for source in Sources/CLinux/*.c; do
  source=${source##*/}
  objects+=("build/instrumented/objects/${source%.c}.o")
done
clang=$(dirname "$(readlink -f "$(command -v "${SWIFTC:-swiftc}")")")/clang
make --no-print-directory B=build/instrumented INSTRUMENT=1 "${objects[@]}" >"$work/make" 2>&1 ||
  { cat "$work/make"; fail "make"; }

# clang does not define the macro by which gcc tells of the sanitizer.
control_sanitized() { # test
  "$clang" -std=gnu11 -O1 -g -fsanitize=address -D__SANITIZE_ADDRESS__ -pthread "-I$stage/include" "Tests/abi/$1.c" \
    "${objects[@]}" -o "$work/$1" "-L$stage/lib" -lvionet -lbsd -Wl,-rpath,"$stage/lib" 2>"$work/link" ||
    { cat "$work/link"; fail "compiling $1"; }
  ASAN_OPTIONS=$ASAN_OPTIONS:quarantine_size_mb=16 inner_tap "$work/$1" || fail "$1"
}

planted_loss() {
  printf '#include <stdlib.h>\nint main(void) { volatile char *p = malloc(9); p = 0; return p != 0; }\n' >"$work/loss.c"
  gcc -fsanitize=address "$work/loss.c" -o "$work/loss" || fail "compiling the planted loss"
  if "$work/loss" 2>/dev/null; then fail "a planted loss went unseen"; fi
}

for test in versions wrong_arguments port_states dropped_packets pools segments events negotiation tx_buffer hostile_split_rings; do
  run_case "$test under AddressSanitizer" sanitized "$test"
done
for test in control_socket control_socket_settings control_socket_hostile; do
  run_case "$test with the control socket's sources sanitized" control_sanitized "$test"
done
run_case "AddressSanitizer sees a planted loss" planted_loss
