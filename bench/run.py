#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Packets per second of vionet and of DPDK's own virtio-user front-end, side by side in one run.

The peer is the same for both and none of ours: testpmd with net_vhost, which copies every packet, on one core; the
front-end has the other core to itself. The figure is the peer's own, read from its statistics once a second, so that
both front-ends are measured with one ruler. Rounds are interleaved, because a machine has slow minutes. Both sides
poll, so one that did not have its core to itself shows in its processor time: such a sample is taken again, twice at
most, and left out if that does not help.

Prints a table and writes build/bench/NAME.json for each group of rows.
"""
import argparse
import ctypes
import json
import os
import pathlib
import platform
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
PKTGEN = BUILD / "examples/vionet-pktgen"
LIBRARY = BUILD / "libvionet.so.0"
RING, BURST = 1024, 32
ATTEMPTS, ENOUGH = 3, 0.97  # of a core's time that each side must have had

# One row is one figure for each front-end. `peer` is what testpmd does behind the socket, `counter` where its figure
# is, `vionet` and `dpdk` what follows the device address and the device arguments.
ROWS = [
    {"group": "plain-split", "name": "rx", "bytes": 64, "peer": "txonly", "counter": "Tx-pps", "front": "rxonly",
     "vionet": "", "dpdk": "mrg_rxbuf=0,in_order=0"},
    {"group": "plain-split", "name": "tx", "bytes": 64, "peer": "rxonly", "counter": "Rx-pps", "front": "txonly",
     "vionet": "", "dpdk": "mrg_rxbuf=0,in_order=0"},
]


class Process:
    """A program that is ended, by its number, when the block is left."""

    def __init__(self, log, *command):
        self.log = log
        with open(log, "wb") as out:
            self.child = subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE, stdout=out,
                                          stderr=subprocess.STDOUT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(10)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()

    def text(self):
        return self.log.read_text(errors="replace").replace("\r", "")

    def processor_seconds(self):
        fields = pathlib.Path(f"/proc/{self.child.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def wait_for(self, ready, what, seconds=20):
        end = time.monotonic() + seconds
        while not ready():
            if self.child.poll() is not None or time.monotonic() > end:
                sys.exit(f"{what}:\n{self.text()[-3000:]}")
            time.sleep(0.05)


def testpmd(log, name, cores, device, mode, length, *more):
    main, worker = cores
    return Process(log, "dpdk-testpmd", "--lcores", f"0@{main},1@{worker}", "--no-pci", "--no-huge", "-m", "512",
                   "--no-shconf", "--no-telemetry", f"--file-prefix=vionet-bench-{os.getpid()}-{name}",
                   "--single-file-segments", "--vdev", device, "--", "--nb-cores=1", f"--forward-mode={mode}",
                   f"--burst={BURST}", f"--txpkts={length}", "--auto-start", "--total-num-mbufs=16384",
                   "--no-lsc-interrupt", *more)


def front_end(who, row, log, socket, core, seconds):
    if who == "vionet":
        return Process(log, PKTGEN, "-q", "-m", row["name"], "-l", row["bytes"], "-b", BURST, "-n", RING, "-c", core,
                       "-t", seconds + 60, f"vhost-user:{socket},queue_size={RING}" + row["vionet"])
    device = f"net_virtio_user0,path={socket},queues=1,queue_size={RING},{row['dpdk']}"
    return testpmd(log, "front", (core, core), device, row["front"], row["bytes"], f"--txd={RING}", f"--rxd={RING}")


def figures(text, counter):
    return [int(n) for n in re.findall(rf"{counter}: +(\d+)", text)]


def measure(who, row, work, cores, seconds):
    """One life of both processes: packets per second, the median of its whole seconds, and the smaller of the two
    sides' shares of their cores."""
    socket, front_core, back_core = work / "s", *cores
    with testpmd(work / "back", "back", (back_core, back_core), f"net_vhost0,iface={socket},queues=1", row["peer"],
                 row["bytes"], "--stats-period", "1") as back:
        back.wait_for(socket.exists, "the back-end does not listen")
        with front_end(who, row, work / "front", socket, front_core, seconds) as front:
            begun = len(figures(back.text(), row["counter"]))

            def run():
                return [n for n in figures(back.text(), row["counter"])[begun:] if n]

            def wait_for(count):
                front.wait_for(lambda: len(run()) >= count, f"{who} {row['name']}: no packets", seconds + 30)
                return time.monotonic(), back.processor_seconds(), front.processor_seconds()

            # The first figure is of a second that began without packets.
            first, last = wait_for(2), wait_for(seconds + 2)
            rates = run()[2:seconds + 2]
    socket.unlink(missing_ok=True)
    share = min(last[1] - first[1], last[2] - first[2]) / (last[0] - first[0])
    return statistics.median(rates) / 1e6, share


def undisturbed(who, row, work, cores, seconds, title):
    """Mpps of the first attempt that had both cores to itself, None if none had."""
    for _ in range(ATTEMPTS):
        mpps, share = measure(who, row, work, cores, seconds)
        good = share >= ENOUGH
        print(f"{title}  {row['name']} {row['bytes']}  {who:<6} {mpps:7.2f} Mpps" +
              ("" if good else f"  left out: had {share:.0%} of a core"), flush=True)
        if good:
            return mpps
    return None


def summary(samples):
    return {"median": statistics.median(samples), "min": min(samples), "max": max(samples), "samples": samples}


def print_row(row):
    us, them = row["vionet"], row["dpdk"]
    print(f"{row['name']:<4} {row['bytes']:>5}  " + "   ".join(
        f"{one['median']:7.2f} ({one['min']:.2f}-{one['max']:.2f})" for one in (us, them)) + f"   {row['ratio']:5.2f}" +
          ("" if row["disturbed"] == 0 else f"   ({row['disturbed']} samples left out: the machine was busy)"))


def throughput(rows, rounds, seconds, cores):
    samples = {(i, who): [] for i in range(len(rows)) for who in ("vionet", "dpdk")}
    disturbed = [0] * len(rows)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            for i, row in enumerate(rows):
                # Who comes first changes from round to round.
                for who in ("vionet", "dpdk") if number % 2 == 0 else ("dpdk", "vionet"):
                    title = f"round {number + 1}/{rounds}"
                    mpps = undisturbed(who, row, pathlib.Path(folder), cores, seconds, title)
                    if mpps is None:
                        disturbed[i] += 1
                    else:
                        samples[i, who].append(mpps)
    if not all(samples.values()):
        sys.exit("the machine is too busy: not one sample had both cores to itself")
    for i, row in enumerate(rows):
        us, them = summary(samples[i, "vionet"]), summary(samples[i, "dpdk"])
        yield {"name": row["name"], "group": row["group"], "bytes": row["bytes"], "ring": RING, "burst": BURST,
               "dpdk_arguments": row["dpdk"], "vionet": us, "dpdk": them,
               "ratio": us["median"] / them["median"], "disturbed": disturbed[i]}


def start_milliseconds():
    """From vionet_probe to a started port on soft:sink, the median of 101."""
    library, took = ctypes.CDLL(LIBRARY), []
    for _ in range(101):
        port, begun = ctypes.c_uint16(), time.perf_counter()
        if library.vionet_open(b"soft:sink", ctypes.byref(port)):
            sys.exit("cannot open soft:sink")
        took.append((time.perf_counter() - begun) * 1e3)
        library.vionet_close(port)
    return statistics.median(took)


def resident_megabytes():
    """Of the forwarder with two ports of 256 descriptors, after 2 s of traffic."""
    with tempfile.TemporaryDirectory() as folder:
        with Process(pathlib.Path(folder) / "log", BUILD / "examples/vionet-fwd", "-q", "soft:generate",
                     "soft:loopback") as forwarder:
            time.sleep(2)
            status = pathlib.Path(f"/proc/{forwarder.child.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) / 1024


def machine():
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return {"cpu": model.group(1) if model else platform.machine(), "cores": os.cpu_count(),
            "kernel": platform.release(), "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}


def write(rows, extra):
    folder = BUILD / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    for group in sorted({row["group"] for row in rows}):
        chosen = [row for row in rows if row["group"] == group]
        content = {"machine": machine(), "unit": "Mpps", "rows": chosen, **extra}
        path = folder / f"{group}.json"
        path.write_text(json.dumps(content, indent=1) + "\n")
        print(f"written: {path.relative_to(ROOT)}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    arguments.add_argument("--rounds", type=int, default=5, help="lives of each front-end per row (5)")
    arguments.add_argument("--seconds", type=int, default=4, help="seconds measured of each (4)")
    arguments.add_argument("--only", default="", help="rows with this name")
    wish = arguments.parse_args()
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        sys.exit("two cores are wanted, one for each side")
    if not shutil.which("dpdk-testpmd"):
        sys.exit("dpdk-testpmd is not installed (Debian package dpdk)")
    rows = [row for row in ROWS if wish.only in ("", row["name"])]
    print(f"peer: testpmd net_vhost on core {usable[1]}, front-end on core {usable[0]}, ring {RING}, burst {BURST}")
    done = list(throughput(rows, wish.rounds, wish.seconds, usable[:2]))
    extra = {"start_milliseconds": start_milliseconds(), "forwarder_resident_megabytes": resident_megabytes()}
    print("\n     bytes  vionet, Mpps            DPDK virtio-user, Mpps  ratio   (median, min-max)")
    for row in done:
        print_row(row)
    print(f"\nprobe to start on soft:sink  {extra['start_milliseconds']:.2f} ms")
    print(f"forwarder, two ports of 256   {extra['forwarder_resident_megabytes']:.1f} MB resident\n")
    write(done, extra)


main()
