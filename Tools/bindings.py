#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Bindings of vionet.h for other languages, written from the header, so that no declaration is copied by hand.

    Tools/bindings.py               writes examples/python/vionet.py and examples/rust/vionet.rs
    Tools/bindings.py --check       fails if they are not what it would write
    Tools/bindings.py --layout c    prints a program that prints every size, offset and constant; also python, rust
    Tools/bindings.py --functions   prints the name of every function

It reads the few forms of C that the header uses, and names what it cannot read.
"""
import pathlib
import re
import sys
import textwrap

ROOT = pathlib.Path(__file__).resolve().parents[1]
FILES = {"python": ROOT / "examples/python/vionet.py", "rust": ROOT / "examples/rust/vionet.rs"}
COLUMNS = 120
# A type of C, in Python (ctypes) and in Rust.
SCALARS = {
    "char": ("c_char", "c_char"), "int": ("c_int", "c_int"), "unsigned int": ("c_uint", "c_uint"),
    "size_t": ("c_size_t", "usize"), "double": ("c_double", "f64"),
    **{f"{sign}int{bits}_t": (f"c_{sign}int{bits}", f"{sign[:1] or 'i'}{bits}")
       for sign in ("", "u") for bits in (8, 16, 32, 64)},
}
RESERVED = {"python": {"None", "from", "in", "is", "class", "def", "del", "pass", "import", "global", "lambda"},
            "rust": {"type", "in", "ref", "move", "match", "fn", "impl", "use", "mod", "box", "self", "where", "loop"}}


class Unreadable(Exception):
    """A part of the header in a form that this script does not know."""


class Type:
    """A type of C: a base, a number of stars, whether what it points at is constant, and the elements of an array."""

    def __init__(self, text, elements=0):
        text = re.sub(r"\bVIONET_(?:NULLABLE|NONNULL)\b", " ", text)
        self.stars, self.elements = text.count("*"), elements
        words = text.replace("*", " ").split()
        self.constant = "const" in words
        self.base = " ".join(word for word in words if word not in ("const", "enum"))
        if "enum" in words:
            self.base = "unsigned int"
        self.struct = self.base.split()[1] if self.base.startswith("struct ") else ""

    def c(self):
        return ("const " if self.constant else "") + self.base + (" " if self.stars else "") + "*" * self.stars


class Struct:
    """A struct; one without fields is known by pointers alone."""

    def __init__(self, name, summary, fields):
        self.name, self.summary, self.fields = name, summary, fields


class Function:
    def __init__(self, name, summary, result, parameters):
        self.name, self.summary, self.result, self.parameters = name, summary, result, parameters

    def c(self):
        parameters = ", ".join(kind.c() + ("" if kind.stars else " ") + name for name, kind in self.parameters)
        return f"{self.result.c()}{'' if self.result.stars else ' '}{self.name}({parameters or 'void'})"


def short(name):
    return name.removeprefix("vionet_").removeprefix("VIONET_")


def camel(name):
    return "".join(word.capitalize() for word in short(name).split("_"))


def safe(name, language):
    return name + "_" if name in RESERVED[language] else name


# ---- the header -----------------------------------------------------------------------------------------------------


def summary_of(comment):
    """The first sentence of a comment."""
    words = " ".join(re.sub(r"^ ?\*", "", line).strip() for line in comment.strip("/*").split("\n")).split()
    if not words:
        return ""
    return re.split(r"(?<=[.:])\s", " ".join(words))[0].rstrip(":")


def declarator(text):
    """Names and types of one declaration, such as "uint8_t mac[6]" or "struct vionet_queue_stats rx, tx"."""
    text = re.sub(r"\bVIONET_(?:NULLABLE|NONNULL)\b", " ", text)
    match = re.fullmatch(r"(.*?[\s*])(\w+(?:\[\w+\])?(?:\s*,\s*\w+)*)", text, re.S)
    if not match:
        raise Unreadable(text)
    names = [each.strip() for each in match[2].split(",")]
    return [(re.sub(r"\[.*", "", name), match[1], (re.search(r"\[(\w+)\]", name) or [0, ""])[1]) for name in names]


class Header:
    def __init__(self, text):
        self.constants, self.texts, self.structs, self.functions, self.callbacks = {}, {}, [], [], []
        self.groups = []  # (name of the enum or "", its constants)
        text = text[text.index("#define VIONET_VERSION_MAJOR"):text.rindex("#ifdef __cplusplus")]
        text = text.replace("\\\n", " ")
        for match in re.finditer(r"^#define (VIONET_\w+) (?!_N|static|VIONET_SIZED)([^/\n]+)", text, re.M):
            self.define(match[1], match[2])
        text = re.sub(r"^#.*$|^_?[Ss]tatic_assert.*$", "", text, flags=re.M)
        self.read(text)

    def with_fields(self):
        return [each for each in self.structs if each.fields]

    def value(self, text):
        text = re.sub(r"\bVIONET_\w+", lambda name: str(self.constants[name[0]]), text).strip()
        if not re.fullmatch(r"[\s0-9a-fA-FxuUlL()<>|&~+*-]+", text):
            raise Unreadable(text)
        return eval(re.sub(r"(?<=[0-9a-fA-F])[uUlL]+\b", "", text))  # numbers and operators alone

    def define(self, name, text):
        self.constants[name], self.texts[name] = self.value(text), text.strip()
        if not self.groups or self.groups[-1][0]:
            self.groups.append(("", []))
        self.groups[-1][1].append(name)

    def read(self, text):
        """Takes one comment or one declaration after the other."""
        place, comment = 0, ""
        token = re.compile(r"\s*(?:(?P<comment>/\*.*?\*/)|(?P<enum>enum (?P<enum_name>\w+) \{(?P<enum_body>.*?)\};)"
                           r"|(?P<struct>struct (?P<struct_name>\w+) \{(?P<struct_body>.*?)\n\};)"
                           r"|struct (?P<opaque>\w+);"
                           r"|typedef (?P<callback>[^;]*);|VIONET_INLINE (?P<inline>[^{;]*)\{.*?\n\}"
                           r"|(?P<function>[a-z][^;{]*\));)", re.S)
        while text[place:].strip():
            match = token.match(text, place)
            if not match:
                raise Unreadable(text[place:].strip().split("\n")[0])
            place = match.end()
            if match["comment"]:
                comment = match["comment"]
                continue
            summary, comment = summary_of(comment), ""
            if match["enum"]:
                self.read_enum(match["enum_name"], match["enum_body"])
            elif match["struct"]:
                self.structs.append(Struct(match["struct_name"], summary, self.fields(match["struct_body"])))
            elif match["opaque"]:
                self.structs.append(Struct(match["opaque"], summary, []))
            elif match["callback"]:
                pointed_at = re.sub(r"\(\*(\w+)\)", r"\1", match["callback"])
                self.callbacks.append(self.function(pointed_at, summary))
            else:
                self.functions.append(self.function(match["inline"] or match["function"], summary))

    def read_enum(self, name, body):
        names, following = [], 0
        for each in re.sub(r"/\*.*?\*/", "", body, flags=re.S).split(","):
            if not each.strip():
                continue
            constant, _, text = (part.strip() for part in each.partition("="))
            following = self.value(text) if text else following
            self.constants[constant], self.texts[constant] = following, text
            following += 1
            names.append(constant)
        self.groups.append((name, names))

    def fields(self, body):
        found = []
        for each in re.sub(r"/\*.*?\*/", "", body, flags=re.S).split(";"):
            for name, kind, elements in declarator(each.strip()) if each.strip() else []:
                count = self.constants.get(elements) or int(elements, 0) if elements else 0
                found.append((name, Type(kind, count)))
        return found

    def function(self, text, summary):
        match = re.fullmatch(r"(.*?)\b(vionet_\w+)\((.*)\)\s*", text.strip(), re.S)
        if not match:
            raise Unreadable(text)
        parameters = [] if match[3].strip() == "void" else [
            (name, Type(kind)) for each in match[3].split(",") for name, kind, _ in declarator(" ".join(each.split()))]
        return Function(match[2], summary, Type(match[1]), parameters)


def commented(mark, text, indent=""):
    return "\n".join(textwrap.wrap(text, COLUMNS, initial_indent=indent + mark, subsequent_indent=indent + mark))


def packed(items, indent, head=""):
    """Items with commas between them, as many in a line as fit."""
    lines = [head]
    for place, each in enumerate(items):
        each += "," if place < len(items) - 1 or len(items) == 1 and not head else ""
        fresh = lines[-1] in ("", head)
        if len(lines[-1]) + len(each) + 2 > COLUMNS:
            lines.append(indent + each)
        else:
            lines[-1] += (indent if lines[-1] == "" else "" if fresh else " ") + each
    return "\n".join(lines)


# ---- Python ---------------------------------------------------------------------------------------------------------

PYTHON = '''# SPDX-License-Identifier: BSD-2-Clause
# Written by Tools/bindings.py from include/vionet.h: change the header, then run it again.
"""libvionet for Python: every function, struct and constant of vionet.h, by ctypes, so that nothing is compiled.

vionet_rx_burst() is vionet.rx_burst(), struct vionet_info is vionet.Info, VIONET_PORT_NONE is vionet.PORT_NONE. What
each does, what it returns and who owns what is in vionet.h. The library is the file that the variable VIONET_LIBRARY
names, else what the system finds.
"""
import os
from ctypes import (CDLL, CFUNCTYPE, POINTER, Structure, c_char, c_char_p, c_int, c_int32, c_size_t, c_uint, c_uint8,
                    c_uint16, c_uint32, c_uint64, c_void_p, sizeof)

library = CDLL(os.environ.get("VIONET_LIBRARY", "libvionet.so.0"))
functions = {}  # those of vionet.h, by their names in C


def _function(name, result, *parameters):
    function = getattr(library, name)
    function.restype, function.argtypes = result, parameters
    functions[name] = function
    return function


def sized(kind):
    """VIONET_SIZED: a zeroed struct with its size set."""
    return kind(size=sizeof(kind))


class Error(OSError):
    """A call that failed: errno, and the sentence of vionet_error()."""


def check(result):
    """Returns the result of a call, or raises what a negative one means."""
    if result < 0:
        raise Error(-result, error().decode())
    return result
'''


def python_type(kind, header):
    callbacks = {each.name for each in header.callbacks}
    if kind.base in callbacks:
        return camel(kind.base)
    if kind.base == "void":
        return "c_void_p" if kind.stars else "None"
    if kind.base == "char" and kind.stars == 1:
        return "c_char_p" if kind.constant else "POINTER(c_char)"
    name = camel(kind.struct) if kind.struct else SCALARS[kind.base][0]
    for _ in range(kind.stars):
        name = f"POINTER({name})"
    return f"{name} * {kind.elements}" if kind.elements else name


def python_struct(struct, header):
    head = f'class {camel(struct.name)}(Structure):\n    """struct {struct.name}"""\n'
    if not struct.fields:
        return head.rstrip("\n")
    fields = [(f'("{safe(name, "python")}", {python_type(kind, header)})') for name, kind in struct.fields]
    if any(kind.struct == struct.name for _, kind in struct.fields):  # its fields name the class, so they come after it
        return head + f"\n\n{camel(struct.name)}._fields_ = [\n" + packed(fields, " " * 4) + "]"
    return head + "    _fields_ = [\n" + packed(fields, " " * 8) + "]"


def python_function(function, header):
    words = [f'"{function.name}"', python_type(function.result, header),
             *(python_type(kind, header) for _, kind in function.parameters)]
    call = packed(words, "    ", f"{short(function.name)} = _function(") + ")"
    return "\n".join([commented("# ", function.c()), commented("#     ", function.summary), call]) + "\n"


def python_callback(each, header):
    kinds = [each.result, *(kind for _, kind in each.parameters)]
    words = ", ".join(python_type(kind, header) for kind in kinds)
    told = each.c().replace(each.name, f"(*{each.name})", 1)
    return f"# {told}\n{camel(each.name)} = CFUNCTYPE({words})\n"


def python(header):
    parts = [PYTHON + "\n"]
    for name, constants in header.groups:
        lines = [f"# enum {name}"] if name else []
        parts.append("\n".join(lines + [f"{short(each)} = {number(each, header)}" for each in constants]) + "\n")
    known = {each.name for each in header.structs}
    of_structs = {each.name for each in header.callbacks if any(kind.struct in known for _, kind in each.parameters)}
    parts += [python_callback(each, header) for each in header.callbacks if each.name not in of_structs]
    for each in header.structs:
        parts.append("\n" + python_struct(each, header) + "\n")
    # A callback that is given a struct can be named only behind it.
    callbacks = [python_callback(each, header) for each in header.callbacks if each.name in of_structs]
    if callbacks:
        parts += ["", *callbacks]
    parts += ["", *(python_function(each, header) for each in header.functions)]
    return "\n".join(parts)


def number(name, header):
    """A constant as the header writes it, unless that is in terms of others."""
    text = header.texts.get(name, "")
    return text if text and "VIONET" not in text else str(header.constants[name])


# ---- Rust -----------------------------------------------------------------------------------------------------------

RUST = '''// SPDX-License-Identifier: BSD-2-Clause
// Written by Tools/bindings.py from include/vionet.h: change the header, then run it again.

//! libvionet for Rust: every function, struct and constant of vionet.h. No crate is needed.
//!
//! vionet_rx_burst() is vionet::rx_burst(), struct vionet_info is vionet::Info, VIONET_PORT_NONE is vionet::PORT_NONE.
//! What each does, what it returns and who owns what is in vionet.h.
#![allow(dead_code)]

use std::ffi::CStr;
use std::io;
use std::os::raw::{c_char, c_int, c_uint, c_void};

/// The result of a call, or what a negative one means: the sentence of vionet_error().
pub fn check(result: c_int) -> io::Result<c_int> {
    if result >= 0 {
        return Ok(result);
    }
    let kind = io::Error::from_raw_os_error(-result).kind();
    let sentence = unsafe { CStr::from_ptr(error()) }.to_string_lossy().into_owned();
    Err(io::Error::new(kind, sentence))
}
'''


def rust_type(kind, header):
    if kind.base in {each.name for each in header.callbacks}:
        return camel(kind.base)
    name = camel(kind.struct) if kind.struct else "c_void" if kind.base == "void" else SCALARS[kind.base][1]
    for star in range(kind.stars):
        name = f"*{'const' if kind.constant and star == 0 else 'mut'} {name}"
    return f"[{name}; {kind.elements}]" if kind.elements else name


def rust_struct(struct, header):
    name = camel(struct.name)
    if not struct.fields:
        return f"/// struct {struct.name}\n#[repr(C)]\npub struct {name} {{\n    opaque: [u8; 0],\n}}\n"
    lines = [f"/// struct {struct.name}", "#[repr(C)]", "#[derive(Clone, Copy)]", f"pub struct {name} {{"]
    lines += [f"    pub {safe(field, 'rust')}: {rust_type(kind, header)}," for field, kind in struct.fields] + ["}"]
    if struct.fields[0][0] == "size":
        lines += ["", f"impl {name} {{", "    /// VIONET_SIZED: all zero but for the size.",
                  "    pub fn sized() -> Self {", f"        {name} {{",
                  f"            size: std::mem::size_of::<{name}>(),", "            ..unsafe { std::mem::zeroed() }",
                  "        }", "    }", "}"]
    return "\n".join(lines) + "\n"


def rust_signature(function, header):
    parameters = [f"{safe(name, 'rust')}: {rust_type(kind, header)}" for name, kind in function.parameters]
    result = rust_type(function.result, header)
    return parameters, "" if result == "c_void" else f" -> {result}"


def rust_function(function, header):
    parameters, result = rust_signature(function, header)
    line = f"    pub fn {short(function.name)}({', '.join(parameters)}){result};"
    if len(line) > COLUMNS:
        line = (f"    pub fn {short(function.name)}(\n" + "".join(f"        {each},\n" for each in parameters)
                + f"    ){result};")
    return "\n".join([commented("/// ", function.summary, "    "), f'    #[link_name = "{function.name}"]', line])


def rust(header):
    parts = [RUST]
    for name, constants in header.groups:
        lines = [f"// enum {name}"] if name else []
        lines += [f"pub const {short(each)}: {rust_constant(each)} = {number(each, header)};" for each in constants]
        parts.append("\n".join(lines) + "\n")
    for each in header.callbacks:
        parameters, result = rust_signature(each, header)
        kind = f"Option<unsafe extern \"C\" fn({', '.join(parameters)}){result}>"
        parts.append(f"pub type {camel(each.name)} = {kind};\n")
    parts += [rust_struct(each, header) for each in header.structs]
    parts.append('#[link(name = "vionet")]\nextern "C" {\n'
                 + "\n\n".join(rust_function(each, header) for each in header.functions) + "\n}\n")
    return "\n".join(parts)


def rust_constant(name):
    """The type that most uses have: numbers of ports are 16 bits wide."""
    return "u16" if name in ("VIONET_PORT_NONE", "VIONET_ALL_QUEUES") else "u32"


# ---- layouts --------------------------------------------------------------------------------------------------------


def layout_c(header):
    lines = ["#include <stdio.h>", "#include <vionet.h>", "int main(void)", "{"]
    for struct in header.with_fields():
        lines.append(f'\tprintf("{struct.name} %zu\\n", sizeof(struct {struct.name}));')
        for name, _ in struct.fields:
            lines.append(f'\tprintf("{struct.name}.{name} %zu %zu\\n", offsetof(struct {struct.name}, {name}), '
                         f"sizeof(((struct {struct.name} *)0)->{name}));")
    for name in header.constants:
        lines.append(f'\tprintf("{name} %lld\\n", (long long){name});')
    return "\n".join(lines + ["\treturn 0;", "}", ""])


def layout_python(header):
    lines = ["import ctypes, vionet"]
    for struct in header.with_fields():
        kind = f"vionet.{camel(struct.name)}"
        lines.append(f'print("{struct.name}", ctypes.sizeof({kind}))')
        for name, _ in struct.fields:
            field = f"{kind}.{safe(name, 'python')}"
            lines.append(f'print("{struct.name}.{name}", {field}.offset, {field}.size)')
    lines += [f'print("{name}", vionet.{short(name)})' for name in header.constants]
    return "\n".join(lines) + "\n"


def layout_rust(header):
    lines = ["mod vionet;", "fn size<T>(_: *const T) -> usize { std::mem::size_of::<T>() }", "fn main() {"]
    for struct in header.with_fields():
        kind = f"vionet::{camel(struct.name)}"
        lines.append(f'    println!("{struct.name} {{}}", std::mem::size_of::<{kind}>());')
        lines.append(f"    let room = std::mem::MaybeUninit::<{kind}>::uninit();")
        for name, _ in struct.fields:
            lines.append(f"    let field = unsafe {{ std::ptr::addr_of!((*room.as_ptr()).{safe(name, 'rust')}) }};")
            lines.append(f'    println!("{struct.name}.{name} {{}} {{}}", field as usize - room.as_ptr() as usize, '
                         "size(field));")
    lines += [f'    println!("{name} {{}}", vionet::{short(name)});' for name in header.constants]
    return "\n".join(lines + ["}", ""])


def main(arguments):
    try:
        header = Header((ROOT / "include/vionet.h").read_text())
        made = {"python": python(header), "rust": rust(header)}
    except Unreadable as part:
        sys.exit(f"vionet.h has a form that Tools/bindings.py does not read: teach it this: {part}")
    if arguments[:1] == ["--layout"]:
        print({"c": layout_c, "python": layout_python, "rust": layout_rust}[arguments[1]](header), end="")
    elif arguments == ["--functions"]:
        print("\n".join(sorted(each.name for each in header.functions)))
    elif arguments == ["--check"]:
        stale = [path.relative_to(ROOT) for language, path in FILES.items()
                 if not path.exists() or path.read_text() != made[language]]
        if stale:
            sys.exit(f"not what Tools/bindings.py would write: {', '.join(map(str, stale))}. Run Tools/bindings.py")
    elif not arguments:
        for language, path in FILES.items():
            path.parent.mkdir(exist_ok=True)
            path.write_text(made[language])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
