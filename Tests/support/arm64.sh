#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# What `make ARCH=arm64` built: its symbols and needs are those of any other build, its bursts have no trap, and the tests of
# the C interface pass in QEMU's emulation of a process. Cases that the emulation cannot run are listed in
# arm64-emulated.txt; they are counted, and one that is not listed fails the run.
#
#   Tests/support/arm64.sh [REGEX]    of the tests of Tests/abi, those that match
set -u
cd "$(dirname "$0")/../.." || exit 1
export VIONET_ARCH=arm64
list=Tests/support/arm64-emulated.txt status=0
said=$(mktemp)
trap 'rm -f "$said"' EXIT

# is_listed TEST CASE
is_listed() {
  local test case
  while IFS='|' read -r test case _; do
    # shellcheck disable=SC2053 # a pattern
    [ "$1" = "$test" ] && [[ $2 == $case ]] && return
  done < <(sed -n '/^#/d; s/ *:: */|/gp' "$list")
  return 1
}

for gate in symbols.sh needed.sh codegen.py; do
  if Tests/gates/$gate >"$said" 2>&1; then echo "pass  gate $gate"; else cat "$said"; echo "FAIL  gate $gate"; status=1; fi
done

mapfile -t tests < <(printf '%s\n' Tests/abi/*.c | grep -E -- "${1-.}")
[ ${#tests[@]} -gt 0 ] || { echo "no test matches $1"; exit 2; }
Tests/run.sh "${tests[@]}" 2>&1 | tee "$said"
listed=0
while IFS= read -r line; do
  test=${line%%: not ok: *} case=${line#*: not ok: }
  case=${case%: skipped, and Tests/skips.txt*}
  if is_listed "$test" "$case"; then listed=$((listed + 1)); else echo "FAIL: $line"; status=1; fi
done < <(grep '^[a-z0-9-]*: not ok: ' "$said")
summary=$(tail -n 1 "$said")
echo "arm64, emulated: ${summary%% *} cases passed, $listed do not apply ($list)"
grep -q '^[1-9][0-9]* passed, ' <<<"$summary" || status=1
exit $status
