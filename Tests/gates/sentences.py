#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every sentence of vionet_error() in the sources explains itself, or docs/troubleshooting.md has an entry for it; and every
entry there is for a sentence. A sentence explains itself if it names what to change: a key or field, a function, a command, a
limit, the argument that is wrong, or the state that the port is in."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("Linux", "Virtio", "SoftDevice", "VioNet", "VioNetABI")
HOLE = "…"  # where a number, a name or the kernel's reason stands
LITERAL = re.compile(r'"((?:\\.|[^"\\])*)"')
RULES = {
    "function": re.compile(r"\bvionet_\w+|\bmmap\(\)"),
    "command": re.compile(r"\bmodprobe |\bip (?:link|tuntap) |bind (?:all|the function)|intel_iommu=on"),
    "limit": re.compile(r"\blimit\b|\bat most\b|\bmust be\b|must not be|longer than|larger|power of two|none of|not a number|"
                        r"\babove\b|\bbelow\b|\bmore than\b|outside|, not …|take(?:s)? .* to \d|there is room for"),
    "argument": re.compile(r"is NULL|is no number|^unknown|takes no value|has no value|has no scheme|names nothing|needs a name|"
                           r"is not a (?:PCI|unicast|socket|device|packet)|bits that are not defined|is not key=value|"
                           r"is empty|ids are|was asked|does not fit|that could be destroyed|^the packet\b|^a segment of the packet|"
                           r"not … to|, not \d|queues are 0 to|is all zero|leaves one part|this library knows|^size is|"
                           r"that name takes|: 2 to …"),
    "cure": re.compile(r"\bgive this\b|\bmake it with\b|\btry again\b|\bopen it anew\b|restart the port|are not back$"),
    "state": re.compile(r"there is no (?:port|pool|served|started|queue)|is (?:not )?(?:started|initialised)|has no queue|"
                        r"uses no queue|is still being probed|open the port again|is another port's|close them first|"
                        r"\balready\b|was destroyed|has no extended|no such event"),
}


def known_words():
    """Keys of addresses, and fields and constants of the header: words that a user can write."""
    keys = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/addresses.md").read_text(), re.M)
    header = (ROOT / "include/vionet.h").read_text()
    fields = re.findall(r"^\t[\w ]+?[ *](\w+)(?:\[\w+\])?;", header, re.M)
    return {f"{key}=" for key in keys} | {f"{key}:" for key in keys} | {f'"{key}"' for key in keys} | {
        each for each in fields if "_" in each} | set(re.findall(r"\bVIONET_[A-Z0-9_]+", header))


def closing(text, at):
    """The place behind the parenthesis that closes the one at `at`; strings are stepped over."""
    depth = 0
    while at < len(text):
        if text[at] == '"':
            at = LITERAL.match(text, at).end() - 1
        depth += (text[at] == "(") - (text[at] == ")")
        at += 1
        if depth == 0:
            return at
    return at


def piece(method, arguments):
    literal = re.fullmatch(r"\s*" + LITERAL.pattern + r"\s*", arguments)
    if method in ("text", "plain") and literal:
        return literal[1].replace('\\"', '"')
    return HOLE


def sentences(text):
    """Each sentence that a source file makes, with a hole for what is filled in."""
    found = []
    for match in re.finditer(r"\bFailure\(", text):
        end = closing(text, match.end() - 1)
        arguments = text[match.end():end - 1]
        literals = re.search(r",\s*" + LITERAL.pattern + r"\s*$", arguments)
        if "," not in arguments:
            continue
        sentence = literals[1].replace('\\"', '"') if literals else HOLE
        while True:
            chain = re.compile(r"\s*\.(\w+)(\()?").match(text, end)
            if not chain or chain[1] == "code":
                break
            after = closing(text, chain.end() - 1) if chain[2] else chain.end()
            sentence += piece(chain[1], text[chain.end():after - 1] if chain[2] else "")
            end = after
        found.append(re.sub(f"{HOLE}+", HOLE, sentence))
    return found


def explains_itself(sentence, words):
    return any(word in sentence for word in words) or any(rule.search(sentence) for rule in RULES.values())


def entries(page):
    """Sentences in the first column of the page's tables. One that ends with a hole goes on with anything."""
    return re.findall(r"^\| `([^`]+)` \|", page, re.M)


def covers(entry, sentence):
    return re.fullmatch(".*".join(re.escape(part) for part in entry.split(HOLE)), sentence) is not None


def faults_of(found, page, words):
    rows = entries(page)
    faults = [f"docs/troubleshooting.md has no entry for: {each}" for each in sorted(found)
              if not explains_itself(each, words) and not any(covers(row, each) for row in rows)]
    return faults + [f"docs/troubleshooting.md has an entry that no source says: {row}" for row in rows
                     if not any(covers(row, each) for each in found)]


def can_fail(words):
    source = 'throw Failure(EIO, "the moon is ").text("blue").reason($0)\n_ = Failure(EINVAL, "mac is NULL")\n'
    planted = sentences(source)
    return planted == ["the moon is blue…", "mac is NULL"] and len(faults_of(set(planted), "| `gone` |", words)) == 2 \
        and not faults_of(set(planted), "| `the moon …` |", words)


def main():
    words = known_words()
    if len(words) < 60 or not can_fail(words):
        sys.exit("FAIL: a planted fault went unseen")
    found = {each for folder in FOLDERS for path in sorted((ROOT / "Sources" / folder).rglob("*.swift"))
             for each in sentences(path.read_text()) if each != HOLE}
    page = (ROOT / "docs/troubleshooting.md").read_text()
    faults = faults_of(found, page, words)
    print("\n".join(faults))
    own = sum(explains_itself(each, words) for each in found)
    print(f"{len(found)} sentences, {own} explain themselves, {len(entries(page))} entries, {len(faults)} faults")
    sys.exit(1 if faults or len(found) < 250 else 0)


main()
