# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: BSD-2-Clause
# Sourced by the tests of docs/switches.md, after lib.sh: the page's commands, and the two programs on the switch. A bridge
# is also a network interface, so all of this runs in a network namespace that ends with it.

need ovs-vsctl openvswitch-switch-dpdk
need_spaces
if [ -z "${IN_SPACE-}" ]; then
  rm -r "$work" # the new process makes its own
  IN_SPACE=1 exec unshare --net "$0" "$@"
fi
[ -x /usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk ] || skip "Debian package openvswitch-switch-dpdk is not installed"

export D=$work

part() { # NAME: that part of the page
  awk -v start="\`\`\`sh $1" '$0 == start { inside = 1; next } /^```/ { inside = 0 } inside' "$root/docs/switches.md"
}
# page NAME: runs the commands of that part.
page() {
  local text
  text=$(part "$1")
  [ -n "$text" ] || fail "docs/switches.md has no part \"$1\""
  eval "$text" >"$work/page.out" 2>&1 || { cat "$work/page.out"; fail "the commands of \"$1\" on docs/switches.md"; }
}

stop_switch() { # SIGNAL
  local pid
  pid=$(cat "$work/vs.pid" 2>/dev/null) || return 0
  kill "-$1" "$pid" 2>/dev/null && until_true 60 gone "$pid"
  rm -f "$work/vs.pid"
}
gone() { ! kill -0 "$1" 2>/dev/null; }
end_all() {
  local name
  stop_switch KILL
  for name in ovn northd sb nb ovsdb; do kill "$(cat "$work/$name.pid" 2>/dev/null)" 2>/dev/null; done
  clean_up
}
trap end_all EXIT

# ---- the two programs ------------------------------------------------------------------------------------------------------

exchange=$(program switch-host) || exit 1
side() { # NAME SOCKET KEYS
  mkfifo "$work/$1.in"
  "$exchange" "$1" "vhost-user:$2,server=1,queue_size=1024,$3" <>"$work/$1.in" >"$work/$1.out" 2>&1 &
  children+=($!)
  until_true 60 grep -q '^ready' "$work/$1.out" || { cat "$work/$1.out"; fail "$1 does not start"; }
}
lines() { grep -c "^$2 " "$work/$1.out"; } # NAME WORD
more_lines() { [ "$(lines "$1" "$2")" -gt "$3" ] || ! kill -0 "${children[$4]}" 2>/dev/null; }
number_of() { [ "$1" = near ] && echo 0 || echo 1; }
await() { # NAME WORD COUNT SECONDS: until the program has printed more than COUNT lines with this first word
  until_true "$4" more_lines "$1" "$2" "$3" "$(number_of "$1")"
  [ "$(lines "$1" "$2")" -gt "$3" ] || { tail -n 5 "$work"/{near,far}.out; fail "$1: no more \"$2\" within $4 s"; }
}
# ask NAME WORD SECONDS COMMAND: gives it a command; its answer, a line with this first word, is then in "answer".
ask() {
  local before
  before=$(lines "$1" "$2")
  echo "$4" >"$work/$1.in"
  await "$1" "$2" "$before" "$3"
  answer=$(grep "^$2 " "$work/$1.out" | tail -n 1)
}
value() { sed -n "s/.* $1=\([0-9]*\).*/\1/p" <<<"$answer"; } # of that line
last_time() { awk -v word="$2" '$1 == word { t = $2 } END { print t }' "$work/$1.out"; }

# ---- counts ---------------------------------------------------------------------------------------------------------------

port_count() { # NUMBER rx|tx pkts|drop
  awk -v port="$1" -v way="$2" -v key="$3" '{ gsub(/[:,]/, " "); if ($1 == "port") p = $2 }
    { for (i = 1; i <= NF; i++) { if ($i == "rx" || $i == "tx") w = $i
        if (p == port && w == way && split($i, pair, "=") == 2 && pair[1] == key) print pair[2] } }' "$work/page.out"
}

# equal WHAT A B: notes in "differences" if they are not.
equal() {
  [ "$2" -eq "$3" ] || differences+=" $1: $2 and $3;"
}

# look_at_rest ARRAY: looks until two looks 2 s apart leave the same in the array.
look_at_rest() {
  local before tries
  look
  for ((tries = 0; tries < 30; tries++)); do
    before=$(declare -p "$1")
    sleep 2
    look
    [ "$before" != "$(declare -p "$1")" ] || return 0
  done
  fail "the counters do not come to rest"
}

# until_agreed COMMAND...: runs the command, which compares with equal, until all is equal.
until_agreed() {
  local limit=$((SECONDS + 120))
  while :; do
    differences=
    "$@"
    [ -n "$differences" ] || return 0
    [ $SECONDS -lt $limit ] || fail "not equal:$differences"
    sleep 0.5
  done
}

finish() { # NAME
  echo end >"$work/$1.in"
  wait "${children[$(number_of "$1")]}" || { tail -n 3 "$work/$1.out"; fail "$1"; }
  grep -q '^ended' "$work/$1.out" || fail "$1 did not end well"
}
