#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 300
# vionet-l2fwd: frames of a capture come out with the addresses that DPDK's l2fwd writes, or unchanged; each port has its
# statistics; devices are joined in pairs, and one without a partner to itself; several threads; bad arguments.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need python3 python3

l2fwd=$examples/vionet-l2fwd
python3 "$root/Tests/support/capture.py" make "$work/in" 2000 || fail "making a capture"
# shellcheck disable=SC2317 # called by until_true
all_there() { [ "$(stat -c %s "$1" 2>/dev/null)" = "$(stat -c %s "$work/in")" ]; }
compare() { python3 "$root/Tests/support/capture.py" compare "$work/in" "$@" || fail "$1"; }
# A ring that holds all frames, so that none is dropped.
out() { echo "soft:pcap=,out=$1,mac=02:00:00:00:00:42,queue_size=4096"; }
frames=$(($(stat -c %s "$work/in") - 24 - 16 * 2000))

start() {
  : >"$work/said" # an earlier process said "forwarding", too
  "$l2fwd" "$@" >"$work/said" 2>&1 &
  children+=($!)
  until_true 10 grep -q '^forwarding' "$work/said" || { cat "$work/said"; fail "it does not start"; }
}
finish() { # words that the summary has...
  end_last || { cat "$work/said"; fail "it ended badly"; }
  local words
  for words; do said "$words"; done
}

carry() { # HOW options...
  local how=$1
  shift
  rm -f "$work/a"
  start "$@" "soft:pcap=$work/in" "$(out "$work/a")"
  until_true 60 all_there "$work/a" || { cat "$work/said"; fail "not all $frames bytes of frames came out"; }
  finish '^port 0: 0 sent, 2000 received, 0 dropped: soft:pcap=' '^port 1: 2000 sent, 0 received, 0 dropped: soft:pcap='
  compare "$work/a" "$how" 02:00:00:00:00:42
}

# Five devices and two threads: two pairs, and one that gets its own frames.
pairs() {
  start -n -q 4 "soft:pcap=$work/in,pool_packets=32768" "$(out "$work/b")" "soft:pcap=$work/in" "$(out "$work/c")" \
    "soft:pcap=$work/in,out=$work/d,queue_size=4096"
  local each
  for each in b c d; do
    until_true 60 all_there "$work/$each" || { cat "$work/said"; fail "not all frames came out at $each"; }
  done
  [ "$(find "/proc/${children[-1]}/task" -mindepth 1 -maxdepth 1 | wc -l)" -ge 3 ] || fail "no second thread"
  finish '^port 3: 2000 sent, 0 received' '^port 4: 2000 sent, 2000 received, 0 dropped'
  for each in b c d; do compare "$work/$each"; done
}

each_second() {
  start -q 2 -T 1 soft:generate,rate=10000 soft:sink
  until_true 60 says_twice || { cat "$work/said"; fail "no statistics each second"; }
  finish '^port 1: [1-9][0-9]* sent, 0 received'
}
# shellcheck disable=SC2317 # called by until_true
says_twice() { [ "$(grep -c '^port 1: [1-9]' "$work/said")" -ge 2 ]; }

# What the other ring has no room for is dropped and counted, and every received frame is accounted for.
drops() {
  local received sent dropped
  start -q 2 -T 1 soft:generate soft:sink,queue_size=16
  until_true 60 grep -q ' [1-9][0-9]* dropped' "$work/said" || { cat "$work/said"; fail "nothing is dropped"; }
  finish '^port 0:'
  received=$(last_of 'port 0: .* \([0-9]*\) received.*')
  sent=$(last_of 'port 1: \([0-9]*\) sent.*')
  dropped=$(last_of 'port 1: .* \([0-9]*\) dropped.*')
  [ $((sent + dropped)) -eq "$received" ] || { cat "$work/said"; fail "frames are missing"; }
}
last_of() { sed -n "s/^$1/\1/p" "$work/said" | tail -n 1; }

bad() {
  local arguments
  for arguments in "" "-q 0 soft:sink" "-q 33 soft:sink" "-T -1 soft:sink" "-T x soft:sink" "-x soft:sink"; do
    # shellcheck disable=SC2086
    gives 2 "$l2fwd" $arguments
    said usage
  done
  gives 1 "$l2fwd" soft:sink soft:nothing
  said nothing
  gives 0 "$l2fwd" --help
  said usage
}

run_case "addresses are those that DPDK's l2fwd writes" carry l2fwd
run_case "-n leaves them alone, in one thread" carry io -n -q 2
run_case "pairs, a device alone, two threads" pairs
run_case "statistics each second" each_second
run_case "what is dropped is counted" drops
run_case "bad arguments, devices and --help" bad
