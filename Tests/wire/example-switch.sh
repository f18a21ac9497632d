#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 300
# vionet-switch between kernels: hosts of one VLAN reach each other, through a trunk too, and no other VLAN; it learns, forgets, and sleeps. Each frame that came is accounted for, and so is each that was to go. Odd frames.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need_spaces
need ping iputils-ping
need curl curl
need tcpdump tcpdump
need python3 python3
switch=$examples/vionet-switch

start() { # PORT...
  : >"$work/said"
  become mid "$switch" "$@" >"$work/said" 2>&1 &
  pid=$!
  children+=("$pid")
  until_true 60 grep -q '^switching' "$work/said" || { cat "$work/said"; fail "it does not start"; }
}

# Every line of the report adds up, and the first port's received frames are those that the library counted.
adds_up() {
  end_last || { cat "$work/said"; fail "it ended badly"; }
  sed 's/^/# /' "$work/said"
  awk '/ received = / {
    split($0, half, ": "); gsub(/[^0-9]+/, " ", half[2]); split(half[2], n, " ")
    lines++
    if (n[1] != n[2] + n[3] + n[4] || n[5] != n[6] + n[7]) { print "does not add up: " $0; bad = 1 }
  } END { exit bad || lines != wanted }' "wanted=$1" "$work/said" || fail "frames are missing"
}
field() { sed -n "s/^soft:tap=$1[,:].* \([0-9][0-9]*\) $2.*/\1/p" "$work/said"; }

pings() { # SPACE ADDRESS
  in_space "$1" ping -q -c 3 -i 0.2 -W 60 "$2" >"$work/ping.out" || { cat "$work/ping.out" "$work/said"; fail "pings from $1 to $2"; }
}
no_pings() { in_space "$1" ping -q -c 2 -i 0.2 -W 1 "$2" >"$work/ping.out" && fail "pings from $1 to $2, which is in another VLAN"; }
# Two switches, each with a host in VLAN 10 and one in VLAN 20, all in one network. A kernel's bridge is the wire between their
# trunks, on which tcpdump looks at the tags.
vlans() {
  local end tap first_pid
  space mid; space a; space b; space c; space d
  ip -n "$tag-mid" link add wire up type bridge || fail "no bridge"
  start 10@soft:tap=tap-a,mac=02:00:00:00:00:01 20@soft:tap=tap-c 5+10,20-21@soft:tap=tap-t
  first_pid=$pid
  become mid "$switch" 10@soft:tap=tap-b 20@soft:tap=tap-d 5+10,20-21@soft:tap=tap-u >"$work/second" 2>&1 &
  children+=($!)
  tap_into mid a tap-a 10.9.8.1/24
  tap_into mid b tap-b 10.9.8.2/24
  tap_into mid c tap-c 10.9.8.3/24
  tap_into mid d tap-d 10.9.8.4/24
  for tap in tap-t tap-u; do
    ip -n "$tag-mid" link set "$tap" master wire up || fail "no wire for $tap"
  done
  become mid tcpdump -i wire -e -n -l >"$work/heard" 2>"$work/tcpdump" &
  children+=($!)
  until_true 60 grep -q listening "$work/tcpdump" || fail "no tcpdump"
  pings a 10.9.8.2
  pings c 10.9.8.4
  no_pings a 10.9.8.3
  no_pings a 10.9.8.4
  for end in "vlan 10, .* 10.9.8.1 > 10.9.8.2: ICMP echo request" "vlan 10, .* 10.9.8.2 > 10.9.8.1: ICMP echo reply" \
    "vlan 20, .* 10.9.8.3 > 10.9.8.4: ICMP echo request"; do
    until_true 10 grep -q "$end" "$work/heard" || { cat "$work/heard"; fail "tcpdump has not seen: $end"; }
  done
  if grep -v ethertype "$work/heard" | grep -q 10.9.8 || grep 10.9.8 "$work/heard" | grep -qv ' vlan '; then
    fail "frames without a tag on the trunk"
  fi
  end_last
  # A file over the trunk.
  mkdir "$work/files"
  head -c 5000000 /dev/urandom >"$work/files/random"
  become b python3 -u -m http.server -d "$work/files" -b 10.9.8.2 8000 >"$work/http.out" 2>&1 &
  children+=($!)
  until_true 60 grep -q Serving "$work/http.out" || fail "no web server"
  in_space a timeout 100 curl -sS -o "$work/got" http://10.9.8.2:8000/random || { cat "$work/said"; fail "curl over the trunk"; }
  cmp "$work/got" "$work/files/random" || fail "the file came changed"
  end_last
  until_true 10 is_asleep "$first_pid" || fail "it does not sleep when nothing comes"
  end_last || { cat "$work/second"; fail "the second switch ended badly"; }
  local heard
  heard=$(counter c tap-c rx_packets)
  adds_up 3
  # What the port sent is what the kernel received.
  [ "$(field tap-c sent)" -eq "$heard" ] || fail "tap-c received $heard frames"
  [ "$heard" -lt 100 ] || fail "VLAN 20 heard the file of VLAN 10"
}

send_frames() { # SPACE TAP HEX: ten frames to everybody, which begin so behind the addresses
  in_space "$1" python3 - "$2" "$3" <<'END' || fail "sending from $1"
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((sys.argv[1], 0))
for _ in range(10):
    s.send(b"\xff" * 6 + b"\x02\0\0\0\0\x09" + bytes.fromhex(sys.argv[2]) + bytes(50))
END
}

# A frame with a tag into an access port, with another VLAN's into a trunk, and one without where the trunk has no VLAN for
# it, go nowhere; others do.
wrong_vlan() {
  space mid; space a; space t
  start 10@soft:tap=tap-a +10@soft:tap=tap-t
  tap_into mid a tap-a 10.9.8.1/24
  tap_into mid t tap-t 10.9.8.4/24
  send_frames a tap-a 8100000a88b5
  send_frames t tap-t 88b5
  send_frames t tap-t 8100000b88b5
  send_frames t tap-t 8100000088b5
  sleep 0.5
  [ "$(counter a tap-a rx_packets)" -eq 0 ] || fail "something came through"
  send_frames t tap-t 8100600a88b5
  send_frames a tap-a 8100600088b5
  until_true 60 counter_is a tap-a rx_packets -eq 10 || fail "what is right did not come through"
  until_true 60 counter_is t tap-t rx_packets -ge 10 || fail "what has a priority only did not come through"
  adds_up 2
  [ "$(field tap-t received)" -ge 40 ] || fail "not all frames came"
  grep -A 1 'tap-a:' "$work/said" | grep -q '^  vlan: 10$' || fail "an access port took a tag"
  grep -A 1 'tap-t:' "$work/said" | grep -q '^  vlan: [3-9][0-9]$' || fail "a trunk took what it should not"
}

# An address that was silent is forgotten: what is for it is flooded, and a third host hears it.
forgets() {
  space mid; space a; space b; space c
  start -a 1 soft:tap=tap-a,queues=2 soft:tap=tap-b,queues=2 soft:tap=tap-c
  tap_into mid a tap-a 10.9.8.1/24
  tap_into mid b tap-b 10.9.8.2/24
  tap_into mid c tap-c 10.9.8.3/24
  pings a 10.9.8.2
  local before
  before=$(counter c tap-c rx_packets)
  ip -n "$tag-b" link set tap-b arp off
  sleep 3.2
  in_space a ping -q -c 1 -W 1 10.9.8.2 >"$work/ping.out"
  until_true 60 counter_is c tap-c rx_packets -gt "$before" || fail "nothing was flooded"
  adds_up 3
}

# A back-end dies and comes again, and its frames with it. One without recover=auto is gone, and the others go on.
back_ends() {
  local first second size
  background first "$(program serve-devices)" "$work/first.sock" generate,rate=200
  first=$!
  background second "$(program serve-devices)" "$work/second.sock" generate,rate=200
  second=$!
  : >"$work/said"
  "$switch" "vhost-user:$work/first.sock,recover=auto" "vhost-user:$work/second.sock" "soft:pcap=,out=$work/frames" >"$work/said" 2>&1 &
  pid=$!
  children+=("$pid")
  until_true 60 grown 0 || { cat "$work/said"; fail "no frames"; }
  end "$second"
  until_true 60 grep -q 'second.sock: the device is gone' "$work/said" || { cat "$work/said"; fail "not a word about the second back-end"; }
  size=$(stat -c %s "$work/frames")
  until_true 60 grown $((size + 2000)) || fail "the others do not go on"
  end "$first"
  until_true 60 is_asleep "$pid" || fail "it does not sleep without a back-end"
  size=$(stat -c %s "$work/frames")
  background first "$(program serve-devices)" "$work/first.sock" generate,rate=200
  until_true 60 grown $((size + 2000)) || { cat "$work/said"; fail "the first back-end's frames do not come again"; }
  end_last
  adds_up 3
  grep -A 1 second.sock: "$work/said" | grep -q '^  no room, or gone: [1-9]' || fail "what was for the one that is gone is not counted"
}
# shellcheck disable=SC2317 # called by until_true
grown() { [ "$(stat -c %s "$work/frames" 2>/dev/null || echo 0)" -gt "$1" ]; }

# Frames of every length with tags, offloads and headers that do not fit go in at one end. What is not dropped comes out.
odd() {
  local frames
  python3 - "$work/odd" <<'END' || fail "making a capture"
import random, struct, sys
chance, frames = random.Random(7), []
for number in range(3000):
    head = chance.choice([b"\xff" * 6, b"\x02\0\0\0\0\x07", b"\x01\x80\xc2\0\0\x0e", chance.randbytes(6)]) + chance.randbytes(6)
    tags = chance.choice([b"", b"\x81\0\0\x0a", b"\x81\0\xe0\0", b"\x81\0\0\x63", b"\x88\xa8\0\x0a", b"\x81\0\0\x0a\x81\0\0\x14"])
    frames.append((head + tags + chance.randbytes(chance.choice([2, 3, 46, 1000, 1502])))[:1514])
frames += [bytes(n) for n in range(1, 20)]
with open(sys.argv[1], "wb") as out:
    out.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
    for frame in frames:
        out.write(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame)
END
  # shellcheck disable=SC2046
  gcc -std=gnu11 -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all "$root/examples/vionet-switch.c" \
    -o "$work/switch" $(pkg-config --cflags --libs vionet) -Wl,-rpath,"$stage/lib" || fail "compiling with sanitizers"
  "$work/switch" "1+10@soft:pcap=$work/odd,queue_size=4096,pool_packets=32768" +10,20@soft:sink,queue_size=4096 \
    "10@soft:pcap=,out=$work/out,queue_size=4096" "1@soft:pcap=,out=$work/out1,queue_size=4096" >"$work/said" 2>&1 &
  children+=($!)
  sleep 1
  until_true 60 is_asleep "${children[-1]}" || fail "it does not sleep"
  adds_up 4
  frames=$(sed -n 's/^soft:pcap=.*odd.*: \([0-9]*\) received.*/\1/p' "$work/said")
  [ "$frames" -eq 3006 ] || fail "$frames of 3006 frames were received" # 13 are shorter than a header
  [ "$(grep -c '^  [a-z ]*: [1-9]' "$work/said")" -ge 3 ] || fail "hardly anything was dropped"
}

bad_arguments() {
  local arguments
  for arguments in "" "-a 0 soft:sink" "-x soft:sink" "4095@soft:sink" "x@soft:sink" "@soft:sink" "1+@soft:sink" "1+0@soft:sink" \
    "1+9-8@soft:sink" "1+9,4095@soft:sink" "1+9-@soft:sink"; do
    # shellcheck disable=SC2086
    gives 2 "$switch" $arguments
    said usage
  done
  gives 1 "$switch" soft:sink 10@soft:nothing
  said nothing
  gives 0 "$switch" -h
  said usage
  gives 0 "$switch" -t 1 soft:generate,rate=1000 7+8@soft:sink
  said 'vlan\|no other port'
}

run_case "hosts of a VLAN reach each other, and those behind a trunk" vlans
run_case "frames of a VLAN that the port is not in" wrong_vlan
run_case "an address that was silent is forgotten" forgets
run_case "a back-end goes and comes again, another goes" back_ends
run_case "odd frames, under sanitizers" odd
run_case "bad arguments and devices" bad_arguments
