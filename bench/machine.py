# SPDX-License-Identifier: BSD-2-Clause
"""The machine: its cores, its hugepages during a run, and the programs that are started on it."""
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
WANTED_HUGEPAGES = 192  # of 2 MB: enough for either side with the largest rings


def cores():
    """The core of the front-end and the core of the back-end."""
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        sys.exit("two cores are wanted, one for each side")
    return usable[:2]


def description():
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return {"cpu": model.group(1) if model else platform.machine(), "cores": os.cpu_count(),
            "kernel": platform.release(), "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}


class Hugepages:
    """More hugepages while the block lasts; the old number is restored whatever happens. If they are not permitted,
    both front-ends go without."""

    given = False

    def __enter__(self):
        self.old = int(HUGEPAGES.read_text())
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
        Hugepages.given = Hugepages.reserve()
        if Hugepages.given:
            os.environ["BENCH_HUGEPAGES"] = "1"
        else:
            print("no hugepages to be had: both sides go without", file=sys.stderr)
        return self

    def __exit__(self, *_):
        os.environ.pop("BENCH_HUGEPAGES", None)
        Hugepages.given = False
        try:
            HUGEPAGES.write_text(str(self.old))
        except PermissionError:
            pass

    @staticmethod
    def reserve():
        """Reserves hugepages; returns whether enough are free now."""
        def free():
            return int(re.search(r"HugePages_Free: +(\d+)", pathlib.Path("/proc/meminfo").read_text()).group(1))

        try:
            if free() < WANTED_HUGEPAGES:
                HUGEPAGES.write_text(str(int(HUGEPAGES.read_text()) + WANTED_HUGEPAGES - free()))
        except PermissionError:
            return False
        return free() >= WANTED_HUGEPAGES

    @staticmethod
    def renew():
        """Reserves them again: another program may have restored the number that it found before this run."""
        if Hugepages.given and not Hugepages.reserve():
            sys.exit("the hugepages have been taken away")


class Process:
    """A program that ends when the block is left."""

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

    def thread(self, name):
        """The /proc folder of the first thread of that name."""
        found = []

        def look():
            for task in sorted(pathlib.Path(f"/proc/{self.child.pid}/task").iterdir()):
                if (task / "comm").read_text().startswith(name):
                    found.append(task)
            return found

        self.wait_for(look, f"no thread {name}", 5)
        return found[0]

    def hurry(self, name):
        """Gives that thread priority over ordinary programs, which the measuring programs have too, if that is
        permitted. Not the whole program: during start-up it would keep from running what it waits for."""
        try:
            os.sched_setscheduler(int(self.thread(name).name), os.SCHED_FIFO, os.sched_param(1))
        except PermissionError:
            pass

    def wait_for(self, ready, what, seconds=20):
        end = time.monotonic() + seconds
        while not ready():
            if self.child.poll() is not None or time.monotonic() > end:
                sys.exit(f"{what}:\n{self.text()[-3000:]}")
            time.sleep(0.05)


def build():
    """Builds the library and the measuring programs if they are out of date."""
    subprocess.run(["make", "-s", "-C", ROOT, "all", "bench-programs"], check=True, stdout=subprocess.DEVNULL)
