# SPDX-License-Identifier: BSD-2-Clause
"""Reads a public header: its chapters, its comments, and what each comment stands above."""
import re

HEADING = re.compile(r"/\* ---- (\w+)(?:: ([^-]*?))? -+ \*/")
# What the pages do not show: it serves compilers alone.
HIDDEN = re.compile(r"^#ifdef __cplusplus\n(?:extern \"C\" \{|\})\n#endif|^#(?:.*\\\n)*.*|^_?[Ss]tatic_assert.*$", re.M)
MACRO = r"#define (?P<macro>VIONET_\w+)(?P<macro_parameters>\([^)]*\))? (?P<macro_value>(?:[^\n]*\\\n)*[^\n]*)\n"
TOKEN = re.compile(
    r"\s*(?:(?P<comment>/\*.*?\*/)|" + MACRO +
    r"|enum (?P<enum>\w+) \{(?P<enum_body>.*?)\n\};|struct (?P<struct>\w+) \{(?P<struct_body>.*?)\n\};"
    r"|struct (?P<opaque>\w+);(?: (?P<note>/\*.*?\*/))?|typedef (?P<callback>[^;]*);"
    r"|VIONET_INLINE (?P<inline>[^{;]*?)\s*\{.*?\n\}|(?P<function>[a-z][^;{]*\));)", re.S)
# Macros that a program does not write, or that the page vionet(3) lists by itself.
UNTOLD = re.compile(r"VIONET_(?:(?:CONTROL_)?H$|VERSION|NULLABLE|NONNULL|INLINE)")


def lines_of(comment):
    """The lines of a comment, without its marks."""
    text = comment.removeprefix("/*").removesuffix("*/")
    lines = [re.sub(r"^\s*\*( |$)", "", line).rstrip() for line in text.split("\n")]
    lines = [lines[0].strip(), *lines[1:]]
    while lines and not lines[0]:
        lines.pop(0)
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


class Item:
    """A declaration: what kind it is, its name, its text in C, its comment and, of a struct or an enum, its members."""

    def __init__(self, kind, name, text="", comment=(), members=()):
        self.kind, self.name, self.text, self.comment, self.members = kind, name, text, list(comment), list(members)


class Chapter:
    """Part of a header: `notes` are comments that stand above no declaration, by the number of items before them."""

    def __init__(self, name, subtitle):
        self.name, self.subtitle, self.items, self.notes = name, subtitle or "", [], []


class Member:
    """A field or a constant with its comment. A comment without a name is a remark about all of them."""

    def __init__(self, text, comment, above=False):
        self.text, self.comment, self.above = text, comment, above


def members_of(body, end):
    """Members of a struct (end is ";") or an enum (","), in their order."""
    found, above, place = [], [], 0
    token = re.compile(rf"\s*(?:(?P<comment>/\*.*?\*/)|(?P<text>[^{end}/]+){end}?[ \t]*(?P<behind>/\*.*?\*/)?)", re.S)
    body = body.rstrip()
    while body[place:].strip():
        match = token.match(body, place)
        place = match.end()
        if match["comment"]:
            above += lines_of(match["comment"])
            continue
        text = " ".join(re.sub(r"\bVIONET_N\w+", " ", match["text"]).split()).replace("* ", "*")
        found.append(Member(text, lines_of(match["behind"]) if match["behind"] else above, above != []))
        above = []
    if above:
        found.append(Member("", above))
    return found


def prototype(text):
    text = re.sub(r"\bVIONET_(?:NULLABLE|NONNULL)\b", "", text)
    return re.sub(r"\*\s+(?=[\w*])", "*", re.sub(r"\(\s+", "(", " ".join(text.split())))


def item_of(match, comment):
    if match["macro"]:
        behind = re.search(r"/\*.*?\*/", match["macro_value"])
        return Item("macro", match["macro"], match["macro"] + (match["macro_parameters"] or ""),
                    comment + (lines_of(behind[0]) if behind else []))
    if match["enum"]:
        return Item("enum", match["enum"], "", comment, members_of(match["enum_body"], ","))
    if match["struct"]:
        return Item("struct", match["struct"], "", comment, members_of(match["struct_body"], ";"))
    if match["opaque"]:
        return Item("opaque", match["opaque"], "", comment + (lines_of(match["note"]) if match["note"] else []))
    if match["callback"]:
        text = prototype(match["callback"])
        return Item("callback", re.search(r"\(\*(\w+)\)", text)[1], text, comment)
    text = prototype(match["inline"] or match["function"])
    return Item("function", re.search(r"\b(vionet_\w+)\(", text)[1], text, comment)


def clean(text):
    """The header without what is for compilers alone; macros that have a use in programs stay."""
    def keep(match):
        name = re.match(r"#define (\w+)", match[0])
        return match[0] if name and not UNTOLD.match(name[1]) else ""
    return HIDDEN.sub(keep, text)


def read(text):
    """The first comment of a header, and its chapters; a header without chapters is one."""
    comments = re.findall(r"/\*.*?\*/", text, re.S)
    text = clean(text[text.index(comments[1]) + len(comments[1]):])
    chapters, comment, place, seen = [Chapter("", "")], None, 0, set()
    while text[place:].strip():
        match = TOKEN.match(text, place)
        if not match:
            raise SystemExit("cannot read: " + text[place:].strip().split("\n")[0])
        place = match.end()
        heading = HEADING.fullmatch(match["comment"] or "")
        alone = comment is not None and (match["comment"] or match[0].startswith("\n\n"))
        if alone:
            chapters[-1].notes.append((len(chapters[-1].items), comment))
        if heading:
            chapters.append(Chapter(*heading.groups()))
        if match["comment"]:
            comment = None if heading else lines_of(match["comment"])
            continue
        item = item_of(match, [] if alone else comment or [])
        comment = None
        if item.name not in seen or item.kind != "macro":
            chapters[-1].items.append(item)
        seen.add(item.name)
    return lines_of(comments[1]), chapters
