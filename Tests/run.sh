#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Runs the tests of the built library and counts their cases: what `make test` calls.
#
#   Tests/run.sh [--only REGEX] [--list] [FILE...]
#
# A test is a script or a C program. It prints TAP, a line for each of its cases; or it is one case itself: exit status 0
# is a pass, 77 a skip whose reason is the last line, anything else a failure. A skip that Tests/skips.txt does not list
# is a failure, too. A line with the word "deadline:" and a number of seconds in the test's file changes the limit, which
# is 300 s: for a script as a whole, for a C program with cases.h for each case.
#
# Where there are two processors the guests run beside all other tests: a guest emulates its processor on one of ours, and
# together they would take twice as long one after the other. Who is done with the other tests takes guests, too, from the
# end of their list.
set -u
cd "$(dirname "$0")/.." || exit 1
# shellcheck source-path=SCRIPTDIR source=support/compile.sh
. Tests/support/compile.sh

only=. list=0 files=()
while [ $# -gt 0 ]; do
  case $1 in
    --only) only=${2:?--only wants a pattern}; shift 2 ;;
    --list) list=1; shift ;;
    -*) echo "usage: Tests/run.sh [--only REGEX] [--list] [FILE...]" >&2; exit 2 ;;
    *) files+=("$1"); shift ;;
  esac
done

logs=$build/test-logs
accepted_skips=${VIONET_TEST_SKIPS:-Tests/skips.txt}
unset VIONET_LOG VIONET_LIBRARY
export VIONET_TEST_TAG=vt$$
passed=0 failed=0 skipped=0 running='' lanes=() claims=''

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
  tests_of "" Tests/models/*.sh
  tests_of fuzz- Tests/fuzz/*.c Tests/fuzz/*.sh
  tests_of mutation- Tests/mutation/*.sh
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
  # shellcheck disable=SC2086 # no emulator, or one word
  case $2 in
    Tests/support/unit.sh) exec "$2" "${1#unit-}" ;;
    *.c | *.cpp) compile "$2" && exec ${VIONET_TEST_EMULATOR-} "$build/test-bin/$(program_name "$2")" ;;
    *) exec "$2" ;;
  esac
}
export -f start compile program_name

seconds_of() { # file
  local seconds
  seconds=$(sed -n 's/.*deadline: *\([0-9][0-9]*\).*/\1/p' "$1" | head -n 1)
  echo "${seconds:-300}"
}

has_cases() { grep -q '^#include ".*cases\.h"' "$1"; }

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
  local process
  for process in $running "${lanes[@]}"; do kill -TERM "$process" 2>/dev/null; done
  for process in $running "${lanes[@]}"; do wait "$process"; done
  remove_forgotten
  if [ "$BASHPID" -eq $$ ]; then
    [ -z "$claims" ] || rm -rf "$claims"
    echo "interrupted"
  fi
  exit 130
}
trap interrupted INT TERM

# ---- results --------------------------------------------------------------------------------------------------------

# is_accepted TEST CASE REASON: whether Tests/skips.txt lists the skip.
is_accepted() {
  local test reason why
  while IFS='|' read -r test reason why; do
    # shellcheck disable=SC2053 # the patterns are meant as such
    if [[ $1 == $test || "$1: $2" == $test ]] && [[ $3 =~ ^($reason)$ ]] && [ -n "$why" ]; then return 0; fi
  done < <(sed -n '/^#/d; s/ *:: */|/gp' "$accepted_skips")
  return 1
}

# Swift's own runner has counted: a case for each of its tests.
swift_results() { # log status
  local count bad
  count=$(sed -n 's/.*Test run with \([0-9][0-9]*\) test.*/\1/p' "$1" | awk '{ n += $1 } END { print n + 0 }')
  grep '^✘ Test .* failed after' "$1" | grep -v '^✘ Test run with' | sed 's/^✘ Test /fail /'
  bad=$(grep '^✘ Test .* failed after' "$1" | grep -vc '^✘ Test run with')
  if [ "$count" -eq 0 ] || { [ "$2" -ne 0 ] && [ "$bad" -eq 0 ]; }; then
    echo "fail the run of Swift's tests: status $2, $count tests counted"
    bad=$((bad + 1))
  fi
  [ "$bad" -eq 0 ] || tail -n 25 "$1" | sed 's/^/    | /'
  [ "$count" -le "$bad" ] || yes "pass" | head -n $((count - bad))
}

# take_results NAME RESULTS SECONDS: adds them to the counts and prints the failures and the skips.
take_results() {
  local name=$1 seconds=$3 line good=0 bad=0 left_out=0 text='' word=pass which reason
  while IFS= read -r line; do
    case $line in
      pass*) good=$((good + 1)) ;;
      fail*) bad=$((bad + 1)) text+="  not ok: ${line#fail }"$'\n' ;;
      skip*)
        which=${line#skip }
        reason=${which#*$'\t'} which=${which%%$'\t'*}
        if is_accepted "$name" "$which" "$reason"; then
          left_out=$((left_out + 1)) text+="  skipped: $which: $reason"$'\n'
        else
          bad=$((bad + 1)) text+="  not ok: $which: skipped, and Tests/skips.txt does not list the reason: $reason"$'\n'
        fi
        ;;
      *) text+=$line$'\n' ;;
    esac
  done <"$2"
  passed=$((passed + good)) failed=$((failed + bad)) skipped=$((skipped + left_out))
  [ "$left_out" -eq 0 ] || [ "$good" -gt 0 ] || word=skip
  [ "$bad" -eq 0 ] || word=FAIL
  printf '%s  %-30s %6s s  %s\n%s' "$word" "$name" "$seconds" "$((good + bad + left_out)) cases" "$text"
  [ "$bad" -gt 0 ] || return 0
  echo "    whole log: ${logs#"$root"/}/$name.log"
  # The end of a run says why, too: what is printed in the middle may not be kept by whoever runs this.
  awk -v name="$name" '/^  not ok: / { sub(/^ */, ""); print name ": " $0; left = 4; next }
    left > 0 && /^    \| .*(FAIL|not ok|:[0-9]+: |error|ended (by|with)|not done)/ { print; left-- }' \
    <<<"$text" >>"$logs/failures.$$"
}

run() { # name file
  local name=$1 file=$2 log=$logs/$1.log status began seconds limit
  limit=$(seconds_of "$file")
  export VIONET_TEST_DEADLINE=$limit
  # The program itself ends a case that takes too long.
  if has_cases "$file"; then limit=3600; fi
  began=$(date +%s%N)
  # shellcheck disable=SC2016
  timeout --kill-after=15 "$limit" bash -c 'start "$@"' start "$name" "$file" >"$log" 2>&1 </dev/null &
  running=$!
  wait "$running"
  status=$?
  running=
  remove_forgotten >"$log.left"
  seconds=$((($(date +%s%N) - began) / 100000000))
  seconds=$((seconds / 10)).$((seconds % 10))
  if [ "$file" = Tests/support/unit.sh ]; then
    swift_results "$log" "$status"
  else
    awk -v test="$name" -v status="$status" -v deadline="$limit" -f Tests/support/results.awk "$log"
  fi >"$log.results"
  if [ -s "$log.left" ]; then
    echo "fail $name leaves nothing behind" >>"$log.results"
    sed 's/^/    | /' "$log.left" >>"$log.results"
  fi
  take_results "$name" "$log.results" "$seconds"
  rm -f "$log.left" "$log.results"
}

# ---- all of them ----------------------------------------------------------------------------------------------------

# Whether the test is this lane's: the first that asks has it. A claim that cannot be made for another reason is none.
is_ours() { [ -z "$claims" ] || mkdir "$claims/$1" 2>/dev/null || [ ! -d "$claims/$1" ]; }

run_all() { # reads "name file" lines
  local name file
  while read -r name file; do
    if is_ours "$name"; then run "$name" "$file"; fi
  done
}

# In a process of its own, which leaves its counts in a file.
run_lane() { # tag of its namespaces, lines
  export VIONET_TEST_TAG=$1
  lanes=()
  trap interrupted TERM
  run_all <<<"$2"
  echo "$passed $failed $skipped" >"$logs/$1.counts"
}

run_lanes() { # lines of the guests, lines of the others
  local tag counts
  claims=$(mktemp -d "$logs/claims.XXXXXX")
  run_lane "$VIONET_TEST_TAG-g" "$1" &
  lanes=($!)
  run_lane "$VIONET_TEST_TAG-o" "$2"$'\n'"$(tac <<<"$1")" &
  lanes+=($!)
  wait "${lanes[@]}"
  lanes=()
  rm -r "$claims"
  for tag in "$VIONET_TEST_TAG-g" "$VIONET_TEST_TAG-o"; do
    if read -r -a counts <"$logs/$tag.counts"; then
      passed=$((passed + counts[0])) failed=$((failed + counts[1])) skipped=$((skipped + counts[2]))
    else
      echo "one of the two halves did not come to its end"
      failed=$((failed + 1))
    fi
    rm -f "$logs/$tag.counts"
  done
}

if [ "${#files[@]}" -gt 0 ]; then chosen=$(tests_of "" "${files[@]}"); else chosen=$(all_tests); fi
chosen=$(grep -E -- "^[^ ]*($only)" <<<"$chosen") || { echo "no test matches $only" >&2; exit 2; }
if [ "$list" -eq 1 ]; then
  echo "$chosen"
  exit 0
fi
if [ ! -e "$stage/lib/libvionet.so" ]; then
  echo "the library is not built: run make first" >&2
  exit 2
fi
mkdir -p "$logs" "$build/test-bin"
: >"$logs/failures.$$"
export root build stage linker_flags CC
guests=$(grep "^guest-" <<<"$chosen")
others=$(grep -v "^guest-" <<<"$chosen")
if [ -n "$guests" ] && [ -n "$others" ] && [ "$(nproc)" -gt 1 ]; then
  run_lanes "$guests" "$others"
else
  run_all <<<"$chosen"
fi
# Whoever sees only the last lines of a long run sees what failed.
cat "$logs/failures.$$"
rm -f "$logs/failures.$$"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ $((passed + skipped)) -gt 0 ]
