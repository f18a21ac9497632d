#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Device addresses: the tables of docs/addresses.md, what the library does, the parsers' keys and vionet.h's list agree.

Each key is tried on the built library: values at both ends of its range are taken, values beyond them are refused with a
sentence that names the key, and a scheme that does not have the key refuses it. Every address of the scheme table is
opened, or fails for want of the device only.
"""
# deadline: 240
import ctypes
import errno
import os
import pathlib
import re
import struct
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
STAGE = ROOT / "build/stage"
PAGE = "docs/addresses.md"
FAULTS = []

# An address of each scheme that cannot be opened on any machine, and why: keys are read before the device is.
ABSENT = {"pci": ("pci:ffff:ff:1f.7", -errno.ENODEV), "vhost-net": ("vhost-net:interface-name16", -errno.ENAMETOOLONG),
          "vhost-vdpa": ("vhost-vdpa:/dev/null", -errno.ENODEV),
          "vhost-user": ("vhost-user:/nonexistent/x.sock", -errno.ENOENT)}
SOFT = {"soft": "soft:loopback", "generate": "soft:generate", "pcap": "soft:pcap=,out=/dev/null"}
SKIPPED = 1


def fault(text):
    FAULTS.append(text)


def table(text, heading):
    """Rows of the first table below a heading: cells, with \\| as it is and without back-quotes."""
    rows = []
    for line in text.split(f"\n## {heading}\n", 1)[-1].split("\n## ")[0].split("\n"):
        if line.startswith("|"):
            rows.append([cell.strip().replace("`", "") for cell in line.strip("|").split("|")])
        elif rows:
            break
    return rows[2:]


def values(cell):
    """Values that a key takes and values that it refuses, from its cell in the table."""
    span = re.match(r"(\d+)\.\.(\d+)", cell)
    if span:
        low, high = int(span[1]), int(span[2])
        wrong = [str(high + 1), "x", ""] + ([str(low - 1)] if low else ["-1"])
        return [str(low), str(high)], wrong + (["3"] if "power of two" in cell else [])
    named = {"MAC address": (["02:00:00:00:00:01"], ["01:00:00:00:00:01", "00:00:00:00:00:00", "02:00:00:00:00"]),
             "UUID": (["14d63f20-8445-11ea-8900-1f9ce7d5650d"], ["14d63f20", "x" * 36, ""]),
             "feature mask": (["0", "0x8000"], ["0xg", "x"]), "file": (["/dev/null"], ["x" * 256])}
    if cell in named:
        return named[cell]
    words = cell.split(" or ")
    return (words, ["2", "yes", ""]) if len(words) > 1 else None


class Library:
    def __init__(self, work):
        self.lib = ctypes.CDLL(STAGE / "lib/libvionet.so.0")
        self.lib.vionet_error.restype = ctypes.c_char_p
        self.work = work
        self.private = ctypes.CDLL(None).unshare(0x40000000) == 0  # a network namespace of our own, for TAPs

    def call(self, function, end, *arguments):
        """A result and its sentence; what was made is ended."""
        made = ctypes.c_uint16()
        result = function(*(each.encode() for each in arguments), ctypes.byref(made))
        sentence = self.lib.vionet_error().decode(errors="replace") if result < 0 else ""
        if result == 0:
            end(made)
        return result, sentence

    def probe(self, address):
        return self.call(self.lib.vionet_probe, self.lib.vionet_close, address)

    def open(self, address):
        return self.call(self.lib.vionet_open, self.lib.vionet_close, address)

    def serve(self, wire):
        return self.call(self.lib.vionet_soft_serve, self.lib.vionet_soft_stop, str(self.work / "served"), wire)


def expect_taken(what, key, value, got, plain):
    """With a good value the call ends as it does without the key."""
    if got[0] != plain:
        fault(f"{key}={value} of {what}: in the table, and refused with {got[0]}: {got[1]}")


def expect_refused(what, key, value, got):
    if got[0] != -errno.EINVAL or key not in got[1]:
        fault(f"{key}={value[:20]} of {what}: not in the table; {got[0]}, with the sentence: {got[1]}")


def try_key(library, row, tried=lambda library, address: library.probe(address)):
    """One row of the table of device addresses."""
    key, cell, _, where, _ = row
    both = values(cell)
    if both is None:
        return fault(f"{PAGE}: the values of {key} are \"{cell}\", which says nothing to try")
    good, bad = both
    homes = {"every scheme": list(ABSENT) + ["soft"], "soft:": ["soft"]}.get(where, [re.sub(r"^soft:|:$", "", where)])
    for home in homes:
        address, plain = ABSENT.get(home) or (SOFT[home], 0)
        for value in good:
            wanted = plain
            if key == "server" and value == "1":
                address, wanted = f"vhost-user:{library.work}/server.sock", 0
            expect_taken(address, key, value, tried(library, f"{address},{key}={value}"), wanted)
        for value in bad:
            expect_refused(address, key, value, tried(library, f"{address},{key}={value}"))
    if where != "every scheme":
        others = [ABSENT[each][0] for each in ABSENT if each not in homes] + ([] if "soft" in homes else ["soft:sink"])
        for address in others:
            value = good[-1]
            expect_refused(address, key, value, tried(library, f"{address},{key}={value}"))
    return None


def try_served_key(library, row):
    key, cell, _, where, _ = row
    good, bad = values(cell)
    wire = {"every wire": "sink", "generate": "generate", "pcap": "pcap=,out=/dev/null"}[where]
    for value in good:
        expect_taken("a served " + wire, key, value, library.serve(f"{wire},{key}={value}"), 0)
    for value in bad:
        expect_refused("a served " + wire, key, value, library.serve(f"{wire},{key}={value}"))
    if where != "every wire":
        expect_refused("a served loopback", key, good[0], library.serve(f"loopback,{key}={good[0]}"))


def check_unknown(library):
    for address in [each[0] for each in ABSENT.values()] + list(SOFT.values()):
        expect_refused(address, "colour", "red", library.probe(f"{address},colour=red"))
    expect_refused("a served sink", "colour", "red", library.serve("sink,colour=red"))


def opened(library, address):
    """An address of the page as one that can be opened here: its result, and the results that mean "not here"."""
    scheme = address.split(":")[0]
    absent = {"pci": [-errno.ENODEV, -errno.EBUSY], "vhost-net": [-errno.ENOENT, -errno.EPERM, -errno.EACCES],
              "vhost-vdpa": [-errno.ENOENT], "vhost-user": [-errno.ENOENT]}
    if scheme == "vhost-user":
        device = ctypes.c_uint16()
        path = str(library.work / "back-end")
        if library.lib.vionet_soft_serve(path.encode(), b"sink", ctypes.byref(device)):
            fault(f"cannot serve a device: {library.lib.vionet_error().decode()}")
        got = library.open("vhost-user:" + path)
        library.lib.vionet_soft_stop(device)
        return got, []
    if address.startswith("soft:pcap="):
        capture = library.work / "empty.pcap"
        capture.write_bytes(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        address = f"soft:pcap={capture}"
    return library.open(address), absent.get(scheme, [])


def check_schemes(library, rows):
    for address, *_ in rows:
        if not library.private and address.split("=")[0] in ("soft:tap", "vhost-net:tap0"):
            print(f"{address}: not tried, which wants root")
            continue
        (result, sentence), absent = opened(library, address)
        if result != 0 and result not in absent:
            fault(f"{address}: in the table, and opening it gave {result}: {sentence}")


def parsed_keys(folders):
    """Keys that the parsers compare with."""
    found = set()
    for folder in folders:
        for path in (ROOT / folder).rglob("*.swift"):
            found |= set(re.findall(r'\bkey\.equals\("(\w+)"\)', path.read_text()))
    return found


def listed_keys(header):
    """vionet.h's list of keys below "Keys:": place and name."""
    text = header.split(" * Keys:\n", 1)[-1].split(" * A key that is unknown")[0]
    place, pairs = "", set()
    for line in text.split("\n"):
        match = re.match(r" \*     (\S+(?: scheme)?)?\s+(.*)$", line)
        if match:
            place = match[1] or place
            pairs |= {(place, key) for key in match[2].split()}
    return pairs


def difference(one, name, other, other_name):
    return [f"{each} is in {name} and not in {other_name}" for each in sorted(map(str, one - other))] + [
        f"{each} is in {other_name} and not in {name}" for each in sorted(map(str, other - one))]


def check_lists(rows, served, schemes):
    header = (STAGE / "include/vionet.h").read_text()
    tabled = {row[0] for row in rows} | {row[0] for row in served}
    parsed = parsed_keys(["Sources/VioNet", "Sources/SoftDevice", "Sources/VioNetABI"])
    print(f"{len(schemes)} addresses, {len(rows)} keys of addresses, {len(served)} of served devices, {len(parsed)} parsed")
    if min(len(schemes), len(rows), len(served), len(parsed)) < 10:
        fault("hardly any key or address was found")
    if not difference(parsed, "a", parsed - {"lro"}, "b"):
        fault("a key that is missing went unseen")
    faults = difference(parsed, "the parsers", tabled, PAGE)
    faults += difference(listed_keys(header), "vionet.h", {(row[3], row[0]) for row in rows}, PAGE)

    def start(address):
        return re.match(r"soft:\w+|[\w-]+:", address)[0]

    listed = set(re.findall(r"^ \*     ((?:pci|vhost-user|vhost-net|vhost-vdpa):|soft:\w+)", header, re.M))
    faults += difference({start(each) for each in listed if each not in ("soft:",)} - {"soft:"}, "vionet.h",
                         {start(row[0]) for row in schemes}, PAGE)
    for each in faults:
        fault(each)
    check_mentions(tabled)


def mentioned(text):
    """Keys of the addresses that a text names, such as soft:sink,queues=2."""
    keys = set()
    for address in re.findall(r"\b(?:pci|vhost-user|vhost-net|vhost-vdpa|soft):[^\s`\"',]*((?:,\w+=[^\s`\"',]*)+)", text):
        keys |= set(re.findall(r",(\w+)=", address))
    return keys


def check_mentions(known):
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "include/vionet.h", *(ROOT / "docs").glob("*.md"),
             *(ROOT / "Tools/vionetctl/man").glob("*"), *(ROOT / "examples").glob("*")]
    if mentioned("`soft:sink,colour=red`") != {"colour"}:
        fault("an address in a text went unseen")
    seen = set()
    for page in pages:
        keys = mentioned(page.read_text()) if page.is_file() else set()
        seen |= keys
        for key in sorted(keys - known):
            fault(f"{page.relative_to(ROOT)} names an address with {key}=, which is no key")
    if not seen:
        fault("no page names an address with a key")


def can_fail(library, rows):
    """Three planted faults: a range too wide, a range too narrow, a key of the wrong scheme."""
    row = next(row for row in rows if row[0] == "queues")
    before = len(FAULTS)
    for planted in ([row[0], "1..129", *row[2:]], [row[0], "2..128", *row[2:]],
                    ["vdpa", "0 or 1", "0", "vhost-user:", ""]):
        count = len(FAULTS)
        try_key(library, planted)
        if len(FAULTS) == count:
            print("the planted row went unseen:", planted)
            return False
    print(f"{len(FAULTS) - before} faults of planted rows seen")
    del FAULTS[before:]
    return True


def main():
    text = (ROOT / PAGE).read_text()
    schemes, rows, served = (table(text, heading) for heading in (
        "Schemes", "Keys of a device address", "Keys of a served device"))
    with tempfile.TemporaryDirectory() as folder:
        library = Library(pathlib.Path(folder))
        if not can_fail(library, rows):
            fault("a planted row went unseen")
        check_lists(rows, served, schemes)
        for row in rows:
            try_key(library, row)
        for row in served:
            try_served_key(library, row)
        check_unknown(library)
        check_schemes(library, schemes)
    for each in FAULTS:
        print("FAIL:", each)
    sys.exit(1 if FAULTS else 0)


main()
