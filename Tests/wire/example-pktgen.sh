#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# vionet-pktgen: sends into soft:sink, receives from soft:generate, keeps a rate, and what it sends is what it says.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need python3 python3
pktgen=$examples/vionet-pktgen

median() { sed -n 's/^median \([0-9.]*\) Mpps.*/\1/p' "$work/said"; }
between() { awk -v x="$1" -v low="$2" -v high="$3" 'BEGIN { exit !(x != "" && x + 0 >= low && x + 0 <= high) }'; }

gives 0 "$pktgen" -m tx -t 2 soft:sink
echo "tx: $(median) Mpps"
between "$(median)" 0.5 10000 || fail "tx into soft:sink: $(median) Mpps"
gives 0 "$pktgen" -m rx -t 2 -b 64 -n 1024 soft:generate
echo "rx: $(median) Mpps"
between "$(median)" 0.5 10000 || fail "rx from soft:generate: $(median) Mpps"
gives 0 "$pktgen" -q -m rx -t 3 soft:generate,rate=20000
between "$(median)" 0.016 0.024 || { cat "$work/said"; fail "rx of 20000 a second"; }
gives 0 "$pktgen" -q -m tx -t 3 -r 20000 soft:sink
between "$(median)" 0.018 0.022 || { cat "$work/said"; fail "tx of 20000 a second"; }

# What is sent: as many frames as it says, all of the length that was asked for, none dropped.
gives 0 "$pktgen" -q -m tx -t 1 -r 1000 -l 333 "soft:pcap=,out=$work/out"
python3 - "$work/out" "$(sed -n 's/^median.* \([0-9]*\) packets.*/\1/p' "$work/said")" <<'END' || fail "what was sent"
import struct, sys
data, at, count = open(sys.argv[1], "rb").read(), 24, 0
while at < len(data):
    length = struct.unpack_from("<I", data, at + 8)[0]
    frame = data[at + 16:at + 16 + length]
    if length != 333 or frame[12:14] != b"\x08\x00" or struct.unpack_from(">H", frame, 16)[0] != 333 - 14:
        sys.exit(f"frame {count}: {length} bytes, {frame[:34].hex()}")
    at, count = at + 16 + length, count + 1
print(f"{count} frames of 333 bytes")
sys.exit(not 900 < count <= 1100 or str(count) != sys.argv[2])
END

for bad in "" "-m tx" "soft:sink" "-m both soft:sink" "-m tx -l 63 soft:sink" "-m tx -l 9001 soft:sink" "-m tx -b 0 soft:sink" \
  "-m tx -b 513 soft:sink" "-m tx -t x soft:sink" "-m tx -n x soft:sink" "-m tx -r -1 soft:sink" "-m rx soft:a soft:b"; do
  # shellcheck disable=SC2086
  gives 2 "$pktgen" $bad
  said usage
done
for option in -h --help; do
  gives 0 "$pktgen" $option
  said usage
done
gives 1 "$pktgen" -m tx soft:nothing
said nothing
gives 1 "$pktgen" -m tx -n 100 soft:sink
said 'power of two'
exit 0
