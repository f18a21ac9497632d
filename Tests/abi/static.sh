#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# libvionet.a and libvionet-control.a link into programs, with the shared libc and with everything static, and work.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"

flags=(-std=gnu11 -O2 -Wall -Wextra -Werror -pthread "-I$stage/include")

with_archives() { # test
  gcc "${flags[@]}" "$root/Tests/abi/$1.c" "$stage/lib/libvionet-control.a" "$stage/lib/libvionet.a" -lbsd \
    -o "$work/$1" || fail "linking $1"
  if ldd "$work/$1" | grep -q vionet; then fail "$1 still wants the shared library"; fi
  inner_tap "$work/$1" || fail "$1, linked with the archives"
}

all_static() { # test
  local archive
  for archive in libbsd.a libmd.a; do
    [ -e "$(gcc -print-file-name=$archive)" ] || fail "no $archive to link with (Debian packages libbsd-dev, libmd-dev)"
  done
  gcc "${flags[@]}" -static "$root/Tests/abi/$1.c" "$stage/lib/libvionet.a" -lbsd -lmd -o "$work/whole" ||
    fail "linking with -static"
  if ldd "$work/whole" >/dev/null 2>&1; then fail "-static made a dynamic program"; fi
  inner_tap "$work/whole" || fail "$1, all static"
}

for test in versions port_states segments soft_serve control_socket; do
  run_case "$test linked with the archives" with_archives "$test"
done
run_case "port_states linked with -static" all_static port_states
