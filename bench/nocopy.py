# SPDX-License-Identifier: BSD-2-Clause
"""Front-ends on the back-end that copies nothing: lives of the measuring programs, interleaved, and their samples."""
import json
import statistics
import subprocess

import machine
import rows

ATTEMPTS, ENOUGH, LEAST_QUIET = 3, 0.9, 15  # the kernel keeps a twentieth for others
SAME_DISTANCE = 1.6  # cores of a virtual machine move about: only samples of the usual distance are compared
SAME_NOISE = 17 / 16  # a life whose quietest moment was worse than this knew no quiet moment at all


class Bench:
    """Samples by (front-end, row, form, burst, bytes, ring, pairs), paths by (front-end, kind), and findings."""

    def __init__(self, rounds, milliseconds):
        self.rounds, self.milliseconds = rounds, milliseconds
        self.front_core, self.back_core = machine.cores()
        self.samples, self.paths, self.findings, self.starts, self.distances = {}, {}, [], [], []
        first = "lean", rows.KINDS[0], rows.HEADLINE["ring"], 1, [rows.point("inline", "rx")]
        self.noise = min(Bench.life(self, *first)[0]["noise"] for _ in range(5))

    def life(self, front, kind, ring, pairs, points, *more):
        """One process: its points as dictionaries, the line about the front-end in the first as "front"."""
        program, *vectorized = front.split("-")
        command = [machine.BIN / f"measure-{program}", *kind.options(), "--ring", ring, "--pairs", pairs, "--core",
                   self.front_core, "--peer-core", self.back_core, "--milliseconds", self.milliseconds, *more]
        if vectorized:
            command.append("--vectorized")
        if getattr(self, "noise", None):
            command += ["--noise", self.noise]
        machine.Hugepages.renew()
        done = subprocess.run([str(part) for part in command + points], capture_output=True, text=True, timeout=120)
        if done.returncode:
            raise NotMeasured((done.stderr.strip() or done.stdout.strip()).split("\n")[0])
        about, *found = [json.loads(line) for line in done.stdout.splitlines()]
        for one in found:
            one["front"] = about
        return found

    def negotiated(self, front, kind, about):
        """What was asked for is what is in use; anything else would be a figure of another row."""
        got, want = about["negotiated"] & rows.KIND_BITS, kind.features()
        if got != want:
            raise NotMeasured(f"not negotiated: wanted {want:#x}, in use are {got:#x}")
        for direction in ("rx", "tx"):
            self.paths[front, f"{direction}-{kind.name}"] = about[f"{direction}_path"]
        for direction in rows.FORWARDED:
            self.paths[front, f"{direction}-{kind.name}"] = f"{about['rx_path']}, {about['tx_path']}"

    def good(self, one):
        self.noise = min(self.noise, one["noise"])
        good = one["quiet"] >= LEAST_QUIET and one["noise"] <= self.noise * SAME_NOISE
        if not one["point"].startswith(("inline", "parts")):
            good = good and one["share"] >= ENOUGH
        if "round_trip_ns" in one:
            self.distances += one["round_trip_ns"]
            good = good and self.usual(one)
        return good

    def usual(self, one):
        usual = statistics.median(self.distances)
        return all(usual / SAME_DISTANCE <= found <= usual * SAME_DISTANCE for found in one["round_trip_ns"])

    def sort_out(self):
        """What turned out not to be usual when all was known."""
        for key, samples in self.samples.items():
            if "round_trip_ns" in samples[0]:
                samples[:] = filter(self.usual, samples)
        self.samples = {key: samples for key, samples in self.samples.items() if samples}

    def measure(self, front, kind, ring, pairs, points, *more):
        """All points once; those that were disturbed again, twice at most."""
        left = list(points)
        for _ in range(ATTEMPTS):
            try:
                found = self.life(front, kind, ring, pairs, left, *more)
                self.negotiated(front, kind, found[0]["front"])
            except NotMeasured as reason:
                self.finding(front, kind, ring, pairs, str(reason))
                return
            self.starts.append((front, found[0]["front"]))
            for one in found:
                if "ns" not in one:
                    left.remove(one["point"])
                    if front != "dpdk-vectorized":  # its split path takes no burst of less than eight
                        self.finding(front, kind, ring, pairs, f"{one['point']}: no packets")
                elif self.good(one):
                    form, direction, burst, length = one["point"].split("/")
                    key = (front, f"{direction}-{kind.name}", form, int(burst), int(length), ring, pairs)
                    self.samples.setdefault(key, []).append(one)
                    left.remove(one["point"])
            if not left:
                return

    def finding(self, front, kind, ring, pairs, reason):
        found = {"front": front, "kind": kind.name, "ring": ring, "pairs": pairs, "reason": reason}
        if found not in self.findings:
            self.findings.append(found)
            print(f"{front} {kind.name} ring {ring} pairs {pairs}: {reason}", flush=True)

    def all(self, jobs, title):
        """jobs: (kind, ring, pairs, points, front-ends, further options). Who comes first changes from round to
        round."""
        for number in range(self.rounds):
            for kind, ring, pairs, points, order, more in jobs:
                for front in order if number % 2 == 0 else reversed(order):
                    self.measure(front, kind, ring, pairs, points, *more)
            print(f"{title}: round {number + 1} of {self.rounds}", flush=True)
        self.sort_out()


class NotMeasured(Exception):
    """A front-end that did not come up as asked."""
