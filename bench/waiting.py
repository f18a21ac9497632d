# SPDX-License-Identifier: BSD-2-Clause
"""Waiting for packets: how late a front-end wakes, and its processor time. Frames come from a TAP interface; a back-end
carries them into a vhost-user ring; the front-end polls while they come and sleeps when none came for a while."""
import contextlib
import json
import os
import pathlib
import subprocess
import tempfile
import time

import figures
import machine

FRONTS = ("vionet", "dpdk")
POINTS = {0: 500, 1000: 1200, 100000: 600}  # frames per second: milliseconds
PATIENCE = 20  # microseconds without a packet before a front-end sleeps
INTERFACE = "wait0"
FIGURES = ("p50_us", "p99_us", "cpu_share", "sleeps_per_second")
SPACE = ["unshare", "--net", "sh", "-c", 'for of in all default; do '
         'echo 1 2>/dev/null >/proc/sys/net/ipv6/conf/$of/disable_ipv6; done; exec "$@"', "sh"]  # the kernel sends nothing then


@contextlib.contextmanager
def our_device(work, core):
    command = [*SPACE, machine.BIN / "device", "--core", core, work / "s", f"tap={INTERFACE}"]
    with machine.Process(work / "log", *command) as peer:
        peer.wait_for(lambda: "ready" in peer.text(), "our device is not served")
        peer.hurry("vionet-soft")
        yield peer


def life(front, peer, work):
    """Runs one process and returns its points by rate."""
    front_core, back_core = machine.cores()
    machine.Hugepages.renew()
    command = ["nsenter", f"--net=/proc/{peer.child.pid}/ns/net", machine.BIN / f"waiting-{front}", "--socket", work / "s",
               "--interface", INTERFACE, "--core", front_core, "--sender-core", back_core, "--patience", PATIENCE,
               *[f"{rate}/{milliseconds}" for rate, milliseconds in POINTS.items()]]
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise NotMeasured((done.stderr.strip() or done.stdout.strip()).split("\n")[0])
    found = {}
    for one in map(json.loads, done.stdout.splitlines()[1:]):
        one["cpu_share"] = one["cpu_ns"] / one["wall_ns"]
        one["sleeps_per_second"] = one["sleeps"] / one["wall_ns"] * 1e9
        found[one["rate"]] = one
    if set(found) != set(POINTS):
        raise NotMeasured(f"rates {sorted(found)} instead of {sorted(POINTS)}")
    return found


def complete(one):
    """Fails unless every frame came and, at a rate that allows sleep, something woke the front-end."""
    if one["received"] != one["sent"] or one["gaps"]:
        raise NotMeasured(f"at {one['rate']} packets/s {one['sent']} were sent and {one['received']} received")
    if one["sent"] < one["rate"] * POINTS[one["rate"]] / 1000 * 0.9:
        raise NotMeasured(f"at {one['rate']} packets/s only {one['sent']} could be sent")
    if one["rate"] == 1000 and "p50_us" not in one:
        raise NotMeasured(f"at {one['rate']} packets/s it never slept")


class NotMeasured(Exception):
    """A front-end did not start, or frames did not arrive."""


class Waiting:
    """Samples by (front-end, rate, number), each with the figures of one process. A virtual machine has slower and
    faster moments of some seconds. So processes are short and many, and those that follow each other are compared."""

    def __init__(self, rounds):
        self.lives, self.samples, self.findings, self.left_out = 3 * rounds, {}, [], []

    def run(self):
        with tempfile.TemporaryDirectory() as folder:
            work = pathlib.Path(folder)
            with our_device(work, machine.cores()[1]) as peer:
                for number in range(self.lives):
                    for front in FRONTS if number % 2 == 0 else reversed(FRONTS):
                        self.measure(front, number, peer, work)
        print(f"waiting: {self.lives} lives of each", flush=True)

    def measure(self, front, number, peer, work):
        """Runs a process, and once more if something was lost."""
        for last in (False, True):
            try:
                found = life(front, peer, work)
                for one in found.values():
                    complete(one)
            except NotMeasured as reason:
                self.left_out.append({"front": front, "reason": str(reason)})
                if last:
                    self.finding(front, str(reason))
                continue
            finally:
                time.sleep(0.1)  # until the back-end has noticed that it is gone
            for rate, one in found.items():
                self.samples[front, rate, number] = one
            return

    def finding(self, front, reason):
        found = {"front": front, "kind": "waiting", "ring": 1024, "pairs": 1, "reason": reason}
        if found not in self.findings:
            self.findings.append(found)

    def summaries(self):
        return [{"rate": rate, "fronts": {front: self.summary(front, rate) for front in FRONTS},
                 "ratios": {name: ratio for name in FIGURES if (ratio := self.ratio(rate, name))}} for rate in POINTS]

    def values(self, front, rate, name):
        """The samples by number."""
        found = {number: self.samples.get((front, rate, number)) for number in range(self.lives)}
        return {number: one[name] for number, one in found.items() if one is not None and name in one}

    def ratio(self, rate, name):
        """The ratio of ours to DPDK's over processes that followed each other; None if nothing was measured."""
        ours, theirs = (self.values(front, rate, name) for front in FRONTS)
        pairs = [ours[number] / theirs[number] for number in ours if theirs.get(number)]
        return figures.spread(pairs) if pairs else None

    def summary(self, front, rate):
        named = {name: list(self.values(front, rate, name).values()) for name in FIGURES}
        if not named["cpu_share"]:
            self.finding(front, f"no figures at {rate} packets/s")
        return {name: figures.spread(values) for name, values in named.items() if values}


def forbidden():
    """Why waiting cannot be measured here; None if it can."""
    if os.geteuid() != 0 or not pathlib.Path("/dev/net/tun").exists():
        return "a TAP in a network namespace of its own wants root and /dev/net/tun"
    return None
