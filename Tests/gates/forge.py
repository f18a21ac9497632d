#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The files for a public forge can work: .github's workflow and issue templates are YAML of the right form, each job's commands
are shell without a syntax error, name make targets, scripts and variables that exist, and no image or action without a version.
"""
import pathlib
import re
import subprocess
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".github"


def targets():
    found = re.findall(r"^([a-z][a-z0-9 -]*):", (ROOT / "Makefile").read_text(), re.M)
    return set(" ".join(found).split())


def command_faults(text, known):
    """What is wrong with the commands of a step."""
    plain = re.sub(r"\$\{\{.*?\}\}", "value", text)
    out = []
    checked = subprocess.run(["bash", "-n"], input=plain, capture_output=True, text=True, check=False)
    if checked.returncode:
        out.append(f"no shell: {checked.stderr.strip()}")
    for words in re.findall(r"(?:^|[;&|] *)make ([^;&|\n]*)", plain, re.M):
        named = [each for each in words.split() if not each.startswith("-") and "=" not in each]
        out += [f"make {each}: no such target" for each in named if each not in known]
        out += ["make without a target"] if not named else []
    for path in re.findall(r"(?:^|\s)((?:Tools|Tests|bench)/[\w./-]+)", plain):
        if not (ROOT / path).exists():
            out.append(f"{path} is not there")
    for name in re.findall(r"build/examples/(vionet-[a-z0-9-]+)", plain):
        if not (ROOT / f"examples/{name}.c").exists():
            out.append(f"{name} is no example")
    purpose = re.search(r"Tools/install-deps.sh (\S+)", plain)
    if purpose and purpose[1] not in re.search(r"purposes='(.*?)'", (ROOT / "Tools/install-deps.sh").read_text(), re.S)[1].split():
        out.append(f"Tools/install-deps.sh knows no {purpose[1]}")
    return out


def job_faults(name, job, jobs, known):
    out = [f"{key} is missing" for key in ("runs-on", "timeout-minutes", "steps") if key not in job]
    out += [f"it needs {job['needs']}, which is no job"] if job.get("needs", name) not in jobs else []
    image = job.get("container", {}).get("image", "")
    if not re.fullmatch(r"[\w./-]+:\S.*", image):
        out.append(f"the image {image!r} has no version")
    matrix = set(job.get("strategy", {}).get("matrix", {}))
    used = set(re.findall(r"\$\{\{ *matrix\.(\w+)", yaml.dump(job, width=10000)))
    out += [f"matrix.{each} is not there, or of no use" for each in sorted(used ^ matrix)]
    for step in job.get("steps", []):
        if ("run" in step) == ("uses" in step):
            out.append(f"a step runs nothing, or too much: {step}")
        elif "uses" in step:
            out += [] if re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step["uses"]) else [f"{step['uses']} has no version"]
        else:
            out += command_faults(step["run"], known)
    return [f"job {name}: {each}" for each in out]


def workflow_faults(text):
    try:
        flow = yaml.safe_load(text)
    except yaml.YAMLError as failure:
        return [f"no YAML: {failure}"]
    known = targets()
    # YAML takes the word "on" for true.
    out = [f"{key} is missing" for key in ("name", True, "permissions", "jobs") if key not in flow]
    for name, job in flow.get("jobs", {}).items():
        out += job_faults(name, job, flow["jobs"], known)
    return out


def template_faults(text):
    form = yaml.safe_load(text)
    out = [f"{key} is missing" for key in ("name", "description", "body") if not form.get(key)]
    ids = [each.get("id") for each in form.get("body", []) if each["type"] != "markdown"]
    if None in ids or len(set(ids)) != len(ids):
        out.append("a field without a name of its own")
    return out + [f"a field without a label: {each}" for each in form.get("body", [])
                  if each["type"] != "markdown" and not each["attributes"].get("label")]


def can_fail(text):
    planted = {"make -s site": "make -s nothing", "swift:6.3-bookworm": "swift", "checkout@v4": "checkout",
               "Tools/install-deps.sh build": "Tools/install-deps.sh nothing", "needs: release": "needs: nothing",
               "timeout-minutes: 30": "other: 30", "matrix.debian": "matrix.system", "jobs:": "jobs: [",
               "cd vionet-*/": "if cd vionet-*/"}
    blind = [old for old, new in planted.items() if text.count(old) == 0 or not workflow_faults(text.replace(old, new))]
    return [f"a planted fault went unseen: {each}" for each in blind]


def main():
    flow = (FOLDER / "workflows/ci.yml").read_text()
    faults = [f"ci.yml: {each}" for each in workflow_faults(flow)] + can_fail(flow)
    forms = [each for each in sorted((FOLDER / "ISSUE_TEMPLATE").glob("*.yml")) if each.name != "config.yml"]
    for form in forms:
        faults += [f"{form.name}: {each}" for each in template_faults(form.read_text())]
    yaml.safe_load((FOLDER / "ISSUE_TEMPLATE/config.yml").read_text())
    print("\n".join(faults))
    print(f"{len(yaml.safe_load(flow)['jobs'])} jobs, {len(forms)} templates, {len(faults)} faults")
    sys.exit(1 if faults or len(forms) < 2 else 0)


main()
