#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Form: swift format has no complaint, no file is longer than 300 lines, no function than 60, and vionet-fwd.c, which people
copy first, not than 150."""
# deadline: 900
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FILE, FUNCTION, EXAMPLE = 300, 60, 150
STRINGS = re.compile(r'//.*|"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'')
SWIFT_START = re.compile(r"^\s*(?:@\S+\s+)*(?:[\w()]+\s+)*(?:func\s|init\b[?(<]|deinit\b|subscript\b)")


def functions(text, swift):
    """Name and length in lines of every function: from its first line to the one that closes its brace."""
    lines = [STRINGS.sub("", line) for line in text.split("\n")]
    open_at, depth, base, found = None, 0, 0, []
    for number, line in enumerate(lines):
        if open_at is None:
            if swift and SWIFT_START.match(line):
                open_at, base = number, depth
            elif not swift and re.match(r"^[A-Za-z_].*\)\s*\{?\s*$|^[A-Za-z_].*\($", line) and depth == 0:
                open_at, base = number, 0
        before = depth
        depth += line.count("{") - line.count("}")
        if open_at is not None and depth == base:
            if before > base or ("{" in line and "}" in line):
                found.append((lines[open_at].strip()[:60], number - open_at + 1))
                open_at = None
            elif swift and number > open_at and SWIFT_START.match(line):
                open_at = number  # a requirement without a body
            elif swift and not line.strip():
                open_at = None
            elif not swift and line.rstrip().endswith(";"):
                open_at = None
    return found


def faults_of(path, text, example=False):
    lines = text.count("\n")
    limit = EXAMPLE if example else FILE
    out = [f"{path}: {lines} lines, {limit} at most"] if lines > limit else []
    return out + [f"{path}: {n} lines in: {name}" for name, n in functions(text, path.suffix == ".swift")
                  if n > FUNCTION]


def can_fail():
    body = "".join(f"  work({n})\n" for n in range(FUNCTION))
    swift, c = f"struct A {{\n  func long() {{\n{body}  }}\n}}\n", f"static int long(int x)\n{{\n{body}}}\n"
    good = swift.replace(body, "  work(1)\n"), c.replace(body, "  work(1);\n")
    checks = [len(faults_of(pathlib.Path("a.swift"), swift)) == 1, len(faults_of(pathlib.Path("a.c"), c)) == 1,
              not faults_of(pathlib.Path("a.swift"), good[0]), not faults_of(pathlib.Path("a.c"), good[1]),
              len(faults_of(pathlib.Path("a.c"), "\n" * 301)) == 1]
    return all(checks)


def main():
    if not can_fail():
        sys.exit("FAIL: planted long functions and files were not seen")
    faults, count = [], 0
    for folder in ("Sources", "Tests", "examples", "Tools", "bench"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".swift", ".c", ".h", ".cpp") and ".build" not in path.parts:
                example = path.name == "vionet-fwd.c"
                faults += faults_of(path.relative_to(ROOT), path.read_text(), example)
                count += 1
    print(f"{count} files")
    for fault in faults:
        print(fault)
    folders = [f for f in ("Sources", "Tests", "Tools", "Package.swift") if (ROOT / f).exists()]
    lint = subprocess.run(["swift", "format", "lint", "-s", "-r", "--configuration", ".swift-format", *folders],
                          cwd=ROOT, capture_output=True, text=True)
    print(lint.stdout + lint.stderr)
    sys.exit(1 if faults or lint.returncode or count < 20 else 0)


main()
