#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# libvionet.a and libvionet-control.a link into programs, once with the shared libc and once with everything static, and they work.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"

flags=(-std=gnu11 -O2 -Wall -Wextra -Werror -pthread "-I$stage/include")
for test in versions states segments serving talks; do
  gcc "${flags[@]}" "$root/Tests/abi/$test.c" "$stage/lib/libvionet-control.a" "$stage/lib/libvionet.a" -lbsd -o "$work/$test" || fail "linking $test"
  if ldd "$work/$test" | grep -q vionet; then fail "$test still wants the shared library"; fi
  "$work/$test" || fail "$test, linked with the archive"
done

for archive in libbsd.a libmd.a; do
  [ -e "$(gcc -print-file-name=$archive)" ] || skip "no $archive to link with (Debian packages libbsd-dev, libmd-dev)"
done
gcc "${flags[@]}" -static "$root/Tests/abi/states.c" "$stage/lib/libvionet.a" -lbsd -lmd -o "$work/whole" ||
  fail "linking with -static"
if ldd "$work/whole" >/dev/null 2>&1; then fail "-static made a dynamic program"; fi
"$work/whole" || fail "states, all static"
