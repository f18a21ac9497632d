# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: BSD-2-Clause
# Sourced by guest.sh: traffic from namespace a to namespace b through the guest, and the count of every frame.

# ping_through PAIR COUNT: succeeds if each of the echo requests was answered.
ping_through() {
  local wait=$patience
  [ "$2" -gt 1 ] || wait=1
  in_space a ping -q -c "$2" -i 0.05 -W "$wait" "$(network "$1").2" >"$work/ping.out" 2>&1 &&
    grep -q ' 0% packet loss' "$work/ping.out"
}

# all_pings PAIR [WHEN]: twenty of them.
all_pings() { ping_through "$1" 20 || no "pings were lost${2:+ $2}: $(grep loss "$work/ping.out")"; }
round_trip() { sed -n 's|^rtt.* = [0-9.]*/\([0-9.]*\)/.*|\1|p' "$work/ping.out"; }

# listening_iperf3 ADDRESS [SPACE]: a server in that namespace, or in b, for one client; its number is in "server".
listening_iperf3() {
  : >"$work/server.out" # an earlier one said "listening", too
  become "${2:-b}" iperf3 -s -1 -B "$1" --forceflush >"$work/server.out" 2>&1 &
  server=$!
  children+=("$server")
  until_true "$patience" grep -q listening "$work/server.out" || no "iperf3 does not listen"
}

# iperf_through PAIR SECONDS: $flows connections, or one if that is not set. Sets "gigabits", per second, as the receiver
# counted them; nothing judges that figure.
iperf_through() {
  local server
  listening_iperf3 "$(network "$1").2" || return
  if ! in_space a timeout $(($2 + patience)) iperf3 -c "$(network "$1").2" -t "$2" -P "${flows:-1}" -J >"$work/iperf.json"; then
    end "$server"
    no "iperf3: $(sed -n 's/.*"error":[[:space:]]*"\(.*\)".*/\1/p' "$work/iperf.json")"
    return 1
  fi
  wait "$server"
  unset 'children[-1]'
  gigabits=$(python3 -c 'import json, sys
print("%.2f" % (json.load(open(sys.argv[1]))["end"]["sum_received"]["bits_per_second"] / 1e9))' "$work/iperf.json")
}

# counters PAIR: the counters of both TAPs: out of a, into b, out of b, into a. A frame that an interface itself dropped is
# in none of them.
counters() {
  echo "$(counter a "$1-a" tx_packets) $(counter b "$1-b" rx_packets)" \
    "$(counter b "$1-b" tx_packets) $(counter a "$1-a" rx_packets)"
}

links() { # PAIR up|down
  in_space a ip link set "$1-a" "$2"
  in_space b ip link set "$1-b" "$2"
}

# all_through PAIR BEFORE...: as many frames have arrived since then as were sent, in both directions.
all_through() {
  local name=$1 now
  shift
  read -ra now < <(counters "$name")
  [ $((now[0] - $1)) -eq $((now[1] - $2)) ] && [ $((now[2] - $3)) -eq $((now[3] - $4)) ]
}

# quiet PAIR BEFORE...: no frame is sent any more, and those on their way arrive. If some were dropped, the counts never
# agree; then this waits for as long as any frame may take.
quiet() {
  links "$1" down
  if [ "$forwarder" = kernel ]; then sleep 1; else until_true 5 all_through "$@" || :; fi
}

# carry PAIR [options of vionet-fwd...]: ping and iperf3 through the forwarder; then compares its counts with the TAPs'.
carry() {
  local name=$1 before after trip status
  # QEMU may lose a frame that comes before the forwarder has begun, when the driver resets the device.
  links "$name" down
  read -ra before < <(counters "$name")
  launch_forwarder "$@"
  status=$?
  links "$name" up
  [ $status -eq 0 ] && answers "$name" && all_pings "$name" || return 1
  trip=$(round_trip)
  iperf_through "$name" "$seconds_of_iperf" || return
  quiet "$name" "${before[@]}"
  read -ra after < <(counters "$name")
  links "$name" up
  stop_forwarder "$name" || return
  echo "  $name: ping $trip ms, iperf3 $gigabits Gbit/s"
  agree "from a to b" $((after[0] - before[0])) "$carried_ab" "$dropped_ab" $((after[1] - before[1])) &&
    agree "from b to a" $((after[2] - before[2])) "$carried_ba" "$dropped_ba" $((after[3] - before[3]))
}

agree() { # DIRECTION SENT CARRIED DROPPED RECEIVED
  echo "  $1: kernel sent $2, forwarder carried $3 and dropped $4, kernel received $5"
  # The guest's kernel merges what it receives, so it counts fewer frames.
  [ "$forwarder" != kernel ] || return 0
  if [ "$3" -lt 100 ]; then
    no "only $3 frames went $1"
  elif [ $(($3 + $4)) -ne "$2" ]; then
    no "$1, $(($2 - $3 - $4)) frames are not accounted for between the kernel and the forwarder"
  elif [ "$3" -ne "$5" ]; then
    no "$1, $(($3 - $5)) frames are not accounted for between the forwarder and the kernel"
  fi
}
