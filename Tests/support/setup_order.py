#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Compares the log of a device's set-up, step by step, with the order of virtio_init_device() of DPDK 18.11.

    setup_order.py pci-modern|pci-legacy|vhost-user LOG

DPDK_ORDER is that function's order. Our differences are in DIFFERENCES, each with its reason, and applied to DPDK_ORDER; what
comes out must be the log, access for access, from the first write of status 0 to the one that ends the port.
"""
import difflib
import re
import sys

# One queue pair and, on PCI, the control queue, which is queue 2. virtio_negotiate_features() reads the MTU; the functions
# are called as listed.
DPDK_ORDER = [
    "reset",               # vtpci_reset
    "acknowledge",         # vtpci_set_status(VIRTIO_CONFIG_STATUS_ACK)
    "driver",              # vtpci_set_status(VIRTIO_CONFIG_STATUS_DRIVER)
    "offered features",    # virtio_negotiate_features ...
    "MTU",
    "accepted features",
    "FEATURES_OK",         # ... of a modern device
    "MAC",                 # virtio_get_hwaddr
    "MAC again",           # vtpci_read_dev_config, if there is a control queue ...
    "link",
    "MTU again",           # ... to here
    "queue 0 size",        # virtio_alloc_queues, a queue after the other ...
    "queue 0 set-up",
    "queue 1 size",
    "queue 1 set-up",
    "queue 2 size",
    "queue 2 set-up",      # ... to the last
    "interrupts",          # virtio_configure_intr
    "DRIVER_OK",           # vtpci_reinit_complete
]

# "*" is any one value. A status is read before it is added to, as in vtpci_set_status().
MODERN = {
    "reset": ["write device_status 0x0", "read device_status 0x0"],
    "acknowledge": ["read device_status 0x0", "write device_status 0x1"],
    "driver": ["read device_status 0x1", "write device_status 0x3"],
    "offered features": ["write device_feature_select 0x0", "read device_feature *",
                         "write device_feature_select 0x1", "read device_feature *"],
    "MTU": ["read config 0xa 0x2"],
    "accepted features": ["write driver_feature_select 0x0", "write driver_feature *",
                          "write driver_feature_select 0x1", "write driver_feature *"],
    "FEATURES_OK": ["read device_status 0x3", "write device_status 0xb", "read device_status 0xb"],
    "MAC": ["read config 0x0 0x6"],
    "MAC again": ["read config 0x0 0x6"],
    "link": ["read config 0x6 0x2"],
    "MTU again": ["read config 0xa 0x2"],
    "interrupts": ["write config_msix_vector 0x0", "read config_msix_vector 0x0"],
    "DRIVER_OK": ["read device_status 0xb", "write device_status 0xf"],
}
LEGACY = {
    **{step: MODERN[step] for step in ("reset", "acknowledge", "driver", "MTU", "MAC", "MAC again", "link", "MTU again",
                                            "interrupts")},
    "offered features": ["read device_feature *"],
    "accepted features": ["write driver_feature *"],
    "FEATURES_OK": [],
    "DRIVER_OK": ["read device_status 0x3", "write device_status 0x7"],
}
VHOST_USER = {
    "reset": ["write SET_STATUS 0x0", "read GET_STATUS 0x0"],
    "acknowledge": ["read GET_STATUS 0x0", "write SET_STATUS 0x1"],
    "driver": ["read GET_STATUS 0x1", "write SET_STATUS 0x3"],
    "offered features": [],  # read when the port connected
    "MTU": ["read GET_CONFIG 0xa 0x2"],
    "accepted features": ["write SET_FEATURES *"],
    "FEATURES_OK": ["read GET_STATUS 0x3", "write SET_STATUS 0xb", "read GET_STATUS 0xb"],
    "MAC": ["read GET_CONFIG 0x0 0x6"],
    "MAC again": [], "link": [], "MTU again": [],  # no control queue
    "interrupts": [],  # a descriptor for each queue, sent with it
    "DRIVER_OK": ["read GET_STATUS 0xb", "write SET_STATUS 0xf"],
}
for queue in (0, 1, 2):
    select = f"write queue_select {queue:#x}"
    size = {f"queue {queue} size": [select, "read queue_size *"]}
    MODERN |= size | {f"queue {queue} set-up": [
        select, "write queue_desc *", "write queue_driver *", "write queue_device *", "read queue_notify_off *",
        "write queue_enable 0x1"]}
    LEGACY |= size | {f"queue {queue} set-up": [select, "write queue_address *"]}
    VHOST_USER |= {f"queue {queue} size": [], f"queue {queue} set-up": [] if queue == 2 else [
        f"write {name} {queue:#x}{more}" for name, more in (
            ("SET_VRING_CALL", ""), ("SET_VRING_NUM", " *"), ("SET_VRING_BASE", " 0x0"), ("SET_VRING_ADDR", " *"),
            ("SET_VRING_KICK", ""))]}

ALL = ("pci-modern", "pci-legacy", "vhost-user")
PCI = ALL[:2]
# Of these buses, do this, for this reason. move: a step behind another. drop: a step. before, after: more accesses in one.
DIFFERENCES = [
    *((("vhost-user",), "size", f"queue {queue} set-up", [f"write SET_VRING_ERR {queue:#x}"],
       "a back-end that finds a ring broken can say so") for queue in (0, 1)),
    (PCI, "drop", "MAC again", None, "what was read once is not read again"),
    (PCI, "drop", "MTU again", None, "what was read once is not read again"),
    (("vhost-user",), "after", "link", ["read GET_CONFIG 0x6 0x2"],
     "the link's state matters without a control queue, too"),
    (PCI, "move", "queue 1 size", "queue 0 size",
     "all rings lie in one region of memory, which is made when their sizes are known"),
    (PCI, "move", "queue 2 size", "queue 1 size",
     "all rings lie in one region of memory, which is made when their sizes are known"),
    (PCI, "move", "interrupts", "queue 2 size",
     "MSI-X moves a legacy device's registers, and a vector is to be set before its queue is enabled (4.1.5.1.3)"),
    (("pci-modern",), "after", "offered features",
     ["write device_feature_select 0x2", "read device_feature *", "write device_feature_select 0x3",
      "read device_feature *"],
     "virtio has more than 64 feature bits now"),
    (ALL, "after", "DRIVER_OK", ["read STATUS *"], "a device that asks for a reset at once is refused (2.1.2)"),
    (("vhost-user",), "before", "queue 0 set-up",
     ["write NET_SET_MTU *", "write ADD_MEM_REG * *", "write ADD_MEM_REG * *", "write SET_VRING_CALL 0x0",
      "write SET_VRING_CALL 0x1", "write GET_INFLIGHT_FD * *", "write SET_INFLIGHT_FD * *"],
     "DPDK's device sees all memory; a back-end gets it before the addresses in it, and the MTU; the memory for in-flight "
     "descriptors is made when the back-end knows its rings"),
    (("vhost-user",), "after", "DRIVER_OK",
     ["write SET_VRING_ENABLE 0x0 0x1", "write SET_VRING_ENABLE 0x1 0x1"],
     "a back-end may fill a ring as soon as it is enabled, so that happens when receive buffers are there"),
] + [
    (("pci-modern",), "size", f"queue {queue} set-up", ["write queue_size *"],
     "our rings may be smaller than the largest that the device can do") for queue in (0, 1, 2)
] + [
    (PCI, "vector", f"queue {queue} set-up", [f"write queue_msix_vector {queue + 1:#x}",
                                              f"read queue_msix_vector {queue + 1:#x}"],
     "each queue has its vector from its set-up on, not only when a program asks for interrupts") for queue in (0, 1)
] + [
    (PCI, "vector", "queue 2 set-up", ["write queue_msix_vector 0xffff"],
     "the control queue has no vector, which is written because a legacy device's register may hold anything"),
]


def expected(bus):
    steps = list(DPDK_ORDER)
    lines = {step: list(some) for step, some in
             {"pci-modern": MODERN, "pci-legacy": LEGACY, "vhost-user": VHOST_USER}[bus].items()}
    for buses, deed, step, what, _ in DIFFERENCES:
        if bus not in buses:
            continue
        if deed == "move":
            steps.remove(step)
            steps.insert(steps.index(what) + 1, step)
            continue
        if deed == "drop":
            steps.remove(step)
            continue
        status = "GET_STATUS" if bus == "vhost-user" else "device_status"
        what = [line.replace("STATUS", status) for line in what] if "STATUS" in what[0].split() else what
        some = lines[step]
        # Where in the step: behind queue_select, or before a legacy queue's address starts it, or before what ends it.
        vector = next((n for n, line in enumerate(some) if "notify_off" in line or "queue_address" in line), 0)
        place = {"before": 0, "after": len(some), "size": 1, "vector": vector}[deed]
        lines[step] = some[:place] + what + some[place:]
    return [line for step in steps for line in lines[step]]


def logged(bus, text):
    """From the reset that begins the set-up up to the end of the port, without values that cannot be known."""
    lines = re.findall(rf"\b{bus} ((?:read|write) .*)", text)
    status = "SET_STATUS" if bus == "vhost-user" else "device_status"
    start = lines.index(f"write {status} 0x0")
    end = next((n for n, line in enumerate(lines) if n > start and re.match(
        rf"write {status} 0x0|write SET_VRING_ENABLE \S+ 0x0", line)), len(lines))
    return lines[start:end]


def matches(line, pattern):
    return len(line.split()) == len(pattern.split()) and all(
        p in ("*", word) for word, p in zip(line.split(), pattern.split()))


def compare(want, have):
    """The faults, as a diff; a line that matches its pattern counts as the pattern."""
    patterns = sorted(set(want), key=lambda p: p.count("*"))
    named = [next((p for p in patterns if matches(line, p)), line) for line in have]
    return [line for line in difflib.unified_diff(want, named, "the order of DPDK", "the log", lineterm="", n=2)]


def can_fail(want):
    """Every step that is missing, twice there or out of place is seen."""
    spoiled = [want[:n] + want[n + 1:] for n in range(len(want))] + [want[:n] + want[n:n + 1] + want[n:]
                                                                     for n in range(len(want))]
    spoiled += [want[:n] + [want[n + 1], want[n]] + want[n + 2:]
                for n in range(len(want) - 1) if want[n] != want[n + 1]]
    return not compare(want, want) and all(compare(want, s) for s in spoiled)


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ALL:
        sys.exit(__doc__)
    bus = sys.argv[1]
    want = expected(bus)
    if not can_fail(want):
        sys.exit("FAIL: a spoiled log was taken for a good one")
    with open(sys.argv[2], encoding="utf-8") as file:
        have = logged(bus, file.read())
    faults = compare(want, have)
    for fault in faults:
        print(fault)
    reasons = sorted({why for buses, _, _, _, why in DIFFERENCES if bus in buses})
    print(f"{bus}: {len(have)} accesses in {len(DPDK_ORDER)} steps of DPDK; the differences:")
    print("\n".join(f"  {why}" for why in reasons))
    sys.exit(1 if faults else 0)


main()
