#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# vionetctl serve: devices that front-ends drive and leave again, two of them joined; their counts are what was sent; and
# what is refused.
# shellcheck source-path=SCRIPTDIR source=../support/tool.sh
. "$(dirname "$0")/../support/tool.sh"
need python3 python3
traffic=$(program traffic) || exit 1

# ended SIGNAL: the last process started ends with 0 at that signal.
ended() {
  local child=${children[-1]}
  kill "-$1" "$child"
  until_true 10 gone "$child" || fail "it does not end"
  unset 'children[-1]'
  wait "$child" || fail "it ended with $? at SIG$1"
}
# misbehaves SOCKET: a front-end whose message has no version, until it is disconnected.
misbehaves() {
  python3 - "$1" <<'END'
import socket, struct, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.send(struct.pack("III", 1, 0, 0))
assert s.recv(1) == b""
END
}
gone() { ! kill -0 "$1" 2>/dev/null; }

cd "$work" || exit 1

joined() {
  background pipe "$vionetctl" serve a pipe=x b pipe=x,queues=2
  [ "$(cat pipe.out)" = "ready: a b" ] || { cat pipe.out; fail "not ready as it should be"; }
  gives 0 "$vionetctl" info vhost-user:b
  said "queue pairs  1 of 2"
  background receiver "$traffic" vhost-user:b rx
  gives 0 "$traffic" vhost-user:a tx 1234 100
  ended TERM
  grep -qx "received packets=1234 bytes=123400 drops=0" receiver.out || { cat receiver.out; fail "1234 frames did not come"; }
  for _ in 1 2; do misbehaves b || fail "it was not disconnected"; done
  ended INT
  diff pipe.out - <<'END' || fail "it said something else (<) than it should (>)"
ready: a b
SOCKET  WIRE             TO DRIVER  LOST  FROM DRIVER  LOST  CONNECTIONS
a       pipe=x           0          0     1234         0     1
b       pipe=x,queues=2  1234       0     0            0     4
b: front-ends disconnected: 2; the last: the front-end sent a malformed message
END
  if [ -e a ] || [ -e b ]; then fail "sockets are left behind"; fi
}

counts() {
  "$vionetctl" serve --json --every 1 a sink >json.out &
  children+=($!)
  until_true 5 test -e a || fail "no socket"
  gives 0 "$traffic" vhost-user:a tx 99 60
  until_true 5 grep -q '"from_driver" : 99' json.out || fail "no counts in between"
  misbehaves a || fail "it was not disconnected"
  ended TERM
  python3 - json.out <<'END' || { cat json.out; fail "the JSON is another"; }
import json, sys
text, decoder, said = open(sys.argv[1]).read(), json.JSONDecoder(), []
while text.strip():
    value, end = decoder.raw_decode(text.lstrip())
    said.append(value)
    text = text.lstrip()[end:]
assert len(said) >= 2 and all(len(value) == 1 for value in said), said
assert said[-1] == [dict(socket="a", wire="sink", to_driver=0, from_driver=99, to_driver_drops=0, from_driver_drops=0,
                         connections=2, faults=1, fault="the front-end sent a malformed message", reason="")], said
END
}

refusals() {
  gives 64 "$vionetctl" serve
  gives 64 "$vionetctl" serve a
  said 'The socket a has no wire'
  gives 64 "$vionetctl" serve a sink pcap=/tmp/in.pcap,out=x "$work/b"
  said "pcap=/tmp/in.pcap,out=x is a wire, and the socket comes first: vionetctl serve $work/b pcap=/tmp/in.pcap,out=x"
  [ ! -e a ] || fail "swapped arguments left a socket behind"
  gives 64 "$vionetctl" serve --every 0 a sink
  said 'interval'
  gives 1 "$vionetctl" serve a sink b sink,colour=red
  said 'colour'
  [ ! -e a ] || fail "the first socket is left behind"
  gives 1 "$vionetctl" serve a sink a sink
  said '"a".*in use'
  [ ! -e a ] || fail "the socket is left behind"
}

run_case "two joined devices carry frames, and are counted at the end" joined
run_case "counts come in between, as JSON" counts
run_case "what cannot be served is refused and leaves no socket" refusals
