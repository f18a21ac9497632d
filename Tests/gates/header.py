#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The form of vionet.h: lines of at most 100 columns; every function has a comment that says since when it is there, and
lists one error a line; the chapters are those of its first comment, and the files of Sources/VioNetABI follow them. That
comment also lists the structs that share their name with a function.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
COLUMNS = 100
CHAPTER = re.compile(r"^/\* ---- (\w+)(?:: [^-]*)? -+ \*/$", re.M)
# A comment, then the first lines of what it stands above, up to the name of a function.
FUNCTION = re.compile(r"^(?:VIONET_INLINE )?[a-z][^;{=#]*?\b(vionet_\w+)\(", re.M)
STRUCT = re.compile(r"^struct (vionet_\w+) \{", re.M)


def long_lines(name, text):
    return [f"{name}:{number}: {len(line.expandtabs(8))} columns" for number, line in enumerate(text.split("\n"), 1)
            if len(line.expandtabs(8)) > COLUMNS]


def comment_above(text, place):
    """The comment that ends right above a place; empty if none does."""
    above = text[:place].rstrip(" \t")
    if not above.endswith("*/\n"):
        return ""
    return above[above.rindex("/*"):]


def comment_faults(text):
    faults = []
    for match in FUNCTION.finditer(text):
        if text[match.start():].startswith("typedef"):
            continue
        comment = comment_above(text, match.start())
        words = " ".join(re.sub(r"^ \*", "", line) for line in comment.split("\n"))
        if not re.search(r"Since\s+\d+\.\d+\.", words):
            faults.append(f"{match[1]}: its comment does not say since when it is there")
        for line in comment.split("\n"):
            if len(re.findall(r"-E[A-Z0-9]+\b", line)) > 1:
                faults.append(f"{match[1]}: two errors in one line: {line.strip(' *')}")
        if re.search(r"-E[A-Z]", words) and "Errors:" not in words and "return -E" not in words:
            faults.append(f"{match[1]}: errors outside a list")
    return faults


def chapters(text):
    """Names of the chapters in their order, and the functions that each declares."""
    parts = CHAPTER.split(text)
    return {name: {match[1] for match in FUNCTION.finditer(body) if not match[0].startswith("VIONET_INLINE")
                   and not match[0].startswith("typedef")} for name, body in zip(parts[1::2], parts[2::2])}


def chapter_faults(text, implemented):
    """`implemented`: functions by the name of the file in Sources/VioNetABI."""
    declared = chapters(text)
    listed = re.search(r"chapters of this file: ([^.]*)\.", re.sub(r"\n \* ?", " ", text))
    faults = []
    if not listed or [each.strip() for each in listed[1].split(",")] != list(declared):
        faults.append(f"the first comment lists other chapters than {', '.join(declared)}")
    for chapter, names in declared.items():
        for name in sorted(names - implemented.get(chapter, set())):
            faults.append(f"{name} is of chapter {chapter}, and not in Sources/VioNetABI/{chapter}.swift")
    return faults


def both_faults(text):
    """C++ cannot name a struct without the word struct while a function has its name: the first comment lists these."""
    both = {match[1] for match in STRUCT.finditer(text)} & {match[1] for match in FUNCTION.finditer(text)}
    told = re.search(r"C\+\+\. (.*?) are functions and structs", re.sub(r"\n \* ?", " ", text))
    said = set(re.findall(r"vionet_\w+", told[1])) if told else set()
    return [f"{name} is a function and a struct, and the first comment (\"C++\") does not say so"
            for name in sorted(both - said)] + [
        f"the first comment (\"C++\") says that {name} is a function and a struct, which it is not"
        for name in sorted(said - both)]


def implementations():
    return {path.stem: set(re.findall(r"@c\((vionet_\w+)\)", path.read_text()))
            for path in (ROOT / "Sources/VioNetABI").glob("*.swift")}


def can_fail(text, implemented):
    planted = [
        text.replace("#define VIONET_H\n", "#define VIONET_H\n" + "/*" + "x" * 100 + "*/\n", 1),
        text.replace(" * Any thread. Since 0.1.\n */\nint vionet_stop(", " * Any thread.\n */\nint vionet_stop(", 1),
        text.replace(" *   -EALREADY   the port is started\n", " *   -EALREADY, -EINVAL: the port is started\n", 1),
        text.replace("of this file: Library, Devices", "of this file: Devices, Library", 1),
        text.replace("C++. vionet_info, ", "C++. ", 1),
        text.replace("C++. vionet_info, ", "C++. vionet_info, vionet_rss, ", 1),
    ]
    moved = {name: functions - {"vionet_stop"} for name, functions in implemented.items()}
    count = len(faults_of(text, implemented))
    return (all(each != text and len(faults_of(each, implemented)) > count for each in planted)
            and len(faults_of(text, moved)) > count)


def faults_of(text, implemented):
    return long_lines("vionet.h", text) + comment_faults(text) + chapter_faults(text, implemented) + both_faults(text)


def main():
    text = (ROOT / "include/vionet.h").read_text()
    implemented = implementations()
    faults = faults_of(text, implemented)
    print("\n".join(faults))
    declared = chapters(text)
    print(f"{len(declared)} chapters, {sum(len(each) for each in declared.values())} functions, {len(faults)} faults")
    if not can_fail(text, implemented):
        sys.exit("FAIL: a planted fault went unseen")
    sys.exit(1 if faults else 0)


main()
