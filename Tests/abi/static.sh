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

static_by_pkg_config() { # test, package
  # shellcheck disable=SC2046
  gcc "${flags[@]}" -static "$root/Tests/abi/$1.c" $(pkg-config --static --cflags --libs "$2") -o "$work/asked" ||
    fail "linking with what pkg-config --static says"
  if ldd "$work/asked" >/dev/null 2>&1; then fail "-static made a dynamic program"; fi
  inner_tap "$work/asked" || fail "$1, as pkg-config --static says"
}

without_libbsd_file() {
  export PKG_CONFIG_LIBDIR=$stage/lib/pkgconfig
  pkg-config --exists libbsd && fail "libbsd's own file is still found"
  for package in vionet vionet-control; do
    for asked in --cflags --libs "--cflags --libs" "--static --libs"; do
      # shellcheck disable=SC2086
      pkg-config $asked "$package" || fail "pkg-config $asked $package"
    done
  done
  [[ " $(pkg-config --static --libs vionet) " == *" -lbsd "* ]] || fail "--static does not name libbsd"
  [[ " $(pkg-config --libs vionet) " != *" -lbsd "* ]] || fail "a program with the shared library links libbsd by itself"
}

for test in versions port_states segments soft_serve control_socket; do
  run_case "$test linked with the archives" with_archives "$test"
done
run_case "port_states linked with -static" all_static port_states
run_case "versions linked with -static, as pkg-config says" static_by_pkg_config versions vionet
run_case "control_socket linked with -static, as pkg-config says" static_by_pkg_config control_socket vionet-control
run_case "pkg-config answers where libbsd's own file is missing" without_libbsd_file
