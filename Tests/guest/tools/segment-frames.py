#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Packets of 58900 bytes that a network card has to segment, each with the header that says how.

    segment-frames.py through NAMESPACE/INTERFACE NAMESPACE/INTERFACE COUNT   sends on one, expects on the other
    segment-frames.py expect NAMESPACE/INTERFACE COUNT   expects those of large-frames.c; prints "ready" first

A packet must arrive unchanged in every byte and in its virtio-net header. Every second packet is IPv6, and two of each
four have CWR, which segmentation must not repeat in each segment (RFC 3168): VIRTIO_NET_HDR_GSO_ECN.
"""
import ctypes
import os
import socket
import struct
import sys

CLONE_NEWNET = 0x40000000
SOL_PACKET, PACKET_VNET_HDR, PACKET_OUTGOING, ETH_P_ALL = 263, 15, 4, 3
SO_RCVBUFFORCE = 33
PAYLOAD, SEGMENT = 1900 * 31, 1400
NEEDS_CSUM, TCPV4, TCPV6, ECN = 1, 1, 4, 0x80
LIBC = ctypes.CDLL(None, use_errno=True)


def packet_socket(place):
    """A socket keeps its namespace, so this process can leave it."""
    space, interface = place.split("/")
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{space}", os.O_RDONLY)
    if LIBC.setns(there, CLONE_NEWNET) != 0:
        sys.exit(f"cannot enter {space}")
    one = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    one.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    one.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 64 << 20)
    one.bind((interface, ETH_P_ALL))
    one.settimeout(60)
    LIBC.setns(home, CLONE_NEWNET)
    return one


def folded(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def packet(number):
    """Frame, and the fields of its header: flags, type, segment size, checksum start and offset."""
    six, ecn = number & 1, number & 2
    length = 20 + PAYLOAD
    if six:
        ends = b"\xfd" + bytes(14) + b"\x01" + b"\xfd" + bytes(14) + b"\x02"
        network = struct.pack("!IHBB", 0x60000000, length, 6, 64) + ends
    else:
        ends = bytes([10, 99, 0, 1, 10, 99, 0, 2])
        network = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, number, 0x4000, 64, 6, 0) + ends
    pseudo = folded(ends + struct.pack("!HH", 6, length))
    flags = 0x18 | (0x80 if ecn else 0)
    tcp = struct.pack("!HHIIBBHHH", 0x1000 + number, 80, 0, 0, 0x50, flags, 0xFFFF, pseudo, 0)
    payload = bytes((i * 7 + number) & 0xFF for i in range(256)) * (PAYLOAD // 256 + 1)
    frame = bytes.fromhex("020000000002020000000001") + (b"\x86\xdd" if six else b"\x08\x00") + network + tcp
    kind = (TCPV6 if six else TCPV4) | (ECN if ecn else 0)
    return frame + payload[:PAYLOAD], (NEEDS_CSUM, kind, SEGMENT, 14 + len(network), 16)


def send(out, number):
    frame, (flags, kind, size, start, offset) = packet(number)
    out.send(struct.pack("=BBHHHH", flags, kind, start + 20, size, start, offset) + frame)


def expect(source, number):
    frame, wanted = packet(number)
    while True:
        data, where = source.recvfrom(1 << 17)
        if where[2] != PACKET_OUTGOING and data[10:22] == frame[:12]:
            break
    flags, kind, _, size, start, offset = struct.unpack_from("=BBHHHH", data)
    if (flags, kind, size, start, offset) != wanted:
        sys.exit(f"packet {number} says {flags, kind, size, start, offset}, not {wanted}")
    if data[10:] != frame:
        place = next((i for i, (a, b) in enumerate(zip(data[10:], frame)) if a != b), min(len(data) - 10, len(frame)))
        sys.exit(f"packet {number} came with {len(data) - 10} bytes of {len(frame)}, other ones from {place} on")


def main():
    if len(sys.argv) == 5 and sys.argv[1] == "through":
        out, source = packet_socket(sys.argv[2]), packet_socket(sys.argv[3])
        for number in range(int(sys.argv[4])):
            send(out, number)
            expect(source, number)
    elif len(sys.argv) == 4 and sys.argv[1] == "expect":
        source = packet_socket(sys.argv[2])
        print("ready", flush=True)
        for number in range(int(sys.argv[3])):
            expect(source, number)
    else:
        sys.exit(__doc__)
    print(f"{sys.argv[-1]} packets of {PAYLOAD} bytes, ECN on half of them: as they should be")


try:
    main()
except TimeoutError:
    sys.exit("nothing came within 60 s")
