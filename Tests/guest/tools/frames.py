#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Sends frames out of an interface for tuner.c to count, or counts announcements on it.

    frames.py INTERFACE marks [MARK=ADDRESS[,VLAN]]...   sends five frames of EtherType 0x88b5 with each mark
    frames.py INTERFACE flows ADDRESS COUNT              sends one TCP and one UDP packet of each of COUNT flows
    frames.py INTERFACE hear rarp N arp N SECONDS        waits for so many RARP requests and ARP requests from 192.0.2.7,
                                                         and a second for more; prints how many came
"""
import socket
import struct
import sys
import time

SOURCE = bytes.fromhex("020000000099")


def address(text):
    return bytes.fromhex(text.replace(":", ""))


def marked(item):
    mark, where = item.split("=")
    target, _, vlan = where.partition(",")
    tag = struct.pack("!HH", 0x8100, int(vlan)) if vlan else b""
    return address(target) + SOURCE + tag + struct.pack("!H", 0x88B5) + bytes([int(mark)] * 46)


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def packet(target, flow, protocol):
    transport = struct.pack("!HH", 1024 + flow * 7 % 50000, 80 + flow % 3) + (
        struct.pack("!IIBBHHH", flow, 0, 0x50, 0x10, 1000, 0, 0) if protocol == 6 else struct.pack("!HH", 8 + 12, 0) + bytes(12))
    ends = struct.pack("!II", 0x0A000001 + flow * 65537 % 0x00FFFFFF, 0xC0A80001 + flow % 200)
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(transport), flow & 0xFFFF, 0, 64, protocol, 0) + ends
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    place = 16 if protocol == 6 else 6
    total = checksum(ends + struct.pack("!HH", protocol, len(transport)) + transport)
    transport = transport[:place] + struct.pack("!H", total) + transport[place + 2:]
    return (target + SOURCE + b"\x08\x00" + head + transport).ljust(60, b"\0")


def hear(interface, wanted, seconds):
    counts = {"rarp": 0, "arp": 0}
    end = time.monotonic() + seconds
    has_all = False
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as ear:
        ear.bind((interface, 0))
        print("listening", flush=True)
        while (left := end - time.monotonic()) > 0:
            ear.settimeout(left)
            try:
                frame = ear.recv(2000)
            except TimeoutError:
                break
            counts["rarp"] += frame[12:14] == b"\x80\x35"
            counts["arp"] += frame[12:14] == b"\x08\x06" and frame[28:32] == bytes([192, 0, 2, 7])
            if not has_all and counts == wanted:
                has_all = True
                end = min(end, time.monotonic() + 1)
    print(f"rarp {counts['rarp']} arp {counts['arp']}")


def main():
    if sys.argv[2] == "hear":
        hear(sys.argv[1], {"rarp": int(sys.argv[4]), "arp": int(sys.argv[6])}, float(sys.argv[7]))
        return
    out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    out.bind((sys.argv[1], 0))
    if sys.argv[2] == "marks":
        for item in sys.argv[3:]:
            for _ in range(5):
                out.send(marked(item))
    else:
        for flow in range(int(sys.argv[4])):
            for protocol in (6, 17):
                out.send(packet(address(sys.argv[3]), flow, protocol))


main()
