#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The library needs libbsd and libc alone, has the name that programs link to, and safe segments.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"

so=$stage/lib/libvionet.so
needed=$(readelf -dW "$so" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | LC_ALL=C sort | tr '\n' ' ')
echo "NEEDED: $needed"
# The C library of arm64 has a part in its loader.
wanted="libbsd.so.0 libc.so.6 "
[ "${VIONET_ARCH-}" != arm64 ] || wanted="ld-linux-aarch64.so.1 $wanted"
[ "$needed" = "$wanted" ] || fail "wanted: $wanted"
soname=$(readelf -dW "$so" | sed -n 's/.*(SONAME).*\[\(.*\)\]/\1/p')
[ "$soname" = libvionet.so.0 ] || fail "soname is $soname"
[ "$(readlink "$so")" = libvionet.so.0 ] || fail "libvionet.so does not lead to libvionet.so.0"
readelf -lW "$so" | grep -q GNU_RELRO || fail "no RELRO"
readelf -dW "$so" | grep -q 'BIND_NOW\|Flags:.*NOW' || fail "lazy binding"
readelf -lW "$so" | grep -q 'GNU_STACK.* RW ' || fail "executable stack"
if readelf -lW "$so" | grep -q 'LOAD.* RWE '; then fail "a segment that is writable and executable"; fi
if readelf -dW "$so" | grep -q '(TEXTREL)\|(RPATH)\|(RUNPATH)'; then fail "text relocations or a run path"; fi

# pkg-config gives what a user needs, and what a static user needs.
libs=$(pkg-config --libs vionet | sed 's/ *$//')
[ "$libs" = "-L$stage/lib -lvionet" ] || fail "pkg-config --libs: $libs"
[ "$(pkg-config --modversion vionet)" = "$(sed -n 's/^VERSION := //p' "$root/Makefile")" ] || fail "versions differ"
