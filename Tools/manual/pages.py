# SPDX-License-Identifier: BSD-2-Clause
"""Pages of section 3: which declarations are on which page, and what a page says."""
import re

from header import Item
from mdoc import Prose, escaped

THREADS = re.compile(r"^(?:Any thread|One thread|The queue's \w+ thread|The thread (?:of|that)|No other (?:thread|call))\b.*")
ANY_THREAD = "Any thread may make this call, which takes the locks that it needs."
SINCE = re.compile(r"^Since (\d+\.\d+)\.$")


class Page:
    """One page: what it is about first (`leads`), then the types and macros that belong to it."""

    def __init__(self, name, chapter, leads):
        self.name, self.chapter, self.leads, self.others, self.notes = name, chapter, leads, [], []

    def items(self):
        return [*self.leads, *self.others]

    def names(self):
        return list(dict.fromkeys(each.name for each in self.items()))


def is_lead(item):
    """A function, or a struct with a comment of its own, that programs see in many places."""
    return item.kind == "function" or item.kind in ("struct", "opaque") and len(item.comment) > 1


def pages_of(chapters):
    """A type is on the page of what is declared next. "Does for X what Y does" is on the page of Y."""
    pages, by_name = [], {}
    for chapter in chapters:
        waiting, notes = [], list(chapter.notes)
        for number, item in enumerate(chapter.items):
            told = re.match(r"Does (?:for .* what )?(vionet_\w+)\(\)(?: does\b| for each)", " ".join(item.comment))
            if told and told[1] in by_name and item.kind == "function":
                by_name[told[1]].leads.append(item)
                by_name[item.name] = by_name[told[1]]
            elif is_lead(item):
                page = by_name[item.name] = Page(item.name, chapter, [item])
                page.others, waiting = waiting, []
                while notes and notes[0][0] <= number:
                    page.notes.append(notes.pop(0)[1])
                pages.append(page)
            else:
                waiting.append(item)
        if waiting and chapter.name:
            raise SystemExit(f"nothing follows {waiting[0].name} in its chapter that has a page")
    return pages


def split_errors(lines):
    """Text of a comment and the rows of its list of errors; a row without a name is what follows the list."""
    start = next((n for n, line in enumerate(lines) if re.search(r"(?:^|\. )Errors(?: of every [^:]*)?:", line)), None)
    if start is None:
        return lines, [], ""
    head = re.split(r"Errors(?: of every [^:]*)?:", lines[start])[0].rstrip()
    if "Errors of every" in lines[start]:
        head = ""
    rows, after, place = [], "", start + 1
    while place < len(lines) and lines[place].startswith("  "):
        match = re.match(r"  (-E\w+)\s*(.*)", lines[place])
        if match:
            rows.append([match[1], match[2]])
        elif re.match(r"  or ", lines[place]):
            after = lines[place].strip()
        elif after:
            after += " " + lines[place].strip()
        else:
            rows[-1][1] += " " + lines[place].strip()
        place += 1
    return lines[:start] + ([head] if head else []) + lines[place:], rows, after


def split_rules(lines):
    """Text without its sentences about threads and age; these sentences; the version."""
    parts, threads, since = [], [], ""
    for part in "\n".join(lines).split("\n\n"):
        kept = []
        for each in re.split(r"(?<=\.)\s+", " ".join(part.split())):
            if SINCE.match(each):
                since = SINCE.match(each)[1]
            elif THREADS.match(each) and not part.startswith("    "):
                threads.append(each)
            else:
                kept.append(each)
        if kept != [""]:
            parts.append(part if part.startswith("    ") else " ".join(kept))
    return "\n\n".join(each for each in parts if each).split("\n"), threads, since


def summary(lines):
    """The first sentence of a comment as the line of a page's NAME: no capital, no full stop."""
    words = re.split(r"(?<=[.:])\s", " ".join(lines))[0].rstrip(".:")
    words = re.sub(r"^Fills \*\w+(?:, whose size the caller sets,)? with", "Fills a struct with", words.split("; NULL")[0])
    first = words.split()[0]
    return words if len(first) > 1 and first.isupper() else words[:1].lower() + words[1:]


def macro_use(text):
    """A macro as it is written, in the synopsis."""
    name, _, parameters = text.rstrip(")").partition("(")
    return f".Fn {name} {parameters.replace(',', '')}" if parameters else f".Dv {name}"


class Writer:
    """Writes one page after the other. `context`: the names with pages, the pages of chapters, the date, the version."""

    def __init__(self, sections, date, version, chapter_rules):
        self.sections, self.date, self.version, self.chapter_rules = sections, date, version, chapter_rules

    def head(self, name, section, names, words):
        names = [f".Nm {each}{' ,' if each != names[-1] else ''}" for each in names]
        return [f'.\\" Written by Tools/manual/write.py: change what it reads.', f".Dd {self.date}",
                f".Dt {name.upper()} {section}", ".Os", ".Sh NAME", *names, f".Nd {escaped(words, True)}"]

    def members(self, prose, item):
        """The fields of a struct or the constants of an enum as a list."""
        offsets = all(re.match(r"\d+: ", each.comment[0]) for each in item.members if each.comment) and item.kind == "struct"
        told = any(each.comment for each in item.members)
        out, macro = [".Bl -tag -width Ds" + ("" if told else " -compact")], "Dv" if item.kind == "enum" else "Vt"
        for place, each in enumerate(item.members):
            if not each.text:
                continue
            text = escaped(each.text, True).replace(" = ", " No = ") if macro == "Dv" else escaped(each.text, True)
            comment = " ".join(each.comment)
            follower = item.members[place + 1] if place + 1 < len(item.members) else None
            if each.above and follower and follower.text and not follower.comment:
                follower.comment, follower.above, comment = each.comment, True, ""
            out.append(f".It {macro} {text}")
            out += prose.paragraph(re.sub(r"^\d+: ", "", comment) if offsets else comment) if comment else []
        out.append(".El")
        for each in item.members:
            if not each.text:
                out += [".Pp", *prose.paragraph(" ".join(each.comment))]
        return out

    def declaration(self, item):
        """A function's lines in the synopsis."""
        match = re.fullmatch(r"(.*?[ *])(\w+)\((.*)\)", item.text)
        result = match[1].strip()
        arguments = [each.strip() for each in match[3].split(",")]
        return [f".Ft {result}", f".Fo {match[2]}", *(f'.Fa "{each}"' for each in arguments), ".Fc"]

    def synopsis(self, page, include):
        out = [".Sh SYNOPSIS", f".In {include}.h"]
        for each in page.leads:
            out += self.declaration(each) if each.kind == "function" else [f".Vt struct {each.name} ;"]
        for each in page.others:
            if each.kind == "callback":
                out += [".Bd -literal", f"typedef {each.text};", ".Ed"]
            elif each.kind == "macro":
                out.append(macro_use(each.text))
            else:
                out.append(f".Vt {each.kind if each.kind == 'enum' else 'struct'} {each.name} ;")
        return out

    def types(self, prose, page):
        out = []
        for each in page.items():
            if each.kind == "function" or not (each.members or each.comment):
                continue
            out.append(f".Ss {'struct' if each.kind == 'opaque' else each.kind} {each.name}"
                       if each.kind != "macro" else f".Ss {each.text}")
            out += prose.text(split_rules(each.comment)[0]) if each not in page.leads else []
            if each.members:
                out += self.members(prose, each)
        return out

    def page(self, page, library):
        prose = Prose(self.sections, page.names())
        described, rows, after, threads, since = [], [], [], [], ""
        for item in page.leads:
            text, found, more = split_errors(item.comment)
            text, rules, age = split_rules(text)
            described += ([""] if described else []) + text
            rows, after = rows + [row for row in found if row not in rows], after or more
            threads, since = threads + [each for each in rules if each not in threads], since or age
        common = self.chapter_rules.get(page.chapter.name)
        out = self.head(page.name, 3, page.names(), summary(page.leads[0].comment))
        out += [".Sh LIBRARY", f"lib{library}", f".Pq Fl l{library}"]
        out += self.synopsis(page, library) + [".Sh DESCRIPTION", *prose.text(described)]
        if common:
            out += [".Pp", *prose.paragraph(f"What is so for every setting is in vionet_settings(3).")]
        for note in page.notes if not common else []:
            out += [".Pp", *prose.text(note)]
        out += self.types(prose, page)
        out += self.results(prose, page, rows, after, common)
        threads = threads or (common[1] if common else [])
        if threads:
            out += [".Sh THREADS", *prose.paragraph(re.sub(r"^Any thread\.", ANY_THREAD, " ".join(threads)))]
        out += self.ending(prose, page, since)
        return out

    def results(self, prose, page, rows, after, common):
        functions = [each for each in page.leads if each.kind == "function"]
        out = []
        numbers = [each for each in functions if each.text.startswith("int ")]
        pointers = [each for each in functions if "*" in each.text.split("vionet_")[0] or "*vionet" in each.text]
        if numbers and (rows or after or common):
            out += [".Sh RETURN VALUES", *prose.paragraph(
                "0 or more on success, a negative errno on failure; vionet_error() then returns a sentence that names what "
                "is wrong." if "control" not in page.name else "0 or more on success, a negative errno on failure.")]
        elif pointers and rows:
            out += [".Sh RETURN VALUES", *prose.paragraph(
                "NULL on failure; the sentence of vionet_error() tells which of the errors below it was.")]
        if common:
            own = dict(rows)
            rows = [[name, text + ("; " + own.pop(name) if name in own else "")] for name, text in common[0]]
            rows += own.items()
        if rows or after:
            out += [".Sh ERRORS", *(prose.errors(rows) if rows else [])]
            out += [*([".Pp"] if rows else []), *prose.paragraph("Also " + re.sub(r"^or (as)?", lambda m: "those of" if m[1] else "", after).strip() + ".")] if after else []
        return out

    def ending(self, prose, page, since):
        base = "vionet-control" if page.name.startswith("vionet_control") else "vionet"
        prose.mentioned |= {base} | ({"vionet_settings"} if page.chapter.name == "Settings" else set())
        other = sorted({each for each in prose.mentioned if each not in prose.own}, key=lambda x: (self.sections[x], x))
        out = [".Sh SEE ALSO"]
        out += [f".Xr {each} {self.sections[each]}{' ,' if each != other[-1] else ''}" for each in other]
        if since:
            out += [".Sh HISTORY", "Since vionet " + since + "."]
        return out


def make(name, comment):
    """An item for a page that is not a declaration."""
    return Item("page", name, "", comment)
