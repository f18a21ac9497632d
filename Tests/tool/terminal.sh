#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# vionetctl on a terminal and not: colours and a line of progress are for a terminal alone, NO_COLOR and a dumb terminal have
# no colours, and what goes into a pipe is the same but for them. Every command prints JSON that is JSON.
# shellcheck source-path=SCRIPTDIR source=../support/tool.sh
. "$(dirname "$0")/../support/tool.sh"
need python3 python3
cd "$work" || exit 1

# on_terminal FILE [NAME=VALUE...] -- COMMAND...: standard output and error are one terminal, whose bytes go into FILE.
on_terminal() {
  python3 - "$@" <<'END'
import os, pty, sys
end = sys.argv.index("--")
child, terminal = pty.fork()
if child == 0:
    os.environ.pop("NO_COLOR", None)
    os.environ["TERM"] = "xterm"
    for each in sys.argv[2:end]:
        name, value = each.split("=")
        os.environ[name] = value
    os.execvp(sys.argv[end + 1], sys.argv[end + 1:])
with open(sys.argv[1], "wb") as out:
    while True:
        try:
            bytes_ = os.read(terminal, 65536)
        except OSError:
            break
        if not bytes_:
            break
        out.write(bytes_)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
END
}
escape=$(printf '\033')

colours() {
  on_terminal coloured -- "$vionetctl" doctor soft:sink || fail "doctor on a terminal"
  grep -q "${escape}\[32mcan work" coloured || { cat -v coloured; fail "no colours on a terminal"; }
  "$vionetctl" doctor soft:sink >plain || fail "doctor"
  if grep -q "$escape" plain; then fail "colours in a file"; fi
  sed "s/${escape}\[[0-9]*m//g; s/\r//g" coloured | diff - plain || fail "the text differs with colours (<)"
  for setting in NO_COLOR=1 TERM=dumb; do
    on_terminal plainer $setting -- "$vionetctl" doctor soft:sink || fail "doctor with $setting"
    tr -d '\r' <plainer | diff - plain || fail "$setting has colours"
  done
  on_terminal shown NO_COLOR= -- "$vionetctl" doctor soft:sink || fail "doctor"
  grep -q "$escape" shown || fail "an empty NO_COLOR counts"
}

# A wait of two seconds shows what is waited for, on a terminal only.
progress() {
  on_terminal shown -- "$vionetctl" bench soft:loopback --seconds 2.5 || fail "bench on a terminal"
  grep -q 'loop.* ([1-9] s)' shown || { cat -v shown; fail "no progress"; }
  "$vionetctl" bench soft:loopback --seconds 2.5 >out 2>errors || fail "bench"
  [ ! -s errors ] || { cat errors; fail "progress without a terminal"; }
  on_terminal shown -- "$vionetctl" bench soft:sink --packets 1000 || fail "bench on a terminal"
  if grep -q ' s)' shown; then cat -v shown; fail "progress of what takes no time"; fi
}

is_json() {
  "$@" >out 2>errors </dev/null
  python3 -c 'import json, sys; json.load(open("out"))' || { cat out errors; fail "$* prints no JSON"; }
}
json() {
  make_bus
  add_function 0000:00:04.0 1af4:1041 virtio-pci 11
  add_driver vfio-pci
  background server "$vionetctl" serve a sink
  "$examples/vionet-fwd-control" s soft:sink >forwarder.out 2>&1 &
  children+=($!)
  until_true 10 test -S s || fail "no control socket"
  is_json "${on_bus[@]}" "$vionetctl" list --json
  is_json "${on_bus[@]}" "$vionetctl" bind -n --json vfio-pci 00:04.0
  python3 - <<'END' || { cat out; fail "the JSON of bind"; }
import json
(one,) = json.load(open("out"))
assert one["function"] == "0000:00:04.0" and one["before"] == "virtio-pci" and one["dry_run"] is True, one
assert one["writes"][0].startswith("echo vfio-pci > ") and len(one["writes"]) == 3, one
END
  is_json "${on_bus[@]}" "$vionetctl" unbind -n --json 00:04.0
  is_json "$vionetctl" info --json soft:sink
  is_json "$vionetctl" doctor --json
  is_json "$vionetctl" stats --json s
  is_json "$vionetctl" dump --json s
  is_json "$vionetctl" set --json s mtu 1400
  [ "$(tr -d ' \n' <out)" = '{"port":0,"setting":"mtu","values":["1400"]}' ] || { cat out; fail "the JSON of set"; }
  is_json "$vionetctl" bench --json --packets 10
}

run_case "colours" colours
run_case "progress" progress
run_case "JSON from every command" json
