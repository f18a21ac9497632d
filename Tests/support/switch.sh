# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: BSD-2-Clause
# Sourced by the tests of docs/switches.md: its commands, done one part after the other, and the two programs on the
# switch. A bridge is also an interface of the kernel's: all of this happens in a network namespace that ends with it.
# Wants lib.sh first.

need ovs-vsctl openvswitch-switch-dpdk
need_spaces
if [ -z "${IN_SPACE-}" ]; then
  rm -r "$work" # the other one has its own
  IN_SPACE=1 exec unshare --net "$0" "$@"
fi
[ -x /usr/lib/openvswitch-switch-dpdk/ovs-vswitchd-dpdk ] || skip "Debian package openvswitch-switch-dpdk is not installed"

export D=$work

part() { # NAME: that part of the page
  awk -v start="\`\`\`sh $1" '$0 == start { inside = 1; next } /^```/ { inside = 0 } inside' "$root/docs/switches.md"
}
# page NAME: does what it says.
page() {
  local text
  text=$(part "$1")
  [ -n "$text" ] || fail "docs/switches.md has no part \"$1\""
  eval "$text" >"$work/page.out" 2>&1 || { cat "$work/page.out"; fail "the commands of \"$1\" on docs/switches.md"; }
}

stop_switch() { # SIGNAL
  local pid
  pid=$(cat "$work/vs.pid" 2>/dev/null) || return 0
  kill "-$1" "$pid" 2>/dev/null && until_true 10 gone "$pid"
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

exchange=$(program exchange) || exit 1
side() { # NAME SOCKET KEYS
  mkfifo "$work/$1.in"
  "$exchange" "$1" "vhost-user:$2,server=1,queue_size=1024,$3" <>"$work/$1.in" >"$work/$1.out" 2>&1 &
  children+=($!)
  until_true 10 grep -q '^ready' "$work/$1.out" || { cat "$work/$1.out"; fail "$1 does not start"; }
}
lines() { grep -c "^$2 " "$work/$1.out"; } # NAME WORD
more_lines() { [ "$(lines "$1" "$2")" -gt "$3" ] || ! kill -0 "${children[$4]}" 2>/dev/null; }
number_of() { [ "$1" = near ] && echo 0 || echo 1; }
await() { # NAME WORD COUNT SECONDS: another such line than the first so many
  until_true "$4" more_lines "$1" "$2" "$3" "$(number_of "$1")"
  [ "$(lines "$1" "$2")" -gt "$3" ] || { tail -n 5 "$work"/{near,far}.out; fail "$1: no more \"$2\" in $4 s"; }
}
# ask NAME WORD SECONDS COMMAND: the line with which it is answered, in "answer".
ask() {
  local before
  before=$(lines "$1" "$2")
  echo "$4" >"$work/$1.in"
  await "$1" "$2" "$before" "$3"
  answer=$(grep "^$2 " "$work/$1.out" | tail -n 1)
}
value() { sed -n "s/.* $1=\([0-9]*\).*/\1/p" <<<"$answer"; } # of that line
last_time() { awk -v word="$2" '$1 == word { t = $2 } END { print t }' "$work/$1.out"; }

# ---- what everybody counts ------------------------------------------------------------------------------------------------

port_count() { # NUMBER rx|tx pkts|drop
  awk -v port="$1" -v way="$2" -v key="$3" '{ gsub(/[:,]/, " "); if ($1 == "port") p = $2 }
    { for (i = 1; i <= NF; i++) { if ($i == "rx" || $i == "tx") w = $i
        if (p == port && w == way && split($i, pair, "=") == 2 && pair[1] == key) print pair[2] } }' "$work/page.out"
}

equal() { # WHAT A B
  [ "$2" -eq "$3" ] || { echo "not equal: $1: $2 and $3"; failed=$((failed + 1)); }
}

finish() { # NAME
  echo end >"$work/$1.in"
  wait "${children[$(number_of "$1")]}" || { tail -n 3 "$work/$1.out"; fail "$1"; }
  grep -q '^ended' "$work/$1.out" || fail "$1 did not end well"
}
