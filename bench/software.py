# SPDX-License-Identifier: BSD-2-Clause
"""Offloads in software: checksums and segments of this library beside DPDK's, in one process that takes turns."""
import json
import subprocess

import figures
import machine

FRONTS = ("vionet", "dpdk", "dpdk-cut-only")


def run(rounds):
    """Nanoseconds per packet, or per segment, by row and front-end."""
    front, _ = machine.cores()
    done = subprocess.run([machine.BIN / "software", str(rounds), str(front)], capture_output=True, text=True, check=False)
    samples = {}
    for one in map(json.loads, done.stdout.splitlines()):
        samples.setdefault(one["row"], {}).setdefault(one["front"], []).append(one["ns"])
    rows = []
    for name, fronts in samples.items():
        row = {"row": name, "fronts": {front: figures.spread(values) for front, values in fronts.items()}}
        row["ratio"] = row["fronts"]["dpdk"]["median"] / row["fronts"]["vionet"]["median"]
        rows.append(row)
    findings = []
    if done.returncode:
        findings.append({"front": "both", "kind": "software", "ring": 0, "pairs": 1,
                         "reason": (done.stderr.strip() or "ended badly").split("\n")[-1]})
    return rows, findings
