#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Kernel TCP between two network namespaces that only build/examples/vionet-fwd joins, by two virtio-net devices:
#
#   namespace a: ping, iperf3 - TAP - soft device - vionet-fwd - soft device - TAP - namespace b: iperf3 server
#
# Takes half a minute and leaves nothing behind. Where namespaces or TAP interfaces are not to be had, frames go from a
# generator through the forwarder into a sink instead. "make demo" builds what this needs, then runs it.
set -eu -o pipefail
cd "$(dirname "$0")/../.."

forwarder=build/examples/vionet-fwd
a=vionet-demo-a-$$ b=vionet-demo-b-$$ # the namespaces
tap_a=vna$$ tap_b=vnb$$
# The kernel hands a TAP interface up to 1000 frames at once; rings that hold twice that lose none of them.
device_a=soft:tap=$tap_a,queue_size=2048 device_b=soft:tap=$tap_b,queue_size=2048
work=$(mktemp -d)
in_a=(ip netns exec "$a") in_b=(ip netns exec "$b")
forwarder_pid='' server_pid=''

step() { printf '\n==> %s\n' "$*"; }

fail() {
  echo "demo: $*" >&2
  [ ! -s "$work/forwarder" ] || sed 's/^/vionet-fwd: /' "$work/forwarder" >&2
  exit 1
}

# Shows a command, whatever its output goes to, then does it.
exec 3>&1
run() {
  echo "    $*" >&3
  "$@"
}

# Ends a process we started: asks, waits 5 s, insists.
end() {
  local i
  kill -TERM "$1" 2>/dev/null || true
  for ((i = 0; i < 50; i++)); do
    kill -0 "$1" 2>/dev/null || break
    sleep 0.1
  done
  kill -KILL "$1" 2>/dev/null || true
  wait "$1" 2>/dev/null || true
}

clean_up() {
  trap '' INT TERM
  [ -z "$server_pid" ] || end "$server_pid"
  [ -z "$forwarder_pid" ] || end "$forwarder_pid"
  ip netns delete "$a" 2>/dev/null || true
  ip netns delete "$b" 2>/dev/null || true
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Repeats a command until it succeeds: until_true SECONDS command...
until_true() {
  local tries=$(($1 * 10))
  shift
  while ! "$@" >/dev/null 2>&1; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || return 1
    sleep 0.1
  done
}

# ---- without namespaces ---------------------------------------------------------------------------------------------

# Prints what is in the way of the real demo, if anything is.
obstacle() {
  if [ "$(id -u)" -ne 0 ]; then
    echo "this is not root"
  elif [ ! -c /dev/net/tun ]; then
    echo "there is no /dev/net/tun"
  elif ! (command -v ip && command -v ping && command -v iperf3) >/dev/null; then
    echo "ip, ping or iperf3 is missing"
  elif ! ip netns add "$a" 2>/dev/null; then
    echo "this machine makes no network namespaces"
  fi
}

generator_demo() {
  step "No kernel TCP, as $1. Instead, 5 seconds from a generator through the forwarder into a sink"
  run "$forwarder" -t 5 soft:generate soft:sink,queue_size=4096 | tee "$work/forwarder"
  awk '/^soft:generate -> /{printf "\n    %.3f million packets/s; what the generator made beyond that was dropped\n", $4 / 5e6}' "$work/forwarder"
}

# ---- with them ------------------------------------------------------------------------------------------------------

move() { # tap, namespace, address
  run ip link set "$1" netns "$2"
  run ip -n "$2" address add "$3" dev "$1"
  run ip -n "$2" link set "$1" up
}

# A server for one test, then the test: tcp file, more arguments. iperf3 does not notice by itself that nothing comes
# through any more.
tcp() {
  local file=$1
  shift
  echo "    ${in_b[*]} iperf3 --server --one-off &"
  "${in_b[@]}" iperf3 --server --one-off --forceflush >"$work/server" 2>&1 &
  server_pid=$!
  until_true 5 grep -q listening "$work/server" || fail "iperf3: $(cat "$work/server")"
  run "${in_a[@]}" timeout --foreground 15 iperf3 --client 10.99.0.2 --time 5 --format g "$@" >"$file" 2>&1 ||
    fail "iperf3: $(cat "$file")"
  end "$server_pid"
  server_pid=''
}

demo() {
  step "Two network namespaces"
  echo "    ip netns add $a"
  run ip netns add "$b"

  step "The forwarder: two virtio-net devices, each with a TAP interface at its other end"
  echo "    $forwarder -w -q $device_a $device_b &"
  "$forwarder" -w -q "$device_a" "$device_b" >"$work/forwarder" 2>&1 &
  forwarder_pid=$!
  until_true 10 ip link show "$tap_b" || fail "the forwarder made no interface $tap_b"

  step "One interface for each namespace"
  move "$tap_a" "$a" 10.99.0.1/24
  move "$tap_b" "$b" 10.99.0.2/24
  until_true 10 "${in_a[@]}" ping -c 1 -W 1 10.99.0.2 || fail "no ping comes through"

  step "20 pings from a to b"
  run "${in_a[@]}" ping -q -i 0.1 -c 20 10.99.0.2 | tee "$work/ping"

  step "TCP for 5 seconds from a to b, then for 5 seconds from b to a"
  tcp "$work/a-to-b"
  tcp "$work/b-to-a" --reverse

  step "The forwarder ends and says what it carried"
  end "$forwarder_pid"
  forwarder_pid=''
  sed 's/^/    /' "$work/forwarder"
}

rate() { # iperf3's output
  awk '/receiver/{for (i = 2; i <= NF; i++) if ($i == "Gbits/sec") print $(i - 1)}' "$1"
}

carried() { # the device it came from, field of "A -> B: 1 packets, 2 bytes, 3 drops"
  awk -v from="$1" -v field="$2" '$1 == from && $2 == "->"{print $field}' "$work/forwarder"
}

table() {
  local row='    %-26s %14s %14s\n'
  step "Kernel TCP/IP through vionet"
  # shellcheck disable=SC2059 # the format is ours
  {
    printf "$row" '' 'a to b' 'b to a'
    printf "$row" 'TCP, Gbit/s' "$(rate "$work/a-to-b")" "$(rate "$work/b-to-a")"
    printf "$row" 'packets' "$(carried "$device_a" 4)" "$(carried "$device_b" 4)"
    printf "$row" 'drops' "$(carried "$device_a" 8)" "$(carried "$device_b" 8)"
  }
  awk -F '[ /]' '/^rtt/{printf "    round trip %.3f ms at best, %.3f ms on average\n", $7, $8}' "$work/ping"
}

[ -x "$forwarder" ] || fail "$forwarder is not built yet: make"
Tools/install-deps.sh demo || true
reason=$(obstacle)
if [ -n "$reason" ]; then
  generator_demo "$reason"
else
  demo
  table
fi
