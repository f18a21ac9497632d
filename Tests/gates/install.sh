#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 1800
# make install uses DESTDIR, PREFIX and LIBDIR; programs compile against what it installs, and its own run; make uninstall removes all of
# it; neither touches anything else.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
cd "$root" || exit 1

places=(DESTDIR="$work/tree" PREFIX=/opt/v LIBDIR=/opt/v/lib64)
make -s install "${places[@]}" >"$work/log" 2>&1 || { cat "$work/log"; fail "make install"; }
(cd "$work/tree" && find . ! -type d | LC_ALL=C sort) >"$work/found"
version=$(sed -n 's/^VERSION := //p' Makefile)
cat >"$work/wanted" <<END
./opt/v/bin/vionet-fwd
./opt/v/bin/vionet-fwd-control
./opt/v/bin/vionet-fwd-dlopen
./opt/v/bin/vionet-fwd-wait
./opt/v/bin/vionet-gateway
./opt/v/bin/vionet-info
./opt/v/bin/vionet-l2fwd
./opt/v/bin/vionet-pktgen
./opt/v/bin/vionet-responder
./opt/v/bin/vionet-switch
./opt/v/include/vionet-control.h
./opt/v/include/vionet.h
./opt/v/lib64/cmake/vionet-control/vionet-control-config.cmake
./opt/v/lib64/cmake/vionet/vionet-config.cmake
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
(cd build/man && find man1 man3 man7 ! -type d ! -name vionet-httpd.1 | sed 's|^|./opt/v/share/man/|' | LC_ALL=C sort) >>"$work/wanted"
diff "$work/wanted" "$work/found" || fail "installed (>) is not what was expected (<)"
# With the libraries in PREFIX/lib, the programs find them by themselves.
make -s install DESTDIR="$work/whole" PREFIX=/v >"$work/log" 2>&1 || { cat "$work/log"; fail "make install"; }
for program in "$work"/whole/v/bin/vionet-*; do
  wanted=$(readelf -dW "$program" | grep -c 'NEEDED.*libvionet')
  found=$(ldd "$program" | grep -c "libvionet.* => $work/whole/v/")
  [ "$found" -eq "$wanted" ] || fail "${program##*/} does not find the libraries beside it"
done
"$work/whole/v/bin/vionet-info" soft:loopback >"$work/log" 2>&1 || { cat "$work/log"; fail "vionet-info, installed"; }
[ "$(stat -L -c %a "$work/tree/opt/v/lib64/libvionet.so")" = 755 ] || fail "mode of the library"

export PKG_CONFIG_PATH=$work/tree/opt/v/lib64/pkgconfig PKG_CONFIG_SYSROOT_DIR=$work/tree
[ "$(pkg-config --variable=libdir vionet | sed "s|^$work/tree||")" = /opt/v/lib64 ] || fail "libdir"
# shellcheck disable=SC2046
gcc "$root/Tests/abi/versions.c" $(pkg-config --cflags --libs vionet) -pthread -o "$work/versions" || fail "compiling"
LD_LIBRARY_PATH=$work/tree/opt/v/lib64 "$work/versions" || fail "running"
make -s uninstall "${places[@]}" >"$work/log" 2>&1 || { cat "$work/log"; fail "make uninstall"; }
left=$(find "$work/tree" ! -type d)
[ -z "$left" ] || fail "left behind: $left"
