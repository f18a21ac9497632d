# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: BSD-2-Clause
# Sourced by guest.sh: QEMU's own command lines, one for people and one for programs.

# monitor COMMAND: such as "set_link nic-NAME-a off" or "device_del nic-NAME-a"; prints its answer.
monitor() {
  python3 - "$work/monitor" "$1" "$patience" <<'END_OF_PROGRAM'
import socket, sys
with socket.socket(socket.AF_UNIX) as s:
    s.settimeout(float(sys.argv[3]))
    s.connect(sys.argv[1])
    said = b""
    for line in (b"", sys.argv[2].encode() + b"\n"):
        s.sendall(line)
        said = b""
        while not said.endswith(b"(qemu) "):
            said += s.recv(4096)
    print("\n".join(said.decode().replace("\r", "").split("\n")[1:-1]))
END_OF_PROGRAM
}

# qmp COMMAND: the machine protocol, such as '{"execute": "query-status"}'; prints what it returns as JSON.
qmp() {
  python3 - "$work/qmp" "$1" "$patience" <<'END_OF_PROGRAM'
import json, socket, sys
with socket.socket(socket.AF_UNIX) as s:
    s.settimeout(float(sys.argv[3]))
    s.connect(sys.argv[1])
    lines = s.makefile("rw")
    for command in ('{"execute": "qmp_capabilities"}', sys.argv[2]):
        lines.write(command + "\n")
        lines.flush()
        # The greeting and events come in between.
        answer = {}
        while "return" not in answer and "error" not in answer:
            answer = json.loads(lines.readline())
    print(json.dumps(answer["return"]) if "return" in answer else answer["error"]["desc"])
END_OF_PROGRAM
}
