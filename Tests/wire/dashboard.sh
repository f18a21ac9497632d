#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The dashboard of examples/grafana: each counter and label that a panel names is in the Prometheus text of a running program,
# and places and letters of panels do not meet.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need curl curl
need python3 python3

"$examples/vionet-fwd-control" "$work/socket" soft:generate,rate=1000 soft:sink >"$work/fwd.out" 2>&1 &
children+=($!)
until_true 60 test -S "$work/socket" || { cat "$work/fwd.out"; fail "no control socket"; }
curl -sS --fail --unix-socket "$work/socket" http://localhost/metrics >"$work/metrics" || fail "curl"
cat >"$work/compare.py" <<'END'
import json, re, sys
board, text = json.load(open(sys.argv[1])), open(sys.argv[2]).read()
known = {}
for name, labels in re.findall(r"^(vionet_\w+)\{(.*)\} ", text, re.M):
    known.setdefault(name, set()).update(re.findall(r'(\w+)="', labels))
faults, asked = [], 0
def look(query, legend=""):
    global asked
    names = re.findall(r"\bvionet_\w+", query)
    asked += len(names)
    faults.extend(f"{name} is not there" for name in names if name not in known)
    labels = set(re.findall(r"\{\{(\w+)\}\}", legend)) | set(re.findall(r"(\w+)=~", query))
    labels |= {each.strip() for group in re.findall(r"by \(([^)]*)\)", query) for each in group.split(",")}
    for name in names:
        faults.extend(f"{name} has no label {each}" for each in labels - known.get(name, labels))
for each in board["templating"]["list"]:
    if each["type"] == "query":
        name, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", each["query"]["query"]).groups()
        asked += 1
        faults += [] if label in known.get(name, ()) else [f"{name} has no label {label}"]
taken = set()
for panel in board["panels"]:
    place = panel["gridPos"]
    cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
    faults += [f"{panel['title']} lies on another panel or beyond"] if cells & taken or any(x > 23 for x, _ in cells) else []
    taken |= cells
    if not panel["description"] or len({each["refId"] for each in panel["targets"]}) != len(panel["targets"]):
        faults.append(f"{panel['title']}: no description, or letters twice")
    for target in panel["targets"]:
        look(target["expr"], target["legendFormat"])
for each in faults:
    print(each)
print(f"{len(board['panels'])} panels name {asked} counters of {len(known)}")
sys.exit(1 if faults or asked < 10 else 0)
END
python3 "$work/compare.py" "$root/examples/grafana/vionet.json" "$work/metrics" || fail "the dashboard"
for planted in 's/vionet_queue_bytes_total/vionet_queue_octets_total/' 's/(device, direction, reason)/(device, colour)/' \
  's/label_values(vionet_port_read, device)/label_values(vionet_port_read, name)/' 's/"x": 12/"x": 3/'; do
  sed "$planted" "$root/examples/grafana/vionet.json" >"$work/planted.json"
  if python3 "$work/compare.py" "$work/planted.json" "$work/metrics" >"$work/said"; then fail "unseen: $planted"; fi
done
end_last || { cat "$work/fwd.out"; fail "the program ended badly"; }
