#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Writes the manual from what it explains: section 3 from the public headers, vionet-address(7) from docs/addresses.md, the
examples' pages from their sources.

    Tools/manual/write.py FOLDER     into FOLDER/man1, man3 and man7

A name that shares its page with others is a link to it.
"""
import datetime
import os
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import header  # noqa: E402
import markdown  # noqa: E402
import pages  # noqa: E402
from mdoc import Prose, escaped  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
ADDRESSES = ROOT / "docs/addresses.md"


def examples():
    return sorted([*(ROOT / "examples").glob("vionet-*.c"), ROOT / "examples/httpd/vionet-httpd.c"], key=lambda path: path.stem)


def sources():
    return [*(ROOT / "include").glob("*.h"), ADDRESSES, ROOT / "README.md", *examples()]


def date_of(paths):
    """The day of the newest source, or of SOURCE_DATE_EPOCH."""
    seconds = os.environ.get("SOURCE_DATE_EPOCH") or max(path.stat().st_mtime for path in paths)
    day = datetime.datetime.fromtimestamp(int(float(seconds)), datetime.timezone.utc)
    return f"{day:%B} {day.day}, {day.year}"


# ---- overviews ------------------------------------------------------------------------------------------------------


def overview_text(prose, lines):
    """Paragraphs of a header's first comment. One that begins with a word and a full stop is a part of its own."""
    out, part = [], []
    for line in [*lines, "Z. "]:
        heading = re.match(r"([A-Z][\w+ ]{2,20})\. (.*)|Z\. ", line)
        if heading:
            out += prose.text(part)
            part = [heading[2] or ""]
            out += [".Ss " + heading[1]] if heading[1] else []
        else:
            part.append(line)
    return out


def constants(prose, chapter):
    out = [".Ss Constants", ".Bl -tag -width Ds"]
    for item in chapter.items:
        if item.comment:
            out += [f".It Dv {item.name}", *prose.paragraph(" ".join(item.comment))]
    return [*out, ".El"]


def functions(prose, found, chapters):
    """A list of the functions of each chapter, with what they do."""
    out = []
    for chapter in chapters:
        rows = [page for page in found if page.chapter is chapter]
        if not rows:
            continue
        if chapter.name:
            out.append(".Ss " + " ".join(filter(None, [chapter.name, chapter.subtitle])))
        out.append(".Bl -tag -width Ds -compact")
        for page in rows:
            out += [".It " + " , ".join(f"Xr {each.name} 3" for each in page.leads)]
            out += prose.paragraph(pages.summary(page.leads[0].comment))
        out.append(".El")
    return out


def program():
    """The README's program."""
    return re.search(r"^```c\n(.*?)^```", (ROOT / "README.md").read_text(), re.S | re.M)[1].rstrip().split("\n")


def literal(lines):
    return [".Bd -literal", *(escaped(each.replace("\t", "    ")) for each in lines), ".Ed"]


def vionet_page(writer, first, chapters, found):
    top = chapters[0]
    names = ["vionet"] + [each.name for each in top.items if not each.comment]
    prose = Prose(writer.sections, names)
    out = writer.head("vionet", 3, names, first[0].split(" - ", 1)[1])
    out += [".Sh LIBRARY", "libvionet", ".Pq Fl lvionet", ".Sh SYNOPSIS", ".In vionet.h",
            *(pages.macro_use(each.text) for each in top.items if not each.comment),
            ".Pp", ".Dl cc forward.c $(pkg-config --cflags --libs vionet)", ".Sh DESCRIPTION"]
    told = [line for line in first[1:]]
    chapters_at = next(n for n, line in enumerate(told) if line.startswith("The chapters of this file"))
    end = told.index("", chapters_at)
    out += overview_text(prose, told[1:chapters_at] + told[end + 1:])
    sized = next(note for _, note in top.notes if "VIONET_SIZED" in " ".join(note))
    out += [".Ss Macros", *prose.text(sized)]
    out += constants(prose, top)
    out += [".Sh FUNCTIONS", *functions(prose, found, chapters[1:])]
    out += [".Sh ENVIRONMENT", ".Bl -tag -width Ds", ".It Ev VIONET_LOG",
            *prose.paragraph("error, info or debug: log lines of up to that level go to standard error, unless the program "
                             "calls vionet_log_set()."), ".El"]
    out += [".Sh EXAMPLES", "Two devices are joined, and the program sleeps while nothing comes:", *literal(program())]
    see = sorted({("vionet_settings", 3), ("vionet-control", 3), ("vionet-address", 7), ("vionetctl", 1),
                  *((path.stem, 1) for path in examples())}, key=lambda each: (each[1], each[0]))
    out += [".Sh SEE ALSO", *(f".Xr {name} {section}{' ,' if (name, section) != see[-1] else ''}" for name, section in see)]
    return names, out


def control_page(writer, first, chapters, found):
    text = " ".join(first)
    title = re.split(r" - ", text.split(" Its clients")[0])[1]
    prose = Prose(writer.sections, ["vionet-control"])
    body = first[first.index("") + 1:]
    out = writer.head("vionet-control", 3, ["vionet-control"], title.strip())
    out += [".Sh LIBRARY", "libvionet-control", ".Pq Fl lvionet-control", ".Sh SYNOPSIS", ".In vionet-control.h",
            ".Sh DESCRIPTION", *prose.text(body), ".Sh FUNCTIONS", *functions(prose, found, chapters)]
    out += [".Sh SEE ALSO", ".Xr vionet-fwd-control 1 ,", ".Xr vionetctl 1 ,", ".Xr vionet 3"]
    return ["vionet-control"], out


def settings_page(writer, chapter, found):
    note = chapter.notes[0][1]
    text, rows, _ = pages.split_errors(note)
    text, threads, _ = pages.split_rules(text)
    prose = Prose(writer.sections, ["vionet_settings"])
    out = writer.head("vionet_settings", 3, ["vionet_settings"], "what is so for every setting of a running port")
    out += [".Sh SYNOPSIS", ".In vionet.h", ".Sh DESCRIPTION", *prose.text(text)]
    out += [".Sh FUNCTIONS", *functions(prose, found, [chapter])[1:], ".Sh ERRORS", *prose.errors(rows)]
    out += [".Sh THREADS", *prose.paragraph(" ".join(threads)), ".Sh SEE ALSO", ".Xr vionet 3"]
    return ["vionet_settings"], out


# ---- the other sections ---------------------------------------------------------------------------------------------


def address_page(writer):
    prose = Prose(writer.sections, ["vionet-address"])
    out = writer.head("vionet-address", 7, ["vionet-address"], "addresses of devices and their keys")
    text = ADDRESSES.read_text().replace("# Device addresses\n", "## Description\n", 1)
    text = re.sub(r" `make test` compares[^.]*\)\.", "", re.sub(r"\n(?=[^\n|#`])(?<=\S\n)", " ", text))
    return ["vionet-address"], out + markdown.page(prose, text) + [".Sh SEE ALSO", ".Xr vionetctl 1 ,", ".Xr vionet 3"]


def argument(word):
    """A word of a usage line in mdoc."""
    if word.startswith("["):
        return "Op " + argument(word[1:-1])
    flag = re.match(r"-(\w+)$", word)
    if flag:
        return "Fl " + flag[1]
    several = word.endswith("...")
    return "Ar " + word.removesuffix("...").replace("|", " | ") + (" ..." if several else "")


def synopsis(line):
    words = re.findall(r"\[[^]]*\]|-\w \S+|\S+", line)[1:]
    return [f".{argument(each) if ' ' not in each else two_words(each)}" for each in words]


def two_words(text):
    """An option with its argument, alone or in brackets."""
    if text.startswith("["):
        return "Op " + two_words(text[1:-1])
    option, value = text.split(" ", 1)
    return f"Fl {option[1:]} Ar {value.replace('|', ' | ')}"


def example_page(writer, path):
    text = path.read_text()
    lines = header.lines_of(re.findall(r"/\*.*?\*/", text, re.S)[1])
    usage = re.search(r'"(usage: (?:[^"]|"\s*\n\s*")*)"', text)[1]
    usage = re.sub(r'"\s*\n\s*"', "", usage).replace("\\n", "\n").split("\n")
    name, words = " ".join(lines[:1]).split(" - ", 1)
    prose = Prose(writer.sections, [name])
    out = writer.head(name, 1, [name], words.rstrip(":"))
    out += [".Sh SYNOPSIS", ".Nm", *synopsis(usage[0].removeprefix("usage: ")), ".Sh DESCRIPTION"]
    first = words.split(":")[0].rstrip(".")
    out += prose.paragraph(first[0].upper() + first[1:] + ".") + prose.text(lines[1:])
    options = [re.match(r"  -(\w)  (.*)", line) for line in usage[1:]]
    if any(options):
        out += [".Pp", "The options are:", ".Bl -tag -width Ds"]
        for each in filter(None, options):
            out += [f".It Fl {each[1]}", *prose.paragraph(each[2])]
        out.append(".El")
    source = path.relative_to(ROOT)
    out += [".Pp", *prose.paragraph(f"A device is named as vionet-address(7) says. The program is made to be copied from; its "
                                    f"source is `{source}`.")]
    return [name], out + [".Sh SEE ALSO", ".Xr vionetctl 1 ,", ".Xr vionet 3 ,", ".Xr vionet-address 7"]


# ---- all of it ------------------------------------------------------------------------------------------------------


def build():
    """Every page: its section, its names, its lines."""
    first, chapters = header.read((ROOT / "include/vionet.h").read_text())
    control_first, control = header.read((ROOT / "include/vionet-control.h").read_text())
    found, control_found = pages.pages_of(chapters), pages.pages_of(control)
    version = re.search(r"^VERSION := (.*)", (ROOT / "Makefile").read_text(), re.M)[1]
    sections = {name: 3 for page in found + control_found for name in page.names()}
    sections |= {"vionet": 3, "vionet_settings": 3, "vionet-control": 3, "vionet-address": 7, "vionetctl": 1}
    sections |= {path.stem: 1 for path in examples()}
    settings = next(each for each in chapters if each.name == "Settings")
    _, rows, _ = pages.split_errors(settings.notes[0][1])
    rules = {"Settings": (rows, pages.split_rules(pages.split_errors(settings.notes[0][1])[0])[1])}
    writer = pages.Writer(sections, date_of(sources()), version, rules)
    out = [(3, *vionet_page(writer, first, chapters, found)), (3, *control_page(writer, control_first, control, control_found)),
           (3, *settings_page(writer, settings, found)), (7, *address_page(writer))]
    out += [(1, *example_page(writer, path)) for path in examples()]
    out += [(3, page.names(), writer.page(page, "vionet")) for page in found]
    out += [(3, page.names(), writer.page(page, "vionet-control")) for page in control_found]
    return out


def main():
    folder = pathlib.Path(sys.argv[1])
    for section, names, lines in build():
        place = folder / f"man{section}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{names[0]}.{section}").write_text("\n".join(lines) + "\n")
        for each in names[1:]:
            link = place / f"{each}.{section}"
            link.unlink(missing_ok=True)
            link.symlink_to(f"{names[0]}.{section}")


if __name__ == "__main__":
    main()
