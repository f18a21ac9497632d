#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Forwards packets between two devices, sleeps while none come, and prints what passed when it ends.

    python3 forward.py [-v] DEVICE_A DEVICE_B

-v prints a line for each frame. It ends with SIGINT or SIGTERM, or when a device is gone. vionet.py beside this file
declares the library; nothing is compiled. VIONET_LIBRARY=build/libvionet.so.0 names a library that is not installed.
"""
import ctypes
import select
import signal
import sys

import vionet

BURST = 32


class Side:
    """One device, its first queue pair and the packets that it received last."""

    def __init__(self, device):
        number = ctypes.c_uint16()
        vionet.check(vionet.open(device.encode(), number))
        self.port, self.name, self.refused = number.value, device, 0
        self.packets = (ctypes.POINTER(vionet.Packet) * BURST)()
        self.descriptor = vionet.check(vionet.rx_fd(self.port, 0))

    def stats(self):
        stats = vionet.sized(vionet.Stats)
        vionet.check(vionet.stats(self.port, stats))
        return stats


def show(packet, source, target):
    """Prints the Ethernet header of a frame."""
    head = ctypes.string_at(packet.data, min(packet.length, 14))
    print(f"{source.name} -> {target.name}: {head[6:12].hex(':')} -> {head[:6].hex(':')} "
          f"type {head[12:14].hex()}, {packet.total_length} bytes", flush=True)


def forward(source, target, verbose):
    """Forwards one burst; what the ring has no room for is dropped. Returns how many packets came."""
    received = vionet.rx_burst(source.port, 0, source.packets, BURST)
    for each in source.packets[:received] if verbose else ():
        show(each.contents, source, target)
    sent = vionet.tx_burst(target.port, 0, source.packets, received)
    for each in source.packets[sent:received]:
        vionet.packet_free(each)
    target.refused += received - sent
    return received


def is_armed(sides):
    """Asks each side for a wake-up. False if packets came meanwhile."""
    return not sum([vionet.check(vionet.rx_arm(each.port, 0)) for each in sides])


def run(sides, verbose):
    a, b = sides
    waiting = select.poll()
    for each in sides:
        waiting.register(each.descriptor, select.POLLIN)
    while True:
        if forward(a, b, verbose) + forward(b, a, verbose) == 0 and is_armed(sides):
            waiting.poll()


def stop(_number, _frame):
    raise KeyboardInterrupt


def main():
    devices = [each for each in sys.argv[1:] if each != "-v"]
    if len(devices) != 2:
        sys.exit(__doc__)
    signal.signal(signal.SIGTERM, stop)
    sides, status = [], 0
    try:
        for each in devices:
            sides.append(Side(each))
        print("forwarding", file=sys.stderr, flush=True)
        run(sides, "-v" in sys.argv)
    except KeyboardInterrupt:
        pass
    except vionet.Error as failure:
        print(f"forward.py: {failure.strerror}", file=sys.stderr)
        status = 1
    for source, target in zip(sides, sides[::-1]):
        if len(sides) == 2:
            sent = target.stats().tx
            print(f"{source.name} -> {target.name}: {sent.packets} packets, {sent.bytes} bytes, "
                  f"{target.refused} refused")
    for each in sides:
        vionet.close(each.port)
    return status


if __name__ == "__main__":
    sys.exit(main())
