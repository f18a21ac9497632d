# SPDX-License-Identifier: BSD-2-Clause
"""Back-ends behind one front-end, ours: a device of our own and testpmd's net_vhost take turns on the same core.
"rx": they make frames and put them into the front-end's buffers. "echo": they return what the front-end sends."""
import contextlib
import pathlib
import tempfile
import time

import copies
import machine
import rows

LENGTHS, KINDS, DOINGS = (64, 1518), ("split-plain", "split-mergeable", "packed-plain"), ("rx", "echo")
THREAD = {"vionet": "vionet-soft", "dpdk": "rte-worker"}
MODE = {"rx": "txonly", "echo": "io"}


def name_of(doing, length):
    return f"rx{length}" if doing == "rx" else "echo"


WIRES = {"echo": "loopback,mtu=1504", **{name_of("rx", length): f"generate,length={length}" for length in LENGTHS}}


class Devices(copies.Copying):
    """The bench. Each task has a back-end of its own (copies.py says why), and all of them run all the time: one that
    is not measured sleeps, or waits at its prompt."""

    def run(self, chosen):
        """chosen: kinds, each with the tasks to measure."""
        with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
            self.work, self.ours = pathlib.Path(folder), {}
            for name, wire in WIRES.items():
                device = machine.Process(self.work / f"{name}.log", machine.BIN / "device", "--core", self.back_core,
                                         self.work / name, wire)
                self.ours[name] = stack.enter_context(device)
                device.wait_for(lambda device=device: "ready" in device.text(), f"{wire} is not served")
                device.hurry(THREAD["vionet"])
            self.theirs = {doing: self.testpmd(stack, doing) for doing in DOINGS}
            for number in range(self.rounds):
                for kind, doings in chosen:
                    for doing in doings:
                        for length in LENGTHS:
                            self.both(kind, doing, length, number)
                print(f"devices: round {number + 1} of {self.rounds}", flush=True)
        self.sort_out()

    def testpmd(self, stack, doing):
        device = f"net_vhost0,iface={self.work}/testpmd-{doing},queues=1"
        self.peer = stack.enter_context(copies.testpmd(self.work / f"{doing}.log", doing, self.back_core, [device]))
        self.wait_prompt(0)
        self.peer.hurry(THREAD["dpdk"])
        return self.peer

    def both(self, kind, doing, length, number):
        for who in ("vionet", "dpdk") if number % 2 == 0 else ("dpdk", "vionet"):
            name = name_of(doing, length) if who == "vionet" else f"testpmd-{doing}"
            self.peer = self.ours[name] if who == "vionet" else self.theirs[doing]
            if who == "dpdk":
                self.setting(MODE[doing], length)
            self.measure(who, kind, rows.HEADLINE["ring"], 1, [rows.point("peer", doing, length=length)], "--socket",
                         self.work / name)
            if who == "dpdk":
                self.ask("stop")
            time.sleep(0.05)  # until it has noticed that the front-end is gone

    def thread(self):
        return THREAD["dpdk" if self.peer in self.theirs.values() else "vionet"]

    def program(self, front):
        return "vionet"
