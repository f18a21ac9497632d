# SPDX-License-Identifier: BSD-2-Clause
"""A page of docs/ in mdoc: headings, paragraphs, tables, lists, blocks of code."""
import re

from mdoc import NAME, escaped


def cells(row):
    return [each.strip() for each in row.strip().strip("|").split("|")]


def plain(text):
    """Links name the page; names of the library need no quotes; what is bold is not."""
    text = re.sub(r"\[[^]]*\]\(vionetctl\.md\)", "vionetctl(1)", text)
    text = re.sub(r"\[([^]]*)\]\(([^)]*)\)", r"`docs/\2`", text).replace("**", "")
    return re.sub(r"`([^`]+)`", lambda match: match[1] if NAME.fullmatch(match[1]) else match[0], text)


def tag(text):
    return " ".join("Li " + escaped(each.strip("`"), True) for each in [plain(text)])


def table(prose, rows):
    """Each row is an entry: the first cell names it, the last one explains, those between stand before that."""
    names = rows[0][1:-1]
    out = [".Bl -tag -width Ds"]
    for row in rows[2:]:
        out.append(".It " + tag(row[0]))
        facts = [f"{name}: {cell.replace('`', '')}" for name, cell in zip(names, row[1:-1]) if cell]
        out += prose.paragraph("; ".join(facts) + ".") if facts else []
        out += [".br"] if facts else []
        text = plain(row[-1])
        out += prose.paragraph(text[:1].upper() + text[1:] + ("" if text.endswith(".") else "."))
    return [*out, ".El"]


def page(prose, text):
    """Everything below the title. A bold beginning is a heading of its own."""
    out, lines, place = [], text.split("\n"), 0
    while place < len(lines):
        line = lines[place]
        if line.startswith("## "):
            out.append(".Sh " + line[3:].upper())
            place += 1
        elif line.startswith("```"):
            end = lines.index("```", place + 1)
            out += [".Bd -literal -offset indent", *(escaped(each) for each in lines[place + 1:end]), ".Ed"]
            place = end + 1
        elif line.startswith("|"):
            start = place
            while lines[place].startswith("|"):
                place += 1
            out += table(prose, [cells(each) for each in lines[start:place]])
        elif line.strip() and not line.startswith("# "):
            start = place
            while place < len(lines) and lines[place].strip() and not lines[place].startswith(("|", "```", "#")):
                place += 1
            words = " ".join(lines[start:place])
            heading = re.match(r"\*\*([^*]+)\.\*\* ", words)
            out += [".Ss " + heading[1]] if heading else [".Pp"] if not out or not out[-1].startswith(".S") else []
            out += prose.paragraph(plain(words[len(heading[0]):] if heading else words))
        else:
            place += 1
    return out
