#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 600
# VXLAN of two kernels through the forwarder: TCP in the tunnel, with the port's key lro=1, where each kernel cuts what it
# sends, and with tunnel=1, where packets of up to 64 KiB go through as they are, with and without a checksum of the
# tunnel's own. A file's checksum is compared, iperf3 sends, and no kernel finds a wrong checksum.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
# shellcheck source=../support/tcp.sh
. "$(dirname "$0")/../support/tcp.sh"
need_spaces
need iperf3 iperf3
need python3 python3

# The kernel's TUN_F_UDP_TUNNEL_GSO and TUN_F_UDP_TUNNEL_GSO_CSUM, since Linux 6.17, with all that they need.
knows_tunnels() {
  python3 - "$tag-try" <<'END'
import fcntl, os, struct, sys
tun = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tun, 0x400454ca, struct.pack("16sH22x", sys.argv[1][-15:].encode(), 0x5002))  # TUNSETIFF: TAP, NO_PI, VNET_HDR
try:
    fcntl.ioctl(tun, 0x400454d0, 0x1e7)  # TUNSETOFFLOAD
except OSError as error:
    sys.exit(f"TUNSETOFFLOAD: {error}")
END
}
space a
ip -n "$tag-a" link add vx-try type vxlan id 1 local 127.0.0.1 remote 127.0.0.2 dstport 4789 2>"$work/vxlan.out" ||
  skip "this kernel makes no VXLAN interface: $(cat "$work/vxlan.out")"
ip -n "$tag-a" link delete vx-try
knows_tunnels 2>"$work/tunnels.out" || skip "this kernel has no UDP tunnel offloads for TAPs: $(cat "$work/tunnels.out")"
space mid; space b

# tunnel_over TAP SPACE OWN OTHER INNER CHECKSUM: a VXLAN interface on a TAP.
tunnel_over() {
  ip -n "$tag-$2" link add vx type vxlan id 7 local "$3" remote "$4" dstport 4789 dev "$1" "$6" || fail "a VXLAN in $2"
  ip -n "$tag-$2" address add "$5" dev vx || fail "the VXLAN of $2 takes no address"
  ip -n "$tag-$2" link set vx up || fail "the VXLAN of $2 does not come up"
}

# forward_with KEY CHECKSUM: joins two TAPs, each with a VXLAN on it.
forward_with() {
  become mid "$examples/vionet-fwd-wait" -q "soft:tap=tap-a,$1" "soft:tap=tap-b,$1" >"$work/fwd.out" 2>&1 &
  forwarder=$!
  children+=("$forwarder")
  tap_into mid a tap-a 10.9.8.1/24
  tap_into mid b tap-b 10.9.8.2/24
  tunnel_over tap-a a 10.9.8.1 10.9.8.2 10.9.9.1/24 "$2"
  tunnel_over tap-b b 10.9.8.2 10.9.8.1 10.9.9.2/24 "$2"
}

# wrong_checksums: how many packets a kernel of a or b threw away because of theirs.
wrong_checksums() {
  for end in a b; do
    in_space $end sh -c "sed -n 's/^Tcp: //p; s/^Udp: //p' /proc/net/snmp"
  done | python3 -c '
import sys
rows = [line.split() for line in sys.stdin]
print(sum(int(value) for names, values in zip(rows[::2], rows[1::2])
          for name, value in zip(names, values) if "CsumErrors" in name))'
}

# carried KEY CHECKSUM: a file and iperf3 through the tunnel; sets size, the mean bytes of a frame through the forwarder.
carried() {
  forward_with "$1" "$2"
  send_file a b 10.9.9.2 30000000 || fail "$1, $2: 30 MB through the tunnel"
  local packets bytes server
  packets=$(counter b tap-b rx_packets) bytes=$(counter b tap-b rx_bytes)
  iperf3_server b
  in_space a iperf3 -c 10.9.9.2 -t "${VIONET_VXLAN_SECONDS:-3}" -J >"$work/iperf.json" || fail "iperf3: $(cat "$work/iperf.json")"
  end "$server"
  unset 'children[-1]'
  packets=$(($(counter b tap-b rx_packets) - packets)) bytes=$(($(counter b tap-b rx_bytes) - bytes))
  size=$((bytes / packets))
  wrong=$(wrong_checksums)
  end "$forwarder"
  unset 'children[-1]'
  python3 - "$work/iperf.json" "$1" "$2" $packets $size <<'END' || fail "$1, $2: hardly anything was carried"
import json, sys
received = json.load(open(sys.argv[1]))["end"]["sum_received"]
rate = int(sys.argv[4]) / received["seconds"]
print(f"{sys.argv[2]}, {sys.argv[3]}: 30 MB with the same checksum; iperf3 {received['bits_per_second'] / 1e9:.2f} Gbit/s,"
      f" {rate:.0f} packets/s of {sys.argv[5]} bytes through the forwarder")
sys.exit(received["bytes"] < 1000000)
END
  [ "$wrong" -eq 0 ] || fail "$1, $2: $wrong packets had wrong checksums"
  until_true 10 gone || fail "the TAPs stayed"
}

gone() { ! has_link a tap-a && ! has_link b tap-b; }

carried lro=1 noudpcsum
[ "$size" -lt 1600 ] || fail "without the offload a frame had $size bytes on average"
for checksum in noudpcsum udpcsum; do
  carried tunnel=1 "$checksum"
  [ "$size" -gt 4000 ] || fail "with the offload a frame had only $size bytes on average, so that kernels cut"
done
