# SPDX-License-Identifier: BSD-2-Clause
"""Front-ends against testpmd's net_vhost, which copies every packet: the peer is the same for both and none of ours.
The figure is the peer's own, read from its statistics once a second. Both sides poll, so one that did not have its
core to itself shows in its processor time: such a sample is taken again, twice at most, and left out if that does not
help."""
import os
import pathlib
import re
import statistics
import sys
import tempfile
import time

import machine

RING, BURST = 1024, 32
ATTEMPTS, ENOUGH = 3, 0.97  # of a core's time that each side must have had
ROWS = [
    {"name": "rx-split-plain", "bytes": 64, "peer": "txonly", "counter": "Tx-pps", "front": "rxonly", "pktgen": "rx",
     "dpdk": "mrg_rxbuf=0,in_order=0"},
    {"name": "tx-split-plain", "bytes": 64, "peer": "rxonly", "counter": "Rx-pps", "front": "txonly", "pktgen": "tx",
     "dpdk": "mrg_rxbuf=0,in_order=0"},
]


def testpmd(log, name, core, device, mode, length, *more):
    memory = ["--in-memory"] if "BENCH_HUGEPAGES" in os.environ else ["--no-huge", "--no-shconf"]
    return machine.Process(log, "dpdk-testpmd", "--lcores", f"0@{core},1@{core}", "--no-pci", *memory, "-m", "128",
                           "--no-telemetry", f"--file-prefix=vionet-bench-{os.getpid()}-{name}",
                           "--single-file-segments", "--vdev", device, "--", "--nb-cores=1", f"--forward-mode={mode}",
                           f"--burst={BURST}", f"--txpkts={length}", "--auto-start", "--total-num-mbufs=16384",
                           "--no-lsc-interrupt", *more)


def front_end(who, row, log, socket, core, seconds):
    if who == "vionet":
        return machine.Process(log, machine.BUILD / "examples/vionet-pktgen", "-q", "-m", row["pktgen"], "-l",
                               row["bytes"], "-b", BURST, "-n", RING, "-c", core, "-t", seconds + 60,
                               f"vhost-user:{socket},queue_size={RING}")
    device = f"net_virtio_user0,path={socket},queues=1,queue_size={RING},{row['dpdk']}"
    return testpmd(log, "front", core, device, row["front"], row["bytes"], f"--txd={RING}", f"--rxd={RING}")


def rates(text, counter):
    return [int(n) for n in re.findall(rf"{counter}: +(\d+)", text)]


def measure(who, row, work, cores, seconds):
    """One life of both processes: packets per second, the median of its whole seconds, and the smaller of the two
    sides' shares of their cores."""
    socket, front_core, back_core = work / "s", *cores
    with testpmd(work / "back", "back", back_core, f"net_vhost0,iface={socket},queues=1", row["peer"],
                 row["bytes"], "--stats-period", "1") as back:
        back.wait_for(socket.exists, "the back-end does not listen")
        with front_end(who, row, work / "front", socket, front_core, seconds) as front:
            begun = len(rates(back.text(), row["counter"]))

            def run():
                return [n for n in rates(back.text(), row["counter"])[begun:] if n]

            def wait_for(count):
                front.wait_for(lambda: len(run()) >= count, f"{who} {row['name']}: no packets", seconds + 30)
                return time.monotonic(), back.processor_seconds(), front.processor_seconds()

            # The first figure is of a second that began without packets.
            first, last = wait_for(2), wait_for(seconds + 2)
            found = run()[2:seconds + 2]
    socket.unlink(missing_ok=True)
    share = min(last[1] - first[1], last[2] - first[2]) / (last[0] - first[0])
    return statistics.median(found) / 1e6, share


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


def throughput(chosen, rounds, seconds=4):
    samples = {(i, who): [] for i in range(len(chosen)) for who in ("vionet", "dpdk")}
    disturbed = [0] * len(chosen)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            for i, row in enumerate(chosen):
                # Who comes first changes from round to round.
                for who in ("vionet", "dpdk") if number % 2 == 0 else ("dpdk", "vionet"):
                    title = f"net_vhost: round {number + 1} of {rounds}"
                    mpps = undisturbed(who, row, pathlib.Path(folder), machine.cores(), seconds, title)
                    if mpps is None:
                        disturbed[i] += 1
                    else:
                        samples[i, who].append(mpps)
    if not all(samples.values()):
        sys.exit("the machine is too busy: not one sample had both cores to itself")
    for i, row in enumerate(chosen):
        us, them = summary(samples[i, "vionet"]), summary(samples[i, "dpdk"])
        yield {"row": row["name"], "bytes": row["bytes"], "ring": RING, "burst": BURST, "dpdk_arguments": row["dpdk"],
               "vionet": us, "dpdk": them, "ratio": us["median"] / them["median"], "disturbed": disturbed[i]}


def print_row(row):
    us, them = row["vionet"], row["dpdk"]
    print(f"{row['row']:<20} {row['bytes']:>5}  " + "   ".join(
        f"{one['median']:7.2f} ({one['min']:.2f}-{one['max']:.2f})" for one in (us, them)) + f"   {row['ratio']:5.2f}" +
          ("" if row["disturbed"] == 0 else f"   ({row['disturbed']} samples left out: the machine was busy)"))
