#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Frames for vionet-gateway, each with what it has to become: `make` writes them to captures, `compare` reads what came."""
import random, struct, sys
from checksum import total
HOST, IN, OUT, ROUTER = (b"\x02\0\0\0\0" + bytes((n,)) for n in (5, 1, 2, 9))
host, mine, far = bytes((10, 9, 8, 5)), bytes((192, 0, 2, 2)), bytes((198, 51, 100, 7))
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
def error(kind, code, value, quoted):
    return summed(struct.pack(">BBHI", kind, code, 0, value) + quoted, 2)
chance = random.Random(11)
there, back, out, came, told = [], [], [], [], []
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
    kind = chance.choice([(3, 3, 0), (3, 4, 1400), (11, 0, 0), (12, 0, 20 << 24)])
    # What a router outside saw and what the host sent; what the host saw and what came from outside.
    told.append((kind, frame(IN, HOST, p, b, mine, far, 63, options), frame(IN, HOST, p, a, host, far, 63, options),
                 frame(IN, HOST, p, d, far, host, 49, options), frame(IN, HOST, p, c, far, mine, 49, options)))
for kind, seen, sent, came_in, answer in told:  # errors about each
    size, who = chance.choice([8, 20, 528]), bytes((203, 0, 113, chance.randrange(256)))
    part = lambda whole: whole[14:14 + 4 * (whole[14] & 15) + size]
    back.append(frame(OUT, ROUTER, 1, error(*kind, part(seen)), who, mine, 60))
    came.append(frame(HOST, IN, 1, error(*kind, part(sent)), who, host, 59))
    there.append(frame(IN, HOST, 1, error(*kind, part(came_in)), host, far, 64))
    out.append(frame(ROUTER, OUT, 1, error(*kind, part(answer)), mine, far, 63))
def odd(frames):
    for whole in frames[:60] + frames[-30:]:
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
