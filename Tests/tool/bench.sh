#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# vionetctl bench: decided by counts only. What was sent came back or was counted by the device, the bursts add up to the
# packets, table and JSON agree; and what is refused.
# shellcheck source-path=SCRIPTDIR source=../support/tool.sh
. "$(dirname "$0")/../support/tool.sh"
need python3 python3

counted() {
  gives 0 "$vionetctl" bench --packets 20000 --json
  python3 - "$work/said" <<'END' || { cat "$work/said"; fail "the counts are wrong"; }
import json, sys
rows = json.load(open(sys.argv[1]))
assert [(row["device"], row["direction"]) for row in rows] == \
    [("soft:generate,length=64", "receive"), ("soft:sink", "transmit"), ("soft:loopback", "loop")], rows
for row, sent, received in zip(rows, (0, 20000, 20000), (20000, 0, 20000)):
    assert (row["sent"], row["received"], row["packets"], row["lost"]) == (sent, received, 20000, 0), row
    assert row["bytes"] == 64 * 20000 and row["drops"] == {} and row["missing"] == 0, row
    assert sum(int(size) * count for size, count in row["bursts"].items()) == 20000, row
    assert max(map(int, row["bursts"])) <= 32 and row["mpps"] > 0 and row["ns_per_packet"] > 0, row
    assert abs(row["gbit_per_second"] * row["ns_per_packet"] - 8 * 64) < 1e-6 * 8 * 64, row
END
  gives 0 "$vionetctl" bench soft:loopback --packets 1000 --burst 1 --length 1500
  said '^soft:loopback  loop  *1000  *1000  *0 .* 1\.0  '
  [ "$(wc -l <"$work/said")" -eq 2 ] || { cat "$work/said"; fail "more than a table of one row"; }
  gives 0 "$vionetctl" bench --packets 100 --length 9000 --direction loop --direction transmit
  said '^soft:loopback,mtu=8986  loop  *100  *100  *0 '
}

# Bursts of which the ring often takes a part: the packets that wait stay what they are while others come back.
partial_bursts() {
  gives 0 "$vionetctl" bench soft:loopback --burst 100 --packets 400000 --json
  python3 - "$work/said" <<'END' || { cat "$work/said"; fail "the counts are wrong"; }
import json, sys
(row,) = json.load(open(sys.argv[1]))
assert row["sent"] == row["received"] == 400000 and row["lost"] == 0 < row["ring_full"], row
END
}

# Another program's device: its own counts are those of the table.
peer() {
  background server "$vionetctl" serve "$work/a" sink "$work/b" loopback
  gives 0 "$vionetctl" bench "vhost-user:$work/a" --packets 5000 --direction transmit
  said ' transmit  *5000  *0  *0 '
  gives 0 "$vionetctl" bench "vhost-user:$work/b" --packets 5000 --direction loop
  said ' loop  *5000  *5000  *0 '
  end_last || fail "the server ended badly"
  grep -q "^$work/a *sink *0 *0 *5000 *0 *1\$" "$work/server.out" || { cat "$work/server.out"; fail "the device counted other frames"; }
  grep -q "^$work/b *loopback *5000 *0 *5000 *0 *1\$" "$work/server.out" || { cat "$work/server.out"; fail "the device counted other frames"; }
}

has_threads() { [ "$(find "/proc/$1/task" -mindepth 1 -maxdepth 1 | wc -l)" -ge 2 ]; }
timed() {
  gives 0 "$vionetctl" bench --seconds 3 --json
  python3 - "$work/said" <<'END' || { cat "$work/said"; fail "the counts are wrong"; }
import json, sys
receive, transmit, loop = json.load(open(sys.argv[1]))
assert receive["received"] >= receive["packets"] > 0 and receive["sent"] == 0, receive
assert transmit["sent"] == transmit["packets"] > 0 == transmit["lost"], transmit
assert loop["sent"] == loop["received"] >= loop["packets"] > 0 == loop["lost"], loop
END
  # Interrupted, it tells what it has measured.
  "$vionetctl" bench soft:loopback --seconds 300 >"$work/said" 2>&1 &
  children+=($!)
  # The port is open when its device has a thread.
  until_true 60 has_threads "$!" || fail "it opens nothing"
  end_last || { cat "$work/said"; fail "SIGTERM ends it with an error"; }
  said '^soft:loopback'
}

refusals() {
  for wrong in "--seconds 0" "--packets 0" "--length 63" "--burst 257" "--direction sideways"; do
    # shellcheck disable=SC2086
    gives 64 "$vionetctl" bench $wrong
  done
  gives 1 "$vionetctl" bench soft:sink,colour=red
  said 'colour'
  # A peer that sends nothing, and one that does not send back.
  gives 1 "$vionetctl" bench soft:sink --direction receive --packets 1
  said 'receive: only 0 of 1 packets'
  gives 1 "$vionetctl" bench soft:sink --direction loop --seconds 0.1
  said 'packets have not come back'
}

run_case "as many packets as were asked for, sent, received and back" counted
run_case "bursts that the ring takes in part" partial_bursts
run_case "another program's device counts the same" peer
run_case "for a time, and until a signal" timed
run_case "what is refused, and what does not come" refusals
