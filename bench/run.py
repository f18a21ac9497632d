#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""How fast this library is beside DPDK's virtio-user front-end, and beside the least that a front-end can do.

    bench/run.py                                    everything, as `make bench`; minutes
    bench/run.py --quick                            each row once: 64 bytes, bursts of 32, a ring of 1024
    bench/run.py --quick --rows rx-packed --rounds 5
    bench/run.py --list

A row is a direction and what is negotiated, "rx-packed-in-order". Results are in build/bench/, a file for each section.
Its status is 1 if a row could not be measured: what it asked for was not negotiated, or the machine was too busy.
"""
import argparse
import json
import re
import shutil
import sys

import copies
import figures
import machine
import nocopy
import rows


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], epilog="docs/performance.md says what is measured")
    parser.add_argument("--rows", default="", metavar="REGEX", help="only rows that match")
    parser.add_argument("--rounds", type=int, default=5, help="lives of each front-end per row (5)")
    parser.add_argument("--quick", action="store_true", help="64 bytes, bursts of 32, rings of 1024, nothing else")
    parser.add_argument("--list", action="store_true", help="the names of the rows")
    wish = parser.parse_args()
    try:
        wish.rows = re.compile(wish.rows)
    except re.error as fault:
        parser.error(f"--rows: {fault}")
    return wish


def nocopy_jobs(wish):
    for kind in rows.KINDS:
        directions = [d for d in ("rx", "tx") if wish.rows.search(f"{d}-{kind.name}")]
        if directions:
            for ring in kind.rings[:1] if wish.quick else kind.rings:
                yield kind, ring, 1, rows.points(directions, wish.quick)


def write(name, content):
    folder = machine.BUILD / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"machine": machine.description(), **content}, indent=1) + "\n")
    print(f"written: {path.relative_to(machine.ROOT)}")


def nocopy_section(wish):
    jobs = list(nocopy_jobs(wish))
    if not jobs:
        return []
    bench = nocopy.Bench(wish.rounds, 40 if wish.quick else 25)
    bench.all(jobs, "no-copy back-end")
    found = figures.summaries(bench)
    figures.print_table(one for one in found if figures.is_headline(one))
    write("nocopy", {"unit": "ns per packet", "rows": found, "findings": bench.findings})
    return bench.findings


def copies_section(wish):
    chosen = [row for row in copies.ROWS if wish.rows.search(row["name"])]
    if wish.quick or not chosen:
        return
    done = list(copies.throughput(chosen, wish.rounds))
    print("\n                     bytes  vionet, Mpps            DPDK virtio-user, Mpps  ratio   (median, min-max)")
    for row in done:
        copies.print_row(row)
    write("net_vhost", {"unit": "Mpps", "rows": done})


def main():
    wish = arguments()
    if wish.list:
        for kind in rows.KINDS:
            print(f"rx-{kind.name}\ntx-{kind.name}")
        return
    if not shutil.which("dpdk-testpmd"):
        sys.exit("dpdk-testpmd is not installed (Debian package dpdk)")
    machine.build()
    with machine.Hugepages() as pages:
        print(f"front-ends on core {machine.cores()[0]}, back-ends on core {machine.cores()[1]}, "
              f"{'with' if pages.given else 'without'} hugepages", flush=True)
        findings = nocopy_section(wish)
        copies_section(wish)
    for finding in findings:
        print("not measured: {front} {kind}, ring {ring}, {pairs} queue pairs: {reason}".format(**finding))
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
