#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# vionetctl capture on a forwarder: what tshark and tcpdump read is what was sent, byte by byte, with interfaces, directions and
# the reasons of drops; filters, pipes and Wireshark's extcap; packets that find no room are counted; nothing is left of a
# capture that was killed.
# deadline: 600
# shellcheck source-path=SCRIPTDIR source=../support/tool.sh
. "$(dirname "$0")/../support/tool.sh"
need tcpdump tcpdump
need tshark tshark
need python3 python3
traffic=$(program traffic) || exit 1
flaps=$(program flapping-link) || exit 1
cd "$work" || exit 1

counter() {
  "$vionetctl" stats --json --port "$1" fwd.sock |
    python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["counters"][sys.argv[1]])' "$2"
}
# shellcheck disable=SC2317 # called by until_true
counter_is() { [ "$(counter "$1" "$2")" = "$3" ]; }
count_until() { until_true 60 counter_is "$@" || fail "port $1: $2 is $(counter "$1" "$2"), not $3"; }
# shellcheck disable=SC2317 # called by until_true
listens() { "$vionetctl" stats fwd.sock >/dev/null 2>&1; }
# shellcheck disable=SC2317 # called by until_true
gone() { ! kill -0 "$1" 2>/dev/null; }

# capture FILE ARGUMENT...: begins one, and waits until it has begun.
capture() {
  local file=$1
  shift
  rm -f "$file"
  "$vionetctl" capture fwd.sock -w "$file" "$@" 2>capture.err &
  capturing=$!
  children+=("$capturing")
  until_true 60 test -s "$file" || { cat capture.err; fail "the capture does not begin"; }
}
ends() { # SIGNAL SENTENCE
  [ -z "$1" ] || kill "-$1" "$capturing"
  until_true 60 gone "$capturing" || fail "the capture stays"
  wait "$capturing" || { cat capture.err; fail "the capture ended with $?"; }
  grep -qx "$2" capture.err || { cat capture.err; fail "a capture that ends says something else than $2"; }
}
# sends COUNT LENGTH: from b, by which they come to port 0.
sent=0
sends() {
  gives 0 "$traffic" vhost-user:b tx "$1" "$2"
  sent=$((sent + $1))
  count_until 0 rx_good_packets "$sent"
}
fields() { # FILE FIELD...: of each packet, by tshark
  local file=$1 field words=()
  shift
  for field; do words+=(-e "$field"); done
  tshark -n -r "$file" -T fields "${words[@]}" 2>tshark.err || { cat tshark.err; fail "tshark reads $file"; }
}
counts() { sort | uniq -c | awk '{ $1 = $1; print }'; }

background devices "$flaps"
"$examples/vionet-fwd-control" fwd.sock vhost-user:a,queue_size=4096 soft:pcap=,out=written,queue_size=4096 >fwd.out 2>&1 &
forwarder=$!
children+=("$forwarder")
until_true 60 listens || { cat fwd.out; fail "no control socket"; }

# ---- what was sent -----------------------------------------------------------------------------------------------------------

capture both.pcapng
capture_of_both=$capturing
prints 1 "$vionetctl" capture fwd.sock -w other <<'END'
Error: port 0 has a watcher, and can have one at a time
END
sends 2000 100
count_until 1 tx_good_packets 2000
capturing=$capture_of_both
ends INT 'stopped, after 4000 packets, 0 lost'
fields both.pcapng frame.interface_name frame.packet_flags_direction frame.len frame.cap_len | counts >seen
printf '%s\t%s\t%s\t%s\n' "2000 soft:pcap=,out=written,queue_size=4096" 0x00000002 100 100 \
  "2000 vhost-user:a,queue_size=4096" 0x00000001 100 100 | sed 's/,\?$//' >wanted
diff -w seen wanted || fail "tshark reads something else (<) than was sent (>)"
fields both.pcapng frame.time_epoch | python3 -c '
import sys, time
times = [line.strip() for line in sys.stdin]
assert len(times) == 4000 and all(len(each.split(".")[1]) == 9 for each in times)
assert all(abs(float(each) - time.time()) < 600 for each in times) and sum(not each.endswith("000") for each in times) > 1000
' || fail "the times"
capinfos -M both.pcapng >said || fail "capinfos"
grep -q 'nanoseconds (9)' said || fail "no nanoseconds"

capture out.pcapng --port 1 --direction tx
sends 500 600
count_until 1 tx_good_packets 2500
ends TERM 'stopped, after 500 packets, 0 lost'
tcpdump -t -xx -nr out.pcapng 2>/dev/null >captured.text
# shellcheck disable=SC2317 # called by until_true
all_written() { [ "$(tcpdump -t -nr written 2>/dev/null | grep -c length)" -ge 2500 ]; }
until_true 60 all_written || fail "the other port has not written all"
tcpdump -t -xx -nr written 2>/dev/null >written.text
tail -n "$(wc -l <captured.text)" written.text | cmp - captured.text || fail "the bytes are others than those that were sent"
[ "$(grep -c length captured.text)" = 500 ] || fail "tcpdump reads $(grep -c length captured.text) packets, not 500"

# ---- filters, live -----------------------------------------------------------------------------------------------------------

mkfifo pipe
tcpdump -t -nr pipe >live.text 2>/dev/null &
children+=($!)
reader=$!
"$vionetctl" capture fwd.sock -w - -c 100 --direction rx --snaplen 64 greater 500 and ether proto 0x88b5 >pipe 2>capture.err &
capturing=$!
children+=("$capturing")
# A ring is mapped in the forwarder, whose thread watches before it moves further packets.
# shellcheck disable=SC2317 # called by until_true
is_captured() { grep -q vionet-capture "/proc/$forwarder/maps"; }
until_true 60 is_captured || fail "the filtered capture does not begin"
sends 100 100
sends 100 600
ends '' 'done, after 100 packets, 0 lost'
until_true 60 gone "$reader" || fail "tcpdump stays"
[ "$(grep -c 'length 586\|length 600' live.text)" = 100 ] || { head live.text; fail "the filter took others"; }
gives 1 "$vionetctl" capture fwd.sock -w x.pcapng no filter here
said 'the filter "no filter here": '
gives 64 "$vionetctl" capture fwd.sock --snaplen 0 -w x.pcapng
gives 1 "$vionetctl" capture fwd.sock --port 7 -w x.pcapng
said 'no port 7'

# ---- drops -------------------------------------------------------------------------------------------------------------------

capture drops.pcapng --port 1
"$vionetctl" set --port 1 fwd.sock mtu 500 || fail "set mtu"
sends 200 600
count_until 1 tx_q0_drop_long 200
ends INT 'stopped, after 200 packets, 0 lost'
fields drops.pcapng frame.len frame.comment | counts | diff -w - <(echo "200 600 dropped while sending: long") ||
  fail "the drops are others (<) than those wanted (>)"
"$vionetctl" set --port 1 fwd.sock mtu 1500 || fail "set mtu"

# ---- a client that stands still, and one that is killed --------------------------------------------------------------------

capture full.pcapng --direction rx --buffer 64
kill -STOP "$capturing"
sends 1000 1000
kill -CONT "$capturing"
kill -INT "$capturing"
until_true 60 gone "$capturing" || fail "the capture stays"
wait "$capturing" || fail "the capture ended with $?"
sed -n 's/^stopped, after \([0-9]*\) packets, \([0-9]*\) lost$/\1 \2/p' capture.err | {
  read -r kept lost || exit 1
  [ $((kept + lost)) -eq 1000 ] && [ "$lost" -gt 500 ] && [ "$kept" -gt 20 ]
} || { cat capture.err; fail "kept and lost are not 1000 together"; }

# shellcheck disable=SC2317 # called by until_true
long_enough() { [ "$(stat -c %s killed.pcapng)" -gt 5000 ]; }
capture killed.pcapng
"$traffic" vhost-user:b tx 3000 100 >/dev/null 2>&1 &
sending=$!
children+=("$sending")
until_true 60 long_enough || fail "nothing is captured"
kill -KILL "$capturing"
wait "$sending" || fail "traffic ended with $?"
sent=$((sent + 3000))
count_until 0 rx_good_packets "$sent"
capture again.pcapng --direction rx
sends 10 100
ends INT 'stopped, after 10 packets, 0 lost'

# shellcheck disable=SC2317 # called by until_true
is_free() { ! is_captured; }

# ---- Wireshark's extcap --------------------------------------------------------------------------------------------------------

extcap=$root/Tools/vionetctl/extcap/vionet-extcap
export VIONETCTL=$vionetctl VIONETCTL_SOCKETS=$work/fwd.sock:$work/nothing.sock
"$extcap" --extcap-interfaces >said
grep -qx "interface {value=vionet-fwd}{display=vionet program at $work/fwd.sock}" said || { cat said; fail "no interface"; }
[ "$(grep -c ^interface said)" = 1 ] || { cat said; fail "an interface without a program"; }
"$extcap" --extcap-interface vionet-fwd --extcap-dlts | grep -q 'number=1}{name=EN10MB}' || fail "no link type"
[ "$("$extcap" --extcap-interface vionet-fwd --extcap-config | grep -c '^arg ')" = 3 ] || fail "no settings"
gives 1 "$extcap" --extcap-interface vionet-other --capture --fifo pipe
said 'no interface vionet-other'

# As Wireshark does: a pipe that it reads, and SIGTERM at the end.
cat pipe >piped.pcapng &
reader=$!
children+=("$reader")
"$extcap" --capture --extcap-interface vionet-fwd --fifo pipe --direction rx --port 0 --extcap-capture-filter 'less 300' \
  2>capture.err &
capturing=$!
children+=("$capturing")
until_true 60 is_captured || { cat capture.err; fail "the extcap program does not begin"; }
sends 10 400
sends 10 100
ends TERM 'stopped, after 10 packets, 0 lost'
until_true 60 gone "$reader" || fail "the pipe stays open"
[ "$(fields piped.pcapng frame.len | counts)" = "10 100" ] || fail "the extcap program captured something else"

# tshark itself, which finds the program in a folder that this process alone sees.
folder=$(tshark -G folders 2>/dev/null | sed -n 's/^Extcap path:[[:space:]]*//p' | tail -n 1)
if [ "$(id -u)" -eq 0 ] && [ -d "$folder" ] && unshare -m true 2>/dev/null; then
  # shellcheck disable=SC2016 # variables of the inner shell
  as_wireshark=(unshare -m bash -c 'mount --bind "$0" "$1" && shift && exec "$@"' "$root/Tools/vionetctl/extcap" "$folder" tshark)
  "${as_wireshark[@]}" -D >said 2>&1
  said 'vionet-fwd (vionet program at'
  "${as_wireshark[@]}" -n -i vionet-fwd -f 'greater 300' -c 20 -T fields -e frame.len >tshark.out 2>tshark.err &
  reader=$!
  children+=("$reader")
  until_true 60 is_captured || { cat tshark.err; fail "tshark does not begin"; }
  sends 10 100
  sends 10 400
  until_true 60 gone "$reader" || { cat tshark.err; fail "tshark stays"; }
  [ "$(counts <tshark.out)" = "20 400" ] || { cat tshark.out tshark.err; fail "tshark captured something else"; }
  # tshark ends its extcap program a moment after it has ended itself.
  until_true 60 is_free || fail "tshark's capture stays"
else
  echo "tshark with the extcap program wants root and mount namespaces: the program was called as tshark calls it"
fi

# ---- the program ends ------------------------------------------------------------------------------------------------------------

capture end.pcapng
sends 5 100
kill -9 "$forwarder"
ends '' 'the program behind "fwd.sock" has ended, after 10 packets, 0 lost'
exit 0
