#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The manual: what the libraries export is what the headers declare, the maps list and the manual has pages of; so is every
public type and macro. mandoc has no complaint. Each function's page has its errors, its thread rule and its age; every page
and HTML file that one refers to is there; vionet-address(7) has every key of docs/addresses.md."""
# deadline: 600
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
MAN = ROOT / "build/man"
HEADERS = {"vionet": ROOT / "include/vionet.h", "vionet-control": ROOT / "include/vionet-control.h"}
OVERVIEWS = {"vionet", "vionet-control", "vionet_settings"}
# What programs do not write, or that vionet(3) explains in its list of constants.
NO_PAGE = re.compile(r"VIONET_(?:H$|CONTROL_H$|VERSION|NULLABLE|NONNULL|INLINE|MAX_|PORT_NONE|HEADROOM|DEVICE_LENGTH|SKIPPED)")


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


def exported(library):
    out = run("nm", "-D", "--defined-only", f"build/lib{library}.so").stdout
    return {line.split()[-1].split("@")[0] for line in out.split("\n") if " T " in line}


def mapped(library):
    return set(re.findall(r"^\s*(vionet_\w+);", (ROOT / f"{library}.map").read_text(), re.M))


def functions(text):
    """Functions that a header declares, with the comment above each."""
    text = re.sub(r"^typedef[^;]*;", "", text, flags=re.M)
    pattern = r"(/\*(?:(?!\*/).)*\*/)\n(?:VIONET_INLINE )?[a-z][^;{}=#/]*?\b(vionet_\w+)\("
    return {match[2]: match[1] for match in re.finditer(pattern, text, re.S)}


def others(text):
    """Types and macros that a header defines."""
    found = set(re.findall(r"^(?:struct|enum) (vionet_\w+)(?: \{|;)", text, re.M))
    found |= set(re.findall(r"^typedef [^;]*\(\*(vionet_\w+)\)", text, re.M))
    return found | {name for name in re.findall(r"^#define (VIONET_\w+)", text, re.M) if not NO_PAGE.match(name)}


def difference(one, name, other, other_name):
    return [f"{each}: in {name}, not in {other_name}" for each in sorted(one - other)] + [
        f"{each}: in {other_name}, not in {name}" for each in sorted(other - one)]


def pages():
    """Every page's text, by section and name; a link has the text of what it leads to."""
    return {(path.parent.name[3:], path.name[:-2]): path.read_text() for path in sorted(MAN.glob("man[137]/*"))}


def set_faults(library, text, found):
    declared = set(functions(text))
    faults = difference(exported(library), "the library's exports", declared, f"{library}.h")
    faults += difference(mapped(library), f"{library}.map", declared, f"{library}.h")
    third = {name for section, name in found if section == "3"} - OVERVIEWS
    mine = {name for name in third if name.startswith("vionet_control") == (library == "vionet-control")}
    return faults + difference(mine, "section 3", declared | others(text), f"{library}.h")


def page_faults(text, found):
    """What a function's page lacks of its comment."""
    faults = []
    for name, comment in functions(text).items():
        page = found.get(("3", name), "")
        faults += [f"{name}: its page does not say {error}" for error in set(re.findall(r"(?<![\w-])-E[A-Z0-9]+\b", comment))
                   if not re.search(rf"^\.(?:It )?.*{error}\b", page, re.M)]
        faults += [f"{name}: its page has no section {heading}" for heading in ("THREADS", "HISTORY", "DESCRIPTION")
                   if f"\n.Sh {heading}\n" not in page]
    return faults


def name_faults(found):
    """A page names itself and what is linked to it, and refers to pages that are there."""
    faults, known = [], set(found) | {("1", "vionetctl")}
    for (section, name), page in found.items():
        if name not in re.findall(r"^\.Nm (\S+)", page.split("\n.Nd ")[0], re.M):
            faults.append(f"{name}({section}) does not have its name")
        faults += [f"{name}({section}) refers to {other}({where})"
                   for other, where in re.findall(r"\bXr (\S+) (\d)", page) if (where, other) not in known]
    return faults


def lint(texts):
    """mandoc's complaints; that a page is not installed is none."""
    faults = []
    for (section, name), text in texts.items():
        out = subprocess.run(["mandoc", "-Tlint"], input=text, capture_output=True, text=True, check=False).stdout
        faults += [f"{name}({section}): {line}" for line in out.split("\n")
                   if line and "referenced manual not found" not in line]
    return faults


def key_faults(found):
    page, text = found[("7", "vionet-address")], (ROOT / "docs/addresses.md").read_text()
    rows = re.findall(r"^\| `([^`]+)` \|", text, re.M)
    missing = [f"vionet-address(7) lacks {row}" for row in rows if f".It Li {row}\n" not in page]
    return missing + ([] if len(rows) > 40 else ["docs/addresses.md has hardly any key"])


def program_faults(found):
    program = re.search(r"^```c\n(.*?)^```", (ROOT / "README.md").read_text(), re.S | re.M)[1]
    lines = {line.strip() for line in found[("3", "vionet")].split("\n")}
    return [f"vionet(3) lacks a line of the README's program: {line}" for line in program.split("\n")
            if line.strip() and line.strip().replace("\\", r"\e") not in lines]


def html_faults():
    files = {path.name: path.read_text() for path in (MAN / "html").iterdir()}
    faults = [f"{name} refers to {link}" for name, text in files.items()
              for link in set(re.findall(r'href="([^"#]+\.html)"', text)) if link not in files]
    return faults + ([] if len(files) > 100 else [f"only {len(files)} HTML files"])


def faults_of(texts, found):
    faults = name_faults(found)
    for library, text in texts.items():
        faults += set_faults(library, text, found) + page_faults(text, found)
    return faults


def can_fail(texts, found):
    """Faults that are planted: each of them has to be seen."""
    header, stop = texts["vionet"], ("3", "vionet_stop")
    page = found[stop]
    planted = [
        ({**texts, "vionet": header.replace("int vionet_stop(", "int vionet_halt(")}, found),
        ({**texts, "vionet": header.replace("enum vionet_hash {", "enum vionet_rehash {")}, found),
        (texts, {key: text for key, text in found.items() if key != stop}),
        (texts, {**found, stop: page.replace("-ETIMEDOUT", "-ENOENT")}),
        (texts, {**found, stop: page.replace(".Sh THREADS\n", "")}),
        (texts, {**found, stop: page.replace(".Nm vionet_stop", ".Nm vionet_halt")}),
        (texts, {**found, stop: page + ".Xr vionet_halt 3\n"}),
    ]
    seen = [bool(faults_of(*each)) for each in planted]
    seen.append(bool(lint({stop: page + "A line that calls poll() without a macro.\n"})))
    seen.append(bool(key_faults({**found, ("7", "vionet-address"): "nothing"})))
    return all(seen)


def main():
    made = run("make", "-s", "man-html")
    if made.returncode:
        sys.exit(f"FAIL: make man-html: {made.stdout}{made.stderr}")
    texts, found = {library: path.read_text() for library, path in HEADERS.items()}, pages()
    files = {key: text for key, text in found.items() if not (MAN / f"man{key[0]}/{key[1]}.{key[0]}").is_symlink()}
    faults = faults_of(texts, found) + key_faults(found) + program_faults(found) + lint(files) + html_faults()
    print("\n".join(faults))
    print(f"{sum(len(functions(text)) for text in texts.values())} functions, {len(files)} pages, "
          f"{len(found) - len(files)} names beside them, {len(faults)} faults")
    if not can_fail(texts, found):
        sys.exit("FAIL: a planted fault went unseen")
    sys.exit(1 if faults else 0)


main()
