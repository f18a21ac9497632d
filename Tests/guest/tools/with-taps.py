#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Runs a command with TAP interfaces of several network namespaces, for QEMU's "-netdev tap,fd=".

    with-taps.py NAMESPACE/INTERFACE... -- COMMAND...

Makes the interfaces, which go when the command ends. An interface that is named several times has as many queues. Their
file descriptors are 100, 101 and so on, in order, with a virtio-net header before each frame. The command replaces this
program, so it has the process number that the caller knows.
"""
import ctypes
import fcntl
import os
import struct
import sys

CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TAP, IFF_MULTI_QUEUE, IFF_NO_PI, IFF_VNET_HDR = 0x0002, 0x0100, 0x1000, 0x4000
FIRST = 100
LIBC = ctypes.CDLL(None, use_errno=True)


def enter(path):
    # os.setns() came with Python 3.12.
    space = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    if LIBC.setns(space, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), f"cannot enter {path}")
    os.close(space)


def tap(name, queues):
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (IFF_MULTI_QUEUE if queues > 1 else 0)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
    return fd


def main(arguments):
    if "--" not in arguments or arguments[-1] == "--":
        sys.exit("usage: with-taps.py NAMESPACE/INTERFACE... -- COMMAND...")
    split = arguments.index("--")
    home_fd = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    for number, place in enumerate(arguments[:split]):
        space, name = place.split("/")
        enter(f"/run/netns/{space}")
        os.dup2(tap(name, arguments[:split].count(place)), FIRST + number, inheritable=True)
    enter(f"/proc/self/fd/{home_fd}")
    os.execvp(arguments[split + 1], arguments[split + 1:])


try:
    main(sys.argv[1:])
except OSError as error:
    sys.exit(f"with-taps.py: {error}")
