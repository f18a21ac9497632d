#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 600
# vionet-httpd while vionetctl captures it and tshark reads the capture live through a pipe: curl fetches 10 MB by a TAP, the
# file has its checksum, and the kernel's interface, the capture and tshark count the same packets in each direction.
# shellcheck source-path=SCRIPTDIR source=../support/tool.sh
. "$(dirname "$0")/../support/tool.sh"
need_spaces
need curl curl
need tshark tshark
make -s -C "$root" httpd || fail "building vionet-httpd"
mkdir "$work/files"
head -c 10000000 /dev/urandom >"$work/files/random"
socket=$work/httpd.sock

# shellcheck disable=SC2317 # called by until_true
reads_live() { [ "$(directions 2)" -ge 100 ]; }
directions() { grep -c "^0x0000000$1" "$work/tshark.out"; }
# count WHAT: packets of the TAP since the capture began.
count() { echo $(($(counter client tap-s "$1") - before[$1])); }

# shellcheck disable=SC2317 # called by until_true
is_quiet() {
  for name in rx_packets tx_packets; do before[$name]=$(counter client tap-s $name); done
  sleep 1
  has_seen_nothing
}
has_seen_nothing() { [ "$(count rx_packets)" -eq 0 ] && [ "$(count tx_packets)" -eq 0 ]; }

# Begins a capture for tshark at a moment from which on it and the kernel count the same packets.
begin_capture() {
  local attempt
  mkfifo "$work/pipe" || fail "no FIFO"
  for attempt in 1 2 3 4 5; do
    until_true 60 is_quiet || return 1
    tshark -n -l -i - -T fields -e frame.packet_flags_direction -e tcp.len <"$work/pipe" >"$work/tshark.out" 2>"$work/tshark.err" &
    children+=($!)
    "$vionetctl" capture "$socket" -w - --snaplen 128 --buffer 65536 >"$work/pipe" 2>"$work/capture.err" &
    children+=($!)
    until_true 60 grep -q vionet-capture "/proc/$pid/maps" || return 1
    if has_seen_nothing; then return 0; fi
    echo "# attempt $attempt: packets came while the capture began"
    end_last
  done
  return 1
}

captured() {
  local received sent said pid
  local -A before
  space server; space client
  become server env HTTPD_CONTROL="$socket" "$examples/vionet-httpd" soft:tap=tap-s 10.9.8.2/24 "$work/files" >"$work/httpd.out" 2>&1 &
  pid=$!
  children+=("$pid")
  tap_into server client tap-s 10.9.8.1/24
  until_true 60 in_space client curl -s -o /dev/null http://10.9.8.2/missing || { cat "$work/httpd.out"; fail "no server"; }
  begin_capture || { cat "$work/capture.err"; fail "the capture does not begin, or packets come all the time"; }
  in_space client timeout 300 curl -sS --fail -o "$work/got" http://10.9.8.2/random || { cat "$work/httpd.out"; fail "no file"; }
  [ "$(sha256sum <"$work/got")" = "$(sha256sum <"$work/files/random")" ] || fail "the file came changed"
  until_true 60 reads_live || { cat "$work/tshark.err"; fail "tshark reads nothing while the capture runs"; }
  until_true 60 same_counts || { cat "$work/tshark.err"; fail "tshark has $(directions 1) received and $(directions 2) sent"; }
  end_last
  said=$(cat "$work/capture.err")
  received=$(count tx_packets) sent=$(count rx_packets)
  echo "# the kernel sent $received and received $sent; tshark has $(directions 1) and $(directions 2); $said"
  [ "$said" = "stopped, after $((received + sent)) packets, 0 lost" ] || fail "another number of packets"
  [ "$(awk '$1 == "0x00000002" { sum += $2 } END { print sum }' "$work/tshark.out")" -ge 10000000 ] || fail "tshark saw less than the file"
}
# shellcheck disable=SC2317 # called by until_true
same_counts() { [ "$(directions 1)" -eq "$(count tx_packets)" ] && [ "$(directions 2)" -eq "$(count rx_packets)" ]; }

run_case "10 MB by curl while tshark reads a capture" captured
