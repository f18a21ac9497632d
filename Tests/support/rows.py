# SPDX-License-Identifier: BSD-2-Clause
"""The lists of Tests/gates/ whose rows name tests: catalogue.txt and conformance.txt.

A row begins at the margin; what stands below it is indented. A test is named as `Tests/run.sh --list` does, with a case
behind a colon; of the Swift tests file and function.
"""
import functools
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
TESTS = ROOT / "Tests"
TEST = (r"unit (?P<suite>\w+)/(?P<function>\w+)|models: (?P<model>[\w-]+)"
        r"|(?P<folder>abi|fuzz|guest|wire|dpdk|gate|tool)-(?P<name>[\w-]+)(?:: ?(?P<case>.*))?")
FOLDERS = {"gate": "gates", "dpdk": "wire"}


def read(text, row, below):
    """The rows as matches of `row`, each with the matches of `below` under it; and the lines that are neither."""
    rows, wrong = [], []
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if head := row.match(line):
            rows.append((head, []))
        elif rows and (found := below.match(line)):
            rows[-1][1].append(found)
        else:
            wrong.append(f"not a row and not what belongs to one: line {number}: {line}")
    return rows, wrong


def source_of(folder, name):
    if folder == "guest":
        return next(iter((TESTS / "guest/scenarios").glob(f"{name}.sh")), None)
    wanted = f"dpdk-{name}" if folder == "dpdk" else name
    for path in sorted((TESTS / FOLDERS.get(folder, folder)).glob("*")):
        if path.suffix in (".c", ".cpp", ".sh", ".py") and path.stem.replace("_", "-") == wanted:
            return path
    return None


@functools.cache
def text_of(path):
    return path.read_text()


def is_there(test):
    """True if the test that a match of TEST names exists."""
    if suite := test["suite"]:
        # Both folders of Swift tests may have such a file. The attribute may have its arguments on lines of their own.
        wanted = rf"@Test\b[^{{}}]*(?:\{{[^{{}}]*\}}[^{{}}]*)*\bfunc {test['function']}\("
        return any(re.search(wanted, text_of(path)) for path in TESTS.glob(f"*Tests/{suite}.swift"))
    if test["model"]:
        return (TESTS / "models" / f"{test['model']}.pml").is_file()
    path = source_of(test["folder"], test["name"])
    if path is None:
        return False
    case, text = test["case"] or "", text_of(path).replace('\\"', "'")
    if test["folder"] in ("guest", "wire", "dpdk", "tool") and re.search(rf"\bcheck {re.escape(case)}(?=\s)", text):
        return True
    return f'"{case}' in text + '"'
