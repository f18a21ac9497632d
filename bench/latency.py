# SPDX-License-Identifier: BSD-2-Clause
"""Latency: a frame out and back through a peer in another process, polling and sleeping, and the cost of a call that
finds nothing."""
import json
import pathlib
import subprocess
import tempfile

import figures
import machine
from nocopy import NotMeasured

FRONTS = ("vionet", "dpdk")
KINDS = {"split": (), "packed": ("--packed",)}
HOLD = 50  # microseconds for which the peer keeps a frame, so that the front-end sleeps; they are subtracted
WAYS = {"polling": (100000, ()), "sleeping": (10000, ("--sleep", "--less", HOLD))}  # trips, options
FIGURES = ("p50_us", "p99_us", "p999_us")


def life(front, kind, way):
    """Runs one process against a peer of its own; returns what it printed."""
    front_core, back_core = machine.cores()
    machine.Hugepages.renew()
    trips, options = WAYS[way]
    hold = ("--hold", HOLD) if way == "sleeping" else ()
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        peer = machine.Process(work / "log", machine.BIN / "reflect", "--core", back_core, *KINDS[kind], *hold, work / "s")
        with peer:
            peer.wait_for(lambda: "ready" in peer.text(), "the peer does not start")
            command = [machine.BIN / f"latency-{front}", "--socket", work / "s", "--core", front_core, "--trips", trips,
                       *KINDS[kind], *options]
            done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=60, check=False)
            if done.returncode:
                raise NotMeasured((done.stderr.strip() or done.stdout.strip() or peer.text()).split("\n")[0])
            return json.loads(done.stdout)


class Latency:
    """Samples by (front-end, kind, way), one for each process. The front-ends take turns."""

    def __init__(self, rounds):
        self.rounds, self.samples, self.findings = rounds, {}, []

    def run(self):
        for number in range(self.rounds):
            for kind in KINDS:
                for way in WAYS:
                    for front in FRONTS if number % 2 == 0 else reversed(FRONTS):
                        self.measure(front, kind, way)
            print(f"latency: round {number + 1} of {self.rounds}", flush=True)

    def measure(self, front, kind, way):
        try:
            found = life(front, kind, way)
        except NotMeasured as reason:
            one = {"front": front, "kind": f"{kind} {way}", "ring": 1024, "pairs": 1, "reason": str(reason)}
            if one not in self.findings:
                self.findings.append(one)
            return
        self.samples.setdefault((front, kind, way), []).append(found)

    def spreads(self, names, kind, way):
        return {front: {name: figures.spread([one[name] for one in self.samples[front, kind, way]]) for name in names}
                for front in FRONTS if (front, kind, way) in self.samples}

    def summaries(self):
        """Trips by kind and way, and the call that finds nothing by kind."""
        return ([{"kind": kind, "way": way, "fronts": self.spreads(FIGURES, kind, way)} for kind in KINDS for way in WAYS],
                [{"kind": kind, "fronts": self.spreads(("nothing_cycles",), kind, "polling")} for kind in KINDS])
