#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The forwarders in Python and Rust: frames of a capture come out as they were, they sleep while none come, and they say
# what passed and what is wrong.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need python3 python3
need rustc rustc
export LD_LIBRARY_PATH=$stage/lib PYTHONDONTWRITEBYTECODE=1
rustc -O -D warnings "$root/examples/rust/forward.rs" -L "$stage/lib" -o "$work/forward" || fail "compiling forward.rs"
in_python=(python3 "$root/examples/python/forward.py") in_rust=("$work/forward")

python3 - "$work/in.pcap" <<'END'
import os, struct, sys
with open(sys.argv[1], "wb") as out:
    out.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
    for number in range(100):
        frame = os.urandom(60 + 14 * number)
        out.write(struct.pack("<IIII", number, 0, len(frame), len(frame)) + frame)
END
# A recorded capture has the frames of the one that was replayed.
same_frames() {
  python3 - "$work/in.pcap" "$1" <<'END'
import struct, sys
def frames(path):
    data, at, found = open(path, "rb").read(), 24, []
    while at + 16 <= len(data):
        length = struct.unpack_from("<I", data, at + 8)[0]
        found.append(data[at + 16:at + 16 + length])
        at += 16 + length
    return found
sys.exit(frames(sys.argv[1]) != frames(sys.argv[2]))
END
}
is_asleep() { ! cat "/proc/$1/task/"*/status | grep '^State:' | grep -qv 'S (sleeping)'; }

carries() { # command...: until it ends by itself or is asked to
  "$@" >"$work/out" 2>"$work/err" &
  children+=($!)
  until_true 10 same_frames "$work/out.pcap" || { cat "$work/out" "$work/err"; fail "the frames did not come through"; }
  until_true 10 is_asleep "${children[-1]}" || fail "it does not sleep"
}
summary() { grep -q "^soft:pcap=$work/in.pcap -> .*: 100 packets, .* bytes, 0 refused$" "$work/out" || { cat "$work/out"; fail "no summary"; }; }

python_forwards() {
  carries "${in_python[@]}" -v "soft:pcap=$work/in.pcap" "soft:pcap=,out=$work/out.pcap"
  end_last || { cat "$work/err"; fail "it ended badly"; }
  summary
  [ "$(grep -c 'type [0-9a-f]*, [0-9]* bytes$' "$work/out")" -eq 100 ] || fail "it did not print each frame"
}
rust_forwards() {
  carries "${in_rust[@]}" "soft:pcap=$work/in.pcap" "soft:pcap=,out=$work/out.pcap" 3
  local child=${children[-1]}
  unset 'children[-1]'
  wait "$child" || { cat "$work/err"; fail "it ended badly"; }
  summary
}
wrong() { # command...
  gives 1 "$@" soft:nothing soft:sink
  said nothing
  gives 1 "$@" soft:sink vhost-user:/nonexistent/socket
  said /nonexistent/socket
}
# The back-end goes while it sleeps: it ends with a sentence.
left_alone() { # command...
  background served "$(program serve-devices)" "$work/socket" generate,rate=100
  until_true 10 test -S "$work/socket" || fail "the back-end does not listen"
  "$@" "vhost-user:$work/socket" soft:sink >"$work/out" 2>&1 &
  local forwarder=$!
  until_true 10 grep -q forwarding "$work/out" || { cat "$work/out"; fail "it does not start"; }
  end_last
  wait "$forwarder" && fail "it did not notice that the back-end went"
  grep -qi 'gone\|closed\|disconnect' "$work/out" || { cat "$work/out"; fail "not a word about the back-end"; }
}
usage() {
  gives 1 "${in_python[@]}" soft:sink
  said 'forward.py \[-v\] DEVICE_A DEVICE_B'
  gives 2 "${in_rust[@]}" soft:sink
  said usage
}

run_case "Python: frames come out as they were, and it sleeps" python_forwards
run_case "Rust: frames come out as they were, and it sleeps" rust_forwards
run_case "Python: a wrong device is named" wrong "${in_python[@]}"
run_case "Rust: a wrong device is named" wrong "${in_rust[@]}"
run_case "Python: a back-end that goes" left_alone "${in_python[@]}"
run_case "Rust: a back-end that goes" left_alone "${in_rust[@]}"
run_case "wrong arguments" usage
