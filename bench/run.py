#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""How fast this library is beside DPDK's virtio-user front-end, and beside the least that a front-end can do.

    bench/run.py                                    everything, as `make bench`; some 20 minutes
    bench/run.py --quick                            each row once: 64 bytes, bursts of 32, a ring of 1024
    bench/run.py --quick --rows rx-packed --rounds 5
    bench/run.py --list

A row is a direction and what is negotiated, "rx-packed-in-order". A file for each section is in build/bench/; a run of
everything writes the tables and the chart of docs/performance.md too, and so does --report from files already there.
The status is 1 if a row could not be measured because a front-end did not come up, or not with what the row asks for.
"""
import argparse
import json
import re
import shutil
import sys

import machine
import report
import rows
import sections


def arguments():
    names = list(sections.WITH_HUGEPAGES) + list(sections.WITHOUT)
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], epilog="docs/performance.md says what is measured")
    parser.add_argument("--rows", default="", metavar="REGEX", help="only rows that match")
    parser.add_argument("--rounds", type=int, default=5, help="lives of each front-end per row (5)")
    parser.add_argument("--quick", action="store_true", help="64 bytes, bursts of 32, rings of 1024, nothing else")
    parser.add_argument("--sections", default=",".join(names), help=f"some of {', '.join(names)}")
    parser.add_argument("--all", action="store_true", help="print every point, not only the headline")
    parser.add_argument("--report", action="store_true", help="measure nothing, write docs/performance.md again")
    parser.add_argument("--list", action="store_true", help="the names of the rows")
    wish = parser.parse_args()
    wish.filtered = wish.rows != ""
    wish.sections = wish.sections.split(",")
    try:
        wish.rows = re.compile(wish.rows)
    except re.error as fault:
        parser.error(f"--rows: {fault}")
    if not set(wish.sections) <= set(names):
        parser.error(f"--sections: {', '.join(names)}")
    return wish


def write(name, content, wish, pages):
    """Of a part of the rows the file is another, so that it does not pass for the whole."""
    folder = machine.BUILD / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (f"{name}-part.json" if wish.quick or wish.filtered else f"{name}.json")
    about = {"machine": machine.description(), "hugepages": pages, "rounds": wish.rounds}
    path.write_text(json.dumps({**about, **content}, indent=1) + "\n")
    print(f"written: {path.relative_to(machine.ROOT)}\n", flush=True)


def run(chosen, wish, pages):
    findings = []
    for name, section in chosen.items():
        content = section(wish) if name in wish.sections else None
        if content is not None:
            write(name, content, wish, pages)
            if content.get("disturbed"):
                print(f"{len(content['disturbed'])} points were disturbed each time and are missing; the file lists them\n")
            findings += content["findings"]
    return findings


def names_of_rows():
    return [f"{direction}-{kind.name}" for direction in ("rx", "tx", "echo", *rows.FORWARDED) for kind in rows.KINDS]


def main():
    wish = arguments()
    if wish.list:
        print("\n".join(names_of_rows()))
        return
    if wish.report:
        report.write()
        return
    if not any(wish.rows.search(name) for name in names_of_rows()):
        sys.exit(f"no row matches {wish.rows.pattern}; --list prints them")
    if not shutil.which("dpdk-testpmd"):
        sys.exit("dpdk-testpmd is not installed (Debian package dpdk-dev)")
    machine.build()
    with machine.Hugepages() as pages:
        print(f"front-ends on core {machine.cores()[0]}, back-ends on core {machine.cores()[1]}, "
              f"{'with' if pages.given else 'without'} hugepages", flush=True)
        findings = run(sections.WITH_HUGEPAGES, wish, pages.given)
    findings += run(sections.WITHOUT, wish, False)
    for finding in findings:
        print("not measured: {front} {kind}, ring {ring}, {pairs} queue pairs: {reason}".format(**finding))
    if not wish.quick and not wish.filtered:
        report.write()
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
