#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every rule of conformance.txt has a verdict, what the verdict names exists, and docs/conformance.md says the same.

    conformance.py            the check
    conformance.py --counts   the same, and a line of counts for each area
    conformance.py --write    writes docs/conformance.md anew

The rules of each area are numbered without a gap, and there are as many as AREAS says.
"""
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import rows as lists

LIST, PAGE = lists.TESTS / "gates/conformance.txt", lists.ROOT / "docs/conformance.md"
# What an area is about, its rules, and how many of them have one of the four normative words.
AREAS = {
    "driver": {
        "GEN": ("status, reset, suspend", 24, 19), "FEA": ("feature bits", 24, 20),
        "CFG": ("configuration space", 10, 6), "SPL": ("split rings", 32, 25), "PKD": ("packed rings", 30, 16),
        "VQR": ("reset of one queue", 6, 4),
        "NTF": ("notifications", 10, 6), "PCI": ("PCI, modern", 35, 28), "LEG": ("legacy interface", 25, 15),
        "MMI": ("memory-mapped registers", 24, 23), "NCF": ("network device: features and configuration", 19, 14),
        "NTX": ("sending", 35, 32), "NRX": ("receiving", 22, 14), "CTL": ("control queue", 42, 31),
        "ADM": ("administration queue", 10, 10), "FLT": ("flow filters and IPsec", 7, 7),
    },
    "software device": {"DEV": ("the device model", 74, 72)},
    "vhost": {
        "VHU": ("vhost-user, front-end", 44, 18), "SEC": ("vhost-user, security", 9, 0),
        "VHK": ("the kernel's vhost-net", 20, 11), "VDP": ("vhost-vdpa", 20, 7),
    },
}
OF_AREA = {area: counts for party in AREAS.values() for area, counts in party.items()}
LEVELS = {"MUST": "M", "MUST-NOT": "N", "SHOULD": "S", "SHOULD-NOT": "D", "fact": "F", "advice": "X"}
ROW = re.compile(rf"^(?P<id>(?P<area>[A-Z]{{3}})-(?P<number>\d\d)) (?P<level>{'|'.join(LEVELS)})  (?P<words>\S.*)$")
BELOW = re.compile(rf"^  (?P<what>construction (?P<place>\S+) (?P<member>\w+): (?P<reason>\S.*)"
                   rf"|inapplicable (?P<why>\S.*)|pending (?P<lack>\S.*)|{lists.TEST})$")
VERDICTS = {"tested": "tested", "construction": "by construction", "inapplicable": "not applicable",
            "pending": "not yet"}
BEGIN = """<!-- Written by Tests/gates/conformance.py from Tests/gates/conformance.txt. -->
# Conformance

Which rules of virtio 1.4, of vhost-user and of the kernel's vhost this library keeps, and how that is known. Rules are
in our own words, with the section where each stands.

* **tested**: tests that show the rule are named, by suite and function or by the name and case of `Tests/run.sh --list`
* **by construction**: the code cannot do otherwise; the place is named
* **not applicable**: the rule is about something that the library does not have or agree to
* **not yet**: neither; the reason is given

MUST, MUST-NOT, SHOULD and SHOULD-NOT are the specification's; a fact is said there without such a word, and advice
is from outside of it. `make conformance` prints the counts and fails if a rule has no verdict, or a verdict names a
test or a place that is not there.
"""


def kind(found):
    word = found["what"].split(" ", 1)[0]
    return word if word in VERDICTS else "tested"


def verdict(below):
    """The strongest of a rule's verdicts."""
    kinds = {kind(found) for found in below}
    return next((each for each in VERDICTS if each in kinds), None)


def place_is_there(found):
    path = lists.ROOT / found["place"]
    member = rf"\b(?:func|let|var|case|struct|enum) {found['member']}\b|\b{found['member']}\("
    return path.is_file() and re.search(member, lists.text_of(path)) is not None


def faults_of(text):
    rows, faults = lists.read(text, ROW, BELOW)
    for area, (_, wanted, normative) in OF_AREA.items():
        levels = [(row["id"], row["level"]) for row, _ in rows if row["area"] == area]
        if [number for number, _ in levels] != [f"{area}-{n:02}" for n in range(1, wanted + 1)]:
            faults.append(f"{area}: the rules are not {area}-01 to {area}-{wanted}, each once and in order")
        if sum(level.isupper() for _, level in levels) != normative:
            faults.append(f"{area}: not {normative} of the rules have a normative word")
    faults += [f"{row['id']}: no such area" for row, _ in rows if row["area"] not in OF_AREA]
    for row, below in rows:
        if not below:
            faults.append(f"{row['id']} has no verdict")
        if len(below) > 1 and {kind(found) for found in below} & {"inapplicable", "pending"}:
            faults.append(f"{row['id']} has a verdict beside one that stands alone")
        for found in below:
            if kind(found) == "tested" and not lists.is_there(found):
                faults.append(f"{row['id']}: there is no {found['what']}")
            if found["place"] and not place_is_there(found):
                faults.append(f"{row['id']}: there is no {found['place']} with {found['member']}")
    return faults


def can_fail(text):
    good = len(faults_of(text))
    rows, _ = lists.read(text, ROW, BELOW)
    test = next(found for _, below in rows for found in below if found["suite"])
    place = next(found for _, below in rows for found in below if found["place"])
    alone = next(found for _, below in rows for found in below if kind(found) == "inapplicable")
    planted = [
        re.sub(r"^SPL-07.*\n(  .*\n)*", "", text, flags=re.M), text.replace("\nSPL-07 ", "\nSPL-08 "),
        text.replace("\nGEN-01 MUST ", "\nGEN-01 fact "), re.sub(r"(^FEA-01.*\n)(  .*\n)*", r"\1", text, flags=re.M),
        text.replace(test["what"], test["what"] + "OfNobody", 1),
        text.replace(place["place"], place["place"] + "x", 1),
        text.replace(f"{place['place']} {place['member']}:", f"{place['place']} {place['member']}OfNobody:", 1),
        text.replace(alone[0] + "\n", alone[0] + "\n  pending beside it\n", 1),
        text.replace("\n  unit ", "\n  units ", 1), text + "XYZ-01 MUST  no such area\n  pending no reason\n",
        text.replace("(virtio 1.4, 2.1.1)\n", "(virtio 1.4, 2.1.1)\n  abi-no-such-test: case\n", 1),
    ]
    return all(changed != text and len(faults_of(changed)) > good for changed in planted)


def counts(rows, areas):
    """Of some areas: rules, and how many have each verdict; the same of the normative ones."""
    of = [(row, verdict(below)) for row, below in rows if row["area"] in areas]
    return [[len(some)] + [sum(said == each for _, said in some) for each in VERDICTS]
            for some in (of, [each for each in of if each[0]["level"].isupper()])]


def cells(numbers):
    (every, *of_every), (normative, *of_normative) = numbers
    return f"{every} | " + " | ".join(map(str, of_every)) + f" | {normative} | " + " | ".join(map(str, of_normative))


def said(found):
    if found["place"]:
        return f"`{found['place']}`, `{found['member']}`: {found['reason']}"
    if kind(found) != "tested":
        return found["why"] or found["lack"]
    if found["folder"]:
        return f"`{found['folder']}-{found['name']}`" + (f" ({found['case']})" if found["case"] else "")
    return f"`{found['what'].removeprefix('unit ').replace('models: ', 'models, ')}`"


def page(text):
    rows, _ = lists.read(text, ROW, BELOW)
    out = [BEGIN, "## Counts\n", "From `normative` on the columns count the rules with a normative word alone.\n",
           "| area | about | rules | tested | by construction | not applicable | not yet | normative | tested "
           "| by construction | not applicable | not yet |", "|---|---|" + "---:|" * 10]
    for party, areas in AREAS.items():
        out += [f"| {area} | {about} | {cells(counts(rows, {area}))} |" for area, (about, _, _) in areas.items()]
        out.append(f"| **{party}** | all of it | {cells(counts(rows, areas))} |")
    open_rows = [row for row, below in rows if verdict(below) == "pending"]
    unread = sum((found["lack"] or "").startswith("not looked at") for _, below in rows for found in below)
    twice = [row["id"] for row, below in rows
             if {found["folder"] for found in below} & {"guest", "wire", "dpdk"}
             and any(found["suite"] or found["folder"] in ("abi", "fuzz") for found in below)]
    out += [f"\n{unread} rules were not looked at yet. {len(twice)} are shown by a real peer (QEMU, DPDK, the "
            "kernel) as well as by a device of our own: " + ", ".join(twice) + ".",
            "\n## Not yet\n", "| rule | | reason |", "|---|---|---|"]
    out += [f"| {row['id']} {row['level']} | {row['words']} | {below[0]['lack']} |" for row, below in rows
            if row in open_rows]
    for area, (about, _, _) in OF_AREA.items():
        out += [f"\n## {area}: {about}\n", "| rule | | verdict | shown by |", "|---|---|---|---|"]
        out += [f"| {row['id']} {row['level']} | {row['words']} | {VERDICTS.get(verdict(below), '')} "
                f"| {'; '.join(map(said, below))} |" for row, below in rows if row["area"] == area]
    return "\n".join(out) + "\n"


def main():
    text = LIST.read_text()
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(page(text))
    if not can_fail(text):
        sys.exit("FAIL: planted faults were not seen")
    faults = faults_of(text)
    if not faults and (not PAGE.is_file() or PAGE.read_text() != page(text)):
        faults.append("docs/conformance.md is not what Tests/gates/conformance.py --write writes")
    print("\n".join(faults))
    rows, _ = lists.read(text, ROW, BELOW)
    print("tested, by construction, not applicable, not yet; and of those with a normative word")
    shown = [({area}, area) for area in OF_AREA] if "--counts" in sys.argv else []
    for areas, name in shown + [(areas, party) for party, areas in AREAS.items()]:
        print(f"{name:16}" + "  ".join("".join(f"{n:5}" for n in of_each) + f" of {every:3}"
                                       for every, *of_each in counts(rows, areas)))
    sys.exit(1 if faults else 0)


main()
