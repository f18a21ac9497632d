#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 900
# Kernel TCP through the forwarder between two network namespaces: ping, 100 MB whose checksum is compared, and iperf3. At
# the end each frame that one kernel sent was received by the other or counted as a drop.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
# shellcheck source=../support/tcp.sh
. "$(dirname "$0")/../support/tcp.sh"
need_spaces
need ping iputils-ping
need iperf3 iperf3
need python3 python3
forward_between_taps

in_space a ping -q -c 20 -i 0.05 -W 60 10.9.8.2 >"$work/ping.out" || { cat "$work/ping.out" "$work/fwd.out"; fail "ping"; }
tail -n 2 "$work/ping.out"
grep -q ' 0% packet loss' "$work/ping.out" || fail "pings were lost"

send_file a b 10.9.8.2 100000000 || fail "100 MB"
echo "100 MB: same checksum"

iperf3_server b
in_space a iperf3 -c 10.9.8.2 -t 10 -J >"$work/iperf.json" || { cat "$work/iperf.json"; fail "iperf3"; }
iperf3_rate || fail "iperf3 carried hardly anything"

# all_arrived: as many frames were received as were sent, both ways. With drops that never comes true, and then this waits
# for as long as any frame may take.
all_arrived() {
  [ "$(counter a tap-a tx_packets)" -eq "$(counter b tap-b rx_packets)" ] &&
    [ "$(counter b tap-b tx_packets)" -eq "$(counter a tap-a rx_packets)" ]
}

# No frame is sent any more: the kernels' counts, then the forwarder's.
in_space a ip link set tap-a down
in_space b ip link set tap-b down
until_true 5 all_arrived || :
for end in a b; do
  declare "out_$end=$(counter $end tap-$end tx_packets)" "in_$end=$(counter $end tap-$end rx_packets)"
done
kill -TERM "$forwarder"
wait "$forwarder" || { cat "$work/fwd.out"; fail "the forwarder ended badly"; }
cat "$work/fwd.out"
summary() { sed -n "s|^soft:tap=tap-$1 -> soft:tap=tap-$2: \\([0-9]*\\) packets, [0-9]* bytes, \\([0-9]*\\) drops|\\$3|p" "$work/fwd.out"; }
for pair in "a b" "b a"; do
  read -r from to <<<"$pair"
  out=out_$from in=in_$to
  carried=$(summary "$from" "$to" 1) drops=$(summary "$from" "$to" 2)
  echo "$from -> $to: kernel sent ${!out}, forwarder carried $carried and dropped $drops, kernel received ${!in}"
  [ -n "$carried" ] || fail "no summary"
  [ "$carried" -gt 1000 ] || fail "only $carried frames went from $from to $to"
  [ "$((carried + drops))" -eq "${!out}" ] || fail "$((${!out} - carried - drops)) frames from $from are not accounted for"
  [ "$carried" -eq "${!in}" ] || fail "$((carried - ${!in})) frames to $to are not accounted for"
done
