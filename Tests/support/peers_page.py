#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Writes into docs/peers.md what a run of tests with one peer gave: peers_page.py PEER VERSION LOG.

LOG is what Tests/run.sh printed. A row of the same peer and test is replaced, others stay.
"""
import pathlib
import re
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/peers.md"
BEGIN, END = "<!-- begin: written by make test-peers -->\n", "<!-- end -->\n"
HEAD = "| peer | version | test | what it is about | cases | result | day |\n|---|---|---|---|---|---|---|\n"


def about(test):
    """The first sentence of the test's own comment."""
    names = [test, test.removeprefix("wire-"), test.removeprefix("guest-")]
    for folder in ("Tests/wire", "Tests/guest/scenarios", "Tests/support"):
        for name in names:
            path = ROOT / folder / f"{name}.sh"
            if path.is_file():
                lines = [line[2:] for line in path.read_text().split("\n")[2:30] if line.startswith("# ")]
                text = " ".join(line for line in lines if not re.match(r"deadline:|shellcheck|SPDX", line))
                return re.split(r"(?<=[a-z0-9)])[.:] ", text + " ", maxsplit=1)[0].replace("|", "/")
    return ""


def results(log):
    """Rows of a run: test, cases, result."""
    found = []
    for line in log.split("\n"):
        if head := re.match(r"(pass|FAIL|skip)  (\S+) +[\d.]+ s  (\d+) cases", line):
            found.append([head[2], int(head[3]), {"pass": "passed", "FAIL": "failed", "skip": "skipped"}[head[1]], []])
        elif found and (why := re.match(r"  (?:not ok|skipped): (.*)", line)):
            found[-1][3].append(why[1].replace("|", "/"))
    return [(test, cases, result + (": " + "; ".join(why) if why else "")) for test, cases, result, why in found]


def main(peer, version, log):
    before, rest = PAGE.read_text().split(BEGIN)
    table, behind = rest.split(END)
    rows = {}
    for line in table.split("\n")[2:]:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 7:
            rows[cells[0], cells[1].split(",")[0], cells[2]] = line
    new = results(pathlib.Path(log).read_text())
    if not new:
        raise SystemExit("FAIL: no test in the log")
    for test, cases, result in new:
        cells = (peer, version, f"`{test}`", about(test), str(cases), result, time.strftime("%Y-%m-%d"))
        rows[peer, version.split(",")[0], f"`{test}`"] = "| " + " | ".join(cells) + " |"
    PAGE.write_text(before + BEGIN + HEAD + "".join(rows[key] + "\n" for key in sorted(rows)) + END + behind)


if __name__ == "__main__":
    main(*sys.argv[1:])
