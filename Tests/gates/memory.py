#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What pools, ports and queue pairs take in resident memory is what the table of docs/performance.md says: not more, and
not less than seven eighths of it. Measured by the bench's own program after traffic, with rings of 1024 and no hugepages.
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
ROW = re.compile(r"^\| (.+?) \| ([\d.]+) \| ([\d.]+) \|", re.M)
SECTION = re.compile(r"^## Memory\n(.*?)^(?:## |<!--)", re.M | re.S)
PAIRS, PACKETS = 8, 16384
RINGS, OWN, POOL, PORT = ("rings of a queue pair", "records of a queue pair", "1024 packets of a pool",
                          "a port beside its queue pairs")


def stated(page):
    """Rows of the table: what, and KiB with split and with packed rings."""
    return {what: (float(split), float(packed)) for what, split, packed in ROW.findall(SECTION.search(page)[1])}


def compile_measure(work):
    sources = [ROOT / f"bench/harness/{name}.c" for name in ("main", "measure", "backend", "worker", "vionet")]
    subprocess.run(["gcc", "-std=gnu11", "-O2", "-pthread", f"-I{ROOT}/include", *sources, f"-L{BUILD}", "-lvionet",
                    f"-Wl,-rpath,{BUILD}", "-o", work / "measure"], check=True)


def resident(work, packed, pairs, packets, *points):
    """KiB of the last point by kind of memory: "rings", "packets", "own"."""
    command = [work / "measure", "--ring", 1024, "--pairs", pairs, "--groups", 4, "--packets", packets,
               *(["--packed"] if packed else []), "inline/rx/32/64", "inline/tx/32/64", *points]
    environment = {name: value for name, value in os.environ.items() if name != "BENCH_HUGEPAGES"}
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        sys.exit(f"FAIL: {done.stderr}")
    last = json.loads(done.stdout.splitlines()[-1])
    return {kind: last[f"{kind}_kib"] for kind in ("rings", "packets", "own")}


def measured(work, packed):
    """KiB of each row."""
    one = resident(work, packed, 1, PACKETS)
    many = resident(work, packed, PAIRS, PACKETS)
    larger = resident(work, packed, 1, 2 * PACKETS)
    two = resident(work, packed, 1, PACKETS, "inline/io/32/64")
    pair = (many["own"] - one["own"]) / (PAIRS - 1)
    return {RINGS: (many["rings"] - one["rings"]) / (PAIRS - 1), OWN: pair,
            POOL: (larger["own"] - one["own"]) / (PACKETS / 1024), PORT: two["own"] - one["own"] - pair}


def faults(rows, found):
    out = [f"no row for {what}" for what in found[0].keys() - rows.keys()]
    out += [f"a row for {what}, which nobody measures" for what in rows.keys() - found[0].keys()]
    for what in rows.keys() & found[0].keys():
        for kind, said, kib in zip(("split", "packed"), rows[what], (one[what] for one in found)):
            # The table has whole KiB. Whole pages come and go with what else is on them.
            if not round(kib) <= said <= max(kib * 8 / 7, kib + 4):
                out.append(f"{what}, {kind}: {kib:.1f} KiB, and the page says {said:g}")
    return out


def main():
    rows = stated((ROOT / "docs/performance.md").read_text())
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        compile_measure(work)
        found = [measured(work, packed) for packed in (False, True)]
    for what in found[0]:
        print(f"{what}: split {found[0][what]:.1f} KiB, packed {found[1][what]:.1f} KiB")
    for what, (split, packed) in rows.items():
        for planted in ((split / 2, packed), (split, packed * 2)):
            if not faults({**rows, what: planted}, found):
                sys.exit(f"FAIL: {what}: planted numbers were not seen")
    if not faults({what: row for what, row in rows.items() if what != OWN}, found):
        sys.exit("FAIL: a row that is missing was not seen")
    bad = faults(rows, found)
    print("\n".join(bad))
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
