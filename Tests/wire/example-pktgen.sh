#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# vionet-pktgen sends into soft:sink, receives from soft:generate, keeps a rate, and counts what it sends. Speeds are
# printed, and nothing judges them.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need python3 python3
pktgen=$examples/vionet-pktgen

# transfers [options...] DEVICE: it ends by itself and has counted packets, which are then in "packets".
transfers() {
  gives 0 "$pktgen" "$@"
  cat "$work/said"
  packets=$(sed -n 's/^median [0-9.]* Mpps, [0-9]* samples, \([0-9]*\) packets$/\1/p' "$work/said")
  [ "${packets:-0}" -gt 0 ] || fail "no packets: $*"
}
# keeps RATE [options...] DEVICE: in the time that it took, no more packets than the rate allows, and two bursts. A slow
# machine may have fewer.
keeps() {
  local rate=$1 began=${EPOCHREALTIME/./} microseconds
  shift
  transfers "$@"
  microseconds=$((${EPOCHREALTIME/./} - began))
  [ "$packets" -le $((rate * microseconds / 1000000 + 64)) ] || fail "$packets packets in $microseconds us at $rate a second"
}

# It sends as many frames as it counts, each of the length that was asked for, and drops none.
frames_sent() {
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
sys.exit(count == 0 or str(count) != sys.argv[2])
END
}

bad_arguments() {
  local bad
  for bad in "" "-m tx" "soft:sink" "-m both soft:sink" "-m tx -l 63 soft:sink" "-m tx -l 9001 soft:sink" "-m tx -b 0 soft:sink" \
    "-m tx -b 513 soft:sink" "-m tx -t x soft:sink" "-m tx -n x soft:sink" "-m tx -r -1 soft:sink" "-m rx soft:a soft:b"; do
    # shellcheck disable=SC2086
    gives 2 "$pktgen" $bad
    said usage
  done
}
usage_asked() {
  local option
  for option in -h --help; do
    gives 0 "$pktgen" $option
    said usage
  done
}
bad_devices() {
  gives 1 "$pktgen" -m tx soft:nothing
  said nothing
  gives 1 "$pktgen" -m tx -n 100 soft:sink
  said 'power of two'
}

run_case "it receives" transfers -m rx -t 2 -b 64 -n 1024 soft:generate
run_case "it receives no faster than the device's rate" keeps 20000 -q -m rx -t 3 soft:generate,rate=20000
run_case "it sends" transfers -m tx -t 2 soft:sink
run_case "it sends no faster than its rate" keeps 20000 -q -m tx -t 3 -r 20000 soft:sink
run_case "it sends what it counts" frames_sent
run_case "bad arguments" bad_arguments
run_case "--help" usage_asked
run_case "bad devices" bad_devices
