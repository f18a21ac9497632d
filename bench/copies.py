# SPDX-License-Identifier: BSD-2-Clause
"""Front-ends against testpmd's net_vhost, which copies every packet: one testpmd sends frames, another receives them,
and the measuring programs connect to them one after the other."""
import contextlib
import os
import pathlib
import tempfile
import time

import machine
import nocopy
import rows

LENGTHS = (64, 512, 1518)


def memory():
    return ["--in-memory", "-m", "64"] if "BENCH_HUGEPAGES" in os.environ else ["--no-huge", "--no-shconf", "-m", "256"]


def testpmd(log, name, core, devices, *more):
    """A testpmd that forwards on this core; its prompt is on another."""
    vdevs = [word for device in devices for word in ("--vdev", device)]
    prompt_core = next(other for other in machine.cores() if other != core)
    return machine.Process(log, "stdbuf", "-oL", "dpdk-testpmd", "--lcores", f"0@{prompt_core},1@{core}", "--no-pci",
                           *memory(), "--no-telemetry", f"--file-prefix=vionet-bench-{os.getpid()}-{name}",
                           "--single-file-segments", *vdevs, "--", "-i", "--nb-cores=1", "--burst=32",
                           "--total-num-mbufs=16384", "--no-lsc-interrupt", *more)


class Copying(nocopy.Bench):
    """The bench. Each direction and round has a testpmd of its own, because one that has sent frames before receives
    them a third more slowly, whoever sends them."""

    def run(self, chosen):
        """chosen: kinds, each with the directions to measure."""
        for number in range(self.rounds):
            with self.back("txonly"):
                for length in LENGTHS:
                    self.setting("txonly", length)
                    self.lives(chosen, "rx", (length,), number)
            with self.back("rxonly"):
                self.setting("rxonly", LENGTHS[0])
                self.lives(chosen, "tx", LENGTHS, number)
            print(f"net_vhost: round {number + 1} of {self.rounds}", flush=True)
        self.sort_out()

    @contextlib.contextmanager
    def back(self, mode):
        with tempfile.TemporaryDirectory() as folder:
            work = pathlib.Path(folder)
            self.socket = work / "s"
            device = f"net_vhost0,iface={self.socket},queues=1"
            with testpmd(work / "log", "back", self.back_core, [device], f"--forward-mode={mode}") as self.peer:
                self.wait_prompt(0)
                self.peer.hurry("rte-worker")
                yield

    def wait_prompt(self, seen):
        self.peer.wait_for(lambda: self.peer.text().count("testpmd> ") > seen, "testpmd gives no prompt", 60)

    def thread(self):
        return "rte-worker"

    def times(self):
        """Nanoseconds that the peer's forwarding thread ran on its core, and that it waited for the core."""
        run, wait, _ = (self.peer.thread(self.thread()) / "schedstat").read_text().split()
        return int(run), int(wait)

    def life(self, *arguments):
        before = self.times()
        found = super().life(*arguments)
        run, wait = (after - then for then, after in zip(before, self.times()))
        for one in found:
            one["share"] = min(one["share"], run / (run + wait))
        return found

    def setting(self, mode, length):
        for line in ("stop", f"set fwd {mode}", f"set txpkts {length}", "start"):
            self.ask(line)

    def ask(self, line):
        seen = self.peer.text().count("testpmd> ")
        self.peer.say(line)
        self.wait_prompt(seen)

    def lives(self, chosen, direction, lengths, number):
        for kind, directions in chosen:
            if direction not in directions:
                continue
            order = rows.libraries(kind)
            for front in order if number % 2 == 0 else reversed(order):
                points = [rows.point("peer", direction, length=length) for length in lengths]
                self.measure(front, kind, rows.HEADLINE["ring"], 1, points, "--socket", self.socket)
                time.sleep(0.05)  # until it has noticed that the last front-end is gone
