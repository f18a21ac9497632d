# SPDX-License-Identifier: BSD-2-Clause
"""The machine that is measured on: its cores, its hugepages while a run lasts, and programs started on it."""
import os
import pathlib
import platform
import re
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = ROOT / "build"
BIN = BUILD / "bench/bin"
HUGEPAGES = pathlib.Path("/proc/sys/vm/nr_hugepages")
WANTED_HUGEPAGES = 160  # of 2 MB: the larger of DPDK's memory and ours, for the largest rings


def cores():
    """The front-end's and the back-end's."""
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        sys.exit("two cores are wanted, one for each side")
    return usable[:2]


def description():
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return {"cpu": model.group(1) if model else platform.machine(), "cores": os.cpu_count(),
            "kernel": platform.release(), "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}


class Hugepages:
    """Some more of them while the block lasts; the old number is put back whatever happens. Without the right to
    have them both front-ends go without."""

    def __enter__(self):
        self.old, self.given = int(HUGEPAGES.read_text()), False
        try:
            HUGEPAGES.write_text(str(self.old + WANTED_HUGEPAGES))
            free = int(re.search(r"HugePages_Free: +(\d+)", pathlib.Path("/proc/meminfo").read_text()).group(1))
            self.given = free >= WANTED_HUGEPAGES
        except PermissionError:
            pass
        if self.given:
            os.environ["BENCH_HUGEPAGES"] = "1"
        else:
            os.environ.pop("BENCH_HUGEPAGES", None)
            print("no hugepages to be had: both sides go without", file=sys.stderr)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        return self

    def __exit__(self, *_):
        try:
            HUGEPAGES.write_text(str(self.old))
        except PermissionError:
            pass


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

    def say(self, line):
        self.child.stdin.write(line.encode() + b"\n")
        self.child.stdin.flush()

    def text(self):
        return self.log.read_text(errors="replace").replace("\r", "")

    def processor_seconds(self):
        fields = pathlib.Path(f"/proc/{self.child.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_kib(self):
        status = pathlib.Path(f"/proc/{self.child.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1))

    def wait_for(self, ready, what, seconds=20):
        end = time.monotonic() + seconds
        while not ready():
            if self.child.poll() is not None or time.monotonic() > end:
                sys.exit(f"{what}:\n{self.text()[-3000:]}")
            time.sleep(0.05)


def build():
    """The library and the measuring programs, if anything of them is out of date."""
    subprocess.run(["make", "-s", "-C", ROOT, "all", "bench-programs"], check=True, stdout=subprocess.DEVNULL)
