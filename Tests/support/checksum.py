# SPDX-License-Identifier: BSD-2-Clause
"""The Internet checksum (RFC 1071), for tests that make frames."""
import struct


def total(data, start=0):
    """The sum of the words of `data` and `start`, with its carries; its complement is the checksum."""
    data += b"\0" * (len(data) % 2)
    s = start + sum(struct.unpack(f">{len(data) // 2}H", data))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return s
