#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The folder rule of the driver: a folder uses only types of folders above it in `ls`.

Files in Sources/VioNet itself are for all folders and may use all. The driver and the device model do not know each
other, and neither knows the door.
"""
import pathlib
import re
import sys
import tempfile

DECLARATION = re.compile(
    r"^(?:@\w+(?:\([^)]*\))? +)*(?:(?:public|package|internal|final|indirect|nonisolated) +)*"
    r"(?:struct|class|enum|protocol|typealias|actor) +(\w+)", re.M)
NOISE = re.compile(r'//[^\n]*|/\*.*?\*/|"""(?:.*?)"""|"(?:\\.|[^"\\\n])*"', re.S)


def code(path):
    """A file without comments and strings, line breaks kept."""
    return NOISE.sub(lambda m: "\n" * m.group().count("\n"), path.read_text())


def declared(text):
    # An attribute may stand on a line of its own.
    return set(DECLARATION.findall(re.sub(r"^(@\w+(?:\([^)]*\))?)\n", r"\1 ", text, flags=re.M)))


def folder_faults(driver):
    """Uses of a type in a folder above the one that declares it, as "file:line uses Type of Folder/"."""
    folders = sorted(p for p in driver.iterdir() if p.is_dir())
    files = {f: {p: code(p) for p in sorted(f.rglob("*.swift"))} for f in folders}
    types = {f: set().union(*(declared(t) for t in files[f].values())) if files[f] else set() for f in folders}
    faults = []
    for place, folder in enumerate(folders):
        own = set().union(*(types[f] for f in folders[:place + 1]))
        for lower in folders[place + 1:]:
            names = types[lower] - own
            if not names:
                continue
            word = re.compile(r"(?<![\w.])(" + "|".join(sorted(names)) + r")\b")
            for path, text in files[folder].items():
                for number, line in enumerate(text.split("\n"), 1):
                    faults += [f"{path}:{number}: {folder.name}/ uses {name} of {lower.name}/"
                               for name in word.findall(line)]
    return faults, sum(len(t) for t in types.values())


def import_faults(sources):
    forbidden = {"Linux": ["VioNet", "SoftDevice", "VioNetABI", "CVionet"],
                 "SoftDevice": ["VioNet", "VioNetABI", "CVionet"], "VioNet": ["SoftDevice", "VioNetABI"]}
    faults = []
    for module, names in forbidden.items():
        for path in sorted((sources / module).rglob("*.swift")):
            for name in re.findall(r"^\s*(?:@\w+ +)*(?:\w+ +)?import +(?:\w+ +)?(\w+)", code(path), re.M):
                if name in names:
                    faults.append(f"{path}: {module} imports {name}")
    return faults


def can_fail():
    """The two checks see planted faults, and nothing where there is none."""
    with tempfile.TemporaryDirectory() as folder:
        sources = pathlib.Path(folder)
        for name in ("Linux", "SoftDevice", "VioNet/Attach", "VioNet/Queue"):
            (sources / name).mkdir(parents=True)
        attach, queue = sources / "VioNet/Attach/A.swift", sources / "VioNet/Queue/Q.swift"
        attach.write_text("// Ring is below\nstruct Address { let text = \"Ring\" }\n")
        queue.write_text("import Linux\n@safe\npackage struct Ring { var address: Address }\n")
        if folder_faults(sources / "VioNet")[0] or import_faults(sources):
            return "an honest tree was found at fault"
        attach.write_text("struct Address {\n  var ring: Ring?\n}\n")
        if len(folder_faults(sources / "VioNet")[0]) != 1:
            return "a planted use went unseen"
        (sources / "SoftDevice/S.swift").write_text("import VioNet\n")
        if len(import_faults(sources)) != 1:
            return "a planted import went unseen"
    return None


def main():
    fault = can_fail()
    if fault:
        sys.exit(f"FAIL: {fault}")
    sources = pathlib.Path(__file__).resolve().parents[2] / "Sources"
    faults, count = folder_faults(sources / "VioNet")
    faults += import_faults(sources)
    print("\n".join(faults))
    print(f"{count} types in the driver's folders, {len(faults)} faults")
    if count < 10:
        sys.exit("FAIL: hardly any type was found")
    sys.exit(1 if faults else 0)


main()
