#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Removes marked checks, one at a time, and requires that a test named by the mark fails each time.

    checks.py all               every mark
    checks.py COUNT [SEED]      COUNT of those that name a C program, chosen by a seed, which is printed
    checks.py match REGEX       those whose line in the list matches
    checks.py list              the marks

One copy of the sources is built, in build/mutation: there an environment variable says which check is left out. A test must
pass there as long as none is.
"""
import concurrent.futures
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import marks as marked

ROOT = pathlib.Path(__file__).resolve().parents[2]
COPY = ROOT / "build/mutation"
LEAST, SECONDS, FUZZ_INPUTS = 120, 120, 800
PARTS = ("include", "pkgconfig", "vionet.map", "vionet-control.map", "Makefile", "Package.swift")


def copy_tree():
    """Brings the copy up to date; what has not changed keeps its age."""
    COPY.mkdir(parents=True, exist_ok=True)
    found = marked.copy_sources(ROOT, COPY)
    subprocess.run(["cp", "-a", "--update", *(str(ROOT / p) for p in PARTS), str(COPY)], check=True)
    subprocess.run(["rsync", "-a", "--delete", str(ROOT / "Tests"), str(COPY)] if shutil.which("rsync") else
                   ["cp", "-a", "--update", str(ROOT / "Tests"), str(COPY)], check=True)
    for name, changes in (("Makefile", [(" -warnings-as-errors", ""), ("sentence forked)", "sentence forked mutation)")]),
                          ("Package.swift", [(", .treatAllWarnings(as: .error)", "")])):
        text = (ROOT / name).read_text()
        for old, new in changes:
            if old not in text:
                raise SystemExit(f"{name} no longer has {old!r}")
            text = text.replace(old, new)
        if (COPY / name).read_text() != text:
            (COPY / name).write_text(text)
    return found


def command(words, log, **more):
    """Runs a command in the copy; its output is shown only if it fails."""
    with open(COPY / log, "w") as out:
        if subprocess.run(words, cwd=COPY, stdout=out, stderr=subprocess.STDOUT, **more).returncode == 0:
            return
    sys.stdout.write((COPY / log).read_text()[-4000:])
    raise SystemExit(f"FAIL: {' '.join(words)}")


def is_program(test):
    return re.match(r"(abi|fuzz)-", test) is not None


def build(tests):
    command(["make", "-s", f"{COPY}/build/stage/lib/pkgconfig/vionet.pc"], "make.log")
    for test in sorted(filter(is_program, tests)):
        folder, name = test.split("-", 1)
        command(["bash", "-c", f". Tests/support/compile.sh && compile Tests/{folder}/{name.replace('-', '_')}.c"], "cc.log")
    if not all(map(is_program, tests)):
        (COPY / "tmp").mkdir(exist_ok=True)
        command(["swift", "build", "--build-tests", "--scratch-path", ".build"], "swift.log",
                env=dict(os.environ, TMPDIR=str(COPY / "tmp")))


def words_of(test):
    if is_program(test):
        folder, name = test.split("-", 1)
        program = COPY / "build/test-bin" / f"{folder}-{name.replace('-', '_')}"
        return [str(program)] + ([str(FUZZ_INPUTS)] if folder == "fuzz" else [])
    return [str(COPY / ".build/debug/vionetPackageTests.xctest"), "--testing-library", "swift-testing", "--no-parallel",
            "--filter", test]


def failure(test, number):
    """How a test fails without the check of that number: by its exit status, or because it hangs; None if it passes."""
    environment = dict(os.environ, VIONET_MUTATION=str(number), VIONET_TEST_DEADLINE="40", VIONET_TEST_ROOT=str(COPY),
                       VIONET_TEST_STAGE=str(COPY / "build/stage"))
    with open(COPY / f"run-{threading.get_ident()}.log", "w+") as log:
        run = subprocess.Popen(words_of(test), cwd=COPY, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            status = run.wait(SECONDS if number else 6 * SECONDS)
        except subprocess.TimeoutExpired:
            status = "hangs"
        # What it started goes, too.
        try:
            os.killpg(run.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        run.wait()
        log.seek(0)
        text = log.read()
    if not is_program(test) and re.search(r"Test run with 0 tests|No matching test", text):
        raise SystemExit(f"FAIL: no Swift test is called {test}")
    if number == 0 and status != 0:
        print(text[-3000:])
    return None if status == 0 else status if isinstance(status, str) else f"exit {status}"


def verify(chosen):
    """Prints a line for each mark, and returns those that no test noticed."""
    tests = {test for mark in chosen for test in mark.tests}
    build(tests)

    def notice(mark):
        began = time.monotonic()
        seen = ((test, failure(test, mark.number)) for test in mark.tests)
        caught = next((f"{test}: {how}" for test, how in seen if how), None)
        return mark, caught, time.monotonic() - began

    survivors = []
    with concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for test, how in zip(sorted(tests), pool.map(failure, sorted(tests), [0] * len(tests))):
            if how:
                raise SystemExit(f"FAIL: {test} fails although no check was removed: {how}")
        print(f"1..{len(chosen)}", flush=True)
        for place, (mark, caught, took) in enumerate(pool.map(notice, chosen)):
            if caught is None:
                survivors.append(mark)
            print(f"{'ok' if caught else 'not ok'} {place + 1} - {mark.path}:{mark.line}: {mark.text[:80]} "
                  f"({caught or 'unnoticed'}, {took:.0f} s)", flush=True)
    return survivors


def can_change():
    """Whether each form of a check is changed as it should be."""
    forms = {
        "  if a > b { return c }": "  if mutation_keeps(1), a > b { mutation_note(1); return c }",
        "  } else if a, b {": "  } else if mutation_keeps(1), a, b { mutation_note(1)",
        "  guard let a = b, a < c else { throw d }":
            "  guard let a = b, (!mutation_keeps(1) || (a < c)) else { mutation_note(1); throw d }",
        "  return a < b": "  return mutation_passes(1, a < b)",
        "  let a = min(b, c)": "  let a = (mutation_keeps(1) ? min(b, c) : (b))",
        "  forget()": "  if mutation_keeps(1) { forget() }",
    }
    return all(marked.instrument(f"{before}  // tested by abi-x", "a.swift", []) == after
               and marked.instrument(f"  // tested by abi-x\n{before}", "a.swift", []) == f"{after}\n"
               for before, after in forms.items())


def main():
    if not can_change():
        raise SystemExit("FAIL: a check is not changed as it should be")
    what = sys.argv[1] if len(sys.argv) > 1 else "2"
    if what == "list":
        for mark in marked.copy_sources(ROOT, COPY):
            print(mark, mark.tests)
        return
    found = copy_tree()
    if len(found) < LEAST:
        raise SystemExit(f"FAIL: {len(found)} marks, fewer than {LEAST}")
    began = time.monotonic()
    # A run that is cut short has seen some of every file.
    before = {}
    chosen = sorted(found, key=lambda mark: (mark.number - before.setdefault(mark.path, mark.number), mark.path))
    if what == "match":
        chosen = [mark for mark in chosen if re.search(sys.argv[2], str(mark))]
    elif what != "all":
        seed = int(sys.argv[2]) if len(sys.argv) > 2 else int(time.time())
        chosen = random.Random(seed).sample([m for m in found if is_program(m.tests[0])], int(what))
        print(f"# seed {seed}")
    survivors = verify(chosen)
    print(f"# {len(found)} marks, {len(chosen)} checks removed, {len(chosen) - len(survivors)} noticed, "
          f"{len(survivors)} not, {time.monotonic() - began:.0f} s")
    sys.exit(1 if survivors else 0)


main()
