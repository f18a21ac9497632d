#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The dashboard of examples/grafana: each counter and label that a panel names is in the Prometheus text of a running program,
# and places and letters of panels do not meet. The page of examples/charts reads that text as Prometheus' own library does and
# adds it up. `make test-dashboard` asks Prometheus and a browser.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need curl curl
need python3 python3
need duk duktape
python=/usr/bin/python3 # it has Debian's packages
"$python" -c 'import prometheus_client' 2>/dev/null ||
  skip "$python has no prometheus_client (Debian package python3-prometheus-client)"

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

# The page's own functions, without a page. Labels have what has to be escaped in them, too.
printf '%s\n' 'counter{text="a\\b\"c,d=\n"} 7' >"$work/odd"
cat "$work/metrics" "$work/odd" >"$work/both"
cat >"$work/page.js" <<'END'
var samples = parse(TEXT), before = sums(samples, PANELS[0]), now = {}, key;
for (key in before) now[key] = before[key] + 500;
now["new"] = 9;
print(JSON.stringify({samples: samples, sums: PANELS.map(function (panel) { return sums(samples, panel); }),
                      rates: rates(before, now, 2), again: rates({a: 10}, {a: 4}, 2),
                      said: [0, 12, 999, 1234567, 0.5].map(formatted)}));
END
{ python3 -c 'import json, sys; print("var TEXT =", json.dumps(sys.stdin.read()) + ";")' <"$work/both"
  cat "$root/examples/charts/charts.js" "$work/page.js"; } >"$work/all.js"
duk "$work/all.js" >"$work/read" || { cat "$work/read"; fail "charts.js"; }
"$python" - "$work/both" "$work/read" <<'END' || fail "charts.js reads the text in another way"
import json, sys
from prometheus_client.parser import text_string_to_metric_families
page = json.load(open(sys.argv[2]))
wanted = [(each.name, each.labels, each.value) for family in text_string_to_metric_families(open(sys.argv[1]).read())
          for each in family.samples]
assert sorted(map(str, wanted)) == sorted(str((each["name"], each["labels"], float(each["value"]))) for each in page["samples"])
assert len(wanted) > 50 and any(labels.get("text") == 'a\\b"c,d=\n' for _, labels, _ in wanted), wanted[-1]
packets = {}
for name, labels, value in wanted:
    if name == "vionet_queue_packets_total":
        key = f"{labels['device']}, {labels['direction']}"
        packets[key] = packets.get(key, 0) + value
assert page["sums"][0] == packets and len(packets) == 4, page["sums"][0]
assert all(page["sums"][each] for each in (0, 1, 3, 4)), page["sums"]
assert page["rates"] == {key: 250 for key in packets} and page["again"] == {"a": 2}, page["rates"]
assert page["said"] == ["0", "12", "999", "1.23 M", "0.500"], page["said"]
END

# The server gives the page, and the program's text, and says when the program is gone.
python3 -B "$root/examples/charts/vionet-charts.py" "$work/socket" 0 >"$work/address" 2>"$work/charts.err" &
charts=$!
children+=("$charts")
until_true 60 grep -q http "$work/address" || { cat "$work/charts.err"; fail "vionet-charts.py"; }
address=$(cat "$work/address")
curl -sS --fail "$address" | cmp - "$root/examples/charts/charts.html" || fail "the page"
curl -sS --fail "${address}charts.js" | cmp - "$root/examples/charts/charts.js" || fail "the page's program"
curl -sS --fail "${address}metrics" | grep -q '^vionet_queue_packets_total' || fail "no counters"
[ "$(curl -sS -o "$work/missing" -w '%{http_code}' "${address}charts.html/../../vionet.json")" = 404 ] || fail "another file"
end "${children[0]}" || { cat "$work/fwd.out"; fail "the program ended badly"; }
[ "$(curl -sS -o "$work/gone" -w '%{http_code}' "${address}metrics")" = 502 ] || fail "the program is gone, and nobody says so"
