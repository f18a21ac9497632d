# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: BSD-2-Clause
# Sourced: a file through TCP from one namespace to another, and servers of iperf3. Wants lib.sh first.

need python3 python3

# iperf3_server SPACE: one there that listens, for one client; its number is in "server".
iperf3_server() {
  : >"$work/server.out" # an earlier one said "listening", too
  become "$1" iperf3 -s -1 --forceflush >"$work/server.out" 2>&1 &
  server=$!
  children+=("$server")
  until_true 60 grep -q listening "$work/server.out" || fail "iperf3 does not listen"
}

# iperf3_rate: says what arrived, by the client's iperf.json; fails if that is hardly anything.
iperf3_rate() {
  python3 - "$work/iperf.json" <<'END'
import json, sys
received = json.load(open(sys.argv[1]))["end"]["sum_received"]
print(f"iperf3: {received['bits_per_second'] / 1e9:.2f} Gbit/s")
sys.exit(received["bytes"] < 1000000)
END
}

# send_file FROM TO ADDRESS BYTES: so many random bytes from one space to that address of the other; says what went wrong
# and fails if they do not arrive as they were.
send_file() {
  local receiver status
  head -c "$4" /dev/urandom >"$work/sent"
  become "$2" python3 - "$work/received" "$3" <<'END' &
import socket, sys
family = socket.AF_INET6 if ":" in sys.argv[2] else socket.AF_INET
with socket.create_server((sys.argv[2], 5000), family=family) as server, open(sys.argv[1], "wb") as out:
    connection = server.accept()[0]
    while block := connection.recv(1 << 20):
        out.write(block)
END
  receiver=$!
  children+=("$receiver")
  in_space "$1" timeout 120 python3 - "$work/sent" "$3" <<'END'
import socket, sys, time
for attempt in range(100):
    try:
        connection = socket.create_connection((sys.argv[2], 5000), timeout=30)
        break
    except ConnectionRefusedError:
        time.sleep(0.05)
with open(sys.argv[1], "rb") as source:
    connection.sendfile(source)
connection.close()
END
  status=$?
  if [ $status -eq 0 ]; then
    wait "$receiver" || status=$?
  else
    end "$receiver"
  fi
  unset 'children[-1]'
  [ $status -eq 0 ] || { echo "a transfer of $4 bytes ended with $status"; return 1; }
  [ "$(sha256sum <"$work/sent")" = "$(sha256sum <"$work/received")" ] || { echo "$4 bytes arrived changed"; return 1; }
}
