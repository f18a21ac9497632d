#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# vionet.h, and vionet-control.h, which includes it, compile without a warning in every dialect of C and C++ that they
# promise.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"

includes='#include <vionet.h>\n#include <vionet.h>\n#include <vionet-control.h>\n#include <vionet-control.h>\n'
printf '%bint main(void) { return (int)sizeof(struct vionet_packet) - 64; }\n' "$includes" >"$work/a.c"
cp "$work/a.c" "$work/a.cpp"
flags=(-Wall -Wextra -Wpedantic -Wconversion -Werror "-I$stage/include" -fsyntax-only)
compilers=(gcc g++)
command -v clang >/dev/null && compilers+=(clang clang++)
for compiler in "${compilers[@]}"; do
  case $compiler in *++) file=a.cpp dialects="c++11 c++14 c++17 c++20" ;; *) file=a.c dialects="c99 c11 c17 gnu11" ;; esac
  for dialect in $dialects; do
    "$compiler" "-std=$dialect" "${flags[@]}" "$work/$file" || fail "$compiler -std=$dialect"
  done
done

# It does fail on a header that is wrong.
sed 's/uint32_t total_length;/uint64_t total_length;/' "$stage/include/vionet.h" >"$work/vionet.h"
if gcc -std=c11 "-I$work" -fsyntax-only "$work/a.c" 2>/dev/null; then fail "a packet of another size went unseen"; fi
echo "compiled by: ${compilers[*]}"
