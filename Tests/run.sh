#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Runs every test of the built library and counts them: what `make test` calls.
#
#   Tests/run.sh [--only REGEX] [--list]
#
# A test is a script or a C program: exit 0 is a pass, 77 a skip whose reason is its last line, anything else a failure.
# A line with the word "deadline:" and a number of seconds in the test's file changes its limit of 120 s.
set -u
cd "$(dirname "$0")/.." || exit 1
# shellcheck source-path=SCRIPTDIR source=support/compile.sh
. Tests/support/compile.sh

only=. list=0
while [ $# -gt 0 ]; do
  case $1 in
    --only) only=${2:?--only wants a pattern}; shift 2 ;;
    --list) list=1; shift ;;
    *) echo "usage: Tests/run.sh [--only REGEX] [--list]" >&2; exit 2 ;;
  esac
done

logs=$build/test-logs
unset VIONET_LOG VIONET_LIBRARY
export VIONET_TEST_TAG=vt$$
passed=0 failed=0 skipped=0 running=

# ---- the list: "name file", in order --------------------------------------------------------------------------------

tests_of() { # prefix, files...
  local prefix=$1 file name
  shift
  for file; do
    [ -f "$file" ] || continue
    name=${file##*/}
    name=${name%.*}
    echo "$prefix${name//_/-} $file"
  done
}

all_tests() {
  local wire=() file
  tests_of gate- Tests/gates/*.sh Tests/gates/*.py
  echo "unit-debug Tests/support/unit.sh"
  echo "unit-asan Tests/support/unit.sh"
  tests_of abi- Tests/abi/*.c Tests/abi/*.cpp Tests/abi/*.sh
  tests_of fuzz- Tests/fuzz/*.c Tests/fuzz/*.sh
  tests_of tool- Tests/tool/*.sh
  tests_of "" Tests/wire/example-*.sh
  for file in Tests/wire/*.sh; do
    case ${file##*/} in example-* | dpdk-*) ;; *) wire+=("$file") ;; esac
  done
  tests_of wire- "${wire[@]}"
  tests_of "" Tests/wire/dpdk-*.sh
  for file in Tests/guest/scenarios/*.sh; do
    case $file in */bench*.sh) ;; *) tests_of guest- "$file" ;; esac
  done
}

# ---- one test -------------------------------------------------------------------------------------------------------

start() { # name file: runs it in this shell's child, with everything it prints in its log
  case $2 in
    Tests/support/unit.sh) exec "$2" "${1#unit-}" ;;
    *.c | *.cpp) compile "$2" && exec "$build/test-bin/$(program_name "$2")" ;;
    *) exec "$2" ;;
  esac
}
export -f start compile program_name

limit_of() {
  local seconds
  seconds=$(sed -n 's/.*deadline: *\([0-9][0-9]*\).*/\1/p' "$1" | head -n 1)
  echo "${seconds:-120}"
}

# The namespaces of a test carry its tag: one that is still there was forgotten, and is a failure of that test.
forgotten_spaces() { ip netns list 2>/dev/null | awk -v tag="$VIONET_TEST_TAG-" 'index($1, tag) == 1 { print $1 }'; }

remove_forgotten() {
  local space
  for space in $(forgotten_spaces); do
    echo "left behind: network namespace $space"
    ip netns delete "$space"
  done
}

interrupted() {
  trap '' INT TERM
  if [ -n "$running" ]; then
    kill -TERM "$running" 2>/dev/null
    wait "$running"
  fi
  remove_forgotten
  echo "interrupted"
  exit 130
}
trap interrupted INT TERM

swift_count() { sed -n 's/.*Test run with \([0-9][0-9]*\) test.*/\1/p' "$1" | awk '{ n += $1 } END { print n + 0 }'; }

run() { # name file
  local name=$1 file=$2 log=$logs/$1.log status began seconds count=1 bad=1 note=
  began=$(date +%s%N)
  # shellcheck disable=SC2016
  timeout --kill-after=15 "$(limit_of "$file")" bash -c 'start "$@"' start "$name" "$file" >"$log" 2>&1 </dev/null &
  running=$!
  wait "$running"
  status=$?
  running=
  remove_forgotten >>"$log"
  if grep -q '^left behind:' "$log" && [ "$status" -eq 0 ]; then status=1; fi
  seconds=$((($(date +%s%N) - began) / 100000000))
  seconds=$((seconds / 10)).$((seconds % 10))
  if [ "$file" = Tests/support/unit.sh ]; then
    count=$(swift_count "$log")
    bad=$(grep -c '^✘ Test .* failed after' "$log")
    [ "$count" -gt 0 ] && note=" ($count tests)"
    [ "$count" -eq 0 ] && [ "$status" -eq 0 ] && echo "no Swift test ran" >>"$log" && status=1
    [ "$bad" -eq 0 ] && bad=1
    [ "$count" -eq 0 ] && count=1
  fi
  case $status in
    0)
      passed=$((passed + count))
      printf 'pass  %-28s %6s s%s\n' "$name" "$seconds" "$note"
      ;;
    77)
      skipped=$((skipped + 1))
      printf 'skip  %-28s %6s s  %s\n' "$name" "$seconds" "$(tail -n 1 "$log")"
      ;;
    *)
      failed=$((failed + bad)) passed=$((passed + count - bad))
      [ "$status" -eq 124 ] || [ "$status" -eq 137 ] && note=" (deadline of $(limit_of "$file") s)"
      printf 'FAIL  %-28s %6s s%s\n' "$name" "$seconds" "$note"
      tail -n 25 "$log" | sed 's/^/    | /'
      echo "    | whole log: ${log#"$root"/}"
      ;;
  esac
}

# ---- all of them ----------------------------------------------------------------------------------------------------

chosen=$(all_tests | grep -E -- "^[^ ]*($only)") || { echo "no test matches $only" >&2; exit 2; }
if [ "$list" -eq 1 ]; then
  echo "$chosen"
  exit 0
fi
if [ ! -e "$stage/lib/libvionet.so" ]; then
  echo "the library is not built: run make first" >&2
  exit 2
fi
mkdir -p "$logs" "$build/test-bin"
export root build stage
while read -r name file; do
  run "$name" "$file"
done <<<"$chosen"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
