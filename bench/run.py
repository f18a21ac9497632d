#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""How fast this library is beside DPDK's virtio-user front-end, and beside the least that a front-end can do.

    bench/run.py                                    everything, as `make bench`; about 20 minutes
    bench/run.py --quick                            each row once: 64 bytes, bursts of 32, a ring of 1024
    bench/run.py --quick --rows rx-packed --rounds 5
    bench/run.py --list

A row is a direction and what is negotiated: "rx-packed-in-order". Each section writes a file in build/bench/. A run of
everything also writes the tables and the chart of docs/performance.md; --report does so from the files that exist. The
exit status is 1 if a row was not measured because a front-end did not start, or not with the row's features.
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
    parser.add_argument("--rounds", type=int, default=5, help="processes of each front-end per row (5)")
    parser.add_argument("--quick", action="store_true", help="only 64 bytes, bursts of 32, rings of 1024")
    parser.add_argument("--sections", default=",".join(names), help=f"only these, of {','.join(names)}")
    parser.add_argument("--all", action="store_true", help="print every point, not only the main table")
    parser.add_argument("--report", action="store_true", help="only write docs/performance.md, from existing files")
    parser.add_argument("--chart", action="store_true", help="only draw the chart of docs/performance.md, from its first table")
    parser.add_argument("--list", action="store_true", help="print the names of the rows")
    options = parser.parse_args()
    options.filtered = options.rows != ""
    options.sections = options.sections.split(",")
    try:
        options.rows = re.compile(options.rows)
    except re.error as fault:
        parser.error(f"--rows: {fault}")
    if not set(options.sections) <= set(names):
        parser.error(f"--sections: {', '.join(names)}")
    return options


def write(name, content, options, pages):
    """Writes a section's file. A run of some rows only has a file of another name, so that it is not taken for all."""
    folder = machine.BUILD / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / (f"{name}-part.json" if options.quick or options.filtered else f"{name}.json")
    about = {"machine": machine.description(), "hugepages": pages, "rounds": options.rounds}
    path.write_text(json.dumps({**about, **content}, indent=1) + "\n")
    print(f"written: {path.relative_to(machine.ROOT)}\n", flush=True)


def run(chosen, options, pages):
    findings = []
    for name, section in chosen.items():
        content = section(options) if name in options.sections else None
        if content is not None:
            write(name, content, options, pages)
            if content.get("disturbed"):
                print(f"{len(content['disturbed'])} points were disturbed each time and are left out; the file lists them\n")
            findings += content["findings"]
    return findings


def names_of_rows():
    return [f"{direction}-{kind.name}" for direction in ("rx", "tx", "echo", *rows.FORWARDED) for kind in rows.KINDS]


def main():
    options = arguments()
    if options.list:
        print("\n".join(names_of_rows()))
        return
    if options.report or options.chart:
        (report.write if options.report else report.draw)()
        return
    if not any(options.rows.search(name) for name in names_of_rows()):
        sys.exit(f"no row matches {options.rows.pattern}; --list prints them")
    if not shutil.which("dpdk-testpmd"):
        sys.exit("dpdk-testpmd is not installed (Debian package dpdk-dev)")
    machine.build()
    with machine.Hugepages() as pages:
        print(f"front-ends on core {machine.cores()[0]}, back-ends on core {machine.cores()[1]}, "
              f"{'with' if pages.given else 'without'} hugepages", flush=True)
        findings = run(sections.WITH_HUGEPAGES, options, pages.given)
    findings += run(sections.WITHOUT, options, False)
    for finding in findings:
        print("not measured: {front} {kind}, ring {ring}, {pairs} queue pairs: {reason}".format(**finding))
    if not options.quick and not options.filtered:
        report.write()
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
