#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 900
# The forwarders: frames of a capture come out as the mode says, whether the program polls or sleeps, is linked or loads the
# library; time limit, signals, summary, the line each second, and bad arguments. If a device asks for an announcement, the
# program sends one.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need python3 python3
export VIONET_LIBRARY=$stage/lib/libvionet.so.0

python3 "$root/Tests/support/capture.py" make "$work/in" 2000 || fail "making a capture"
# shellcheck disable=SC2317 # called by until_true
all_there() { [ "$(stat -c %s "$work/out" 2>/dev/null)" = "$(stat -c %s "$work/in")" ]; }
flaps=$(program flapping-link) || exit 1
poll=$examples/vionet-fwd wait=$examples/vionet-fwd-wait load=$examples/vionet-fwd-dlopen

# announces: the sleeping forwarder on a is stopped while b, to which a is joined, goes and comes again. Then one RARP request
# (RFC 903) from a's address arrives at b, and nothing else.
announces() {
  local child
  mkdir -p "$work/sockets"
  cd "$work/sockets" || fail "no folder for sockets"
  background devices "$flaps"
  "$wait" vhost-user:a,cq=1,mac=02:00:00:00:00:07 vhost-user:c >"$work/fwd.out" 2>&1 &
  child=$!
  children+=("$child")
  until_true 60 grep -q '^->' "$work/fwd.out" || { cat "$work/fwd.out"; fail "no forwarder on a"; }
  kill -USR1 "${children[-2]}"
  until_true 60 test ! -e b || fail "b does not go"
  kill -STOP "$child"
  kill -USR2 "${children[-2]}"
  until_true 60 test -S b || fail "b did not come again"
  "$poll" vhost-user:b "soft:pcap=,out=$work/heard" >"$work/receiver.out" 2>&1 &
  children+=($!)
  until_true 60 grep -q forwarding "$work/receiver.out" || { cat "$work/receiver.out"; fail "no program receives at b"; }
  kill -CONT "$child"
  until_true 60 frames_heard 1 || { cat "$work/fwd.out"; fail "a's address is not announced"; }
  sleep 1.2
  frames_heard 1 || fail "it is announced more than once"
  tail -c 60 "$work/heard" | cmp - <(printf '%b' '\xff\xff\xff\xff\xff\xff\x02\0\0\0\0\x07\x80\x35' \
    '\0\x01\x08\0\x06\x04\0\x03\x02\0\0\0\0\x07\0\0\0\0\x02\0\0\0\0\x07'; head -c 22 /dev/zero) || fail "that is no RARP request of a's"
  for _ in receiver forwarder devices; do end_last || fail "a forwarder or a device ended badly"; done
}
# A capture has 24 bytes of its own, and 16 for each frame.
# shellcheck disable=SC2317 # called by until_true
frames_heard() { [ "$(stat -c %s "$work/heard" 2>/dev/null)" = $((24 + $1 * (16 + 60))) ]; }

# carry PROGRAM HOW options...: the capture goes in at one end and comes out at the other.
carry() {
  local program=$1 how=$2
  shift 2
  rm -f "$work/out"
  # A ring that holds all frames, so that none is dropped.
  "$program" "$@" "soft:pcap=$work/in" "soft:pcap=,out=$work/out,mac=02:00:00:00:00:42,queue_size=${ring:-4096}" \
    >"$work/fwd.out" 2>&1 &
  children+=($!)
  until_true 60 all_there || { cat "$work/fwd.out"; ls -l "$work"; fail "not all frames came out of $program $*"; }
  end_last || { cat "$work/fwd.out"; fail "$program $* ended badly"; }
  python3 "$root/Tests/support/capture.py" compare "$work/in" "$work/out" "$how" 02:00:00:00:00:42 || fail "$program $*"
  grep -q ': 2000 packets, [0-9]* bytes, 0 drops' "$work/fwd.out" || { cat "$work/fwd.out"; fail "the summary"; }
}

# What comes from a single device is sent back into it.
one_device() {
  rm -f "$work/out"
  "$poll" "soft:pcap=$work/in,out=$work/out,queue_size=4096" >"$work/fwd.out" 2>&1 &
  children+=($!)
  until_true 60 all_there || fail "not all frames came back"
  end_last
  python3 "$root/Tests/support/capture.py" compare "$work/in" "$work/out" || fail "one device"
}

# time_limit PROGRAM: it ends by itself.
time_limit() {
  local carried
  gives 0 "$1" -t 2 soft:generate,rate=10000 soft:sink
  said 'soft:generate,rate=10000 -> soft:sink: [0-9]* packets'
  carried=$(number_after 'rate=10000 -> soft:sink' "$work/said")
  [ "$carried" -gt 0 ] || fail "nothing was carried"
}
time_limit_with_lines() {
  time_limit "$wait"
  said '->.*/s.*<-'
}

# signalled PROGRAM SIGNAL: it ends with a summary. The second device shows that it forwards.
signalled() {
  local child
  rm -f "$work/out"
  bash -c 'trap - INT; exec "$@"' sh "$1" soft:generate,rate=1000 "soft:pcap=,out=$work/out" >"$work/fwd.out" 2>&1 &
  child=$!
  children+=("$child")
  until_true 60 has_forwarded || { cat "$work/fwd.out"; fail "it does not forward"; }
  kill -"$2" "$child"
  wait "$child" || { cat "$work/fwd.out"; fail "SIG$2 ended it with $?"; }
  grep -q '^soft:generate,rate=1000 -> soft:pcap=,out=.*: ' "$work/fwd.out" || fail "no summary after SIG$2"
}
has_forwarded() { [ "$(stat -c %s "$work/out" 2>/dev/null || echo 0)" -gt 1000 ]; }

bad_devices() { # PROGRAM
  gives 1 "$1" soft:nothing soft:sink
  said nothing
  gives 1 "$1" soft:sink vhost-user:/nonexistent/socket
  said /nonexistent/socket
}

bad() { # PROGRAM ARGUMENTS...
  gives 2 "$@"
  said usage
}
bad_arguments() { # PROGRAM
  bad "$1"
  bad "$1" a soft:a soft:b soft:c
  bad "$1" -x soft:sink soft:sink
}
bad_options() {
  local arguments
  for arguments in "-b 0" "-b 513" "-b x" "-t -1" "-t x" "-m bogus" "-m"; do
    # shellcheck disable=SC2086
    bad "$poll" $arguments soft:sink
  done
  for arguments in "-p -1" "-t -1" "-t x" "-t"; do
    # shellcheck disable=SC2086
    bad "$wait" $arguments soft:sink soft:sink
  done
}

usage_asked() { # PROGRAM
  local option
  for option in -h --help; do
    gives 0 "$1" $option
    said usage
  done
}

not_linked() {
  if readelf -d "$load" | grep -q 'NEEDED.*vionet'; then fail "vionet-fwd-dlopen is linked"; fi
  VIONET_LIBRARY=/nonexistent/library.so gives 1 "$load" soft:sink soft:sink
  said /nonexistent/library.so
}

run_case "frames pass unchanged" carry "$poll" io
run_case "bursts of one" carry "$poll" io -b 1
run_case "addresses are swapped" carry "$poll" macswap -m macswap -b 64
run_case "the source address is the port's" carry "$poll" mac -m mac
run_case "it sleeps when no frame comes" carry "$wait" io
run_case "it sleeps after a millisecond, and prints no line" carry "$wait" io -q -p 1000
ring=16 run_case "it sleeps when a small ring has no room, and drops nothing" carry "$wait" io
run_case "the library is loaded" carry "$load" io
run_case "one announcement" announces
run_case "one device" one_device
run_case "time limit" time_limit "$poll"
run_case "time limit, with a line each second" time_limit_with_lines
for program in "$poll" "$wait" "$load"; do
  for signal in INT TERM; do run_case "${program##*/}: SIG$signal" signalled "$program" $signal; done
  run_case "${program##*/}: bad devices" bad_devices "$program"
done
for program in "$poll" "$wait" "$load" "$examples/vionet-fwd-control"; do
  run_case "${program##*/}: bad arguments" bad_arguments "$program"
done
run_case "bad options" bad_options
for program in "$poll" "$wait"; do run_case "${program##*/}: --help" usage_asked "$program"; done
run_case "vionet-fwd-dlopen loads the library and is not linked with it" not_linked
