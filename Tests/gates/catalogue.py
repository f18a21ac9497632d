#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every row of the catalogue of hostile behaviour has a test, and every test that it names is there.

A row that concerns both kinds of rings has tests of both. The rows of each letter are numbered without a gap.
"""
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import rows as lists

COUNTS = {"R": 35, "N": 14, "C": 18, "T": 13, "Q": 6, "V": 17, "M": 8, "A": 10}  # the catalogue that this one began with
ROW = re.compile(r"^(?P<number>[A-Z]\d\d) (?P<rings>split|packed|both|-)  (?P<words>\S.*)$")
TEST = re.compile(rf"^  (?:(?P<rings>split|packed) )?(?P<what>none \S.*|{lists.TEST})$")


def is_there(test):
    return test["what"].startswith("none ") or lists.is_there(test)


def faults_of(text):
    rows, faults = lists.read(text, ROW, TEST)
    numbers = [row["number"] for row, _ in rows]
    for letter in sorted({number[0] for number in numbers} | set(COUNTS)):
        of_letter = [number for number in numbers if number[0] == letter]
        wanted = [f"{letter}{n:02}" for n in range(1, max(COUNTS.get(letter, 0), len(of_letter)) + 1)]
        if of_letter != wanted:
            faults.append(f"{letter}: the rows are not {wanted[0]} to {wanted[-1]}, each once and in order")
    for row, tests in rows:
        number = row["number"]
        if not tests:
            faults.append(f"{number} has no test")
        faults += [f"{number}: there is no {test.group(0).strip()}" for test in tests if not is_there(test)]
        kinds = {test["rings"] for test in tests}
        if row["rings"] == "both" and None not in kinds and kinds != {"split", "packed"}:
            faults.append(f"{number} has tests of one kind of ring only")
    return faults


def can_fail(text):
    good = faults_of(text)
    planted = [text.replace("R07 split", "R08 split", 1), text.replace("/onlyAHeadIsAHead", "/onlyAHeadIsATail", 1),
               text.replace("  fuzz-concurrent-device\n", "", 1), text.replace("abi-each-function", "abi-every-function", 1),
               text + "X01 both  one kind\n  split fuzz-device-rings\n", text.replace("\n  unit", "\n  units", 1)]
    return all(len(faults_of(changed)) > len(good) for changed in planted)


def main():
    text = (lists.TESTS / "gates/catalogue.txt").read_text()
    if not can_fail(text):
        sys.exit("FAIL: planted faults were not seen")
    faults = faults_of(text)
    rows, _ = lists.read(text, ROW, TEST)
    for fault in faults:
        print(fault)
    without = sum(any(t["what"].startswith("none ") for t in tests) for _, tests in rows)
    print(f"{len(rows)} rows, {len(rows) - without} with {sum(len(tests) for _, tests in rows) - without} tests")
    sys.exit(1 if faults or len(rows) < sum(COUNTS.values()) else 0)


main()
