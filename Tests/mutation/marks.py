# SPDX-License-Identifier: BSD-2-Clause
"""The marks of checks against a device, a peer or a front-end, and a copy of the sources in which each can be removed.

A mark is a comment `tested by NAME` at the end of a check's first line, or on a line of its own above it. NAME is a test of
Tests/run.sh (abi-..., fuzz-...) or a suite or function of the Swift tests; several are separated by commas. What a mark
removes depends on what it marks:

    if CONDITION {               never holds
    guard CONDITION else {       always holds; bindings of values stay
    return CONDITION             true is returned
    ... min(a, b) ...            a is the result; so for max
    any other statement          does nothing
"""
import dataclasses
import pathlib
import re

MARK = re.compile(r"\s*(?://|/\*) tested by ((?:[\w-]+)(?:, [\w-]+)*)(?: \*/)?$")
BINDING = re.compile(r"(?:let|var|case|unsafe let|unsafe var)\b|#available")


@dataclasses.dataclass
class Mark:
    number: int
    path: str
    line: int
    text: str
    tests: list

    def __str__(self):
        return f"{self.number} {self.path}:{self.line}: {self.text}"


def top_level(text, token, start=0):
    """Where token is in text, outside of brackets and strings; -1 if it is not."""
    depth, at, in_string = 0, start, False
    while at < len(text):
        c = text[at]
        if c == '"' and text[at - 1] != "\\":
            in_string = not in_string
        elif not in_string:
            if depth == 0 and text.startswith(token, at):
                return at
            depth += (c in "([{") - (c in ")]}")
        at += 1
    return -1


def split_commas(text):
    parts, start = [], 0
    while (at := top_level(text, ",", start)) >= 0:
        parts.append(text[start:at].strip())
        start = at + 1
    return parts + [text[start:].strip()]


def without(code, n):
    """The statement with a number that removes its check."""
    indent = code[:len(code) - len(code.lstrip())]
    body = code.strip()
    if match := re.match(r"((?:\} else )?if )(?!\()", body):
        start = match.end()
        at = top_level(body, " {", start)
        if at < 0:
            return None
        return (f"{indent}{match.group(1)}mutation_keeps({n}), {body[start:at]} {{ mutation_note({n})"
                f"{';' if body[at + 2:].strip() else ''}{body[at + 2:]}")
    if body.startswith("guard "):
        at = top_level(body, " else {", 6)
        if at < 0:
            return None
        parts = split_commas(body[6:at])
        if all(BINDING.match(p) for p in parts):
            return None
        parts = [p if BINDING.match(p) else re.sub(r"^((?:try |unsafe )*)(.*)$", rf"\1(!mutation_keeps({n}) || (\2))", p)
                 for p in parts]
        rest = body[at + 7:]
        return f"{indent}guard {', '.join(parts)} else {{ mutation_note({n}){';' if rest.strip() else ''}{rest}"
    if match := re.search(r"\b(min|max)\(", body):
        at = top_level(body, ")", match.end())
        parts = split_commas(body[match.end():at])
        if len(parts) == 2:
            limited = f"({parts[0]})"
            return f"{body and indent}{body[:match.start()]}(mutation_keeps({n}) ? {body[match.start():at + 1]} : {limited})" \
                   f"{body[at + 1:]}"
    if match := re.match(r"return (.*)$", body):
        return f"{indent}return mutation_passes({n}, {match.group(1)})"
    return f"{indent}if mutation_keeps({n}) {{ {body} }}"


def without_in_c(code, n):
    indent = code[:len(code) - len(code.lstrip())]
    body = code.strip()
    if match := re.match(r"((?:\} else )?if )\(", body):
        start = match.end()
        at = top_level(body, ")", start)
        if at < 0:
            return None
        return f"{indent}{match.group(1)}(mutation_keeps({n}) && ({body[start:at]}) && mutation_noted({n})){body[at + 1:]}"
    if match := re.match(r"return (.*);$", body):
        return f"{indent}return mutation_passes({n}, {match.group(1)});"
    return f"{indent}if (mutation_keeps({n})) {body}"


def is_whole(code, is_c):
    """Whether a statement ends here: its brackets are closed, and an `if` or a `guard` has the brace of its body."""
    body = code.strip()
    if is_c:
        return top_level(body, ")", body.find("(") + 1) >= 0 or body.endswith(";")
    if re.match(r"(?:\} else )?if ", body):
        return top_level(body, " {", 3) >= 0
    if body.startswith("guard "):
        return top_level(body, " else {", 6) >= 0
    return body.count("(") == body.count(")")


def instrument(text, path, marks):
    """The text in which each mark's check can be removed; the marks are appended to the list."""
    is_c = path.endswith((".c", ".h"))
    lines, out, at = text.split("\n"), [], 0
    while at < len(lines):
        line = lines[at]
        match = MARK.search(line)
        if not match:
            out.append(line)
            at += 1
            continue
        first, code = at, line[:match.start()]
        if not code.strip():
            at += 1
            code = lines[at]
        while not is_whole(code, is_c):
            at += 1
            code += " " + lines[at].strip()
            if at - first > 12:
                raise SystemExit(f"{path}:{first + 1}: no end of what this marks")
        number = len(marks) + 1
        changed = (without_in_c if is_c else without)(code, number)
        if changed is None:
            raise SystemExit(f"{path}:{first + 1}: nothing that could be removed: {code.strip()}")
        marks.append(Mark(number, path, first + 1, code.strip(), match.group(1).split(", ")))
        out.append(changed)
        out += [""] * (at - first)
        at += 1
    return "\n".join(out)


HEADER = """
/* Of the copy in which checks can be removed. */
#include <stdbool.h>
bool mutation_keeps(int number);
bool mutation_noted(int number);
void mutation_note(int number);
bool mutation_passes(int number, bool good);
"""

SOURCE = """
#include "CLinux.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
static int removed = -1;
static _Atomic unsigned char noted[16384];
__attribute__((constructor)) static void mutation_begin(void)
{
	const char *number = getenv("VIONET_MUTATION");
	removed = number != NULL ? atoi(number) : 0;
}
bool mutation_keeps(int number) { return removed != number; }
void mutation_note(int number)
{
	const char *path = getenv("VIONET_MUTATION_LOG");
	if (path == NULL || noted[number]++ != 0)
		return;
	char line[16];
	int file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
	(void)!write(file, line, (size_t)snprintf(line, sizeof(line), "%d\\n", number));
	close(file);
}
bool mutation_noted(int number) { mutation_note(number); return true; }
bool mutation_passes(int number, bool good)
{
	if (!good)
		mutation_note(number);
	return good || removed == number;
}
"""


def copy_sources(root, target):
    """Copies the sources to target, changed, and returns the marks."""
    marks = []
    for path in sorted((root / "Sources").rglob("*")):
        if not path.is_file():
            continue
        name = str(path.relative_to(root))
        out = target / name
        out.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text()
        before = len(marks)
        if path.suffix in (".swift", ".c", ".h"):
            text = instrument(text, name, marks)
        if len(marks) > before and path.suffix == ".swift" and not re.search(r"^import CLinux$", text, re.M):
            text = re.sub(r"^(?=import )", "import CLinux\n", text, count=1, flags=re.M) \
                if re.search(r"^import ", text, re.M) else "import CLinux\n" + text
        if name.endswith("CLinux/include/CLinux.h"):
            text = text.replace("#pragma clang assume_nonnull begin", HEADER + "#pragma clang assume_nonnull begin", 1)
        if not out.exists() or out.read_text() != text:
            out.write_text(text)
    extra = target / "Sources/CLinux/mutation.c"
    if not extra.exists() or extra.read_text() != SOURCE:
        extra.write_text(SOURCE)
    return marks
