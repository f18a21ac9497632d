# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: BSD-2-Clause
# Sourced: a file through TCP from one namespace to another. Wants lib.sh first.

need python3 python3

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
