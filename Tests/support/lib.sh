# shellcheck shell=bash disable=SC2030,SC2031 # a case has lists of its own
# SPDX-License-Identifier: BSD-2-Clause
# Sourced by the shell tests: named cases, a scratch folder, processes that end with the test, network namespaces of its
# own.

# shellcheck source-path=SCRIPTDIR source=../support/compile.sh
. "$(dirname "${BASH_SOURCE[0]}")/compile.sh"
# shellcheck disable=SC2034 # for the tests
examples=$build/examples
tag=${VIONET_TEST_TAG:-vt}-$$
work=$(mktemp -d)
children=() spaces=()

# Both end the case that calls them; outside of a case, the script.
fail() { echo "FAIL: $*"; exit 1; }
skip() { echo "$*" | tee "$work/skipped"; exit 77; }

# run_case NAME command...: the command in a subshell, as a case of that name, reported as a line of TAP. Processes and
# namespaces that the case starts end with it; variables that it sets are unset after it.
cases=0 failed_cases=0
run_case() {
  local name=$1 status
  shift
  cases=$((cases + 1))
  (
    children=() spaces=()
    trap end_started EXIT
    "$@"
  )
  status=$?
  case $status in
    0) echo "ok $cases - $name" ;;
    77) echo "ok $cases - $name # SKIP $(cat "$work/skipped")" ;;
    *) failed_cases=$((failed_cases + 1)) && echo "not ok $cases - $name" ;;
  esac
}

# inner_tap command...: for a program that prints TAP itself inside a case: its lines are indented, its status is kept.
inner_tap() {
  "$@" 2>&1 | sed 's/^/    /'
  return "${PIPESTATUS[0]}"
}

need() { # program, Debian package
  command -v "$1" >/dev/null || skip "$1 is not installed (Debian package $2)"
}

need_spaces() {
  [ "$(id -u)" -eq 0 ] || skip "network namespaces want root"
  [ -c /dev/net/tun ] || skip "this machine has no /dev/net/tun"
  need ip iproute2
  unshare --net true 2>/dev/null || skip "this machine makes no network namespaces"
}

# Ends a process that the test started: asks, waits for 30 s, then kills. The result is its exit status.
end() {
  local i
  kill -TERM "$1" 2>/dev/null
  for ((i = 0; i < 300; i++)); do
    kill -0 "$1" 2>/dev/null || break
    sleep 0.1
  done
  kill -KILL "$1" 2>/dev/null
  wait "$1" 2>/dev/null
}

end_started() {
  local child space
  trap '' INT TERM
  for child in "${children[@]}"; do end "$child"; done
  for space in "${spaces[@]}"; do
    ip netns pids "$space" 2>/dev/null | xargs -r kill -KILL
    ip netns delete "$space" 2>/dev/null
  done
}

# The end of every script. With cases, it prints their number, and the script fails if a case did.
clean_up() {
  local status=$?
  end_started
  rm -rf "$work"
  [ "$cases" -eq 0 ] || [ "$status" -ne 0 ] || echo "1..$cases"
  [ "$failed_cases" -eq 0 ] || exit 1
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# How many hugepages there are. Tests know it by this one name, since they lock it by its file.
# shellcheck disable=SC2034 # for the scripts
hugepages=/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages

# keep FILE: the script is going to change this setting of the machine. give_back writes the old value, and so does a process
# in a session of its own when the script has ended without that, by whatever signal. That process holds a lock on the file
# for as long, so that the next test reads the old value and not this test's.
keep() {
  kept_file=$1
  # shellcheck disable=SC2016 # variables of the inner shell
  exec {keeper}> >(exec setsid bash -c 'trap "" HUP INT TERM
    exec 9<"$0" && flock 9 && value=$(cat "$0") && echo "$value" >"$1.new" && mv "$1.new" "$1" || exit
    read -r || echo "$value" >"$0"' "$kept_file" "$work/kept" >/dev/null 2>&1)
  until_true 10 test -e "$work/kept" || fail "$kept_file cannot be kept"
  kept_value=$(cat "$work/kept")
}
give_back() { echo "$kept_value" >"$kept_file" && echo given >&"$keeper" && exec {keeper}>&-; }

# Waits until a command succeeds: until_true SECONDS command... The seconds are those of an idle machine; ten times as long
# is waited, so that they decide about no test.
until_true() {
  local tries=$(($1 * 200))
  shift
  while ! "$@"; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || return 1
    sleep 0.05
  done
}

# is_asleep PROCESS: so is every thread of it.
is_asleep() { ! cat "/proc/$1/task/"*/status | grep '^State:' | grep -qv 'S (sleeping)'; }

# space NAME: makes a namespace whose full name is "$tag-NAME", without IPv6, which would send packets by itself.
space() {
  ip netns add "$tag-$1" || fail "cannot make namespace $tag-$1"
  spaces+=("$tag-$1")
  ip netns exec "$tag-$1" sh -c 'echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6 &&
    echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6' 2>/dev/null
  ip -n "$tag-$1" link set lo up
}

# in_space NAME command...
in_space() {
  local name=$1
  shift
  ip netns exec "$tag-$name" "$@"
}

# become NAME command... &: for the background, where $! is then the process id of the command.
become() {
  local name=$1
  shift
  exec ip netns exec "$tag-$name" "$@"
}

has_link() { ip -n "$tag-$1" link show "$2" >/dev/null 2>&1; }

# tap_into FROM TO TAP ADDRESS: gives a TAP that a program in FROM has just made to TO.
tap_into() {
  until_true 10 has_link "$1" "$3" || fail "interface $3 did not appear"
  ip -n "$tag-$1" link set "$3" netns "$tag-$2" || fail "cannot move $3"
  ip -n "$tag-$2" address add "$4" dev "$3" || fail "cannot give $3 its address"
  ip -n "$tag-$2" link set "$3" up || fail "cannot bring up $3"
}

# forward_between_taps: makes the spaces mid, a and b, and in mid a waiting forwarder whose TAPs are in a and b; its process
# id is in "forwarder".
forward_between_taps() {
  space mid; space a; space b
  become mid "$examples/vionet-fwd-wait" -q soft:tap=tap-a soft:tap=tap-b >"$work/fwd.out" 2>&1 &
  forwarder=$!
  children+=("$forwarder")
  tap_into mid a tap-a 10.9.8.1/24
  tap_into mid b tap-b 10.9.8.2/24
}

# counter SPACE INTERFACE rx_packets: prints that counter of the kernel.
counter() { in_space "$1" cat "/sys/class/net/$2/statistics/$3"; }
# counter_is SPACE INTERFACE COUNTER OPERATOR NUMBER: whether the counter is so now; for until_true.
counter_is() { test "$(counter "$1" "$2" "$3")" "$4" "$5"; }

# number_after WORD FILE: prints the first number behind the word.
number_after() { sed -n "s/.*$1[^0-9]*\([0-9][0-9]*\).*/\1/p" "$2" | head -n 1; }

# program NAME: compiles that program of Tests/wire and prints its path.
program() {
  compile "Tests/wire/$1.c" >&2 || fail "compiling $1"
  echo "$build/test-bin/wire-$1"
}

# background NAME command...: starts it with its output in $work/NAME.out, waits for the word "ready" there.
background() {
  local name=$1
  shift
  : >"$work/$name.out" # an earlier process of that name said "ready", too
  "$@" >"$work/$name.out" 2>&1 &
  children+=($!)
  until_true 10 grep -qs '^ready' "$work/$name.out" || { cat "$work/$name.out"; fail "$name did not get ready"; }
}

# Ends the process that was started last. The result is its exit status.
end_last() {
  local child=${children[-1]}
  unset 'children[-1]'
  end "$child"
}

# gives STATUS command...: the command ends with that status and says something.
gives() {
  local want=$1 got
  shift
  timeout 200 "$@" >"$work/said" 2>&1 </dev/null
  got=$?
  [ "$got" -eq "$want" ] || { cat "$work/said"; fail "$* ended with $got, not $want"; }
  [ -s "$work/said" ] || fail "$* ended with $got and not a word"
}
# sees WORD command...: a planted fault makes the command fail, and say that word.
sees() {
  if ("${@:2}") >"$work/said" 2>&1; then fail "a planted fault went unseen: ${*:2}"; fi
  said "$1"
}
said() { grep -qi -- "$1" "$work/said" || { cat "$work/said"; fail "no word of $1"; }; }
