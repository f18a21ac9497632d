#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Each function, accessor or initialiser under Sources that has the keyword `unsafe` says why that is sound.

The reason is a line `// Safety: ...` inside it, directly above it, directly above the type or extension it is in, or in the
comment at the head of its file.
No doc comment begins with a word that leans on the text before it.
"""
import pathlib
import re
import sys
import tempfile

STRING = re.compile(r'"(?:\\.|[^"\\\n])*"')
UNSAFE = re.compile(r"\bunsafe\b(?!\()")
MODIFIER = r"(?:@\w+(?:\([^)]*\))?\s+|(?:public|package|internal|private|fileprivate|final|static|mutating|nonmutating|" \
           r"consuming|borrowing|override|nonisolated)(?:\([a-z]+\))?\s+)*"
FUNCTION = re.compile(r"^\s*" + MODIFIER + r"(?:func\b|init\b|deinit\b|subscript\b|var\b|let\b)")
TYPE = re.compile(r"^\s*" + MODIFIER + r"(?:struct|class|enum|protocol|extension|actor)\b")
LEANING = re.compile(r"^\s*/// (Of|And|Such|The same|As|Nothing|Nobody)\b")


def comment_above(lines, at):
    """The comment and attribute lines that end right above a line."""
    found = []
    while at > 0 and re.match(r"^\s*(//|@\w)", lines[at - 1]):
        at -= 1
        found.append(lines[at])
    return found


def has_reason(lines):
    return any("// Safety:" in line for line in lines)


def missing(text):
    """Numbers of the lines where members begin that use `unsafe` and give no reason, and how many members use it."""
    lines = text.split("\n")
    code = [STRING.sub('""', line).split("//")[0] for line in lines]
    scopes, depth, faults, count = [], 0, [], 0
    if "\nimport " in text and has_reason(text.split("\nimport ")[0].split("\n")):
        scopes.append((-1, True))
    member = None  # [first line, depth outside, uses unsafe, lines until its end]

    def close(last):
        nonlocal member, count
        if member[2]:
            count += 1
            reasons = comment_above(lines, member[0]) + lines[member[0]:last + 1]
            covered = any(reason for _, reason in scopes)
            if not covered and not has_reason(reasons):
                faults.append(member[0] + 1)
        member = None

    for number, line in enumerate(code):
        if member is None:
            if TYPE.match(line):
                scopes.append((depth, has_reason(comment_above(lines, number))))
            elif FUNCTION.match(line):
                member = [number, depth, False]
        if member is not None and UNSAFE.search(line):
            member[2] = True
        opened = line.count("{") + line.count("(") + line.count("[")
        depth += opened - line.count("}") - line.count(")") - line.count("]")
        following = code[number + 1].strip() if number + 1 < len(code) else ""
        if member is not None and depth <= member[1] and not (
                "{" not in "".join(code[member[0]:number + 1]) and (
                    line.rstrip().endswith(("=", ",", "->", ":")) or following.startswith(("{", "->", "=", "?", ":", "throws")))):
            close(number)
        while scopes and depth <= scopes[-1][0] and "}" in line:
            scopes.pop()
    return faults, count


def can_fail():
    good = "// Safety: one\nstruct A {\n  func a() { unsafe b() }\n}\nextension A {\n  // Safety: two\n  func c() {\n" \
           "    unsafe b()\n  }\n  var d: Int {\n    // Safety: three\n    unsafe e\n  }\n  func f() { g(\"unsafe\") }\n}\n"
    checks = [
        missing(good) == ([], 3),
        missing(good.replace("// Safety: one\n", ""))[0] == [2],
        missing(good.replace("  // Safety: two\n", ""))[0] == [6],
        missing(good.replace("    // Safety: three\n", ""))[0] == [10],
        LEANING.match("  /// Of a queue."), not LEANING.match("  /// Offers a queue."),
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "A.swift"
        path.write_text("/// Such as it is.\nfunc a() { unsafe b() }\n")
        checks.append(len(faults_in(path)[0]) == 2)
    return all(checks)


def faults_in(path):
    text = path.read_text()
    lines, count = missing(text)
    faults = [f"{path}:{line}: uses unsafe and gives no reason: // Safety: ..." for line in lines]
    faults += [f"{path}:{number}: {line.strip()}" for number, line in enumerate(text.split("\n"), 1)
               if LEANING.match(line)]
    return faults, count, len(lines)


def main():
    if not can_fail():
        sys.exit("FAIL: a planted fault went unseen, or a sound file was found at fault")
    sources = pathlib.Path(__file__).resolve().parents[2] / "Sources"
    faults = []
    for module in sorted(p for p in sources.iterdir() if any(p.rglob("*.swift"))):
        uses = without = leaning = 0
        for path in sorted(module.rglob("*.swift")):
            found, count, silent = faults_in(path)
            faults += found
            uses, without, leaning = uses + count, without + silent, leaning + len(found) - silent
        print(f"{module.name}: {uses} members use unsafe, {without} without a reason; {leaning} doc comments that lean")
    print("\n".join(faults))
    sys.exit(1 if faults else 0)


main()
