#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Comments can be read alone, and words have one meaning (CONTRIBUTING.md, "Words").

A doc comment names its subject: none begins with a word that leans on the line before. Words that the list replaced do
not come back, in code, comments or pages.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
LEANING = ("Of", "And", "Such", "The same", "As", "Nothing", "Nobody", "Not", "With", "Neither", "Besides", "But",
           "Or")
# What is replaced, as a regular expression of whole identifiers or words, and what to say instead.
REPLACED = {
    r"\w*[sS]traight\w*|\bcrooked\b|\bbend\(": "in ring order, out of order",
    r"\bUseOrder\b": "DescriptorOrder",
    r"\bnews\b|\bhasNews\b|\bisNews\b|\bPortNews\b|\btakeNews\b|\bmakeNews\b": "event, configuration change, link change",
    r"\bpoke\b": "signal",
    r"\bdoors?\b|\bopenDoors\b|\bshutDoors\b": "burst entry, entry point",
    r"\b(?:PCI|VFIO|UIO)Hold\b": "access",
    r"\bisHeld\b|\bholdQueues\b": "quarantine",
    r"\bKeptPair\b|\bmakeKept\b|\bforgetKept\b|\bkeepPackets\b": "backlog",
    r"\blent\b|\bloans?\b": "shared, biased",
    r"\bpromised\b": "reserved",
    r"\bsettled\b|\bmustBeSettled\b": "agreed at start",
    r"\buntold\b": "unpublished",
    r"\bCompanion\b|\bcompanion\b": "hosted device",
    r"\w*Meeting\b|\bmeetNext\b|\bwasInVain\b|\bmeetingWas\w+": "connector, reconnect",
    r"\bisOfTheMoment\b": "isTransient",
    r"\bstrangers?\b": "foreign",
    r"\b\w*TransmitOdd\b|\btransmitOdd\b": "chained",
    r"\bnonsense\b": "invalid",
    r"\bunspeakable\w*\b": "not carried by vhost",
    r"\bstubborn\w*\b|\b[sS]econd resorts?\b": "fallback",
    r"\bmanieth\b|\bso manieth\b": "number",
    r"\bVHU-\d+\b": "the document's title and section",
}
SPARED = {"Tests/gates/words.py", "docs/conformance.md"}  # the latter numbers rules as the list of vhost-user does


def leaning(text):
    """Doc comments that begin with a leaning word, by the number of their first line."""
    found, before = [], ""
    for number, line in enumerate(text.split("\n"), 1):
        match = re.match(r"\s*/// (.*)$", line)
        if match and not before.lstrip().startswith("///"):
            word = next((each for each in LEANING if re.match(rf"{each}\b", match[1])), None)
            if word:
                found.append((number, f"a doc comment begins with \"{word}\": {match[1]}"))
        before = line
    return found


def replaced(text):
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        for pattern, instead in REPLACED.items():
            for match in re.finditer(pattern, line):
                found.append((number, f"\"{match[0]}\"; say: {instead}"))
    return found


def files():
    for folder in ("Sources", "Tests", "include", "examples", "docs", "bench", "Tools"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".swift", ".c", ".h", ".cpp", ".sh", ".py", ".md") and ".build" not in path.parts:
                yield path
    yield from sorted(ROOT.glob("*.md"))


def can_fail():
    planted = "  /// Of the ring.\n  var news: Int\n/// Names the ring.\n/// Of two lines the second may lean.\n"
    return len(leaning(planted)) == 1 and len(replaced(planted)) == 1 and not replaced("/// The news paper\n"[:8])


def main():
    if not can_fail():
        sys.exit("FAIL: a planted fault went unseen")
    faults, count = [], 0
    for path in files():
        name = str(path.relative_to(ROOT))
        if name in SPARED:
            continue
        text = path.read_text()
        found = (leaning(text) if path.suffix == ".swift" else []) + replaced(text)
        faults += [f"{name}:{number}: {fault}" for number, fault in found]
        count += 1
    print("\n".join(faults))
    print(f"{count} files, {len(faults)} faults")
    sys.exit(1 if faults or count < 100 else 0)


main()
