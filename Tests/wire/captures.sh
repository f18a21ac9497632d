#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Captures that other programs write are replayed, and those that soft:pcap writes are read by other programs: tcpdump, and
# capinfos and editcap of Wireshark.
# deadline: 600
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need python3 python3
need tcpdump tcpdump
need capinfos wireshark-common
need editcap wireshark-common
capture=$root/Tests/support/capture.py
python3 "$capture" make "$work/in" 500 || fail "making a capture"

# forwards IN OUT COUNT [KEYS]: what IN has is recorded in OUT, until that many frames are there.
frames_of() { capinfos -M -T -r -c "$1" 2>/dev/null | cut -f 2; }
has_frames() { [ "$(frames_of "$1")" = "$2" ]; }
forwards() {
  rm -f "$2"
  "$examples/vionet-fwd" "soft:pcap=$1" "soft:pcap=,out=$2,queue_size=1024$4" >"$work/fwd.out" 2>&1 &
  children+=($!)
  until_true 20 has_frames "$2" "$3" || { cat "$work/fwd.out"; fail "$(frames_of "$2") of $3 frames of $1 in $2"; }
  end_last
}
is_type() { # FILE TYPE: as capinfos calls it
  capinfos -M -T -r -t "$1" | cut -f 2 | grep -qx "$2" || fail "$1 is $(capinfos -M -T -r -t "$1"), not $2"
}

read_by_others() { # FORMAT TYPE DIGITS
  forwards "$work/in" "$work/out" 500 ",format=$1,snaplen=1000"
  is_type "$work/out" "$2"
  capinfos -M "$work/out" >"$work/said" 2>&1 || fail "capinfos"
  said "Packet size limit:.*1000"
  said "timestamp precision:.*nanoseconds (9)\|timestamp precision:.*microseconds (6)"
  said "$3"
  # The time is that of the recording, and the lengths are those of the frames.
  tcpdump -tt -nr "$work/out" >"$work/dump" 2>"$work/dump.err" || { cat "$work/dump.err"; fail "tcpdump"; }
  python3 - "$work/dump" "$work/in" <<'END' || fail "what tcpdump read"
import struct, sys, time
lines = [line for line in open(sys.argv[1]) if line[:1].isdigit()]
data, at, lengths = open(sys.argv[2], "rb").read(), 24, []
while at < len(data):
    lengths.append(struct.unpack_from("<I", data, at + 8)[0])
    at += 16 + lengths[-1]
assert len(lines) == len(lengths) == 500, len(lines)
assert all(abs(float(line.split()[0]) - time.time()) < 3600 for line in lines)
END
  # Cut to the same length, frames are the same.
  editcap -F pcap -s 1000 "$work/in" "$work/in.cut" || fail "editcap"
  editcap -F pcap "$work/out" "$work/out.pcap" || fail "editcap"
  python3 - "$work/in.cut" "$work/out.pcap" <<'END' || fail "frames differ"
import struct, sys
def frames(path):
    data, at, all = open(path, "rb").read(), 24, []
    while at < len(data):
        kept, length = struct.unpack_from("<II", data, at + 8)
        all.append((length, data[at + 16:at + 16 + kept]))
        at += 16 + kept
    return all
one, other = frames(sys.argv[1]), frames(sys.argv[2])
assert one == other and len(one) == 500
END
}

written_by_others() { # FORMAT
  editcap -F "$1" "$work/in" "$work/in.$1" || fail "editcap writes no $1"
  forwards "$work/in.$1" "$work/out.$1" 500
  python3 "$capture" compare "$work/in" "$work/out.$1" || exit 1
}

# Several interfaces, one of them no Ethernet's, sections in both byte orders, blocks of every kind.
odd_blocks() {
  python3 - "$work" <<'END' || fail "making a capture"
import struct, sys
order = "<"
def block(kind, body):
    body += b"\0" * (-len(body) % 4)
    size = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + size + body + size
def section(): return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))
def option(code, value): return struct.pack(order + "HH", code, len(value)) + value + b"\0" * (-len(value) % 4)
def interface(link, snap=0, options=b""): return block(1, struct.pack(order + "HHI", link, 0, snap) + options)
def packet(number, data, length=None, options=b""):
    padded = data + b"\0" * (-len(data) % 4)
    return block(6, struct.pack(order + "IIIII", number, 1, 2, len(data), length or len(data)) + padded + options)
def frame(n, length): return bytes([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xB5]) + bytes([n]) * (length - 14)
check = b"\xde\xad\xbe\xef"
want, out = [], b""
for order in "<>":
    out += section() + block(0x0BAD, b"custom") + interface(1) + interface(101) + interface(1, 0, option(13, b"\x04"))
    out += interface(1, 0, option(13, b"\x20") + option(0, b"")) + block(5, struct.pack(order + "III", 0, 1, 2))
    for n, length in enumerate((60, 61, 62, 63, 1514)):
        want.append(frame(n, length))
        out += packet(0, want[-1])
    out += packet(1, b"\x45" * 40) + packet(9, frame(1, 60)) + block(4, bytes(400000))
    for number in (2, 3):
        want.append(frame(7, 60))
        out += packet(number, want[-1] + check)
    want.append(frame(8, 60)[:50])
    out += packet(2, want[-1], 64)  # cut before its check sequence
    want.append(frame(9, 60))
    out += packet(0, want[-1] + check, None, option(2, struct.pack(order + "I", 4 << 5)) + option(0, b""))
    want.append(frame(10, 99))
    out += block(3, struct.pack(order + "I", 99) + want[-1])
    want.append(frame(11, 70))
    out += block(2, struct.pack(order + "HHIIII", 0, 0, 1, 2, 70, 70) + want[-1])
open(sys.argv[1] + "/odd", "wb").write(out)
with open(sys.argv[1] + "/wanted", "wb") as f:
    f.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1))
    for each in want:
        f.write(struct.pack("<IIII", 0, 0, len(each), len(each)) + each)
END
  forwards "$work/odd" "$work/out.odd" 22
  grep -q "rx_device_drop_record: 4$" "$work/fwd.out" || { cat "$work/fwd.out"; fail "records that are no frames"; }
  python3 "$capture" compare "$work/wanted" "$work/out.odd" || exit 1
}

# The link type's word says that a check sequence follows each frame.
check_sequences() {
  local word
  for word in 24000001 44000001; do
    python3 - "$work" $word <<'END' || fail "making a capture"
import struct, sys
frames = [bytes([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xB5]) + bytes([n]) * (46 + n) for n in range(50)]
def write(name, link, tail):
    with open(sys.argv[1] + "/" + name, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, link))
        for each in frames:
            f.write(struct.pack("<IIII", 0, 0, len(each + tail), len(each + tail)) + each + tail)
write("checked", int(sys.argv[2], 16), b"\xde\xad\xbe\xef")
write("unchecked", 1, b"")
END
    tcpdump -nr "$work/checked" >/dev/null 2>&1 || fail "tcpdump does not know the link type $word"
    forwards "$work/checked" "$work/out.checked" 50
    python3 "$capture" compare "$work/unchecked" "$work/out.checked" || exit 1
  done
}

# has_open PROCESS FILE: the process has opened that file.
has_open() { find "/proc/$1/fd" -lname "$2" 2>/dev/null | grep -q .; }

# tcpdump reads while frames come, and then writes a FIFO that is replayed.
live() {
  mkfifo "$work/to" "$work/from"
  "$examples/vionet-fwd" "soft:pcap=$work/from" "soft:pcap=,out=$work/to,format=pcapng,queue_size=1024" >"$work/fwd.out" 2>&1 &
  children+=($!)
  until_true 20 grep -q forwarding "$work/fwd.out" || fail "a FIFO keeps the program waiting"
  tcpdump -U -w "$work/out.live" -r "$work/to" 2>"$work/tcpdump.err" &
  children+=($!)
  # Before both have opened it, the device has no reader, and counts what comes as dropped.
  until_true 20 has_open "${children[-2]}" "$work/to" || fail "the device does not open its FIFO"
  tcpdump -w "$work/from" -r "$work/in" 2>/dev/null || fail "tcpdump"
  until_true 20 has_frames "$work/out.live" 500 || { cat "$work/tcpdump.err"; fail "$(frames_of "$work/out.live") of 500 frames"; }
  end "${children[-2]}"
  wait "${children[-1]}" || fail "tcpdump found no end"
  python3 "$capture" compare "$work/in" "$work/out.live" || exit 1
  grep -q "from: capture \|has ended after 500 frames" "$work/fwd.out" || { cat "$work/fwd.out"; fail "no word of the end"; }
}

run_case "libpcap's format, with microseconds, is read by others" read_by_others pcap pcap "(6)"
run_case "libpcap's format, with nanoseconds, is read by others" read_by_others pcap-ns nsecpcap "(9)"
run_case "pcapng is read by others" read_by_others pcapng pcapng "(9)"
run_case "libpcap's format with nanoseconds, of others, is replayed" written_by_others nsecpcap
run_case "pcapng of others is replayed" written_by_others pcapng
run_case "pcapng with odd blocks is replayed" odd_blocks
run_case "check sequences are taken off" check_sequences
run_case "FIFOs to and from tcpdump" live
