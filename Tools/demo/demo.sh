#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Kernel TCP between two network namespaces that only a program with two virtio-net devices joins, without and with
# offloads:
#
#   namespace a: iperf3 - TAP - soft device - vionet-fwd-wait - soft device - TAP - namespace b: iperf3 server
#
# Takes half a minute and leaves nothing behind. Where there are no namespaces or TAP interfaces, a generator sends frames
# through the forwarder into a sink instead. `make demo` builds what this needs, then runs it.
set -eu -o pipefail
cd "$(dirname "$0")/../.."

examples=build/examples
forwarder=$examples/vionet-fwd-wait
a=vionet-demo-a-$$ b=vionet-demo-b-$$ # the namespaces
tap_a=vna$$ tap_b=vnb$$
work=$(mktemp -d)
in_a=(ip netns exec "$a") in_b=(ip netns exec "$b")
forwarder_pid='' server_pid=''

step() { printf '\n==> %s\n' "$*"; }

fail() {
  echo "demo: $*" >&2
  [ ! -s "$work/forwarder" ] || sed 's/^/vionet-fwd-wait: /' "$work/forwarder" >&2
  exit 1
}

# Prints a command, wherever its output goes to, and runs it.
exec 3>&1
run() {
  echo "    $*" >&3
  "$@"
}

# Ends a process that was started here: asks it, waits for 5 s, then kills it.
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

# Prints why kernel TCP cannot be shown here; nothing if it can.
obstacle() {
  if [ "$(id -u)" -ne 0 ]; then
    echo "this is not root"
  elif [ ! -c /dev/net/tun ]; then
    echo "there is no /dev/net/tun"
  elif ! (command -v ip && command -v ping && command -v iperf3) >/dev/null; then
    echo "ip, ping or iperf3 is missing (Tools/install-deps.sh demo)"
  elif ! ip netns add "$a" 2>/dev/null; then
    echo "this machine makes no network namespaces"
  fi
}

generator_demo() {
  step "No kernel TCP: $1. Instead, for 5 seconds, a generator sends through the forwarder into a sink"
  run "$forwarder" -t 5 soft:generate soft:sink,queue_size=4096 | tee "$work/forwarder"
  awk '/^soft:generate -> /{
    printf "\n    %.3f million packets/s; what was generated beyond that was dropped\n", $4 / 5e6 }' "$work/forwarder"
}

# ---- with them ------------------------------------------------------------------------------------------------------

move() { # tap, namespace, address
  run ip link set "$1" netns "$2"
  run ip -n "$2" address add "$3" dev "$1"
  run ip -n "$2" link set "$1" up
}

# tcp FILE more arguments...: one test, with a server of its own. iperf3 does not notice by itself when nothing comes through.
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

# one_round NAME KEYS: pings and TCP through a forwarder whose device addresses end with KEYS; what was seen is in $work/NAME*.
one_round() {
  # The kernel hands a TAP interface up to 1000 frames at once; rings that hold twice as many lose none of them.
  local name=$1 device_a=soft:tap=$tap_a,queue_size=2048$2 device_b=soft:tap=$tap_b,queue_size=2048$2
  step "The forwarder, $name offloads: two virtio-net devices, each with a TAP interface at its other end"
  echo "    $forwarder -q $device_a $device_b &"
  "$forwarder" -q "$device_a" "$device_b" >"$work/forwarder" 2>&1 &
  forwarder_pid=$!
  until_true 10 ip link show "$tap_b" || fail "the forwarder made no interface $tap_b"

  step "One interface for each namespace"
  move "$tap_a" "$a" 10.99.0.1/24
  move "$tap_b" "$b" 10.99.0.2/24
  until_true 10 "${in_a[@]}" ping -c 1 -W 1 10.99.0.2 || fail "no ping comes through"

  step "20 pings from a to b"
  run "${in_a[@]}" ping -q -i 0.1 -c 20 10.99.0.2 | tee "$work/$name.ping"

  step "TCP for 5 seconds from a to b, then for 5 seconds from b to a, $name offloads"
  tcp "$work/$name.ab"
  tcp "$work/$name.ba" --reverse

  step "The forwarder ends and says what it carried"
  end "$forwarder_pid"
  forwarder_pid=''
  sed 's/^/    /' "$work/forwarder"
  mv "$work/forwarder" "$work/$name.carried"
}

# What was seen in a round, without or with offloads, one way, ab or ba.
rate() { awk '/receiver/{for (i = 2; i <= NF; i++) if ($i == "Gbits/sec") print $(i - 1)}' "$work/$1.$2"; }
carried() { # field of "soft:tap=TAP,... -> ...: 1 packets, 2 bytes, 3 drops"
  local from=$tap_a
  [ "$2" = ab ] || from=$tap_b
  awk -v from="soft:tap=$from," -v field="$3" 'index($1, from) == 1 && $2 == "->"{print $field}' "$work/$1.carried"
}
packets() { carried "$@" 4; }
drops() { carried "$@" 8; }
round_trip() { [ "$2" = ba ] || awk -F '[ /]' '/^rtt/{print $8}' "$work/$1.ping"; }

# row LABEL FUNCTION: what it says of both rounds, both ways.
row() {
  local cells=() name
  for name in without with; do cells+=("$("$2" "$name" ab)" "$("$2" "$name" ba)"); done
  printf '    %-20s %10s %10s   %10s %10s\n' "$1" "${cells[@]}"
}

table() {
  step "Kernel TCP/IP through vionet"
  printf '    %-20s %21s   %21s\n' '' 'without offloads' 'with offloads'
  printf '    %-20s %10s %10s   %10s %10s\n' '' 'a to b' 'b to a' 'a to b' 'b to a'
  row 'TCP, Gbit/s' rate
  row 'packets' packets
  row 'drops' drops
  row 'mean round trip, ms' round_trip
  echo
  echo "    Without offloads a packet is a frame of at most 1514 bytes whose checksum the kernel has computed. With them"
  echo "    (lro=1) it is up to 64 KiB of TCP, and nobody computes a checksum on the way."
}

try_next() {
  step "To try next"
  printf '    %-64s %s\n' \
    "$examples/vionet-info -s soft:loopback" "what a device offers and what was negotiated" \
    "$examples/vionet-pktgen -m tx -t 3 soft:sink" "how many packets a second one core sends" \
    "$forwarder -t 3 soft:generate soft:sink" "packets and drops, a line each second"
}

[ -x "$forwarder" ] || fail "$forwarder is not built yet: run make"
reason=$(obstacle)
if [ -n "$reason" ]; then
  generator_demo "$reason"
else
  step "Two network namespaces"
  echo "    ip netns add $a"
  run ip netns add "$b"
  one_round without ''
  one_round with ,lro=1
  table
fi
try_next
