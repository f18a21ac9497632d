#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The folder rule of the driver: a folder uses only types and members of folders above it in `ls`.

Members that an extension adds belong to the folder of the extension. Port, Tune and Watch are the top: they know each
other and everything. No file lies in Sources/VioNet itself. Modules know only those that they are built on: the driver
and the device model do not know each other, and neither knows the C interface.
"""
import pathlib
import re
import sys
import tempfile

TOP = {"Port", "Tune", "Watch"}
# What each module may import of ours. CLinux and CVionet are C headers.
IMPORTS = {
    "Linux": {"CLinux"},
    "Virtio": {"CLinux", "Linux"},
    "SoftDevice": {"CLinux", "Linux", "Virtio"},
    "VioNet": {"CLinux", "CVionet", "Linux", "Virtio"},
    "VioNetABI": {"CLinux", "CVionet", "Linux", "Virtio", "SoftDevice", "VioNet"},
    "VioNetControl": {"CLinux", "CVionet", "CVionetControl", "Linux"},
}
ATTRIBUTES = r"(?:@\w+(?:\([^)]*\))?\s+)*"
MODIFIERS = (r"(?:(?:public|package|internal|private|fileprivate|private\(set\)|fileprivate\(set\)|final|indirect|static|"
             r"mutating|nonmutating|consuming|borrowing|nonisolated|nonisolated\(unsafe\)|override) +)*")
TYPE = re.compile(r"^" + ATTRIBUTES + MODIFIERS + r"(?:struct|class|enum|protocol|typealias|actor) +(\w+)", re.M)
NESTED = re.compile(TYPE.pattern.replace("^", "^ *", 1), re.M)
MEMBER = re.compile(r"^ *" + ATTRIBUTES + MODIFIERS + r"(?:func|var|let|case) +`?(\w+)", re.M)
NAMES_IN_CASE = re.compile(r"^ *case +([\w, ]+)$", re.M)
# Functions of the folder's files outside any type are members of the module.
NOISE = re.compile(r'//[^\n]*|/\*.*?\*/|"""(?:.*?)"""|"(?:\\.|[^"\\\n])*"', re.S)


def code(path):
    """A file without comments and strings, line breaks kept."""
    return NOISE.sub(lambda m: "\n" * m.group().count("\n"), path.read_text())


def types_in(text):
    return set(TYPE.findall(text))


def members_in(text):
    """Members of types and extensions, and free functions; local variables are not told apart, which only hides uses."""
    names = set(MEMBER.findall(text))
    for line in NAMES_IN_CASE.findall(text):
        names |= {name.strip() for name in line.split(",")}
    return names


def members_added(text):
    """Members declared in extensions and types: lines that are indented by two spaces, one level in."""
    return {m.group(1) for m in MEMBER.finditer(text) if re.match(r"^ {2}\S|^func|^@", m.group(0).lstrip("\n"))}


class Folder:
    def __init__(self, path):
        self.name = path.name
        self.files = {p: code(p) for p in sorted(path.rglob("*.swift"))}
        whole = "\n".join(self.files.values())
        self.types, self.nested = types_in(whole), set(NESTED.findall(whole))
        self.all_members, self.members = members_in(whole), members_added(whole)


def uses(folder, names, form):
    word = re.compile(form % "|".join(sorted(names)))
    for path, text in folder.files.items():
        for number, line in enumerate(text.split("\n"), 1):
            for name in word.findall(line):
                yield f"{path}:{number}: {folder.name}/ uses {name}"


def folder_faults(driver, elsewhere=frozenset()):
    """Uses of a type or member in a folder above the one that declares it. `elsewhere`: members that other modules have,
    by whose name a use cannot be told."""
    faults = [f"{path}: lies in no folder" for path in sorted(driver.glob("*.swift"))]
    folders = [Folder(p) for p in sorted(driver.iterdir()) if p.is_dir()]
    for place, folder in enumerate(folders):
        if folder.name in TOP:
            continue
        above = folders[:place + 1]
        types = set().union(*(f.types | f.nested for f in above))
        members = set().union(*(f.all_members for f in above)) | elsewhere
        for lower in folders[place + 1:]:
            for names, form in ((lower.types - types, r"(?<![\w.])(%s)\b"), (lower.members - members, r"\.(%s)\b")):
                if names:
                    faults += [f"{fault} of {lower.name}/" for fault in uses(folder, names, form)]
    return faults, sum(len(f.types) + len(f.members) for f in folders)


def import_faults(sources):
    ours = set(IMPORTS) | set().union(*IMPORTS.values())
    faults = []
    for module, allowed in IMPORTS.items():
        for path in sorted((sources / module).rglob("*.swift")):
            for name in re.findall(r"^\s*(?:@\w+ +)*(?:\w+ +)?import +(?:\w+ +)?(\w+)", code(path), re.M):
                if name in ours and name not in allowed:
                    faults.append(f"{path}: {module} imports {name}")
    return faults


def planted(sources, name, text, find):
    """Faults that are found after a file was written over, which is put back afterwards."""
    path = sources / name
    before = path.read_text() if path.exists() else None
    path.write_text(text)
    found = find()
    if before is None:
        path.unlink()
    else:
        path.write_text(before)
    return len(found)


def can_fail():
    """The checks see planted faults, and nothing where there is none."""
    with tempfile.TemporaryDirectory() as folder:
        sources = pathlib.Path(folder)
        for name in ("Linux", "SoftDevice", "VioNet/Bus", "VioNet/Port", "VioNet/Queue", "VioNet/Watch"):
            (sources / name).mkdir(parents=True)
        (sources / "VioNet/Bus/A.swift").write_text(
            '// Ring is below\nstruct Address {\n  let text = "Ring"\n  var first: Int { 0 }\n}\n')
        (sources / "VioNet/Queue/Q.swift").write_text(
            "import Linux\n@safe\npackage struct Ring {\n  var address: Address\n}\n"
            "extension Address {\n  package static func reaching(_ ring: Ring) -> Bool { ring.address.first == 0 }\n"
            "  var second: Int { first }\n}\n")
        (sources / "VioNet/Port/P.swift").write_text("struct Port {\n  let view: View\n}\n")
        (sources / "VioNet/Watch/W.swift").write_text("struct View {\n  var port: Port?\n}\n")

        def folders():
            return folder_faults(sources / "VioNet")[0]

        def imports():
            return import_faults(sources)

        if folders() or imports():
            return "an honest tree was found at fault: " + "; ".join(folders() + imports())
        plants = (
            ("a use of a type below", "VioNet/Bus/B.swift", "struct B {\n  var ring: Ring?\n}\n", folders),
            ("a use of a property that an extension below adds", "VioNet/Bus/B.swift",
             "struct B {\n  let number: Int\n  init(_ a: Address) { number = a.second }\n}\n", folders),
            ("a use of a function that an extension below adds", "VioNet/Bus/B.swift",
             "func b() { _ = Address.reaching }\n", folders),
            ("a use of the top", "VioNet/Queue/B.swift", "struct B {\n  let view: View\n}\n", folders),
            ("a file in no folder", "VioNet/B.swift", "struct B {}\n", folders),
            ("an import", "SoftDevice/S.swift", "import VioNet\n", imports),
        )
        for what, name, text, find in plants:
            found = planted(sources, name, text, find)
            print(f"planted: {what}: {found} found")
            if found != 1:
                return f"{what} was found {found} times"
    return None


def main():
    fault = can_fail()
    if fault:
        sys.exit(f"FAIL: {fault}")
    sources = pathlib.Path(__file__).resolve().parents[2] / "Sources"
    others = set()
    for module in ("Linux", "Virtio"):
        for path in (sources / module).rglob("*.swift"):
            others |= members_in(code(path))
    # Fields of C structs, and members of the standard library that some folder has by the same name.
    for header in [*sources.parent.glob("include/*.h"), *sources.glob("CLinux/include/*.h")]:
        others |= set(re.findall(r"\w+", header.read_text()))
    others |= {"count", "first", "last", "map", "value", "description", "size", "index", "next", "flags", "length", "zero"}
    faults, count = folder_faults(sources / "VioNet", frozenset(others))
    faults += import_faults(sources)
    print("\n".join(faults))
    print(f"{count} types and members in the driver's folders, {len(faults)} faults")
    if count < 300:
        sys.exit("FAIL: hardly any type or member was found")
    sys.exit(1 if faults else 0)


main()
