#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 600
# vionet-gateway between two kernels: ping, a file by curl, TCP and UDP of iperf3, with devices that leave checksums and
# segments to each other and with one that does not; nothing comes in that nobody asked for; the table of connections has its
# limit and forgets. ICMP errors reach the programs that they are about. A capture's frames are translated byte by byte. Odd
# frames do no harm, and each frame is accounted for.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need_spaces
need ping iputils-ping
need curl curl
need iperf3 iperf3
need python3 python3
gateway=$examples/vionet-gateway
frames=$root/Tests/wire/gateway-frames.py

# start KEYS options...: two kernels and the gateway between them. Behind the router is 198.51.100.7.
start() {
  local keys=$1
  shift
  space mid; space host; space world
  : >"$work/said"
  become mid "$gateway" "$@" soft:tap=tap-in 10.9.8.1/24 "soft:tap=tap-out$keys" 192.0.2.2/24 192.0.2.1 >"$work/said" 2>&1 &
  pid=$!
  children+=("$pid")
  tap_into mid host tap-in 10.9.8.5/24
  tap_into mid world tap-out 192.0.2.1/24
  ip -n "$tag-host" route add default via 10.9.8.1 || fail "no route"
  ip -n "$tag-world" address add 198.51.100.7/32 dev lo || fail "no address behind the router"
  until_true 60 in_space host ping -q -c 1 -W 1 198.51.100.7 >"$work/ping.out" || { cat "$work/said"; fail "it does not start"; }
}
finish() { end_last || { cat "$work/said"; fail "it ended badly"; }; sed 's/^/# /' "$work/said"; }
# adds_up [1]: 1 if the library cut packets, so that more were sent than were for a port.
adds_up() {
  awk '/ received; / {
      if (lines++ && fates != received) bad = 1
      sub(/^.*: /, ""); received = $1; fates = 0
      split($0, n, /[^0-9]+/); if (n[3] + n[4] < n[2] || n[3] + n[4] > n[2] && !cut) bad = 1
    } /^  [a-zA-Z ]*: / { fates += $NF }
    END { exit bad || lines != 2 || fates != received }' "cut=${1:-0}" "$work/said" || fail "frames are missing"
}
serve() { # SPACE FILE command...: in the background, with its output in that file, which holds nothing of an earlier one
  : >"$work/$2"
  become "$1" "${@:3}" >"$work/$2" 2>&1 &
  children+=($!)
}

traffic() { # KEYS
  start "$1"
  in_space host ping -q -c 5 -i 0.2 -W 60 198.51.100.7 >"$work/ping.out" || { cat "$work/ping.out"; fail "pings"; }
  mkdir "$work/files$1"
  head -c 10000000 /dev/urandom >"$work/files$1/random"
  serve world http.out python3 -u -m http.server -d "$work/files$1" -b 198.51.100.7 8000
  until_true 60 grep -q Serving "$work/http.out" || fail "no web server"
  in_space host timeout 200 curl -sS -o "$work/got" http://198.51.100.7:8000/random || { cat "$work/said"; fail "curl"; }
  cmp "$work/got" "$work/files$1/random" || fail "the file came changed"
  until_true 10 grep -q '^192.0.2.2 .*GET' "$work/http.out" || { cat "$work/http.out"; fail "the server saw another address"; }
  end_last
  serve world iperf.out iperf3 -s -B 198.51.100.7 --forceflush
  until_true 60 grep -q listening "$work/iperf.out" || fail "iperf3 does not listen"
  in_space host iperf3 -c 198.51.100.7 -t 1 -J >"$work/up.json" || { cat "$work/up.json"; fail "iperf3 from inside"; }
  in_space host iperf3 -c 198.51.100.7 -t 1 -R -J >"$work/down.json" || { cat "$work/down.json"; fail "iperf3 from outside"; }
  # iperf3 of Debian 12 may end a test of UDP well and without its sums.
  local try
  for try in 1 2 3 4 5; do
    in_space host iperf3 -c 198.51.100.7 -u -b 20M -t 1 -J >"$work/udp.json" || { cat "$work/udp.json"; fail "iperf3's UDP"; }
    ! grep -q '"sum":' "$work/udp.json" || break
    echo "# UDP without sums, try $try"
  done
  python3 - "$work" <<'END' || fail "hardly anything was carried"
import json, sys
for name in ("up", "down", "udp"):
    end = json.load(open(f"{sys.argv[1]}/{name}.json"))["end"]
    found = end.get("sum_received") or end["sum"]
    print(f"# iperf3, {name}: {found['bytes']} bytes, {found['bits_per_second'] / 1e9:.3f} Gbit/s")
    if found["bytes"] < 1000000:
        sys.exit(1)
END
  end_last
  # Nobody comes in from outside: neither to a port in use, nor to the host by its own address.
  ip -n "$tag-world" route add 10.9.8.0/24 via 192.0.2.2
  in_space world python3 - <<'END' || fail "somebody came in"
import socket, sys
for address in (("192.0.2.2", 10000), ("192.0.2.2", 22), ("10.9.8.5", 22)):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for _ in range(5):
        s.sendto(b"hello", address)
END
  until_true 10 is_asleep "$pid" || fail "it does not sleep when nothing comes"
  finish
  said 'no connection: [1-9]'
  adds_up "${1:+1}"
}

# The table has room for three: other datagrams are refused, until those were silent for a second or two.
limited() {
  start "" -c 3 -e 1
  sleep 3.2
  in_space host python3 - <<'END' || fail "sending"
import socket
for socket_ in [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(10)]:
    socket_.sendto(b"x", ("198.51.100.7", 7000))
END
  sleep 3.2
  in_space host ping -q -c 1 -W 60 198.51.100.7 >"$work/ping.out" || { cat "$work/ping.out"; fail "a ping when the table has room again"; }
  finish
  said 'too many connections: 7'
  adds_up
}

# holds FILE BYTES
holds() { [ "$(stat -c %s "$1" 2>/dev/null || echo 0)" -ge "$2" ]; }
# Frames through FIFOs: the router's address first, then those of the host, then answers from outside.
bytes() {
  PYTHONPATH=$root/Tests/support "$frames" make "$work" || fail "making captures"
  mkfifo "$work/in" "$work/out" || fail "no FIFO"
  # shellcheck disable=SC2046
  gcc -std=gnu11 -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all "$root/examples/vionet-gateway.c" \
    -o "$work/gateway" $(pkg-config --cflags --libs vionet) -Wl,-rpath,"$stage/lib" || fail "compiling with sanitizers"
  "$work/gateway" "soft:pcap=$work/in,follow=1,out=$work/to-host,mac=02:00:00:00:00:01,queue_size=4096" 10.9.8.1/24 \
    "soft:pcap=$work/out,follow=1,out=$work/to-world,mac=02:00:00:00:00:02,queue_size=4096" 192.0.2.2/24 192.0.2.1 \
    >"$work/said" 2>&1 &
  children+=($!)
  timeout 60 cp "$work/router" "$work/out" || fail "nobody reads outside"
  # Nothing tells when it has learned the router's address; the frames behind it need that.
  sleep 3
  timeout 60 cp "$work/from-host" "$work/in" || fail "nobody reads inside"
  sleep 3
  timeout 60 cp "$work/from-world" "$work/out" || fail "nobody reads outside again"
  sleep 1
  until_true 60 is_asleep "${children[-1]}" || fail "it does not sleep"
  finish
  adds_up
  PYTHONPATH=$root/Tests/support "$frames" compare "$work" || fail "other frames"
}

# What routers and far ends say about packets of the host reaches the program that sent them, and the other way round.
errors() {
  local link
  start ""
  in_space world sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward' || fail "no router"
  ip -n "$tag-world" link add narrow mtu 1000 type veth peer name end || fail "no narrow way"
  for link in narrow end; do ip -n "$tag-world" link set $link up || fail "no narrow way"; done
  ip -n "$tag-world" route add 203.0.113.0/24 dev narrow || fail "no narrow way"
  in_space host python3 - <<'END' || { cat "$work/said"; fail "an error did not come"; }
import select, socket, struct, sys
def told(way):  # type, code, MTU and sender of the next error about what this socket sent
    way.settimeout(200)
    if not select.select([way], [], [], 200)[0]:
        sys.exit("no error came")
    data, parts, _, _ = way.recvmsg(2000, 500, socket.MSG_ERRQUEUE)
    number, origin, kind, code, _, info, _ = struct.unpack("=IBBBBII", parts[0][2][:16])
    return kind, code, info, socket.inet_ntoa(parts[0][2][20:24])
def datagrams(to, life=64):
    way = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    way.setsockopt(socket.IPPROTO_IP, 11, 1)  # IP_RECVERR
    way.setsockopt(socket.IPPROTO_IP, 10, 2)  # IP_MTU_DISCOVER: do not fragment
    way.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, life)
    way.connect(to)
    return way
def is_told(name, way, size, wanted):
    way.send(bytes(size))
    got = told(way)
    print(f"# {name}: {got}")
    if got != wanted:
        sys.exit(f"wanted {wanted}")
is_told("closed port", datagrams(("198.51.100.7", 9)), 10, (3, 3, 0, "198.51.100.7"))
is_told("time exceeded", datagrams(("203.0.113.1", 33434), 2), 10, (11, 0, 0, "192.0.2.1"))
narrow = datagrams(("203.0.113.2", 9))
is_told("too big", narrow, 1400, (3, 4, 1000, "192.0.2.1"))
if narrow.getsockopt(socket.IPPROTO_IP, 14) != 1000:  # IP_MTU
    sys.exit("the kernel did not learn the MTU")
END
  in_space host ping -c 1 -t 2 -W 200 203.0.113.3 >"$work/ping.out"
  grep -q 'From 192.0.2.1 .*Time to live exceeded' "$work/ping.out" || { cat "$work/ping.out"; fail "ping hears nothing"; }
  # The host's socket is gone when the answer comes.
  in_space world python3 - >"$work/world.out" <<'END' &
import socket, sys
way = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
way.bind(("198.51.100.7", 7001))
way.settimeout(600)
print("ready", flush=True)
_, client = way.recvfrom(100)
way.connect(client)
try:
    while way.send(b"x"): way.recv(100)
except ConnectionRefusedError:
    print(f"{client[0]} refuses", flush=True)
END
  children+=($!)
  until_true 60 grep -q ready "$work/world.out" || fail "no server"
  in_space host python3 -c 'import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("198.51.100.7", 7001))'
  until_true 60 grep -q '192.0.2.2 refuses' "$work/world.out" || fail "the far end does not hear that nobody is there"
  end_last
  finish
  adds_up
}

bad_arguments() {
  local arguments
  for arguments in "" "soft:sink 10.0.0.1/24 soft:sink 192.0.2.2/24" "soft:sink 10.0.0.1 soft:sink 192.0.2.2/24 192.0.2.1" \
    "soft:sink 10.0.0.1/24 soft:sink 192.0.2.2/24 router" "-c 0 soft:sink 10.0.0.1/24 soft:sink 192.0.2.2/24 192.0.2.1" \
    "-c 50001 soft:sink 10.0.0.1/24 soft:sink 192.0.2.2/24 192.0.2.1" "-e 0 soft:sink 10.0.0.1/24 soft:sink 192.0.2.2/24 192.0.2.1"; do
    # shellcheck disable=SC2086
    gives 2 "$gateway" $arguments
    said usage
  done
  gives 1 "$gateway" soft:sink 10.0.0.1/24 soft:nothing 192.0.2.2/24 192.0.2.1
  said nothing
  gives 0 "$gateway" -h
  said usage
  gives 0 "$gateway" -t 2 soft:generate,rate=1000 10.0.0.1/24 soft:sink 192.0.2.2/24 192.0.2.1
  said 'for others: [1-9]'
}

none=0x100000000007801 # CSUM, HOST_TSO4, HOST_TSO6, HOST_ECN, HOST_UFO and HOST_USO
run_case "frames are translated byte by byte, and odd ones under sanitizers" bytes
run_case "a host behind it reaches the world, and nobody the host" traffic ""
run_case "the same where the device outside does no offloads" traffic ",features_off=$none"
run_case "ICMP errors reach whom they are about, on both sides" errors
run_case "its table has a limit, and forgets" limited
run_case "bad arguments and devices" bad_arguments
