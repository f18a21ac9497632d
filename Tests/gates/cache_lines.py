#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""No false sharing: while bursts run, no cache line that the thread of one queue and direction writes is read or written
by the thread of another one, nor by the device for another ring. Valgrind's lackey lists every access to memory of
Tests/support/four_threads.c, in which four threads take turns with pools of their own; so no second core is needed, and no
luck. Threads that take their packets from one pool share it: that they do is seen, too.
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

# deadline: 600
ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
LINE, ROUNDS, BURSTS = 64, 8, 128
SIDES = ("receive 0", "transmit 0", "receive 1", "transmit 1")
TURNS = ("",) + SIDES + tuple(f"device, {side}" for side in SIDES)
BEGIN, END = 16, 17
# What is offered, and the roads that it leads to.
KINDS = {"split": "rx-split-plain tx-split-plain", "split-mergeable-event": "rx-split-mergeable tx-split-plain",
         "packed": "rx-packed-plain tx-packed-plain",
         "packed-in-order-mergeable": "rx-packed-in-order-mergeable tx-packed-in-order"}


class Told:
    """What the program printed: where its marks are, what it was not asked about, what lies where."""

    def __init__(self, text):
        self.marks = int(re.search(r"^marks (\S+)", text, re.M)[1], 16)
        self.ignored = [range(int(low, 16), int(high, 16)) for low, high in re.findall(r"^ignored (\S+) (\S+)", text, re.M)]
        self.maps = [(range(int(low, 16), int(high, 16)), name.strip() or "memory of its own") for low, high, name in
                     re.findall(r"^map (\w+)-(\w+) \S+ \S+ \S+ \d+ *(.*)$", text, re.M)]
        self.moved = [int(count) for count in re.findall(r"^moved \d (\d+)", text, re.M)]
        self.paths = re.search(r"^paths (.*)", text, re.M)[1]

    def name(self, address):
        """The mapping of an address and the offset in it."""
        for place, name in self.maps:
            if address in place:
                return f"{name}+{address - place.start:#x}"
        return "?"

    def is_shared(self, address):
        return "/memfd:vionet" in self.name(address)


def accesses(trace, told):
    """For each turn its lines, each with the set of bytes read and the set of bytes written."""
    turn, is_on, found = 0, False, [{} for _ in TURNS]
    for entry in trace:
        address, size = entry[3:].split(",")
        address, size = int(address, 16), int(size)
        if address - told.marks in range(0, 4096):
            mark = (address - told.marks) // 8
            is_on = mark == BEGIN or is_on and mark != END
            turn = mark if mark < len(TURNS) and is_on else 0
        elif turn and not any(address in place for place in told.ignored):
            for byte in range(address, address + size):
                read, written = found[turn].setdefault(byte // LINE, (set(), set()))
                if entry[1] != "S":
                    read.add(byte % LINE)
                if entry[1] != "L":
                    written.add(byte % LINE)
    # The device is the main thread, of which only what it does with the shared memory counts.
    for lines in found[1 + len(SIDES):]:
        for line in [line for line in lines if not told.is_shared(line * LINE)]:
            del lines[line]
    return found


def conflicts(found):
    """Lines that one turn writes and another one reads or writes, unless it is the device for the same ring."""
    out = []
    for line in sorted(set().union(*found)):
        users = [turn for turn, lines in enumerate(found) if line in lines]
        pairs = [(one, other) for one in users if found[one][line][1] for other in users
                 if one != other and abs(one - other) != len(SIDES)]
        if pairs:
            out.append((line, [(turn, *found[turn][line]) for turn in sorted(set(sum(pairs, ())))]))
    return out


def described(told, line, users):
    def bytes_of(numbers):
        return re.sub(r"(\d+)(?:,\d+)*,(\d+)", r"\1 to \2", ",".join(map(str, sorted(numbers)))) if numbers else "none"
    return [f"one line in {told.name(line * LINE)}:"] + [
        f"  {TURNS[turn]}: reads bytes {bytes_of(read)}; writes {bytes_of(written)}" for turn, read, written in users]


def run(work, kind, fault=""):
    """What the program told, and its lines that conflict."""
    said, trace = work / "said", work / "trace"
    with open(said, "w", encoding="utf-8") as out, open(trace, "wb") as into, \
            subprocess.Popen(["grep", "^ "], stdin=subprocess.PIPE, stdout=into) as only:
        log = only.stdin.fileno()
        command = ["valgrind", "--tool=lackey", "--trace-mem=yes", f"--log-fd={log}", work / "four_threads", kind, str(ROUNDS)]
        done = subprocess.run(command + ([fault] if fault else []), stdout=out, stderr=subprocess.STDOUT, pass_fds=(log,),
                              env={**os.environ, "LD_LIBRARY_PATH": str(work)}, check=False)
        only.stdin.close()
    if done.returncode:
        sys.exit(f"FAIL: {kind}: {said.read_text()}")
    told = Told(said.read_text())
    with open(trace, encoding="ascii") as lines:
        found = accesses(lines, told)
    return told, found, conflicts(found)


def prepare(work):
    # valgrind cannot read the debug information of Swift.
    subprocess.run(["objcopy", "--strip-debug", BUILD / "libvionet.so.0", work / "libvionet.so.0"], check=True)
    subprocess.run(["gcc", "-std=gnu11", "-O2", "-g", "-pthread", "-Wall", "-Wextra", "-Werror", f"-I{ROOT}/include",
                    ROOT / "Tests/support/four_threads.c", ROOT / "bench/harness/backend.c", f"-L{BUILD}", "-lvionet",
                    "-o", work / "four_threads"], check=True)


def judge(work, kind):
    told, found, shared = run(work, kind)
    wanted = [ROUNDS * BURSTS] * len(SIDES)
    if told.moved != wanted or told.paths != KINDS[kind]:
        sys.exit(f"FAIL: {kind}: {told.paths} moved {told.moved} packets, not {wanted}")
    print(f"{kind}: " + "; ".join(f"{turn} writes {sum(bool(written) for _, written in lines.values())} lines of {len(lines)}"
                                  for turn, lines in zip(TURNS, found) if turn))
    for line, users in shared:
        print("\n".join(described(told, line, users)))
    return not shared


def main():
    if not shutil.which("valgrind"):
        print("valgrind is not installed (Debian package valgrind)")
        sys.exit(77)
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        prepare(work)
        shared = [[turn for turn, *_ in users] for _, users in run(work, "split", "planted")[2]]
        if shared != [[1, 2], [3, 4]]:
            sys.exit(f"FAIL: of two planted lines were seen: {shared}")
        shared = run(work, "split", "one-pool")[2]
        print(f"with one pool for all, {len(shared)} lines are shared")
        if len(shared) < 100:
            sys.exit("FAIL: these are too few")
        bad = [kind for kind in KINDS if not judge(work, kind)]
        if bad:
            sys.exit("FAIL: lines are shared: " + ", ".join(bad))


if __name__ == "__main__":
    main()
