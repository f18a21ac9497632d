#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Looks at a page of examples/charts with chromium, which has no screen here and is led through its debugging pipe.

    browser.py ADDRESS POINTS PICTURE    waits until each line has so many points, prints what the page says as JSON, and
                                         keeps a picture of it
"""
import base64
import json
import os
import subprocess
import sys
import tempfile
import time

SAYS = """JSON.stringify({state: document.getElementById("state").textContent, panels: PANELS.map(function (panel) {
  return {title: panel.title, drawn: panel.svg.querySelectorAll("polyline").length, legend: panel.legend.textContent,
          lines: Object.keys(panel.lines).map(function (key) {
            return {name: key, points: panel.lines[key].length, last: panel.lines[key].slice(-1)[0].value}; })}; })})"""


class Browser:
    def __init__(self, folder):
        (theirs_in, self.out), (self.back, theirs_out) = os.pipe(), os.pipe()

        def give_pipes():
            low = [os.dup(theirs_in), os.dup(theirs_out)]
            os.dup2(low[0], 3)
            os.dup2(low[1], 4)

        words = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}", "--remote-debugging-pipe",
                 "--window-size=1100,1000", "--hide-scrollbars", "about:blank"]
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(words, preexec_fn=give_pipes, close_fds=False, stderr=self.log, stdout=self.log)
        os.close(theirs_in)
        os.close(theirs_out)
        self.number, self.rest, self.session = 0, b"", None

    def ask(self, method, **values):
        self.number += 1
        question = {"id": self.number, "method": method, "params": values}
        if self.session:
            question["sessionId"] = self.session
        os.write(self.out, json.dumps(question).encode() + b"\0")
        while True:
            while b"\0" not in self.rest:
                got = os.read(self.back, 1 << 16)
                if not got:
                    self.log.seek(0)
                    sys.exit(f"chromium ended: {self.log.read().decode(errors='replace')[-2000:]}")
                self.rest += got
            message, self.rest = self.rest.split(b"\0", 1)
            answer = json.loads(message)
            if answer.get("id") == self.number:
                if "error" in answer:
                    sys.exit(f"{method}: {answer['error']}")
                return answer["result"]

    def open(self, address):
        target = self.ask("Target.createTarget", url=address)["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def said(self):
        found = self.ask("Runtime.evaluate", expression=f"typeof PANELS === 'undefined' || !PANELS[0].svg ? '' : {SAYS}")
        return json.loads(found["result"].get("value") or "{}")


def main():
    address, points, picture = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        browser = Browser(folder)
        try:
            browser.open(address)
            end = time.monotonic() + 300
            while time.monotonic() < end:
                now = browser.said()
                lines = [line for panel in now.get("panels", ()) for line in panel["lines"]]
                if lines and all(line["points"] >= points for line in lines):
                    break
                time.sleep(0.2)
            else:
                sys.exit(f"no lines in 5 minutes: {now}")
            with open(picture, "wb") as file:
                file.write(base64.b64decode(browser.ask("Page.captureScreenshot")["data"]))
            print(json.dumps(browser.said()))
        finally:
            browser.process.kill()
            browser.process.wait()


main()
