#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The library exports exactly the functions that vionet.h declares and vionet.map lists. It uses symbols of libc and libbsd
# alone, of glibc 2.34 or older. The archive has no other global name.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
export LC_ALL=C
newest=2.34

# Names of the functions a header declares: a declaration starts at the margin, or its name does on the next line.
declared() {
  grep -E '^(VIONET_INLINE )?([a-z][^;{=]*)?\bvionet_[a-z_]+\(' "$1" | grep -vE '^(typedef|extern)' |
    sed 's/.*\b\(vionet_[a-z_]*\)(.*/\1/' | sort -u
}
exported() { nm -D --defined-only "$1" | sed -n 's/.* [TDBRVWi] \([^@]*\).*/\1/p' | grep -v '^VIONET_0$' | sort -u; }
listed() { sed -n 's/^[[:space:]]*\(vionet_[a-z0-9_]*\);.*/\1/p' "$1" | sort -u; }

so=$stage/lib/libvionet.so
declared "$stage/include/vionet.h" >"$work/declared"
exported "$so" >"$work/exported"
listed "$root/vionet.map" >"$work/listed"
[ "$(wc -l <"$work/declared")" -gt 30 ] || fail "only $(wc -l <"$work/declared") declarations found in vionet.h"
diff "$work/declared" "$work/exported" || fail "declared (<) and exported (>) differ"
diff "$work/listed" "$work/exported" || fail "vionet.map (<) and exported (>) differ"
echo "$(wc -l <"$work/exported") functions declared, listed and exported"
grep -nE '^(static|extern|inline) [a-z]' "$stage/include/vionet.h" &&
  fail "a function with its body in vionet.h starts with VIONET_INLINE, so that it is exported for other languages"
nm -D --with-symbol-versions --defined-only "$so" | grep ' T ' | grep -v '@@VIONET_0$' &&
  fail "an export without version"

# Everything undefined carries a version of glibc or libbsd; the weak ones below are the toolchain's own.
nm -D --undefined-only --with-symbol-versions "$so" | awk '{ print $NF }' | sort -u >"$work/undefined"
grep -vE '@(GLIBC_|LIBBSD_)' "$work/undefined" |
  grep -vxE '_ITM_(de)?registerTMCloneTable|__gmon_start__' && fail "undefined and of neither glibc nor libbsd"
highest=$(grep -oE 'GLIBC_[0-9.]+' "$work/undefined" | sed 's/GLIBC_//' | sort -V | tail -n 1)
echo "highest glibc version: $highest"
[ "$(printf '%s\n%s\n' "$highest" "$newest" | sort -V | tail -n 1)" = "$newest" ] ||
  fail "wants glibc $highest: $(grep "GLIBC_$highest" "$work/undefined" | tr '\n' ' ')"
for forbidden in abort exit printf puts signal; do
  if grep -qE "^$forbidden@" "$work/undefined"; then fail "the library calls $forbidden"; fi
done
for object in "$build"/objects/*.o; do
  case $object in */memory_guard.o) continue ;; esac
  nm --undefined-only "$object" | grep -qw sigaction && fail "${object##*/} installs a signal handler"
done

# The archive.
nm -g --defined-only "$stage/lib/libvionet.a" | awk 'NF == 3 { print $3 }' | sort -u >"$work/archived"
diff "$work/exported" "$work/archived" || fail "global in the archive (>) and exported (<) differ"

# libvionet-control, the same way: its own five, of libvionet and libc.
control=$stage/lib/libvionet-control
declared "$stage/include/vionet-control.h" >"$work/declared-control"
exported "$control.so" | grep -v '^VIONET_CONTROL_0$' >"$work/exported-control"
listed "$root/vionet-control.map" | diff - "$work/exported-control" || fail "vionet-control.map (<) and exported (>) differ"
diff "$work/declared-control" "$work/exported-control" || fail "declared (<) and exported (>) of the control socket differ"
nm -g --defined-only "$control.a" | awk 'NF == 3 { print $3 }' | sort -u | diff - "$work/exported-control" ||
  fail "global in the control socket's archive (<) and exported (>) differ"
nm -D --undefined-only "$control.so" | awk '{ print $NF }' | sed 's/@.*//' | grep '^vionet_' | sort -u |
  comm -23 - "$work/exported" | grep . && fail "the control socket uses what libvionet does not export"

# And it has a name for every event.
sed -n 's/^\t\(VIONET_EVENT_[A-Z_]*\) = .*/\1/p' "$stage/include/vionet.h" >"$work/events"
[ "$(wc -l <"$work/events")" -ge 9 ] || fail "only $(wc -l <"$work/events") events found"
grep -ow 'VIONET_EVENT_[A-Z_]*' "$root/Sources/VioNetControl/EventLog.swift" | sort -u >"$work/named"
sort "$work/events" | comm -23 - "$work/named" | grep . && fail "events without a name in Sources/VioNetControl/EventLog.swift"

# The reading of the header can fail: a declaration taken away is missed.
sed 's/^int vionet_stop(uint16_t port);//' "$stage/include/vionet.h" >"$work/vionet.h"
declared "$work/vionet.h" | diff -q - "$work/exported" >/dev/null && fail "a missing declaration was not seen"
sed 's/^VIONET_INLINE int vionet_packet_trim(/VIONET_INLINE int vionet_packet_cut(/' "$stage/include/vionet.h" >"$work/vionet.h"
declared "$work/vionet.h" | diff -q - "$work/exported" >/dev/null && fail "an inline function that is not exported was not seen"
exit 0
