# SPDX-License-Identifier: BSD-2-Clause
"""Instructions per packet, counted by callgrind, in the loops of each row with burst and pool. Unlike time, they are
the same on every machine and at any load; but an instruction is no unit of time."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import machine
import rows

LOOPS = {"rx": "front_receive", "tx": "front_send"}
FRONTS = ("vionet", "dpdk", "fair", "lean")  # no vectorized DPDK: valgrind lacks AVX-512


def available():
    return shutil.which("valgrind") is not None


def count(front, kind, directions, work):
    """Instructions per packet by direction; None if the front-end does not start."""
    points = [rows.point("inline", direction) for direction in directions]
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={work}/cost", machine.BIN / f"count-{front}",
               *kind.options(), "--ring", kind.rings[0], "--core", machine.cores()[0], "--groups", 4, *points]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=300,
                          env={**os.environ, "LD_LIBRARY_PATH": str(work)})
    if done.returncode:
        return None
    table = subprocess.run(["callgrind_annotate", "--inclusive=yes", "--threshold=100", f"{work}/cost"],
                           capture_output=True, text=True, check=True).stdout
    found = {}
    for line in done.stdout.splitlines()[1:]:
        one = json.loads(line)
        direction = one["point"].split("/")[1]
        cost = re.search(rf"^ *([\d,]+) .*:{LOOPS[direction]}\b", table, re.M).group(1)
        found[direction] = int(cost.replace(",", "")) / one["packets"]
    return found


def all_of(chosen):
    """chosen: pairs of a kind and its directions."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        # valgrind cannot read the debug information of Swift.
        subprocess.run(["objcopy", "--strip-debug", machine.BUILD / "libvionet.so.0", work / "libvionet.so.0"], check=True)
        for kind, directions in chosen:
            counted = {front: count(front, kind, directions, work) for front in FRONTS}
            for direction in directions:
                found.append({"row": f"{direction}-{kind.name}", **{
                    front: round(one[direction], 1) if one else None for front, one in counted.items()}})
    return found
