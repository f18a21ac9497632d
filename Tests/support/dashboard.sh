#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The dashboard and the charts before a running program: Prometheus takes the counters from vionet-charts.py and answers each
# question that a panel of examples/grafana asks; chromium, without a screen, draws the page of examples/charts, whose lines are
# the program's queues. `make test-dashboard` runs it. Prometheus, the page and the program stay in a network namespace.
#
#   Tests/support/dashboard.sh [FOLDER]    keeps a picture of the page in FOLDER, build/dashboard
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ -z "${VIONET_DASHBOARD-}" ]; then
  VIONET_DASHBOARD=1 exec unshare --net "$0" "$@"
fi
ip link set lo up
out=${1:-build/dashboard} work=$(mktemp -d)
mkdir -p "$out"
children=()
clean_up() {
  local each
  for each in "${children[@]}"; do kill "$each" 2>/dev/null || true; done
  wait
  rm -rf "$work"
}
trap clean_up EXIT
fail() { echo "FAIL: $*" >&2; exit 1; }

build/examples/vionet-fwd-control "$work/socket" soft:generate,rate=2000 soft:sink,size_stats=1 >"$work/said" 2>&1 &
children+=($!)
until [ -S "$work/socket" ]; do kill -0 "${children[0]}" || { cat "$work/said"; fail "no program"; }; sleep 0.1; done
python3 -B examples/charts/vionet-charts.py "$work/socket" 9471 >"$work/address" &
children+=($!)
until grep -q http "$work/address"; do kill -0 "${children[1]}" || fail "no page"; sleep 0.1; done

curl -sS --fail http://127.0.0.1:9471/metrics >"$work/metrics"
promtool check metrics <"$work/metrics" || fail "promtool has complaints"
echo "promtool: no complaint about $(grep -vc '^#' "$work/metrics") counters"

cat >"$work/prometheus.yml" <<'END'
global: {scrape_interval: 1s}
scrape_configs: [{job_name: vionet, static_configs: [{targets: ["127.0.0.1:9471"]}]}]
END
prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/tsdb" --web.listen-address=127.0.0.1:9490 \
  >"$work/prometheus.log" 2>&1 &
children+=($!)
python3 -B - examples/grafana/vionet.json <<'END' || { tail "$work/prometheus.log"; fail "the dashboard's questions"; }
import json, re, sys, time, urllib.error, urllib.parse, urllib.request
board = json.load(open(sys.argv[1]))
def asked(path, **values):
    try:
        place = f"http://127.0.0.1:9490/api/v1/{path}?" + urllib.parse.urlencode(values)
        return json.load(urllib.request.urlopen(place, timeout=10))["data"]
    except urllib.error.HTTPError as failure:
        sys.exit(f"{values}: {failure.read().decode()}")
    except OSError:
        return None
def until(seconds, what, *words, **values):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = asked(*words, **values)
        if found is not None and what(found):
            return found
        time.sleep(0.2)
    sys.exit(f"{words} {values}: {found}")
count = 0
devices = until(300, lambda found: len(found) == 2, "label/device/values")
for panel in board["panels"]:
    for target in panel["targets"]:
        query = target["expr"].replace("$device", "|".join(map(re.escape, devices)).replace("\\", "\\\\"))
        query = query.replace("$__rate_interval", "15s")
        rare = query.endswith("> 0")
        found = until(300, lambda found: rare or len(found["result"]) > 0, "query", query=query)
        labels = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        assert all(labels <= set(each["metric"]) for each in found["result"]), (labels, found)
        print(f"  {panel['title']}: {len(found['result'])} lines of {query[:70]}")
        count += 1
assert count >= 10, count
print(f"Prometheus answers {count} questions of {len(board['panels'])} panels")
END

python3 -B Tests/support/browser.py 'http://127.0.0.1:9471/?seconds=20' 15 "$out/charts.png" >"$work/page" || fail "the page"
python3 -B - "$work/page" <<'END' || { cat "$work/page"; fail "the page shows something else"; }
import json, sys
page = json.load(open(sys.argv[1]))
assert page["state"].count("started, link up") == 2, page["state"]
panels = {each["title"]: each for each in page["panels"]}
lines = {each["name"]: each for each in panels["Packets"]["lines"]}
device = "soft:generate,rate=2000"
assert set(lines) == {f"{name}, {way}" for name in (device, "soft:sink,size_stats=1") for way in ("rx", "tx")}, lines
assert lines[f"{device}, rx"]["last"] > 0 and lines[f"{device}, tx"]["last"] == 0, lines
assert lines["soft:sink,size_stats=1, tx"]["last"] > 0, lines
assert panels["Packets"]["drawn"] == 4 and panels["Bits"]["drawn"] == 4, panels
assert panels["Dropped"]["drawn"] == 0 and panels["Dropped"]["legend"] == "none", panels
print(f"chromium draws {sum(each['drawn'] for each in page['panels'])} lines in {len(page['panels'])} charts")
END
[ "$(stat -c %s "$out/charts.png")" -gt 10000 ] || fail "no picture"
echo "a picture of the page: $out/charts.png"
