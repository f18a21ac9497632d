#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What Tests/support/packages.sh measured and typed, as tables of docs/packages.md.

    Tests/support/packages.py FOLDER PAGE
"""
import datetime
import pathlib
import sys

BEGIN, END = "<!-- begin: written by make test-packages -->", "<!-- end -->"


def typed(rows):
    """A row for each command. Double back-quotes, since a command may have single ones."""
    seconds = sum(float(each[1]) for each in rows if each[1] != "-")
    lines = ["| by | command | seconds |", "|---|---|---|"]
    for who, took, command in rows:
        lines.append(f"| {who} | `` {command.replace('|', chr(92) + '|')} `` | {took} |")
    return f"{len(rows)} commands, {seconds:.0f} s.\n\n" + "\n".join(lines) + "\n"


def main():
    folder, page = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    rows = [line.split("\t") for line in (folder / "typed").read_text().splitlines()]
    head, rest = page.read_text().split(BEGIN)
    tail = rest.split(END)[1]
    today = datetime.datetime.now(datetime.timezone.utc).date()
    page.write_text(f"{head}{BEGIN}\nMeasured {today}.\n\n{(folder / 'table').read_text()}\n"
                    f"What the new user types in the fresh Debian: {typed(rows)}\n{END}{tail}")


main()
