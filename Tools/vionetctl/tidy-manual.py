#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Makes the page that swift-argument-parser writes one that mandoc -Tlint has no complaint about.

    Tools/vionetctl/tidy-manual.py PAGE...

Each sentence begins a line, lines are short, examples are literal, functions are marked as such. A page that is tidy stays
as it is.
"""
import pathlib
import re
import sys
import textwrap

WIDTH = 78
FUNCTION = re.compile(r"(\S*?)\b(vionet_\w+)\(\)(\S*)")


def words_of(sentence):
    """Lines of one sentence, each function on a line of its own."""
    lines, place = [], 0
    for match in FUNCTION.finditer(sentence):
        lines += textwrap.wrap(sentence[place:match.start()], WIDTH, break_long_words=False, break_on_hyphens=False)
        lines.append(" ".join([".Fn", match[2], *match[3]]))
        place = match.end()
    lines += textwrap.wrap(sentence[place:], WIDTH, break_long_words=False, break_on_hyphens=False)
    return [r"\&" + each if each[0] in ".'" and not each.startswith(".Fn ") else each for each in lines]


def paragraph(line):
    sentences = re.split(r"(?<=[.!?])\s+|(?<=[.!?][\"')])\s+", line)
    return [each for sentence in sentences for each in words_of(sentence)]


def is_example(line):
    return line.startswith("  ")


def tidy(page):
    out, lines, place = [], page.rstrip("\n").split("\n"), 0
    literal = False
    while place < len(lines):
        line = lines[place]
        following = lines[place + 1] if place + 1 < len(lines) else ""
        place += 1
        if line == ".Bd -literal" or line == ".Ed":
            literal = line != ".Ed"
            out.append(line)
        elif literal:
            out.append(line)
        elif is_example(line):
            out.append(".Bd -literal")
            while is_example(line):
                out.append(line)
                line = lines[place]
                place += 1
            out.append(".Ed")
            place -= 1
        elif not line:
            if not is_example(following) and not following.startswith("."):
                out.append(".Pp")
        elif line == ".Pp" and following.startswith(".It"):
            continue
        elif line.startswith(".Nd"):
            out.append(".Nd " + line.removeprefix(".Nd ").strip('"').rstrip("."))
        elif line.startswith(".") or line.startswith(r"\&"):
            out.append(line)
        else:
            out += paragraph(line)
    return "\n".join(out) + "\n"


for name in sys.argv[1:]:
    path = pathlib.Path(name)
    path.write_text(tidy(path.read_text()))
