#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Programs built against the last release go on: abi/ has the functions, the layouts and the constants that it had, and
abidiff compares them with the headers and the libraries of today. What is added does not count (docs/abi.md).

    Tests/gates/abi.py            compares
    Tests/gates/abi.py --write    makes what is there now the release (make abi)
"""
# deadline: 600
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
ABI = ROOT / "abi"
LIBRARIES = ("vionet", "vionet-control")
PLAIN = ("--no-comp-dir-path", "--no-corpus-path", "--no-show-locs")
sys.path.insert(0, str(ROOT / "Tools/manual"))
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "Tools"))
import bindings  # noqa: E402
import header as reader  # noqa: E402
# Structs that start with their size; vionet_queue_stats may not grow, since vionet_stats has two of them.
GROWING = set(re.findall(r"\w+", re.search(r"\^\((.*)\)\$", (ABI / "growth.abignore").read_text())[1]))


def run(*command):
    return subprocess.run([str(each) for each in command], capture_output=True, text=True, check=False, cwd=ROOT)


def good(*command):
    result = run(*command)
    if result.returncode:
        sys.exit(f"FAIL: {' '.join(map(str, command))}: {result.stdout}{result.stderr}")
    return result.stdout


def stub(library, include, work):
    """A library with the headers' functions and types, compiled from C: Swift's debug information says less of C's types."""
    text = (include / f"{library}.h").read_text()
    functions = [item.text for chapter in reader.read(text)[1] for item in chapter.items if item.kind == "function"]
    inline = set(re.findall(r"^VIONET_INLINE [^;{]*?\b(vionet_\w+)\(", text, re.M))
    bodies = [f"{each} {{ __builtin_trap(); }}" for each in functions if re.search(r"\b(vionet_\w+)\(", each)[1] not in inline]
    source, out = work / f"{library}.c", work / f"lib{library}.so"
    source.write_text("#define VIONET_INLINE\n" + f"#include <{library}.h>\n" + "struct vionet_control { int x; };\n"
                      "struct vionet_tx_buffer { int x; };\n" + "\n".join(bodies) + "\n")
    good("gcc", "-g", "-O0", "-w", "-shared", "-fPIC", f"-I{include}", source, "-o", out, f"-Wl,-soname,lib{library}.so.0",
         f"-Wl,--version-script={ROOT / library}.map")
    return out


def layout(include, work):
    """Every constant of vionet.h with its value, the size of every struct, and place, size and type of every field."""
    program, header = work / "layout.c", bindings.Header((include / "vionet.h").read_text())
    program.write_text(bindings.layout_c(header))
    good("gcc", "-w", f"-I{include}", program, "-o", work / "layout")
    lines = [line for line in good(work / "layout").split("\n") if line and not line.startswith("VIONET_VERSION")]
    kinds = {f"{struct.name}.{name}": kind.c() for struct in header.with_fields() for name, kind in struct.fields}
    return "".join(" ".join(filter(None, [line, kinds.get(line.split()[0])])) + "\n" for line in lines)


def layout_faults(old, new):
    """What is not as it was. A struct that starts with its size may be longer."""
    values = dict(line.split(" ", 1) for line in new.split("\n") if line)
    faults = []
    for name, value in (line.split(" ", 1) for line in old.split("\n") if line):
        now = values.get(name, "no more")
        if now != value and not (name in GROWING and now.isdigit() and int(now) > int(value)):
            faults.append(f"{name} was {value} and is {now}")
    return faults


def symbol_faults(library):
    """What the library itself exports, with its version, against what the release did."""
    old = set(re.findall(r"<elf-symbol name='(\w+)' version='(\w+)'", (ABI / f"lib{library}.abi").read_text()))
    new = {tuple(line.split()[-1].split("@@")) for line in good("nm", "-D", "--defined-only", "--with-symbol-versions",
                                                             ROOT / f"build/lib{library}.so").split("\n") if " T " in line}
    return [f"lib{library}.so no longer exports {name}@{version}" for name, version in sorted(old - new)]


def faults_of(include):
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        faults = layout_faults((ABI / "layout.txt").read_text(), layout(include, work))
        for library in LIBRARIES:
            result = run("abidiff", "--no-added-syms", "--suppressions", ABI / "growth.abignore", ABI / f"lib{library}.abi",
                         stub(library, include, work))
            if result.returncode:
                faults.append(result.stdout + result.stderr)
        return faults


PLANTED = (  # what is replaced in vionet.h, by what, and whether that is a fault
    ("int vionet_stop(uint16_t port);", "", True),
    ("int vionet_stop(uint16_t port);", "int vionet_stop(uint32_t port);", True),
    ("\tuint16_t rx_descriptors;\n\tuint16_t tx_descriptors;\n\tuint16_t pool; ",
     "\tuint16_t rx_descriptors;\n\tuint32_t tx_descriptors;\n\tuint16_t pool; ", True),
    ("\tuint64_t no_buffer;", "\tuint64_t more;\n\tuint64_t no_buffer;", True),
    ("\tuint64_t broken;    /*", "\tuint64_t broken, more;    /*", True),  # vionet_stats has two of this struct
    ("VIONET_EVENT_LINK = 5", "VIONET_EVENT_LINK = 15", True),
    ("\tuint32_t attached; ", "\tuint32_t attached, more; ", False),
    ("int vionet_stop(uint16_t port);", "int vionet_stop(uint16_t port);\nint vionet_more(uint16_t port);", False),
)


def can_fail():
    text, seen = (ROOT / "include/vionet.h").read_text(), True
    for old, new, wrong in PLANTED:
        with tempfile.TemporaryDirectory() as folder:
            include = pathlib.Path(folder)
            (include / "vionet.h").write_text(text.replace(old, new))
            (include / "vionet-control.h").write_text((ROOT / "include/vionet-control.h").read_text())
            if text.count(old) != 1 or bool(faults_of(include)) != wrong:
                print(f"{old!r}, replaced by {new!r}, counts as {'no' if wrong else 'a'} fault")
                seen = False
    return seen


def write():
    ABI.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        (ABI / "layout.txt").write_text(layout(ROOT / "include", work))
        for library in LIBRARIES:
            (ABI / f"lib{library}.abi").write_text(good("abidw", *PLAIN, stub(library, ROOT / "include", work)))


def main():
    if sys.argv[1:] == ["--write"]:
        return write()
    faults = faults_of(ROOT / "include") + [each for library in LIBRARIES for each in symbol_faults(library)]
    print("\n".join(faults))
    print(f"{(ABI / 'layout.txt').read_text().count(chr(10))} constants, structs and fields, {len(faults)} faults")
    if not can_fail():
        sys.exit("FAIL: a planted change was not seen, or a legal one was")
    sys.exit(1 if faults else 0)


main()
