#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The forwarders: frames of a capture come out as the mode says, polling or waiting, linked or loaded; time limit, signals,
# summary, the live line, and bad arguments. A device that wants its address announced has that done, once.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need python3 python3
export VIONET_LIBRARY=$stage/lib/libvionet.so.0

python3 "$root/Tests/support/capture.py" make "$work/in" 2000 || fail "making a capture"
# shellcheck disable=SC2317 # called by until_true
all_there() { [ "$(stat -c %s "$work/out" 2>/dev/null)" = "$(stat -c %s "$work/in")" ]; }
within() { [ "$1" -ge "$2" ] && [ "$1" -le "$3" ]; }
flaps=$(program flaps) || exit 1
poll=$examples/vionet-fwd wait=$examples/vionet-fwd-wait load=$examples/vionet-fwd-dlopen

# announces: the waiting forwarder on a is held while b, to which a is joined, goes and comes again; who then listens at
# b hears one RARP request (RFC 903) from a's address, and nothing else.
announces() {
  local child
  mkdir -p "$work/sockets"
  cd "$work/sockets" || fail "no folder for sockets"
  background flaps "$flaps"
  "$wait" vhost-user:a,cq=1,mac=02:00:00:00:00:07 vhost-user:c >"$work/fwd.out" 2>&1 &
  child=$!
  children+=("$child")
  until_true 5 grep -q '^->' "$work/fwd.out" || { cat "$work/fwd.out"; fail "no forwarder on a"; }
  kill -USR1 "${children[-2]}"
  sleep 0.3
  kill -STOP "$child"
  kill -USR2 "${children[-2]}"
  until_true 5 test -S b || fail "b did not come again"
  "$poll" vhost-user:b "soft:pcap=,out=$work/heard" >"$work/ear.out" 2>&1 &
  children+=($!)
  until_true 5 grep -q forwarding "$work/ear.out" || { cat "$work/ear.out"; fail "nobody listens at b"; }
  kill -CONT "$child"
  until_true 5 frames_heard 1 || { cat "$work/fwd.out"; fail "a's station is not announced"; }
  sleep 1.2
  frames_heard 1 || fail "it is announced more than once"
  tail -c 60 "$work/heard" | cmp - <(printf '%b' '\xff\xff\xff\xff\xff\xff\x02\0\0\0\0\x07\x80\x35' \
    '\0\x01\x08\0\x06\x04\0\x03\x02\0\0\0\0\x07\0\0\0\0\x02\0\0\0\0\x07'; head -c 22 /dev/zero) || fail "that is no RARP request of a's"
  for _ in ear forwarder flaps; do end_last || fail "a forwarder or a device ended badly"; done
  cd "$root" || exit 1
}
# A capture has 24 bytes of its own, and 16 for each frame.
# shellcheck disable=SC2317 # called by until_true
frames_heard() { [ "$(stat -c %s "$work/heard" 2>/dev/null)" = $((24 + $1 * (16 + 60))) ]; }

# carry PROGRAM HOW options...: the capture goes in at one end and comes out at the other.
carry() {
  local program=$1 how=$2
  shift 2
  rm -f "$work/out"
  # A ring that holds all of them, so that none is dropped, however the two sides get to run.
  "$program" "$@" "soft:pcap=$work/in" "soft:pcap=,out=$work/out,mac=02:00:00:00:00:42,queue_size=4096" >"$work/fwd.out" 2>&1 &
  children+=($!)
  until_true 10 all_there || { cat "$work/fwd.out"; ls -l "$work"; fail "not all frames came out of $program $*"; }
  end_last || { cat "$work/fwd.out"; fail "$program $* ended badly"; }
  python3 "$root/Tests/support/capture.py" compare "$work/in" "$work/out" "$how" 02:00:00:00:00:42 || fail "$program $*"
  grep -q ': 2000 packets, [0-9]* bytes, 0 drops' "$work/fwd.out" || { cat "$work/fwd.out"; fail "the summary"; }
}

carry "$poll" io
carry "$poll" io -b 1
carry "$poll" macswap -m macswap -b 64
carry "$poll" mac -m mac
carry "$wait" io
carry "$wait" io -q -p 1000
carry "$load" io
announces

# One device: what comes is sent back into it.
rm -f "$work/out"
"$poll" "soft:pcap=$work/in,out=$work/out,queue_size=4096" >"$work/fwd.out" 2>&1 &
children+=($!)
until_true 10 all_there || fail "not all frames came back"
end_last
python3 "$root/Tests/support/capture.py" compare "$work/in" "$work/out" || fail "one device"

# A time limit; the one that waits says a line each second.
for program in "$poll" "$wait"; do
  began=$(date +%s%N)
  gives 0 "$program" -t 2 soft:generate,rate=10000 soft:sink
  took=$((($(date +%s%N) - began) / 1000000))
  within "$took" 1900 4000 || fail "-t 2 took $took ms"
  said 'soft:generate,rate=10000 -> soft:sink: [0-9]* packets'
  carried=$(number_after 'rate=10000 -> soft:sink' "$work/said")
  within "$carried" 15000 25000 || fail "$carried packets in 2 s at 10000 a second"
done
[ "$(grep -c -- '->.*/s.*<-' "$work/said")" -eq 2 ] || { cat "$work/said"; fail "two lines in two seconds"; }

for program in "$poll" "$wait" "$load"; do
  for signal in INT TERM; do
    bash -c 'trap - INT; exec "$@"' sh "$program" soft:generate,rate=1000 soft:sink >"$work/fwd.out" 2>&1 &
    child=$!
    children+=("$child")
    sleep 1.3
    kill -"$signal" "$child"
    wait "$child" || { cat "$work/fwd.out"; fail "SIG$signal ended it with $?"; }
    grep -q '^soft:generate,rate=1000 -> soft:sink: ' "$work/fwd.out" || fail "no summary after SIG$signal"
    unset 'children[-1]'
  done
  gives 1 "$program" soft:nothing soft:sink
  said nothing
  gives 1 "$program" soft:sink vhost-user:/nonexistent/socket
  said /nonexistent/socket
done

bad() { # program, arguments: it says how it is called
  gives 2 "$@"
  said usage
}
for program in "$poll" "$wait" "$load" "$examples/vionet-fwd-control"; do
  bad "$program"
  bad "$program" a soft:a soft:b soft:c
  bad "$program" -x soft:sink soft:sink
done
for arguments in "-b 0" "-b 513" "-b x" "-t -1" "-t x" "-m bogus" "-m"; do
  # shellcheck disable=SC2086
  bad "$poll" $arguments soft:sink
done
for arguments in "-p -1" "-t -1" "-t x" "-t"; do
  # shellcheck disable=SC2086
  bad "$wait" $arguments soft:sink soft:sink
done
for program in "$poll" "$wait"; do
  for option in -h --help; do
    gives 0 "$program" $option
    said usage
  done
done

# The one that loads the library has it neither linked nor hidden inside.
if readelf -d "$load" | grep -q 'NEEDED.*vionet'; then fail "vionet-fwd-dlopen is linked"; fi
VIONET_LIBRARY=/nonexistent/library.so gives 1 "$load" soft:sink soft:sink
said /nonexistent/library.so
exit 0
