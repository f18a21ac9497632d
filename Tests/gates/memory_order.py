#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""docs/memory-order.md has a row for each function that orders memory, with the kinds of its calls, and no other."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
KINDS = {
    "fence": r"shared_fence",
    "acquire": r"(?:shared|device)_load\d+_acquire|load\d+Acquire|shared_is_one",
    "release": r"(?:shared|device)_store\d+_release|store\d+Release",
    "exchange": r"shared_exchange\d+_acquire|exchange32Acquire",
    "replace": r"shared_replace64|replace64",
    "add": r"shared_add\d+|add64",
    "mark": r"shared_mark|shared_marked",
    "compiler": r"compiler_barrier",
    "barrier of all threads": r"reachAll",
}
CALL = re.compile(r"(?<!func )\b(?:" + "|".join(f"({kind})" for kind in KINDS.values()) + r")\(")
NAME = re.compile(r"\b(?:func `?(\w+)|(init|deinit|subscript)\b|var (\w+) *:.*\{)")
ROW = re.compile(r"^\| `([\w/]+\.swift)` `(\w+)` \| ([a-z, ]+) \| (.+) \|$", re.M)


def calls_in(text):
    """The functions of a file that order memory: name and the kinds of their calls."""
    name, found = None, {}
    for line in text.split("\n"):
        if line.strip().startswith("//"):
            continue
        head = NAME.search(line)
        if head:
            name = next(filter(None, head.groups()))
        for call in CALL.finditer(line):
            kind = list(KINDS)[next(i for i, group in enumerate(call.groups()) if group)]
            found.setdefault(name, set()).add(kind)
    return found


def faults_of(page, sources):
    rows = {(place, name): {kind.strip() for kind in kinds.split(",")} for place, name, kinds, _ in ROW.findall(page)}
    wanted = {(place, name): kinds for place, text in sources.items() for name, kinds in calls_in(text).items()}
    out = [f"no row for {place} {name}" for place, name in wanted.keys() - rows.keys()]
    out += [f"a row for {place} {name}, which orders nothing" for place, name in rows.keys() - wanted.keys()]
    out += [f"{key[0]} {key[1]} has {', '.join(sorted(wanted[key]))}; the page says {', '.join(sorted(rows[key]))}"
            for key in rows.keys() & wanted.keys() if rows[key] != wanted[key]]
    return len(rows), out


def main():
    # Linux/Memory.swift gives the calls their Swift names.
    sources = {str(path.relative_to(ROOT / "Sources")): path.read_text() for path in (ROOT / "Sources").rglob("*.swift")
               if path != ROOT / "Sources/Linux/Memory.swift"}
    page = (ROOT / "docs/memory-order.md").read_text()
    some = "VioNet/Queue/SplitRing.swift"
    planted = [dict(sources, **{some: sources[some].replace("shared_fence()", "")}),
               dict(sources, **{some: sources[some] + "\nfunc other() { shared_fence() }"}),
               dict(sources, **{some: sources[some].replace("shared_fence()", "compiler_barrier()")})]
    if not all(faults_of(page, each)[1] for each in planted):
        sys.exit("FAIL: planted calls were not seen")
    count, faults = faults_of(page, sources)
    print(f"{count} functions that order memory")
    for fault in sorted(faults):
        print("FAIL:", fault)
    sys.exit(1 if faults or count < 50 else 0)


main()
