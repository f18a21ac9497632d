#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Makes a web site of the pages that the tree has: README, docs/ and the others with Sphinx, and the manual as HTML beside them.

    Tools/site/build.py FOLDER MANUAL     into FOLDER, with the manual from the folder MANUAL

Fails if a link or an anchor inside the site leads nowhere.
"""
import html.parser
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOP = ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
# What pages link to beside pages.
BESIDE = ("include/vionet.h", "LICENSE", "docs/performance.svg")


def title(path):
    return re.search(r"^# (.+)$", path.read_text(), re.M)[1].replace("`", "")


def lay_out(folder):
    """Copies the pages as they lie in the tree, with the README as the first and a list of the others in it."""
    pages = sorted((ROOT / "docs").glob("*.md"), key=title)
    others = [ROOT / each for each in TOP]
    for page in [ROOT / "README.md", *pages, *others]:
        text = re.sub(r"\]\((\.\./)?README\.md", r"](\1index.md", page.read_text())
        to = folder / page.relative_to(ROOT)
        if page.name == "README.md":
            listed = "".join(f"{title(each)} <{each.relative_to(ROOT).with_suffix('')}>\n" for each in [*pages, *others])
            text += f"\n```{{toctree}}\n:hidden:\n\nManual <man>\n{listed}```\n"
            to = folder / "index.md"
        to.parent.mkdir(parents=True, exist_ok=True)
        to.write_text(text)
    for each in ("pictures", "recordings"):
        shutil.copytree(ROOT / "docs" / each, folder / "docs" / each)
    for each in BESIDE:
        (folder / each).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / each, folder / each)


def manual_page(folder, manual):
    """A list of the manual's pages, by section."""
    lines = ["# Manual", "", "The same as `man vionet` and the others, written from the headers, the addresses and the examples.", ""]
    for section, what in ((1, "Programs"), (3, "Functions"), (7, "Device addresses")):
        names = sorted(each.name.removesuffix(f".{section}.html") for each in manual.glob(f"*.{section}.html"))
        lines += [f"## {what}", "", ", ".join(f'<a href="manual/{name}.{section}.html">{name}</a>' for name in names), ""]
    (folder / "man.md").write_text("\n".join(lines))


class Links(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.links, self.anchors = [], set()

    def handle_starttag(self, _tag, attributes):
        for name, value in attributes:
            if name in ("href", "src") and value:
                self.links.append(value)
            elif name in ("id", "name") and value:
                self.anchors.add(value)


def read(path):
    found = Links()
    found.feed(path.read_text())
    return found


def dead_links(folder):
    pages = {path: read(path) for path in sorted(folder.rglob("*.html"))}
    dead, count = [], 0
    for path, found in pages.items():
        for link in found.links:
            parts = urllib.parse.urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            count += 1
            to = (path.parent / urllib.parse.unquote(parts.path)).resolve() if parts.path else path
            to = to / "index.html" if to.is_dir() else to
            anchor = urllib.parse.unquote(parts.fragment)
            if not to.exists():
                dead.append(f"{path.relative_to(folder)} links to {link}, which is not there")
            elif anchor and to in pages and anchor not in pages[to].anchors:
                dead.append(f"{path.relative_to(folder)} links to {link}, where that anchor is not")
    return dead, count, len(pages)


def can_fail(folder):
    page = folder / "planted.html"
    page.write_text('<a href="nowhere.html"></a><a href="index.html#nowhere"></a><a href="https://example.org/"></a>')
    seen = len(dead_links(folder)[0])
    page.unlink()
    return seen == 2


def main():
    out, manual = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
    version = re.search(r"^VERSION := (.*)$", (ROOT / "Makefile").read_text(), re.M)[1]
    shutil.rmtree(out, ignore_errors=True)
    with tempfile.TemporaryDirectory() as work:
        pages = pathlib.Path(work)
        lay_out(pages)
        manual_page(pages, manual)
        done = subprocess.run(["sphinx-build", "-q", "-W", "--keep-going", "-b", "html", "-c", ROOT / "Tools/site", "-d",
                               pages / ".doctrees", pages, out], env={**os.environ, "VIONET_VERSION": version}, check=False)
    if done.returncode:
        sys.exit(done.returncode)
    shutil.copytree(manual, out / "manual")
    dead, count, number = dead_links(out)
    for each in dead:
        print(each)
    if dead or not can_fail(out):
        sys.exit("FAIL: links" if dead else "FAIL: planted links were not seen")
    print(f"{number} pages, {count} links inside")


main()
