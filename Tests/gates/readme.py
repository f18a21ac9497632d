#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What the pages say is so: the README's program compiles and forwards, docs/features.md names the feature bits that the
library accepts, the README's speeds are those of docs/performance.md, and every path, make target, test and public name
that a page names exists.
"""
# deadline: 180
import ctypes
import os
import pathlib
import re
import shlex
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
STAGE = ROOT / "build/stage"
FAULTS = []


def fault(text):
    FAULTS.append(text)
    print("FAIL:", text)


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def section(text, heading):
    return text.split(f"\n## {heading}\n", 1)[-1].split("\n## ")[0] if f"\n## {heading}\n" in text else ""


def compiled(source, program):
    flags = shlex.split(run("pkg-config", "--cflags", "--libs", "vionet",
                            env={**os.environ, "PKG_CONFIG_PATH": str(STAGE / "lib/pkgconfig")}).stdout)
    result = run("gcc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-pthread",
                 source, "-o", program, *flags, f"-Wl,-rpath,{STAGE}/lib")
    if result.returncode:
        fault(f"{source.name} does not compile:\n{result.stderr}")
    return result.returncode == 0


# ---- feature bits ---------------------------------------------------------------------------------------------------


def bits(text):
    """Names in the first column of a table."""
    return set(re.findall(r"^\| `(VIRTIO_\w+)` \|", text, re.M))


def differences(said, really):
    return [f"docs/features.md names {each}, which is not accepted" for each in sorted(said - really)] + [
        f"{each} is accepted, and docs/features.md does not name it" for each in sorted(really - said)]


def feature_names():
    library = ctypes.CDLL(STAGE / "lib/libvionet.so.0")
    library.vionet_feature_name.restype = ctypes.c_char_p
    return {(library.vionet_feature_name(bit) or b"").decode() for bit in range(128)} - {""}


def check_features(work):
    text = (ROOT / "docs/features.md").read_text()
    if not compiled(HERE / "accepted_features.c", work / "accepted"):
        return
    really = set(run(work / "accepted").stdout.split())
    every, more = bits(section(text, "Of every device")), bits(section(text, "Of PCI and vDPA devices in addition"))
    print(f"feature bits: {len(every)} and {len(more)} rows, {len(really)} accepted of a back-end that offers everything")
    if len(every) < 30 or len(more) < 5 or not really:
        fault("docs/features.md has no tables of feature bits")
    # No back-end gets the bits of whole devices, so that the guests' tests alone see them used. They are feature bits at
    # least, and not among those that any device gets.
    names = feature_names()
    for each in sorted(more & every | more - names):
        fault(f"docs/features.md names {each} for PCI and vDPA devices alone, which is not so")
    for each in differences(every, really):
        fault(each)
    if not differences({"A"}, set()) or not differences(set(), {"A"}) or differences({"A"}, {"A"}):
        fault("the comparison of feature bits sees nothing")


# ---- the program ----------------------------------------------------------------------------------------------------


def capture_of(frames):
    out = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    for number, frame in enumerate(frames):
        out += struct.pack("<IIII", number, 0, len(frame), len(frame)) + frame
    return out


def frames_of(capture):
    out, at = [], 24
    while at + 16 <= len(capture):
        length = struct.unpack_from("<I", capture, at + 8)[0]
        out.append(capture[at + 16:at + 16 + length])
        at += 16 + length
    return out


def check_program(text, work):
    match = re.search(r"^```c\n(.*?)^```", text, re.S | re.M)
    if not match:
        return fault("no C program")
    program = match.group(1)
    lines = len([line for line in program.split("\n") if line.strip()])
    print(f"the program has {lines} lines")
    if lines > 25:
        fault("that is more than 25")
    (work / "forward.c").write_text(program)
    if not compiled(work / "forward.c", work / "forward"):
        return None
    frames = [os.urandom(length) for length in (60, 61, 1000, 1514)]
    (work / "in.pcap").write_bytes(capture_of(frames))
    with subprocess.Popen([work / "forward", f"soft:pcap={work}/in.pcap", f"soft:pcap=,out={work}/out.pcap"]) as child:
        for _ in range(100):
            time.sleep(0.05)
            if child.poll() is not None or (work / "out.pcap").exists() and len(
                    frames_of((work / "out.pcap").read_bytes())) == len(frames):
                break
        child.terminate()
    if not (work / "out.pcap").exists() or frames_of((work / "out.pcap").read_bytes()) != frames:
        fault("the program does not forward what it gets")
    if run(work / "forward", "soft:nothing", "soft:sink").returncode == 0 or run(work / "forward").returncode == 0:
        fault("the program hides errors")


# ---- speeds ---------------------------------------------------------------------------------------------------------


def ratios(page):
    """The column "ratio" of form inline in the table "Each path"."""
    rows = [line.split("|") for line in section(page, "Each path").split("\n") if re.match(r"\| (rx|tx)-", line)]
    return [float(row[4]) for row in rows if row[4].strip() != "-"]


def speed_fault(readme, found):
    said = re.search(r"moves (\d+\.\d) to (\d+\.\d) times", readme)
    if not said or not found:
        return "the README states no range of speeds, or docs/performance.md has no ratios"
    low, high = f"{min(found):.1f}", f"{max(found):.1f}"
    if said.groups() == (low, high):
        return None
    return f"the README says {said[1]} to {said[2]} times DPDK; docs/performance.md has {low} to {high}"


def check_speed(readme):
    found = ratios((ROOT / "docs/performance.md").read_text())
    print(f"speeds: {len(found)} ratios")
    reason = speed_fault(readme, found)
    if reason:
        fault(reason)
    if not speed_fault(readme, [each * 2 for each in found]):
        fault("the comparison of speeds sees nothing")


# ---- paths ----------------------------------------------------------------------------------------------------------

TOPS = ("Sources", "Tests", "Tools", "include", "examples", "docs", "bench", "pkgconfig", ".ci", "abi", "debian")


def paths(text):
    """Paths of this tree that a page names: in back-quotes, or as the target of a link."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)
    quoted = {each for each in re.findall(r"`([^`\s]+)`", text) if each.split("/")[0] in TOPS and "/" in each}
    quoted |= {each for each in re.findall(r"`([A-Z]\w+\.(?:swift|md)|[\w.-]+\.map|Makefile)`", text)}
    linked = {each.split("#")[0] for each in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in each}
    return {re.sub(r":\d+$", "", each) for each in quoted}, {each for each in linked if each}


def missing(page, text):
    """What a page names and the tree does not have. A name alone may be a file in any folder."""
    quoted, linked = paths(text)
    names = {path.name for top in TOPS for path in (ROOT / top).rglob("*")} | {path.name for path in ROOT.iterdir()}
    gone = [each for each in sorted(quoted)
            if not (any(ROOT.glob(each.rstrip("/"))) if "/" in each else each in names)]
    return gone + [each for each in sorted(linked) if not (page.parent / each).exists()]


def check_paths():
    pages = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
    count = 0
    for page in pages:
        text = page.read_text()
        count += sum(len(each) for each in paths(text))
        for each in missing(page, text):
            fault(f"{page.relative_to(ROOT)} names {each}, which is not there")
    print(f"{count} paths named in {len(pages)} pages")
    planted = "`Sources/VioNet/Nowhere/` `Nowhere.swift` [a](docs/nowhere.md) `Sources/VioNet/`"
    if len(missing(ROOT / "README.md", planted)) != 3:
        fault("a path that leads nowhere went unseen")
    if count < 40:
        fault("hardly any path was found")


# ---- names ----------------------------------------------------------------------------------------------------------

TEST = re.compile(r"`((?:gate|unit|abi|guest|tool|wire|dpdk|fuzz|example)-[a-z0-9-]+)`")


def known_names():
    """Targets of the Makefile, tests, and what the public headers declare."""
    targets = set(re.findall(r"^([a-z][a-z0-9 -]*):", (ROOT / "Makefile").read_text(), re.M))
    tests = run(ROOT / "Tests/run.sh", "--list").stdout.split("\n")
    headers = "".join(path.read_text() for path in [*(ROOT / "include").glob("*.h"), *ROOT.glob("*.map")])
    headers += " ".join(path.stem for path in (ROOT / "examples").glob("*.h"))
    return (set(" ".join(targets).split()), {line.split()[0] for line in tests if line},
            set(re.findall(r"\b(?:vionet|VIONET)_\w+", headers)))


def unknown_names(text, known):
    targets, tests, names = known
    spans = " ".join(re.findall(r"`[^`]+`|^```.*?^```", text, re.S | re.M))
    made = set(re.findall(r"\bmake ([a-z][a-z0-9-]+)\b", spans)) - targets
    # A name that ends in an underscore, as in vionet_soft_*, stands for those that begin so.
    said = {each for each in re.findall(r"\b(?:vionet|VIONET)_\w+", text)
            if each not in names and not (each.endswith("_") and any(name.startswith(each) for name in names))}
    return [f"make {each}" for each in sorted(made)] + sorted(set(TEST.findall(text)) - tests - {"dpdk-testpmd"}) + sorted(said)


def check_names():
    known = known_names()
    print(f"{len(known[0])} make targets, {len(known[1])} tests, {len(known[2])} public names")
    for page in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]):
        for each in unknown_names(page.read_text(), known):
            fault(f"{page.relative_to(ROOT)} names {each}, which is not there")
    planted = "`make nothing`, `make test`, `gate-nothing`, `gate-readme`, vionet_nothing(), vionet_probe(), vionet_soft_*"
    if len(unknown_names(planted, known)) != 3:
        fault("a name of nothing went unseen")


def check_commands():
    """docs/vionetctl.md has a row for each command of the tool's manual."""
    manual = (ROOT / "Tools/vionetctl/man/vionetctl.1").read_text()
    really = set(re.findall(r"^\.It Em (\w+)$", manual, re.M)) - {"help"}
    said = set(re.findall(r"^\| `(\w+)", (ROOT / "docs/vionetctl.md").read_text(), re.M))
    print(f"{len(really)} commands of vionetctl")
    if len(really) < 5 or said != really:
        fault(f"docs/vionetctl.md has the commands {sorted(said)}, the manual has {sorted(really)}")


def main():
    text = (ROOT / "README.md").read_text()
    for command in ("make demo", "make test"):
        if command not in text:
            fault(f"the README does not name {command}")
    if text.count("\n") > 110:
        fault(f"the README has {text.count(chr(10))} lines; 110 are one page")
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        check_program(text, work)
        check_features(work)
    check_speed(text)
    check_paths()
    check_names()
    check_commands()
    sys.exit(1 if FAULTS else 0)


main()
