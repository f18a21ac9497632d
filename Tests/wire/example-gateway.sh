#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 600
# vionet-gateway between two kernels: ping, a file by curl, TCP and UDP of iperf3, with devices that leave checksums and
# segments to each other and with one that does not; nothing comes in that nobody asked for; the table of connections has its
# limit and forgets. A capture's frames are translated byte by byte. Odd frames do no harm, and each frame is accounted for.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need_spaces
need ping iputils-ping
need curl curl
need iperf3 iperf3
need python3 python3
gateway=$examples/vionet-gateway

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
is_asleep() { ! cat "/proc/$1/task/"*/status | grep '^State:' | grep -qv 'S (sleeping)'; }
serve() { # SPACE command...: in the background, until its output has the word
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
  python3 - make "$work" <"$work/frames.py" || fail "making captures"
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
  python3 - compare "$work" <"$work/frames.py" || fail "other frames"
}
cat >"$work/frames.py" <<'END'
import random, struct, sys
HOST, IN, OUT, ROUTER = (b"\x02\0\0\0\0" + bytes((n,)) for n in (5, 1, 2, 9))
host, mine, far = bytes((10, 9, 8, 5)), bytes((192, 0, 2, 2)), bytes((198, 51, 100, 7))
def total(data, start=0):
    data += b"\0" * (len(data) % 2)
    s = start + sum(struct.unpack(f">{len(data) // 2}H", data))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return s
def summed(data, at, start=0, udp=False):
    s = total(data[:at] + b"\0\0" + data[at + 2:], start) ^ 0xffff
    return data[:at] + struct.pack(">H", 0xffff if udp and s == 0 else s) + data[at + 2:]
def frame(to, source, protocol, payload, source_ip, to_ip, life, options=b""):
    head = struct.pack(">BBHHHBBH", 0x45 + len(options) // 4, 0, 20 + len(options) + len(payload), 7, 0, life, protocol, 0) + source_ip + to_ip + options
    return to + source + b"\x08\0" + summed(head, 10) + payload
def pseudo(a, b, protocol, n):
    return total(a + b + struct.pack(">HH", protocol, n))
def tcp(source, to, flags, data, a, b):
    head = struct.pack(">HHIIBBHHH", source, to, 1, 2, 0x50, flags, 1000, 0, 0) + data
    return summed(head, 16, pseudo(a, b, 6, len(head)))
def udp(source, to, data, a, b, checked=True):
    head = struct.pack(">HHHH", source, to, 8 + len(data), 0) + data
    return summed(head, 6, pseudo(a, b, 17, len(head)), True) if checked else head
def echo(kind, identifier, data):
    return summed(struct.pack(">BBHHH", kind, 0, 0, identifier, 3) + data, 2)
chance = random.Random(11)
there, back, out, came = [], [], [], []
for number in range(200):
    port, to, kind = 10000 + number, chance.randrange(1, 65536), chance.randrange(4)
    data, options = chance.randbytes(chance.randrange(0, 1400)), chance.choice([b"", b"\1" * 8])
    mine_port = chance.randrange(1, 65536)
    if kind == 0:
        a, b, p = tcp(mine_port, to, 2, data, host, far), tcp(port, to, 2, data, mine, far), 6
        c, d = tcp(to, port, 18, data, far, mine), tcp(to, mine_port, 18, data, far, host)
    elif kind == 3:
        a, b, p = echo(8, mine_port, data), echo(8, port, data), 1
        c, d = echo(0, port, data), echo(0, mine_port, data)
    else:
        a, b, p = udp(mine_port, to, data, host, far, kind == 1), udp(port, to, data, mine, far, kind == 1), 17
        c, d = udp(to, port, data, far, mine, kind == 1), udp(to, mine_port, data, far, host, kind == 1)
    there.append(frame(IN, HOST, p, a, host, far, 64, options))
    out.append(frame(ROUTER, OUT, p, b, mine, far, 63, options))
    back.append(frame(OUT, ROUTER, p, c, far, mine, 50, options))
    came.append(frame(HOST, IN, p, d, far, host, 49, options))
def odd(frames):
    for whole in frames[:60]:
        yield from (whole[:n] for n in (14, 20, 33, 34, 35, 41, 42, 45, 53, 54, len(whole) - 1) if n <= len(whole))
        for _ in range(15):
            broken = bytearray(whole)
            for _ in range(chance.randint(1, 3)):
                broken[chance.randrange(12, min(len(whole), 60))] = chance.randrange(256)
            if chance.random() < 0.7 and len(whole) >= 34:  # the IPv4 header's checksum is right again
                broken[14:34] = summed(bytes(broken[14:34]), 10)
            yield bytes(broken)
def write(path, frames):
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for each in frames:
            file.write(struct.pack("<IIII", 0, 0, len(each), len(each)) + each)
def read(path):
    data, at = open(path, "rb").read(), 24
    while at < len(data):
        n = struct.unpack_from("<I", data, at + 8)[0]
        if data[at + 16 + 12:at + 16 + 14] == b"\x08\0":
            yield data[at + 16:at + 16 + n]
        at += 16 + n
folder = sys.argv[2]
if sys.argv[1] == "make":
    router = OUT + ROUTER + b"\x08\6\0\1\x08\0\6\4\0\2" + ROUTER + bytes((192, 0, 2, 1)) + OUT + mine
    write(folder + "/router", [router])
    write(folder + "/from-host", there + list(odd(there)))
    write(folder + "/from-world", back + list(odd(back)))
    sys.exit()
for name, wanted in (("to-world", out), ("to-host", came)):
    found = list(read(f"{folder}/{name}"))
    for number, each in enumerate(wanted):
        if number >= len(found) or found[number] != each:
            sys.exit(f"{name}, frame {number}: {found[number].hex() if number < len(found) else 'none'}\nwanted {each.hex()}")
    for each in found:
        if total(each[14:14 + 4 * (each[14] & 15)]) != 0xffff:
            sys.exit(f"{name}: the IPv4 header of {each.hex()}")
    print(f"# {name}: {len(found)} frames, the first {len(wanted)} as they should be")
END

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
run_case "its table has a limit, and forgets" limited
run_case "bad arguments and devices" bad_arguments
