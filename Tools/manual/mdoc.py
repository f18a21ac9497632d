# SPDX-License-Identifier: BSD-2-Clause
"""Prose of comments in mdoc: paragraphs, lists, examples, and names marked for what they are."""
import re
import textwrap

WIDTH = 78
OPENING, CLOSING = "([", ".,;:!?)]"
NAME = re.compile(r"(?P<call>\b\w+\(\))|(?P<error>(?<![\w-])-E[A-Z0-9]+\b)|(?P<type>\b(?:struct|enum) vionet_\w+\b)"
                  r"|(?P<field>\bvionet_\w+\.\w+\b)|(?P<page>\bvionet[-\w]*\(\d\))|(?P<constant>\bVIONET_\w+\b)"
                  r"|(?P<literal>`[^`]+`)")
SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z*\"'`(0-9-])|(?<=[.!?:][\")`])\s+(?=[A-Z])|(?<=[a-z]\.)\s+(?=vionet_)")


def escaped(text, macro=False):
    text = text.replace("\\", r"\e")
    if macro:
        return text.replace('"', r"\(dq") + (r"\&" if text[-1:] in CLOSING else "")
    return r"\&" + text if text[:1] in (".", "'") else text


def delimiters(text):
    """Punctuation in front of or behind a macro, each as an argument of its own; other text is joined to it."""
    out = []
    for match in re.finditer(r"[()\[\].,;:!?]|[^()\[\].,;:!?]+", text):
        out.append(match[0] if match[0] in OPENING + CLOSING else "Ns No " + escaped(match[0], True))
    return out


class Prose:
    """Writes prose. `pages` are the names that have a page with its section; `own` those of the page that is written."""

    def __init__(self, pages, own=()):
        self.pages, self.own, self.mentioned = pages, set(own), set()

    def macro(self, match):
        kind, text = match.lastgroup, match[0]
        if kind in ("call", "page"):
            name = text[:text.index("(")]
            if name in self.own or name not in self.pages:
                return f"Fn {name}" if kind == "call" else f"Nm {name}"
            self.mentioned.add(name)
            return f"Xr {name} {self.pages[name]}"
        if kind == "type" and text.split()[1] in self.pages and text.split()[1] not in self.own:
            self.mentioned.add(text.split()[1])
        if kind == "field":
            struct = text.split(".")[0]
            if struct in self.pages and struct not in self.own:
                self.mentioned.add(struct)
            return f"Va {text}"
        if kind == "literal":
            return "Ql " + escaped(text.strip("`"), True)
        return {"error": "Er ", "type": "Vt ", "constant": "Dv "}[kind] + text

    def sentence(self, text):
        """Lines of one sentence: each marked name is a line of its own, with the punctuation that touches it."""
        lines, place = [], 0
        for match in NAME.finditer(text):
            start = text.rfind(" ", 0, match.start()) + 1
            end = text.find(" ", match.end())
            end = len(text) if end < 0 else end
            before, behind = text[start:match.start()], text[match.end():end]
            if start < place or set(before) - set(OPENING) or set(behind) & set(OPENING) or NAME.search(behind):
                continue # a name inside other text stays plain
            lines += self.plain(text[place:start])
            front = f".No \\&{before} Ns " if before else "."
            lines.append(" ".join([front + self.macro(match), *delimiters(behind)]))
            place = end
        return lines + self.plain(text[place:])

    @staticmethod
    def plain(text):
        return [escaped(each) for each in textwrap.wrap(text.strip(), WIDTH, break_long_words=False, break_on_hyphens=False)]

    def paragraph(self, text):
        return [line for each in SENTENCE.split(" ".join(text.split())) for line in self.sentence(each)]

    def errors(self, rows):
        out = [".Bl -tag -width 15n"]
        for name, text in rows:
            out += [f".It Er {name}", *self.paragraph(text or "There is too little memory.")]
        return [*out, ".El"]

    def table(self, block):
        """Two columns, the second of which may go on in further lines."""
        out = [".Bl -tag -width Ds"]
        for line in block:
            columns = re.split(r"\s{2,}", line.strip(), maxsplit=1)
            if re.match(r"\s{12,}", line) and len(out) > 1:
                out += self.paragraph(line)
                continue
            out.append(".It Li " + escaped(columns[0], True))
            out += self.paragraph(columns[1]) if len(columns) > 1 else []
        return [*out, ".El"]

    def block(self, block):
        plain = [line for line in block if line.strip() and not re.match(r"\s{12,}", line)]
        columns = [line for line in plain if re.search(r"\S\s{2,}\S", line)]
        code = any(line.rstrip().endswith((";", "{")) for line in block)
        if len(columns) * 3 >= len(plain) and not code:
            return self.table([line for line in block if line.strip()])
        text = textwrap.dedent("\n".join(line.replace("\t", "        ") for line in block)).split("\n")
        return [".Bd -literal -offset indent", *(escaped(line) for line in text), ".Ed"]

    def text(self, lines):
        """Paragraphs, and blocks of lines that are indented by four."""
        out, place = [], 0
        while place < len(lines):
            start, inside = place, lines[place].startswith("    ")
            while place < len(lines) and (lines[place].startswith("    ") == inside if lines[place] else inside and
                                          place + 1 < len(lines) and lines[place + 1].startswith("    ")):
                place += 1
            part = lines[start:place]
            if part:
                if out and not inside and not out[-1].startswith((".Sh", ".Ss")):
                    out.append(".Pp")
                out += self.block(part) if inside else self.paragraph(" ".join(part))
            while place < len(lines) and not lines[place]:
                place += 1
        return out
