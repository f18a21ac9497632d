#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Capture files for the shell tests.

    capture.py make FILE COUNT [LONGEST]   random frames of 60 to 1514 bytes or more, in libpcap's format
    capture.py compare IN OUT [HOW [MAC]]  the same frames in the same order; HOW is io, macswap, mac, or l2fwd,
                                           which writes port 1 as the destination
"""
import random
import struct
import sys

MAGICS = {0xA1B2C3D4: 1000, 0xA1B23C4D: 1}  # microseconds, nanoseconds


def write(path, frames):
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for number, frame in enumerate(frames):
            out.write(struct.pack("<IIII", number, number, len(frame), len(frame)) + frame)


def read(path):
    with open(path, "rb") as source:
        data = source.read()
    magic, major, minor, _, _, limit, link = struct.unpack_from("<IHHiIII", data)
    if magic not in MAGICS or (major, minor) != (2, 4) or link != 1 or limit < 1514:
        sys.exit(f"FAIL: {path} is no capture of Ethernet: {data[:24].hex()}")
    frames, at = [], 24
    while at < len(data):
        _, _, kept, length = struct.unpack_from("<IIII", data, at)
        if kept != length or at + 16 + kept > len(data):
            sys.exit(f"FAIL: {path} is cut off at byte {at}")
        frames.append(data[at + 16:at + 16 + kept])
        at += 16 + kept
    return frames


def changed(frame, how, mac):
    if how == "macswap":
        return frame[6:12] + frame[0:6] + frame[12:]
    if how == "mac":
        return frame[0:6] + mac + frame[12:]
    if how == "l2fwd":
        return bytes((2, 0, 0, 0, 0, 1)) + mac + frame[12:]
    return frame


def main():
    if sys.argv[1] == "make":
        chance = random.Random(sys.argv[2])
        longest = int(sys.argv[4]) if len(sys.argv) > 4 else 1514
        sizes = [60, 61, longest - 1, longest] + [chance.randint(60, longest) for _ in range(int(sys.argv[3]) - 4)]
        write(sys.argv[2], [chance.randbytes(size) for size in sizes])
        return
    sent, came = read(sys.argv[2]), read(sys.argv[3])
    how = sys.argv[4] if len(sys.argv) > 4 else "io"
    mac = bytes.fromhex(sys.argv[5].replace(":", "")) if len(sys.argv) > 5 else b""
    if len(sent) != len(came):
        sys.exit(f"FAIL: {len(sent)} frames went in, {len(came)} came out")
    for number, (one, other) in enumerate(zip(sent, came)):
        if changed(one, how, mac) != other:
            sys.exit(f"FAIL: frame {number} of {len(one)} bytes came out otherwise, {len(other)} bytes")
    print(f"{len(sent)} frames, {how}: as they should be")


main()
