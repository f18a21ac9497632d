# SPDX-License-Identifier: BSD-2-Clause
"""Front-ends on the back-end that copies nothing: the measuring programs run in turns, and what they report is
collected."""
import json
import statistics
import subprocess

import machine
import rows

ATTEMPTS, ENOUGH, LEAST_QUIET = 2, 0.9, 15  # 0.9: the kernel keeps a twentieth for others
SAME_DISTANCE = 1.6  # cores of a virtual machine move: only samples at the usual distance count
SAME_CROWD = 1.05  # a process whose quietest moment was worse than this had none


class Bench:
    """Samples by (front-end, row, form, burst, bytes, ring, pairs), paths by (front-end, kind), and findings."""

    def __init__(self, rounds, milliseconds):
        self.rounds, self.milliseconds = rounds, milliseconds
        self.front_core, self.back_core = machine.cores()
        self.samples, self.paths, self.findings, self.starts, self.distances, self.clocks = {}, {}, [], [], [], []
        self.left_out, self.disturbed, self.asked = [], [], set()
        first = "lean", rows.KINDS[0], rows.HEADLINE["ring"], 1, [rows.point("inline", "rx")]
        # Counted in cycles of the core, so it belongs to the processor and an earlier run's value can be used.
        known = machine.BUILD / "bench/quiet.json"
        model = machine.description()["cpu"]
        self.crowd = json.loads(known.read_text()).get(model, 1e9) if known.exists() else 1e9
        self.crowd = min(self.crowd, *(Bench.life(self, *first)[0]["crowd"] for _ in range(5)))
        known.write_text(json.dumps({model: self.crowd}))

    def program(self, front):
        return front

    def life(self, front, kind, ring, pairs, points, *more):
        """Runs one process and returns its points as dictionaries, each with the line about the front-end as
        "front"."""
        program, *vectorized = self.program(front).split("-")
        command = [machine.BIN / f"measure-{program}", *kind.options(), "--ring", ring, "--pairs", pairs, "--core",
                   self.front_core, "--peer-core", self.back_core, "--milliseconds", self.milliseconds, *more]
        if vectorized:
            command.append("--vectorized")
        command += ["--crowd", f"{self.crowd:.4f}"]
        machine.Hugepages.renew()
        done = subprocess.run([str(part) for part in command + points], capture_output=True, text=True, timeout=120)
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip()).split("\n")[0]
            raise NotMeasured(said.removeprefix(f"measure-{program}: "))
        about, *found = [json.loads(line) for line in done.stdout.splitlines()]
        for one in found:
            one["front"] = about
        return found

    def negotiated(self, front, kind, about):
        """Fails unless the features in use are those of the row."""
        got, want = about["negotiated"] & rows.KIND_BITS, kind.features(self.program(front))
        if got != want:
            raise NotMeasured(f"not negotiated: wanted {want:#x}, in use are {got:#x}")
        for direction in ("rx", "tx"):
            self.paths[front, f"{direction}-{kind.name}"] = about[f"{direction}_path"]
        for direction in ("echo", *rows.FORWARDED):
            self.paths[front, f"{direction}-{kind.name}"] = f"{about['rx_path']}, {about['tx_path']}"

    def good(self, one):
        self.crowd = min(self.crowd, one["crowd"])
        self.clocks.append(one["ghz"])
        good = one["quiet"] >= LEAST_QUIET
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
        """Discards samples that turn out to be disturbed once all are known."""
        for samples in self.samples.values():
            samples[:] = [one for one in samples if one["crowd"] <= self.crowd * SAME_CROWD and
                          ("round_trip_ns" not in one or self.usual(one))]
        self.samples = {key: samples for key, samples in self.samples.items() if samples}
        for key in sorted(self.asked):
            if key not in self.samples:
                self.disturbed.append(dict(zip(("front", "row", "form", "burst", "bytes", "ring", "pairs"), key)))

    def measure(self, front, kind, ring, pairs, points, *more):
        """Measures all points once, and those that were disturbed once more."""
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
                form, direction, burst, length = one["point"].split("/")
                form += "".join(f"-{value}" for name, value in zip(more, more[1:]) if name == "--complete")
                key = front, f"{direction}-{kind.name}", form, int(burst), int(length), ring, pairs
                if "all" not in one:
                    left.remove(one["point"])
                    if front != "dpdk-vectorized":  # its split path takes no burst below eight
                        self.finding(front, kind, ring, pairs, f"{one['point']}: no packets")
                    continue
                self.asked.add(key)
                if self.good(one):
                    self.samples.setdefault(key, []).append(one)
                    left.remove(one["point"])
                else:
                    self.left_out.append({"front": front, "kind": kind.name, **{
                        name: one.get(name) for name in ("point", "groups", "quiet", "crowd", "share", "round_trip_ns")}})
            if not left:
                return

    def finding(self, front, kind, ring, pairs, reason):
        found = {"front": front, "kind": kind.name, "ring": ring, "pairs": pairs, "reason": reason}
        if found not in self.findings:
            self.findings.append(found)
            print(f"{front} {kind.name} ring {ring} pairs {pairs}: {reason}", flush=True)

    def all(self, jobs, title):
        """jobs: (kind, ring, pairs, points, front-ends, further options). The order of front-ends changes every
        round."""
        for number in range(self.rounds):
            for kind, ring, pairs, points, order, more in jobs:
                for front in order if number % 2 == 0 else reversed(order):
                    self.measure(front, kind, ring, pairs, points, *more)
            print(f"{title}: round {number + 1} of {self.rounds}", flush=True)
        self.sort_out()


class NotMeasured(Exception):
    """A front-end did not start as requested."""
