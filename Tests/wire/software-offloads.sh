#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 600
# Kernel TCP and UDP from a TAP with lro=1, whose packets are up to 64 KiB and have no checksums, through a port whose
# device has no offloads, with tx_software=1: the library cuts them. A file's checksum is compared over IPv4 and IPv6,
# iperf3 sends TCP, and no frame is dropped as an offload. Without the key all of that is dropped.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
# shellcheck source=../support/tcp.sh
. "$(dirname "$0")/../support/tcp.sh"
need_spaces
need iperf3 iperf3
need python3 python3
forward=$(program software-offloads)

# CSUM, HOST_TSO4, HOST_TSO6, HOST_ECN, HOST_UFO and HOST_USO.
none=0x100000000007801

# forward_with KEYS: joins two TAPs; the second device has no offloads for the port to use.
forward_with() {
  become mid "$forward" soft:tap=tap-a,lro=1 "soft:tap=tap-b,features_off=$none$1" >"$work/fwd.out" 2>&1 &
  forwarder=$!
  children+=("$forwarder")
  tap_into mid a tap-a 10.9.8.1/24
  tap_into mid b tap-b 10.9.8.2/24
}

end_forwarder() {
  kill -TERM "$forwarder"
  wait "$forwarder" || { cat "$work/fwd.out"; fail "the forwarder ended badly"; }
  unset 'children[-1]'
  cat "$work/fwd.out"
}

# gbits ADDRESS: sends TCP from a to b for a few seconds and prints the rate.
gbits() {
  local server
  iperf3_server b
  in_space a iperf3 -c "$1" -t 4 -J >"$work/iperf.json" || { cat "$work/iperf.json"; fail "iperf3 to $1"; }
  end "$server"
  unset 'children[-1]'
  iperf3_rate || fail "iperf3 carried hardly anything to $1"
}

# ipv6 SPACE TAP ADDRESS
ipv6() {
  in_space "$1" sh -c "echo 0 >/proc/sys/net/ipv6/conf/$2/disable_ipv6" && ip -n "$tag-$1" address add "$3" dev "$2" nodad
}

space mid; space a; space b
forward_with ,tx_software=1
send_file a b 10.9.8.2 30000000 || fail "30 MB over IPv4"
ipv6 a tap-a fd00::1/64 || fail "an IPv6 address for a"
ipv6 b tap-b fd00::2/64 || fail "an IPv6 address for b"
send_file a b fd00::2 30000000 || fail "30 MB over IPv6"
echo "2 x 30 MB: same checksum"
gbits 10.9.8.2

# UDP datagrams that the sender hands to its kernel in one piece of 40 (UDP_SEGMENT).
become b python3 - >"$work/udp.out" <<'END' &
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
s.bind(("10.9.8.2", 6000))
s.settimeout(60)
print("ready", flush=True)
seen = set()
while len(seen) < 40:
    data = s.recv(65536)
    number = int.from_bytes(data[:2], "big")
    assert data == number.to_bytes(2, "big") + bytes([number & 255]) * 998, number
    seen.add(number)
print("40 datagrams came as they were", flush=True)
END
receiver=$!
children+=("$receiver")
until_true 60 grep -q ready "$work/udp.out" || fail "no receiver of UDP"
in_space a python3 - <<'END' || fail "sending UDP"
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(17, 103, 1000)  # SOL_UDP, UDP_SEGMENT
for turn in range(20):
    s.sendto(b"".join(n.to_bytes(2, "big") + bytes([n & 255]) * 998 for n in range(40)), ("10.9.8.2", 6000))
    time.sleep(0.05)
END
wait "$receiver" || { cat "$work/udp.out"; fail "datagrams did not come as they were sent"; }
unset 'children[-1]'
tail -n 1 "$work/udp.out"

large=$(counter a tap-a tx_packets) came=$(counter b tap-b rx_packets)
end_forwarder
grep -q 'port 1 sent [0-9]*$' "$work/fwd.out" || fail "the second port dropped something"
echo "$large packets became $came"
[ "$came" -gt $((large * 2)) ] || fail "hardly any packet was cut, so this tested nothing"
end_started
children=() spaces=()

# Without the key every such packet is dropped.
space mid; space a; space b
forward_with ""
in_space a timeout 60 python3 - <<'END'
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for turn in range(10):
    s.sendto(b"partial checksum", ("10.9.8.2", 6000))
END
until_true 60 counter_is a tap-a tx_packets -ge 10 || fail "nothing was sent"
sleep 2
end_forwarder
grep -q 'port 1 sent .*, dropped [0-9]* as offload$' "$work/fwd.out" || fail "nothing was dropped as an offload"
