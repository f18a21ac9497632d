#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The code of the queues in the release library, disassembled.

It has no trap and no call of the Swift runtime. The bursts have at most one locked instruction, the full fence before the
question whether the device wants a notification. No function copies a whole queue or ring (`rep movs`), as a call of a
method that does not mutate would. No shim of CLinux is left as a function in the library.
"""
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
ARM64 = os.environ.get("VIONET_ARCH") == "arm64"
LIBRARY = ROOT / ("build/arm64" if ARM64 else "build") / "stage/lib/libvionet.so"
OBJDUMP = "aarch64-linux-gnu-objdump" if ARM64 else "objdump"
# The functions of the driver's queues in both directions, plain packets or not, those in front of a queue, and the two
# entry points.
BURST = re.compile(r"^(?:.*\bVioNet\.(?:(?:Receive|Transmit)(?:Queue|Path)\.|\(?(?:receive|transmit|reclaim)\w*)"
                   r"|.*\bVioNet\.TransmitBuffer\.(?:put|flush|look|\(send)|vionet_[rt]x_burst\b)")
# What a plain packet does not pass may take a pool's lock. A buffer that many threads put into is made of atomic steps.
BESIDE = re.compile(r"\bVioNet\.(?:(?:Receive|Transmit)Queue|TransmitBuffer)\.")
# These fill a list of ids with zeroes, which takes one.
LISTS = re.compile(r"\b(?:receiveMerged|transmitOne|post)\b")
# A queue is made, or destroyed; a packet that software is to cut is looked at before a burst.
COLD = re.compile(r"Queue\.init\(|\bdestroy\b|\bmustCut\b")
FENCED = re.compile(r"\block\b|\bmfence\b|\bxchg\b.*\(")


def output(*command, text=None):
    return subprocess.run(command, capture_output=True, text=True, input=text, check=True).stdout


def functions(disassembly):
    """Name and lines of every function; objdump prints "address <name>:" before each."""
    name, found = None, {}
    for line in disassembly.split("\n"):
        head = re.match(r"[0-9a-f]+ <(.*)>:$", line)
        if head:
            name = head.group(1)
            found.setdefault(name, [])
        elif name and line.strip():
            found[name].append(line)
    return found


def faults_of(name, lines):
    out = [f"{name}: a trap" for line in lines if re.search(r"\b(?:ud2|brk)\b", line)]
    out += [f"{name}: {line.strip()}" for line in lines if re.search(r"\b(call|jmp|bl?)\b.*\bswift_", line)]
    copies = sum(1 for line in lines if re.search(r"\brep movs", line))
    if copies > (1 if LISTS.search(name) else 0) and not COLD.search(name):
        out.append(f"{name}: {copies} copies of something large")
    fences = sum(1 for line in lines if FENCED.search(line))
    if fences > 1 and not BESIDE.search(name):
        out.append(f"{name}: {fences} locked instructions")
    return out


def can_fail():
    sample = "0000000000001000 <f>:\n  1000:\tlock orl $0x0,(%rsp)\n  1001:\tmov %rax,%rbx\n"
    bad = ["  1002:\tud2\n", "  1002:\tcall 2000 <swift_retain>\n", "  1002:\tbl 2000 <swift_retain>\n", "  1002:\tbrk #0x1\n",
           "  1002:\tlock xadd %eax,(%rdi)\n",
           "  1002:\trep movsq %ds:(%rsi),%es:(%rdi)\n"]
    return not faults_of("f", functions(sample)["f"]) and all(faults_of("f", functions(sample + b)["f"]) for b in bad)


def shims_left():
    headers = [path.read_text() for path in (ROOT / "Sources/CLinux/include").glob("*.h")]
    declared = set(re.findall(r"^SHIM [^=;{]*?\b(\w+)\(", "\n".join(headers), re.M))
    defined = {line.split()[-1] for line in output("nm", "--defined-only", LIBRARY).splitlines() if line}
    print(f"{len(declared)} shims of CLinux")
    if len(declared) < 30 or "vionet_rx_burst" not in defined:
        sys.exit("FAIL: found neither shims nor symbols")
    return sorted(declared & defined)


def main():
    if not can_fail():
        sys.exit("FAIL: planted traps, calls, locks and copies were not seen")
    # Mangled names first: a demangled name may contain an angle bracket.
    raw = functions(output(OBJDUMP, "-d", "--no-show-raw-insn", LIBRARY))
    names = output("swift", "demangle", "--compact", text="\n".join(raw)).split("\n")
    faults, burst = [], []
    for (mangled, lines), name in zip(raw.items(), names):
        if (BURST.match(name) or BURST.match(mangled)) and "Queue.init(" not in name:
            burst.append(name)
            faults += faults_of(name, lines)
    for name in burst:
        print("  " + name)
    faults += [f"{name} is left as a function" for name in shims_left()]
    for fault in faults:
        print("FAIL:", fault)
    for needed in ("vionet_rx_burst", "vionet_tx_burst", "VioNet.(receive", "VioNet.(transmit", "VioNet.TransmitBuffer"):
        if not any(needed in name or needed.replace("(", "") in name for name in burst):
            sys.exit(f"FAIL: no function like {needed} found")
    sys.exit(1 if faults else 0)


main()
