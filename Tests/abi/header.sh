#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# vionet.h, and vionet-control.h, which includes it, compile without a warning in every dialect of C and C++ that they
# promise, with objects that start with their size, and these are right when the program runs.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"

includes='#include <vionet.h>\n#include <vionet.h>\n#include <vionet-control.h>\n#include <vionet-control.h>\n'
cat >"$work/a.c" <<END
$(printf '%b' "$includes")
struct pair { int number; struct vionet_info info; };
static struct vionet_config config = VIONET_SIZED_INIT(struct vionet_config);
static struct vionet_stats several[2] = {VIONET_SIZED_INIT(struct vionet_stats), VIONET_SIZED_INIT(struct vionet_stats)};
static struct pair nested = {1, VIONET_SIZED_INIT(struct vionet_info)};
int main(void)
{
	struct vionet_info info = VIONET_SIZED(struct vionet_info), other = VIONET_SIZED_INIT(struct vionet_info);
	static struct vionet_queue_stats inside = VIONET_SIZED_INIT(struct vionet_queue_stats);
	info = VIONET_SIZED(struct vionet_info);
	return sizeof(struct vionet_packet) == 64 && config.size == sizeof(config) && config.queue_pairs == 0 &&
	       several[1].size == sizeof(several[1]) && several[1].rx.packets == 0 && nested.info.size == sizeof(info) &&
	       info.size == other.size && inside.size == sizeof(inside) ? 0 : 1;
}
END
cp "$work/a.c" "$work/a.cpp"
flags=(-Wall -Wextra -Wpedantic -Wconversion -Werror "-I$stage/include")
compilers=(gcc g++)
command -v clang >/dev/null && compilers+=(clang clang++)
for compiler in "${compilers[@]}"; do
  case $compiler in *++) file=a.cpp dialects="c++11 c++14 c++17 c++20" ;; *) file=a.c dialects="c99 c11 c17 gnu11" ;; esac
  for dialect in $dialects; do
    "$compiler" "-std=$dialect" "${flags[@]}" "$work/$file" -o "$work/a" || fail "$compiler -std=$dialect"
    "$work/a" || fail "$compiler -std=$dialect: sizes are wrong"
  done
done

# It does fail on a header that is wrong.
sed 's/uint32_t total_length;/uint64_t total_length;/' "$stage/include/vionet.h" >"$work/vionet.h"
if gcc -std=c11 "-I$work" -fsyntax-only "$work/a.c" 2>/dev/null; then fail "a packet of another size went unseen"; fi
# And the warnings are on for what a static object may not have.
sed -i 's/^static.* config = VIONET_SIZED_INIT/static struct vionet_config config = VIONET_SIZED/' "$work/a.c"
if gcc -std=c99 "${flags[@]}" -fsyntax-only "$work/a.c" 2>/dev/null; then fail "a static object without a constant went unseen"; fi
echo "compiled by: ${compilers[*]}"
