#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What the README says works does, what it calls planned says -ENOTSUP, and its program compiles and forwards.

The tables are found by their headings: "| feature bit | state |" is compared with what the library accepts of a
back-end that offers everything, "| address | today |" with what vionet_probe() says.
"""
# deadline: 180
import ctypes
import errno
import os
import pathlib
import re
import shlex
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
STAGE = ROOT / "build/stage"
FAULTS = []


def fault(text):
    FAULTS.append(text)
    print("FAIL:", text)


def table(text, heading):
    """Rows of the table whose heading line starts so: cells without their back-quotes."""
    rows, inside = [], False
    for line in text.split("\n"):
        if line.startswith(heading):
            inside = True
        elif inside and not line.startswith("|"):
            break
        elif inside and not line.startswith("|--"):
            rows.append([cell.strip().strip("`") for cell in line.strip().strip("|").split("|")])
    return rows


def state_faults(rows, really):
    """Rows whose used or planned is not what is the case, and what is the case but in no row."""
    said = {row[0] for row in rows if row[1] == "used"}
    out = [f"{name} is called used, but is not accepted" for name in sorted(said - really)]
    out += [f"{name} is accepted, but not called used" for name in sorted(really - said)]
    return out + [f"{name} is {state}: neither used nor planned" for name, state, *_ in rows
                  if state not in ("used", "planned")]


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def compiled(source, program):
    flags = shlex.split(run("pkg-config", "--cflags", "--libs", "vionet",
                            env={**os.environ, "PKG_CONFIG_PATH": str(STAGE / "lib/pkgconfig")}).stdout)
    result = run("gcc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-pthread", source, "-o", program, *flags,
                 f"-Wl,-rpath,{STAGE}/lib")
    if result.returncode:
        fault(f"{source.name} does not compile:\n{result.stderr}")
    return result.returncode == 0


def check_features(text, work):
    if not compiled(ROOT / "Tests/gates/accepted_features.c", work / "wanted"):
        return
    really = set(run(work / "wanted").stdout.split())
    rows = table(text, "| feature bit | state |")
    print(f"feature bits: {len(rows)} rows, {len(really)} accepted")
    if len(rows) < 4 or not really:
        fault("no table of feature bits")
    for each in state_faults(rows, really):
        fault(each)
    # The comparison can fail, both ways.
    some = [["A", "used"], ["B", "planned"]]
    if state_faults(some, {"A"}) or not state_faults(some, {"A", "B"}) or not state_faults(some, set()):
        fault("the comparison of states sees nothing")


class Library:
    def __init__(self, work):
        self.lib = ctypes.CDLL(STAGE / "lib/libvionet.so.0")
        self.lib.vionet_error.restype = ctypes.c_char_p
        self.work = work
        self.private = ctypes.CDLL(None).unshare(0x40000000) == 0  # a network namespace of our own, for TAPs

    def instance(self, address):
        """An address of the README's, made one that can be opened here."""
        if address.startswith("vhost-user:"):
            device = ctypes.c_uint16()
            path = str(self.work / "served.sock")
            if not os.path.exists(path) and self.lib.vionet_soft_serve(path.encode(), b"sink", ctypes.byref(device)):
                fault(f"cannot serve a device: {self.lib.vionet_error().decode()}")
            return "vhost-user:" + path
        if address.startswith("soft:pcap="):
            capture = self.work / "empty.pcap"
            capture.write_bytes(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
            return f"soft:pcap={capture}"
        return address

    def probe(self, address):
        port = ctypes.c_uint16()
        result = self.lib.vionet_open(self.instance(address).encode(), ctypes.byref(port))
        if result == 0:
            self.lib.vionet_close(port)
        return result


def check_addresses(text, work):
    library, rows = Library(work), table(text, "| address | today |")
    header = (STAGE / "include/vionet.h").read_text()
    print(f"addresses: {len(rows)} rows")
    if len(rows) < 5:
        fault("no table of addresses")
    for address, today, *_ in rows:
        if address.startswith("soft:tap=") and not library.private:
            print(f"{address}: not tried, which wants root")
            continue
        result = library.probe(address)
        wanted = {"works": 0, "planned": -errno.ENOTSUP}.get(today)
        # A device that is not here, or another's, says at least that the scheme is served.
        absent = {"pci": [-errno.ENODEV, -errno.EBUSY], "vhost-net": [-errno.ENOENT], "vhost-vdpa": [-errno.ENOENT]}
        if today == "works" and result in absent.get(address.split(":")[0], []):
            continue
        if wanted is None or result != wanted:
            fault(f"{address} is called {today}; opening it gave {result}: {library.lib.vionet_error().decode()}")
    # Every address of the header's list has a row.
    rowed = {re.split(r"[=/]|:0|(?<=vhost-net:)", row[0])[0] for row in rows}
    listed = set(re.findall(r"^ \*     ((?:pci(?=:)|vhost-(?:user|net|vdpa):|soft:\w+))", header, re.M))
    if len(listed) < 5 or listed - rowed:
        fault(f"listed in vionet.h and not in the README: {', '.join(sorted(listed - rowed)) or 'no list found'}")


def capture_of(frames):
    out = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    for number, frame in enumerate(frames):
        out += struct.pack("<IIII", number, 0, len(frame), len(frame)) + frame
    return out


def frames_of(capture):
    out, at = [], 24
    while at + 16 <= len(capture):
        length = struct.unpack_from("<I", capture, at + 8)[0]
        out.append(capture[at + 16:at + 16 + length])
        at += 16 + length
    return out


def check_program(text, work):
    match = re.search(r"^```c\n(.*?)^```", text, re.S | re.M)
    if not match:
        return fault("no C program")
    program = match.group(1)
    lines = len([line for line in program.split("\n") if line.strip()])
    print(f"the program has {lines} lines")
    if lines > 25:
        fault("that is more than 25")
    (work / "forward.c").write_text(program)
    if not compiled(work / "forward.c", work / "forward"):
        return None
    frames = [os.urandom(length) for length in (60, 61, 1000, 1514)]
    (work / "in.pcap").write_bytes(capture_of(frames))
    with subprocess.Popen([work / "forward", f"soft:pcap={work}/in.pcap", f"soft:pcap=,out={work}/out.pcap"]) as child:
        for _ in range(100):
            time.sleep(0.05)
            if child.poll() is not None or (work / "out.pcap").exists() and len(
                    frames_of((work / "out.pcap").read_bytes())) == len(frames):
                break
        child.terminate()
    if not (work / "out.pcap").exists() or frames_of((work / "out.pcap").read_bytes()) != frames:
        fault("the program does not forward what it gets")
    if run(work / "forward", "soft:nothing", "soft:sink").returncode == 0 or run(work / "forward").returncode == 0:
        fault("the program hides errors")


def main():
    text = (ROOT / "README.md").read_text()
    for command in ("make demo", "make test"):
        if command not in text:
            fault(f"the README does not name {command}")
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        check_program(text, work)
        check_features(text, work)
        check_addresses(text, work)
    sys.exit(1 if FAULTS else 0)


main()
