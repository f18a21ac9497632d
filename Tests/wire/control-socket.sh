#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A forwarder between two vhost-user devices, seen and controlled through its control socket: vionetctl and Prometheus' own
# parser read what the devices have counted, settings take effect at the devices, changes of a link are reported, and every
# failure has its sentence.
# deadline: 900
# shellcheck source-path=SCRIPTDIR source=../support/tool.sh
. "$(dirname "$0")/../support/tool.sh"
python=/usr/bin/python3 # Debian's, which has Debian's modules
[ -x "$python" ] || skip "there is no $python (Debian package python3)"
"$python" -c 'import prometheus_client' 2>/dev/null ||
  skip "$python has no prometheus_client (Debian package python3-prometheus-client)"
traffic=$(program traffic) || exit 1
flaps=$(program flapping-link) || exit 1
cd "$work" || exit 1

# counter PORT NAME, counter_is PORT NAME VALUE
counter() {
  "$vionetctl" stats --json --port "$1" fwd.sock |
    "$python" -c 'import json, sys; print(json.load(sys.stdin)[0]["counters"][sys.argv[1]])' "$2"
}
# shellcheck disable=SC2317 # called by until_true
counter_is() { [ "$(counter "$1" "$2")" = "$3" ]; }
count_until() { until_true 60 counter_is "$@" || fail "port $1: $2 is $(counter "$1" "$2"), not $3"; }
# shellcheck disable=SC2317 # called by until_true
gone() { ! kill -0 "$1" 2>/dev/null; }
# shellcheck disable=SC2317 # called by until_true
listens() { "$vionetctl" stats fwd.sock >/dev/null 2>&1; }
set_to() { "$vionetctl" set fwd.sock "$@" >said 2>&1 || { cat said; fail "set $*"; }; [ ! -s said ] || fail "set $* is not silent"; }

# Traffic comes from b, to which a is joined, and is forwarded to the sink c.
background devices "$flaps"
server=$!
start_forwarder() {
  "$examples/vionet-fwd-control" fwd.sock "vhost-user:a,queue_size=4096,cq=1,vlan_filter=1,size_stats=1,mac=02:00:00:00:00:07" \
    "vhost-user:c,queue_size=4096,size_stats=1" >fwd.out 2>&1 &
  forwarder=$!
  children+=("$forwarder")
  until_true 60 listens || { cat fwd.out; fail "no control socket"; }
}
start_forwarder
[ "$(stat -c %a fwd.sock)" = 600 ] || fail "the socket's mode is $(stat -c %a fwd.sock)"

# ---- events: the pipe's other end comes and goes ---------------------------------------------------------------------------

began=$EPOCHREALTIME
"$vionetctl" events fwd.sock >events.out 2>events.err &
follower=$!
"$vionetctl" events --json --port 0 fwd.sock >events.json 2>json.err &
interrupted=$!
children+=("$follower" "$interrupted")
# The link flaps until both followers have seen it from the beginning.
for ((flap = 0; flap < 20; flap++)); do
  kill -USR1 "$server"
  sleep 0.3
  kill -USR2 "$server"
  sleep 0.3
  if grep -q link-down events.out && grep -q link-down events.json && tail -n 2 events.out | grep -q link-up; then break; fi
done
grep -qE '^[0-9-]{10} [0-9:]{8}\.[0-9]{3}  port 0  link-down$' events.out || { cat events.out; fail "the link did not flap"; }
grep -v announce events.out | awk '{ print $3, $4, $5 }' | tail -n 2 | diff - <(printf 'port 0 link-down\nport 0 link-up\n') ||
  fail "the events (<) are others than those wanted (>)"
until_true 60 test -S b || fail "b did not come again"
"$python" - "$began" <<'END' || { cat events.json; fail "the JSON is another"; }
import json, sys, time
events = [json.loads(line) for line in open("events.json")]
names = [event["event"] for event in events if event["event"] != "announce"]
assert names[-2:] == ["link-down", "link-up"] and set(names) == set(names[-2:]), events
assert all(one != next for one, next in zip(names, names[1:])), events
assert all(event["port"] == 0 and float(sys.argv[1]) <= event["time"] <= time.time() for event in events), events
END

# ---- numbers -----------------------------------------------------------------------------------------------------------------

gives 0 "$traffic" vhost-user:b tx 2000 100
count_until 0 rx_good_packets 2000
count_until 0 rx_good_bytes 200000
count_until 1 tx_q0_good_packets 2000
count_until 1 tx_q0_size_65_127_packets 2000
count_until 0 rx_q0_size_64_packets 0
gives 0 "$vionetctl" stats fwd.sock
said '^port 0: vhost-user:a,queue_size=4096.*, started$'
said '^1 *0 *0 *0 *0 *2000 *200000 *0$'
said '^port 1  tx_q0_size_65_127_packets 2000$'

# ---- settings, by their effect at the device -----------------------------------------------------------------------------------

# The frames go to 02:00:00:00:00:02, which is not the port's address: they pass only while it is promiscuous.
set_to --port 0 promisc off
gives 0 "$traffic" vhost-user:b tx 300 100
count_until 0 rx_good_packets 2000
set_to --port 0 mac 02:00:00:00:00:02
gives 0 "$traffic" vhost-user:b tx 300 100
count_until 0 rx_good_packets 2300
set_to --port 0 mac 02:00:00:00:00:07
set_to --port 0 promiscuous on
set_to --port 0 vlan add 100
set_to --port 1 mtu 500
gives 0 "$traffic" vhost-user:b tx 200 600
count_until 0 rx_good_packets 2500
count_until 1 tx_q0_drop_long 200
set_to --port 1 mtu 1500
gives 0 "$traffic" vhost-user:b tx 100 600
count_until 1 tx_good_packets 2400

# ---- Prometheus ----------------------------------------------------------------------------------------------------------------

"$vionetctl" stats --json fwd.sock >stats.json || fail "stats"
"$python" - <<'END' || fail "Prometheus text"
import json, re, socket
from prometheus_client.parser import text_string_to_metric_families
with socket.socket(socket.AF_UNIX) as client:
    client.connect("fwd.sock")
    client.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: text/plain\r\n\r\n")
    said = b""
    while chunk := client.recv(65536):
        said += chunk
head, text = said.decode("ascii").split("\r\n\r\n", 1)
assert head.startswith("HTTP/1.1 200 OK\r\n") and f"Content-Length: {len(text)}" in head, head
families = list(text_string_to_metric_families(text))
names = [family.name for family in families]
assert len(names) == len(set(names)) > 20, names
assert all(family.type in ("counter", "gauge") and family.documentation for family in families)
samples = {}
for family in families:
    for sample in family.samples:
        key = sample.name, *sorted(sample.labels.items())
        assert key not in samples, key
        samples[key] = sample.value
# Every counter of the tool's is here, with the same number.
found = 0
for port in json.load(open("stats.json")):
    for name, value in port["counters"].items():
        labels = dict(port=str(port["port"]), device=port["device"])
        match = re.fullmatch(r"([rt]x)_q(\d+)_(?:good_)?(.*)", name)
        family = f"vionet_port_{name}_total"
        if match:
            labels.update(direction=match[1], queue=match[2])
            rest = match[3]
            if rest.startswith("drop_"):
                labels["reason"], rest = rest[5:], "drops"
            elif re.match("(under)?size_", rest):
                labels["size"] = rest.removeprefix("size_").removesuffix("_packets")
                rest = "packets_by_size"
            family = f"vionet_queue_{rest}_total"
        assert samples[(family, *sorted(labels.items()))] == value, (name, value, family, labels)
        found += 1
assert found == 104, found
assert samples[("vionet_port_mtu_bytes", ("device", port["device"]), ("port", "1"))] == 1500
END

# ---- a live table ----------------------------------------------------------------------------------------------------------------

# tables FILE: it has two.
# shellcheck disable=SC2317 # called by until_true
tables() { [ "$(grep -c 'port 1: vhost-user:c' "$1")" -ge 2 ] && grep -q '0\.00[[:space:]]*$' "$1"; }
"$vionetctl" stats --watch --port 1 fwd.sock >watch.out &
children+=($!)
until_true 60 tables watch.out || { cat watch.out; fail "no table again and again"; }
end_last
grep -qE '^1 +0 +0 +0 +0 +2400 .* 0\.00 +0\.00 +0\.00 +0\.00$' watch.out || { cat watch.out; fail "no rates"; }
if grep -q $'\e' watch.out; then fail "a file has the escape sequences of a terminal"; fi

# On a terminal each table takes the place of the last.
"$python" -c 'import pty, sys; pty.spawn(sys.argv[1:])' "$vionetctl" stats --watch --port 1 fwd.sock >terminal.out </dev/null &
children+=($!)
until_true 60 tables terminal.out || { cat -v terminal.out; fail "no table again and again on a terminal"; }
end_last
[ "$(grep -c $'^\e\\[H\e\\[J.*port 1: vhost-user:c' terminal.out)" -ge 2 ] || { cat -v terminal.out; fail "no live table"; }

# ---- failures --------------------------------------------------------------------------------------------------------------------

prints 1 "$vionetctl" stats nothing.sock <<'END'
Error: there is no socket "nothing.sock": the program makes it, with vionet_control_open()
END
prints 1 "$vionetctl" stats fwd.out <<'END'
Error: "fwd.out" is no socket
END
prints 1 "$vionetctl" stats --port 7 fwd.sock <<END
Error: the program has no port 7 (0 is vhost-user:a,queue_size=4096,cq=1,vlan_filter=1,size_stats=1,mac=02:00:00:00:00:07, 1 is vhost-user:c,queue_size=4096,size_stats=1)
END
gives 1 "$vionetctl" set fwd.sock mtu 1000
said 'the program has several ports: --port (0 is '
gives 1 "$vionetctl" events --port 7 fwd.sock
said 'no port 7'
prints 1 "$vionetctl" set --port 1 fwd.sock promisc on <<'END'
Error: the device offers VIRTIO_NET_F_CTRL_VQ, which has to be asked for: cq=1
END
gives 1 "$vionetctl" set --port 0 fwd.sock rss table=0
said 'VIRTIO_NET_F_RSS'
gives 1 "$vionetctl" set --port 0 fwd.sock mtu 70000
said 'mtu "70000": wanted is a number of at most 65535'
gives 1 "$vionetctl" set --port 0 fwd.sock vlan add 4096
said 'an ID from 0 to 4095'
gives 64 "$vionetctl" set --port 0 fwd.sock colour red
said 'colour'
gives 64 "$vionetctl" set --port 0 fwd.sock mtu
gives 64 "$vionetctl" stats
gives 64 "$vionetctl" stats --every 0 fwd.sock
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
  chmod 711 .
  mkdir -p for-all/bin for-all/lib
  cp "$vionetctl" for-all/bin && cp -L "$stage"/lib/libvionet.so.0 for-all/lib
  gives 1 setpriv --reuid 65534 --regid 65534 --clear-groups for-all/bin/vionetctl stats "$work/fwd.sock"
  said "the socket \"$work/fwd.sock\" is another user's"
fi

# ---- a follower is interrupted ----------------------------------------------------------------------------------------------

kill -INT "$interrupted"
until_true 60 gone "$interrupted" || fail "SIGINT does not end a follower"
wait "$interrupted" || fail "the follower ended with $? at SIGINT"
grep -qx "stopped, after $(wc -l <events.json) events" json.err || { cat json.err; fail "what an interrupted follower says"; }

# ---- the program ends, well or badly ------------------------------------------------------------------------------------------------

kill -9 "$forwarder"
until_true 60 gone "$follower" || fail "the follower stays"
wait "$follower" || fail "the follower ended with $?"
said_events=$(wc -l <events.out)
grep -qx "the program behind \"fwd.sock\" has ended, after $said_events events" events.err ||
  { cat events.err; fail "why the follower ended"; }
prints 1 "$vionetctl" stats fwd.sock <<'END'
Error: nobody serves the socket "fwd.sock": the program that made it is gone
END
start_forwarder # on the socket that the killed forwarder left
gives 1 "$examples/vionet-fwd-control" fwd.sock soft:sink
said 'fwd.sock": Address already in use'
end "$forwarder" || fail "the forwarder ended badly"
[ ! -e fwd.sock ] || fail "the socket is left behind"

# The counts of the devices agree.
kill "$server"
until_true 60 gone "$server" || fail "the devices stay"
printf '%s\n' ready 'to the driver of a 2600' 'from the driver of c 2400' | diff devices.out - ||
  fail "the devices counted something else (<) than was sent (>)"
exit 0
