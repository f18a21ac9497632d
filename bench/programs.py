# SPDX-License-Identifier: BSD-2-Clause
"""Whole programs: our forwarder and testpmd between two ports of the no-copy back-end, and for comparison a forwarder
over AF_PACKET sockets."""
import json
import pathlib
import re
import statistics
import subprocess
import tempfile

import copies
import machine
import rows

INTERVALS = 5  # of 0.2 s


def forwarder(who, mode, kind, work, core):
    sockets = [work / "a", work / "b"]
    ring = rows.HEADLINE["ring"]
    if who == "vionet":
        return machine.Process(work / "front", "taskset", "-c", core, machine.BUILD / "examples/vionet-fwd",
                               "-m", mode, "-b", rows.HEADLINE["burst"],
                               *[f"vhost-user:{s},queue_size={ring},{kind.keys()}" for s in sockets])
    devices = [f"net_virtio_user{i},path={s},queues=1,queue_size={ring},{kind.keys()}" for i, s in enumerate(sockets)]
    return copies.testpmd(work / "front", "front", core, devices, f"--txd={ring}", f"--rxd={ring}",
                          f"--forward-mode={mode}")


def forward(who, mode, kind, cores):
    """Nanoseconds per forwarded packet, by the back-end's count; None if the program did not start."""
    machine.Hugepages.renew()
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        with machine.Process(work / "back", machine.BIN / "serve", "--core", cores[1], *kind.options(),
                             work / "a", work / "b") as back:
            back.wait_for(lambda: "ready" in back.text(), "the back-end does not start")
            with forwarder(who, mode, kind, work, cores[0]) as front:
                if who == "dpdk":
                    front.wait_for(lambda: "testpmd> " in front.text(), "testpmd gives no prompt", 60)
                    front.say("start")
                front.hurry("vionet-fwd" if who == "vionet" else "rte-worker")

                def rates():
                    found = re.findall(r"frames=(\d+) ns=(\d+)", back.text())
                    return [int(ns) / int(frames) for frames, ns in found if int(frames) > 0]

                def enough():
                    return len(rates()) > INTERVALS or front.child.poll() is not None

                back.wait_for(enough, f"{who} {mode}: no packets", 30)
                if front.child.poll() is not None:
                    return None, front.text().strip().split("\n")[-1]
                return statistics.median(rates()[1:]), None


def forwarders(rounds, chosen, findings):
    samples = {}
    for number in range(rounds):
        for mode, kind in chosen:
            for who in ("vionet", "dpdk") if number % 2 == 0 else ("dpdk", "vionet"):
                took, reason = forward(who, mode, kind, machine.cores())
                if took is None:
                    finding = {"front": who, "kind": f"{mode} {kind.name}", "ring": rows.HEADLINE["ring"], "pairs": 1,
                               "reason": reason}
                    if finding not in findings:
                        findings.append(finding)
                else:
                    samples.setdefault((mode, kind.name), {}).setdefault(who, []).append(took)
        print(f"forwarders: round {number + 1} of {rounds}", flush=True)
    return samples


def af_packet(rounds):
    """Nanoseconds per forwarded packet by frame length; empty if network namespaces are not permitted."""
    front, back = machine.cores()
    samples = {}
    for _ in range(rounds):
        for length in (64, 1518):
            done = subprocess.run([machine.BIN / "afpacket", "--core", str(front), "--peer-core", str(back), "--bytes",
                                   str(length)], capture_output=True, text=True, timeout=60)
            if done.returncode:
                print(f"AF_PACKET forwarder: {done.stderr.strip()}")
                return {}
            mpps = json.loads(done.stdout)["mpps"]
            if mpps > 0:
                samples.setdefault(length, []).append(1e3 / mpps)
    return samples
