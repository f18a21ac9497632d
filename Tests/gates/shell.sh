#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 900
# Every shell script of the tree passes shellcheck, and every file of ours starts with the licence and has no path of
# one machine in it.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need shellcheck shellcheck
cd "$root" || exit 1

ours() { # places...: the files there that are not made by a build
  find "$@" \( -name .git -o -name build -o -name '.build*' \) -prune -o -type f -print | sed 's|^\./||'
}

mapfile -t scripts < <(ours . | while read -r file; do
  head -c 40 "$file" | grep -qaE '^(#!.*sh$|# shellcheck shell=)' && echo "$file"
done)
[ "${#scripts[@]}" -gt 10 ] || fail "found only ${#scripts[@]} scripts"
shellcheck -x "${scripts[@]}" || fail "shellcheck"
echo "${#scripts[@]} scripts"

without=$(ours Sources Tests include examples bench Tools .ci Makefile |
  grep -E '\.(swift|c|h|cpp|sh|py|map)$|Makefile|/run$' |
  while read -r file; do
    ! head -n 3 "$file" | grep -q 'SPDX-License-Identifier: BSD-2-Clause' && echo "$file"
  done)
[ -z "$without" ] || fail "no licence line in: $without"

# What until_true asks is asked again each time: a value in its words would be read once.
once=$(ours Tests | xargs -d '\n' grep -nE 'until_true [0-9]+ [^|&;]*"\$''\(')
[ -z "$once" ] || fail "read once, before the first try: $once"

# Written in two halves, so that this line is not one of them.
homes='(/ho''me/[a-z]|/ro''ot/|/wo''rk/|/Us''ers/)'
found=$(ours Sources Tests include examples bench Tools .ci docs README.md Makefile | xargs -d '\n' grep -nE "$homes")
[ -z "$found" ] || fail "a path of one machine: $found"
