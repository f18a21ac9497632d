#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 300
# vionet-responder and a kernel: udhcpc gets an address, keeps it, gives it back; ping is answered; an address in use by another
# client is refused; it sleeps in between. Questions in a capture have the right answers byte by byte, odd frames none;
# an answer that is too long takes no other with it.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need_spaces
need ping iputils-ping
need busybox busybox-static
need python3 python3
responder=$examples/vionet-responder

start() { # options and arguments...
  : >"$work/said"
  become mid "$responder" "$@" >"$work/said" 2>&1 &
  pid=$!
  children+=("$pid")
  until_true 60 grep -q '^answering' "$work/said" || { cat "$work/said"; fail "it does not start"; }
}
finish() { end_last || { cat "$work/said"; fail "it ended badly"; }; sed 's/^/# /' "$work/said"; }
# Every frame is accounted for, and every answer was sent.
adds_up() {
  awk '/ received, / { received = $1; sent = $3; no_room = $5; refused = $8 }
    /answers:/ { answers += $NF } /^  / { fates += $NF }
    END { exit received == 0 || received != fates || answers != sent + no_room + refused }' "$work/said" || fail "frames are missing"
}

cat >"$work/script" <<'END'
#!/bin/sh
case $1 in
  bound | renew) echo "$1 $ip/$mask router $router dns $dns lease $lease" >>"$0.log"
    ip address flush dev "$interface" && ip address add "$ip/$mask" dev "$interface" ;;
esac
END
chmod +x "$work/script"
# client SPACE TAP [options]: as a machine that starts, or that asks again for an address.
client() { in_space "$1" timeout 100 busybox udhcpc -i "$2" -s "$work/script" -f -n -q -t 10 -T 1 "${@:3}" >"$work/udhcpc" 2>&1; }
tap_alone() {
  until_true 10 has_link mid "$1" || fail "interface $1 did not appear"
  ip -n "$tag-mid" link set "$1" netns "$tag-$2" || fail "cannot move $1"
  ip -n "$tag-$2" link set "$1" up || fail "cannot bring up $1"
}

dhcp() {
  space mid; space a
  start -d 10.9.8.100-10.9.8.100 -g 10.9.8.1 -n 10.9.8.53 -l 600 soft:tap=tap-a 10.9.8.1/24
  tap_alone tap-a a
  client a tap-a -R || { cat "$work/udhcpc" "$work/said"; fail "no address"; }
  grep -qx 'bound 10.9.8.100/24 router 10.9.8.1 dns 10.9.8.53 lease 600' "$work/script.log" || { cat "$work/script.log"; fail "another lease"; }
  in_space a ping -q -c 5 -i 0.2 -W 60 10.9.8.1 >"$work/ping.out" || { cat "$work/ping.out"; fail "pings"; }
  in_space a ping -q -c 2 -i 0.2 -W 60 -s 1472 10.9.8.1 >"$work/ping.out" || { cat "$work/ping.out"; fail "long pings"; }
  in_space a ping -q -c 1 -W 1 10.9.8.2 >"$work/ping.out" && fail "an address that is not its own answers"
  until_true 10 is_asleep "$pid" || fail "it does not sleep"
  # The only address is taken. Another client gets none; after the first gave it back it does.
  ip -n "$tag-a" link set tap-a address 02:00:00:00:00:66
  client a tap-a -t 2 && fail "two clients have one address"
  ip -n "$tag-a" link set tap-a address 02:00:00:00:00:67
  client a tap-a -t 2 -r 10.9.8.100 && fail "a third client got it"
  finish
  said 'DHCP without an answer: [1-9]'
  said 'echo answers: 7'
  adds_up
}

release() {
  space mid; space a
  start -d 10.9.8.7-10.9.8.8 soft:tap=tap-a 10.9.8.1/24
  tap_alone tap-a a
  become a busybox udhcpc -i tap-a -s "$work/script" -f -n -R -t 10 -T 1 >"$work/udhcpc" 2>&1 &
  children+=($!)
  until_true 60 grep -q '10.9.8.7/24' "$work/script.log" || { cat "$work/udhcpc"; fail "no address"; }
  end_last # it releases
  sleep 0.2
  ip -n "$tag-a" link set tap-a address 02:00:00:00:00:66
  client a tap-a || { cat "$work/udhcpc"; fail "no address for the next client"; }
  tail -n 1 "$work/script.log" | grep -q '10.9.8.7/24' || { cat "$work/script.log"; fail "the address did not come back"; }
  ip -n "$tag-a" link set tap-a address 02:00:00:00:00:67
  client a tap-a || { cat "$work/udhcpc"; fail "no second address"; }
  tail -n 1 "$work/script.log" | grep -q '10.9.8.8/24' || { cat "$work/script.log"; fail "not the second address"; }
  finish
  adds_up
}

answers() { PYTHONPATH=$root/Tests/support python3 "$work/answers.py" "$@"; }
# Questions with and without a tag, cut at every length, and odd frames; what comes out is compared.
odd() {
  answers make "$work/in" || fail "making a capture"
  # shellcheck disable=SC2046
  gcc -std=gnu11 -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all "$root/examples/vionet-responder.c" \
    -o "$work/responder" $(pkg-config --cflags --libs vionet) -Wl,-rpath,"$stage/lib" || fail "compiling with sanitizers"
  "$work/responder" -d 10.9.8.100-10.9.8.200 "soft:pcap=$work/in,out=$work/out,mac=02:00:00:00:00:42,queue_size=4096" \
    10.9.8.1/24 >"$work/said" 2>&1 &
  children+=($!)
  sleep 1
  until_true 60 is_asleep "${children[-1]}" || fail "it does not sleep"
  finish
  adds_up
  answers compare "$work/in" "$work/out" || fail "other answers"
}
# Answers of DHCP that are longer than the device takes do not take those to pings with them that are in their burst.
too_long() {
  answers long "$work/in" || fail "making a capture"
  : >"$work/said"
  "$responder" -d 10.9.8.100-10.9.8.200 "soft:pcap=$work/in,out=$work/out,mac=02:00:00:00:00:42,mtu=300" 10.9.8.1/24 \
    >"$work/said" 2>&1 &
  children+=($!)
  until_true 60 grep -q '^answering' "$work/said" || { cat "$work/said"; fail "it does not start"; }
  until_true 60 holds "$work/out" $((24 + 10 * (16 + 43)))
  finish
  said 'echo answers: 10'
  said 'DHCP answers: 10'
  said ' 10 sent, 0 without room, 10 refused'
  said 'cannot be sent: .*more than the 314'
  adds_up
}
holds() { [ "$(stat -c %s "$1" 2>/dev/null || echo 0)" -ge "$2" ]; } # FILE BYTES
cat >"$work/answers.py" <<'END'
import random, struct, sys
from checksum import total
ME, YOU, ALL = b"\x02\0\0\0\0\x42", b"\x02\0\0\0\0\x43", b"\xff" * 6
A, B = bytes((10, 9, 8, 1)), bytes((10, 9, 8, 2))
def ip(protocol, payload, source, to, life=64, identification=0, fragment=0):
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), identification, fragment, life, protocol, 0) + source + to
    return head[:10] + struct.pack(">H", total(head) ^ 0xffff) + head[12:] + payload
def echo(kind, data):
    head = struct.pack(">BBHHH", kind, 0, 0, 7, 9) + data
    return head[:2] + struct.pack(">H", total(head) ^ 0xffff) + head[4:]
def arp(kind, sender, sender_ip, target, target_ip):
    return b"\0\1\x08\0\6\4" + struct.pack(">H", kind) + sender + sender_ip + target + target_ip
def dhcp(kind, options=b"", flags=0):
    bootp = (b"\1\1\6\0abcd" + struct.pack(">HH", 0, flags) + bytes(16) + YOU + bytes(10 + 192) + b"\x63\x82\x53\x63" +
             bytes((53, 1, kind)) + options + b"\xff")
    udp = struct.pack(">HHHH", 68, 67, 8 + len(bootp), 0) + bootp
    s = total(bytes(4) + b"\xff" * 4 + struct.pack(">HH", 17, len(udp)) + udp) ^ 0xffff
    return ip(17, udp[:6] + struct.pack(">H", s) + udp[8:], bytes(4), b"\xff" * 4)
pairs = []
for tag in (b"", b"\x81\0\x60\x0a"):
    pairs.append((ALL + YOU + tag + b"\x08\6" + arp(1, YOU, B, bytes(6), A) + bytes(18), YOU + ME + tag + b"\x08\6" + arp(2, ME, A, YOU, B) + bytes(18)))
    for data in (b"", b"x", b"\xff" * 56, bytes(range(256)) * 5):
        pairs.append((ME + YOU + tag + b"\x08\0" + ip(1, echo(8, data), B, A, 9), YOU + ME + tag + b"\x08\0" + ip(1, echo(0, data), A, B)))
questions = [dhcp(1), dhcp(1, flags=0x8000), dhcp(3, b"\x32\4\x0a\x09\x08\x64"), dhcp(3, b"\x32\4\x0a\x09\x08\x01"), dhcp(8), dhcp(7), dhcp(9)]
def frames():
    chance = random.Random(3)
    asked = [each[0] for each in pairs] + [ALL + YOU + b"\x08\0" + q for q in questions]
    yield from asked
    for whole in asked:  # cut, and with a byte or two changed
        yield from (whole[:n] for n in sorted({*range(14, min(len(whole), 80)), len(whole) - 1}))
        for _ in range(60):
            broken = bytearray(whole)
            for _ in range(chance.randint(1, 3)):
                broken[chance.randrange(12, len(whole))] = chance.randrange(256)
            yield bytes(broken)
    for _ in range(300):  # DHCP with random options
        options = chance.randbytes(chance.randint(0, 200))
        yield ALL + YOU + b"\x08\0" + dhcp(chance.randint(0, 9), options)
def read(path):
    data, at = open(path, "rb").read(), 24
    while at < len(data):
        n = struct.unpack_from("<I", data, at + 8)[0]
        yield data[at + 16:at + 16 + n]
        at += 16 + n
if sys.argv[1] in ("make", "long"):
    with open(sys.argv[2], "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for frame in frames() if sys.argv[1] == "make" else (pairs[2][0], ALL + YOU + b"\x08\0" + questions[0]) * 10:
            out.write(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame)
    sys.exit()
came = list(read(sys.argv[3]))
for number, (asked, wanted) in enumerate(pairs):
    if came[number] != wanted:
        sys.exit(f"question {number}: {asked.hex()}\nanswer {came[number].hex()}\nwanted {wanted.hex()}")
# The five answers of DHCP: offer, offer to all, ack, nak, ack of what was told only; their checksums are right.
answers, kinds = came[len(pairs):len(pairs) + 5], []
for answer in answers:
    header, udp = answer[14:34], answer[34:]
    assert total(header) == 0xffff and total(header[12:] + struct.pack(">HH", 17, len(udp)) + udp) == 0xffff, answer.hex()
    kinds.append((udp[8 + 242], answer[:6] == ALL, udp[8 + 16:8 + 20] != bytes(4)))
if kinds != [(2, False, True), (2, True, True), (5, False, True), (6, True, False), (5, False, False)]:
    sys.exit(f"DHCP answers: {kinds}")
print(f"{len(list(read(sys.argv[2])))} frames, {len(came)} answers; the first {len(pairs) + 5} compared")
END

bad_arguments() {
  local arguments
  for arguments in "" "soft:sink" "soft:sink 10.0.0.1" "soft:sink 10.0.0.1/0" "soft:sink 10.0.0.1/32" "soft:sink 10.0.0/24" \
    "-d 10.0.0.5 soft:sink 10.0.0.1/24" "-d 10.0.0.5-10.0.0.4 soft:sink 10.0.0.1/24" "-l 0 soft:sink 10.0.0.1/24" \
    "-d 10.0.0.1-10.0.1.9 soft:sink 10.0.0.1/24" "-g x soft:sink 10.0.0.1/24" "-x soft:sink 10.0.0.1/24"; do
    # shellcheck disable=SC2086
    gives 2 "$responder" $arguments
    said usage
  done
  gives 1 "$responder" soft:nothing 10.0.0.1/24
  said nothing
  gives 0 "$responder" -h
  said usage
  gives 0 "$responder" -t 1 soft:generate,rate=1000 10.0.0.1/24
  said 'for others: [1-9]'
}

run_case "a kernel gets its address and pings" dhcp
run_case "an address is given back" release
run_case "answers byte by byte, and odd frames under sanitizers" odd
run_case "answers that are too long" too_long
run_case "bad arguments and devices" bad_arguments
