#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 1800
# make install uses DESTDIR, PREFIX and LIBDIR; programs compile against what it installs; make uninstall removes all of
# it; neither touches anything else.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
cd "$root" || exit 1

places=(DESTDIR="$work/tree" PREFIX=/opt/v LIBDIR=/opt/v/lib64)
make -s install "${places[@]}" >"$work/log" 2>&1 || { cat "$work/log"; fail "make install"; }
(cd "$work/tree" && find . ! -type d | LC_ALL=C sort) >"$work/found"
version=$(sed -n 's/^VERSION := //p' Makefile)
cat >"$work/wanted" <<END
./opt/v/include/vionet-control.h
./opt/v/include/vionet.h
./opt/v/lib64/libvionet-control.a
./opt/v/lib64/libvionet-control.so
./opt/v/lib64/libvionet-control.so.0
./opt/v/lib64/libvionet-control.so.$version
./opt/v/lib64/libvionet.a
./opt/v/lib64/libvionet.so
./opt/v/lib64/libvionet.so.0
./opt/v/lib64/libvionet.so.$version
./opt/v/lib64/pkgconfig/vionet-control.pc
./opt/v/lib64/pkgconfig/vionet.pc
END
diff "$work/wanted" "$work/found" || fail "installed (>) is not what was expected (<)"
[ "$(stat -L -c %a "$work/tree/opt/v/lib64/libvionet.so")" = 755 ] || fail "mode of the library"

export PKG_CONFIG_PATH=$work/tree/opt/v/lib64/pkgconfig PKG_CONFIG_SYSROOT_DIR=$work/tree
[ "$(pkg-config --variable=libdir vionet | sed "s|^$work/tree||")" = /opt/v/lib64 ] || fail "libdir"
# shellcheck disable=SC2046
gcc "$root/Tests/abi/versions.c" $(pkg-config --cflags --libs vionet) -pthread -o "$work/versions" || fail "compiling"
LD_LIBRARY_PATH=$work/tree/opt/v/lib64 "$work/versions" || fail "running"
make -s uninstall "${places[@]}" >"$work/log" 2>&1 || { cat "$work/log"; fail "make uninstall"; }
left=$(find "$work/tree" ! -type d)
[ -z "$left" ] || fail "left behind: $left"
