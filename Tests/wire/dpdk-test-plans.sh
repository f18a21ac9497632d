#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 1800
# The loopback, port-restart and payload tables of DPDK's test plans, with our library in the place of its virtio-user: on
# each path frames of six sizes go through testpmd's net_vhost and back, and every byte is compared. Each cell of the table
# is a case.
#
#   Tests/wire/dpdk-test-plans.sh [full] [PATH...]
#
# Without "full" there are fewer frames, and testpmd restarts on four paths only.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
# shellcheck source=../support/testpmd.sh
. "$(dirname "$0")/../support/testpmd.sh"

# Name, device keys, settings, functions that must be in use. DPDK's vectorised paths are those of the same features.
paths="\
P1 packed_vq=1,mrg_rxbuf=1,in_order=0,vlan_strip=1 vlan rx-packed-mergeable tx-packed-plain
P2 packed_vq=1,mrg_rxbuf=0,in_order=0,vlan_strip=1 vlan rx-packed-offload tx-packed-plain
P3 packed_vq=1,mrg_rxbuf=1,in_order=1,vlan_strip=1 vlan rx-packed-in-order-mergeable tx-packed-in-order
P4 packed_vq=1,mrg_rxbuf=0,in_order=1,rx_csum=1 - rx-packed-in-order-offload tx-packed-in-order
P5 packed_vq=1,mrg_rxbuf=0,in_order=1 - rx-packed-in-order tx-packed-in-order
P6 packed_vq=1,mrg_rxbuf=0,in_order=1 - rx-packed-in-order tx-packed-in-order
P7 packed_vq=1,mrg_rxbuf=1,in_order=1 - rx-packed-in-order-mergeable tx-packed-in-order
S1 packed_vq=0,mrg_rxbuf=1,in_order=1,vlan_strip=1 vlan rx-split-in-order-mergeable tx-split-in-order
S2 packed_vq=0,mrg_rxbuf=0,in_order=1,vlan_strip=1 vlan rx-split-in-order-offload tx-split-in-order
S3 packed_vq=0,mrg_rxbuf=1,in_order=0,vlan_strip=1 vlan rx-split-mergeable tx-split-plain
S4 packed_vq=0,mrg_rxbuf=0,in_order=0,vlan_strip=1 vlan rx-split-offload tx-split-plain
S5 packed_vq=0,mrg_rxbuf=0,in_order=0 - rx-split-plain tx-split-plain"
tests="256 1024 255 2-queues 8-queues peer-stop own-stop restart chains no-tables 288 284 too-long"
sizes="64 128 256 512 1024 1518"
no_tables=0x10000000 # INDIRECT_DESC, which is not accepted then

frames=300 longs=300 rounds=2 restarted=" P1 P5 S1 S5 "
if [ "${1-}" = full ]; then
  shift
  frames=5000 longs=1000 rounds=10 restarted=
fi
wanted=" $* "

# ---- our side: test-plan-port, which answers line by line ----------------------------------------------------------------

plan=$(program test-plan-port) || exit 1
trap : PIPE
declare -A result

leave_front() {
  [ -n "${front-}" ] || return 0
  exec {to_front}>&- {from_front}<&-
  end "$front"
  front=
}

# begin [LINE...]: starts a new one and gives it these lines.
begin() {
  leave_front
  coproc FRONT { exec taskset -c 0 "$plan"; }
  front=$FRONT_PID
  children+=("$front")
  exec {to_front}>&"${FRONT[1]}" {from_front}<&"${FRONT[0]}"
  ask "$@"
}

# ask LINE...: leaves the answer to the last of them in "answer", or what is wrong in "reason".
ask() {
  local line said
  for line; do
    [ "$line" != - ] || continue
    # If it has ended, the answer is its last line, or there is none.
    { printf "%s\n" "$line" 1>&"$to_front"; } 2>/dev/null
    IFS= read -r -t 300 said <&"$from_front" || said="no answer"
    answer=${said#ok }
    [ "$answer" != "$said" ] || { reason="$line: $said"; return 1; }
  done
}

# asked NUMBER LINE: the answer must be this number.
asked() {
  ask "$2" || return
  [ "$answer" = "$1" ] || { reason="$2: $answer, not $1"; return 1; }
}

device() { echo "vhost-user:$work/$1,$keys,queue_size=${2:-$ring},queues=${3:-1}"; }
is_merged() { [[ $keys == *mrg_rxbuf=1* ]]; }

# ---- their side ----------------------------------------------------------------------------------------------------------

# One port that returns frames. Frames that wait in the rings are not dropped when forwarding starts.
start_back() {
  testpmd back "net_vhost0,iface=$work/s,queues=8" --forward-mode=io --no-flush-rx --rxq=8 --txq=8
  say back start
}

# Two ports, each of which sends what the other receives.
start_pair() {
  testpmd pair "net_vhost0,iface=$work/a,queues=1 net_vhost1,iface=$work/b,queues=1" --forward-mode=io --no-flush-rx
}

# ---- the tests: each leaves in "answer" how many frames came, or in "reason" what is wrong ----------------------------------

# Frames of six sizes, on so many queues.
round() { # RING QUEUES FRAMES
  local size
  begin "$settings" "tx $(device s "$1" "$2") $rx $tx" || return
  for size in $sizes; do ask "echo $3 $size" || return; done
  asked 0 lost && ask close
}

# testpmd stops forwarding, and then the whole port: no frame comes, and none is lost.
peer_stop() {
  local size
  begin "$settings" "tx $(device s) $rx $tx" || return
  for size in $sizes; do ask "echo 50 $size" || return; done
  ask run && say back stop && ask still || return
  say back "port stop 0" && ask still && say back "port start 0" && ask still || return
  say back start && ask "echo 100 64" && asked 0 lost && ask close
}

# Our port stops under traffic, and starts with and without vionet_init.
own_stop() {
  local i size again
  begin "$settings" "tx $(device s) $rx $tx" || return
  for ((i = 0; i < rounds; i++)); do
    for size in 64 1518; do
      again=$([ "$size" = 64 ] && echo init || echo -)
      ask "echo 50 $size" run || return
      sleep 0.05
      ask stop "$again" start "echo 50 $size" || return
    done
  done
  ask close
}

# testpmd ends under traffic; the port reports it, and works again with the next testpmd.
restart() {
  local again
  begin "$settings" "tx $(device s) $rx $tx" || return
  for again in init -; do
    ask "echo 50 512" run || return
    leave back
    ask gone || return
    start_back
    ask "$again" start "echo $longs 1024" || return
  done
  ask close
}

# Frames of 8000 bytes in four pieces arrive in several buffers or in a large one.
chains() { # [SETTING]
  local large=-
  is_merged || large="buffers 9000"
  begin "$settings" "$large" "window 24" "${1:--}" "tx $(device s) $rx $tx" "echo $longs 8000 4" || return
  local came=$answer
  asked "$(is_merged && echo "$came" || echo 0)" joined && ask "echo 50 64 1" "echo 50 8000 4" && ask close
}

# Before testpmd forwards, to a receive ring of twice the size: 27 single frames, 7 bursts of 32, and a burst of chains of
# 4 × 2000 bytes. The transmit ring takes as many chains as it has room for, which is then in "chains". Then testpmd starts.
send_before() { # BUFFERS PLACES-OF-A-CHAIN [SETTING]
  local i
  begin "$settings" "buffers $1" "${3:--}" "tx $(device a) $rx $tx" "rx $(device b $((2 * ring))) $rx $tx" || return
  for ((i = 0; i < 27; i++)); do asked 1 "burst 1 64" || return; done
  for ((i = 0; i < 7; i++)); do asked 32 "burst 32 64" || return; done
  chains=$(((ring - 251) / $2))
  asked "$chains" "burst 32 8000 4" && ask listen || return
  say pair start
}

# All of them come, and then 32 frames of 2000 bytes: 288 where a chain takes one place in a ring of 256.
payload() { # [SETTING]
  local places=1 status
  [ -z "${1-}" ] || places=4
  send_before "$(is_merged && echo 2048 || echo 9000)" $places "$@" && asked $((251 + chains)) drain &&
    asked "$(is_merged && echo "$chains" || echo 0)" joined &&
    asked 32 "burst 32 2000" && asked $((283 + chains)) drain && asked 0 lost && ask close
  status=$?
  say pair stop
  return $status
}

# Receive buffers that are too small for a chain and are not merged: the chains are lost, and no other frame.
too_long() {
  local status
  send_before 2048 1 && ask "come 251" forgive && asked 32 "burst 32 2000" && ask "come 283" &&
    asked "$chains" lost && ask close
  status=$?
  say pair stop
  return $status
}

# ---- the table -----------------------------------------------------------------------------------------------------------

# cell TEST COMMAND...: runs it on this path, as a case.
cell() {
  local test=$1 began=$EPOCHREALTIME
  shift
  cases=$((cases + 1))
  reason='' answer=''
  if "$@"; then
    result[$path,$test]=$answer
    echo "# $answer frames, $(((${EPOCHREALTIME/./} - ${began/./}) / 1000)) ms"
    echo "ok $cases - $path $test"
  else
    result[$path,$test]=FAIL
    failed_cases=$((failed_cases + 1))
    echo "# ${reason:-$*}"
    echo "not ok $cases - $path $test"
    # The next case needs a testpmd that forwards.
    if grep -q '^Bye' "$work/back.out"; then start_back; else say back start; fi
  fi
}

# These tests can fail: they notice changed frames, and a peer that does not stop. On a busy machine such a peer may be silent
# for a while, so there are several looks.
can_fail() {
  local try
  say back stop && say back "set fwd macswap" && say back start
  if round 256 1 10; then reason="changed addresses were not noticed"; return 1; fi
  say back stop && say back "set fwd io" && say back start
  begin "tx $(device s) $rx $tx" "echo 10 64" || return
  for try in {1..40}; do ask still || return 0; done
  reason="a peer that does not stop was not noticed in $try looks"
  return 1
}

run_path() {
  local size test
  cell 256 round 256 1 $frames
  cell 1024 round 1024 1 $((2 * frames))
  [[ $keys != packed_vq=1* ]] || cell 255 round 255 1 $frames
  for test in 2 8; do cell $test-queues round "$ring" $test $((frames / test)); done
  cell peer-stop peer_stop
  cell own-stop own_stop
  [[ -n $restarted && $restarted != *" $path "* ]] || cell restart restart
  cell chains chains
  cell no-tables chains "off $no_tables"
  cell 288 payload
  cell 284 payload "off $no_tables"
  is_merged || cell too-long too_long
}

print_table() {
  local test name
  printf '\n%-4s' ''
  for test in $tests; do printf '%10s' "$test"; done
  echo
  for name in $done_paths; do
    printf '%-4s' "$name"
    for test in $tests; do printf '%10s' "${result[$name,$test]:--}"; done
    echo
  done
}

done_paths=
start_back
start_pair
while read -r path keys settings rx tx; do
  [[ $wanted = "  " || $wanted = *" $path "* ]] || continue
  ring=256
  [ "$path" != P6 ] || ring=255
  [ -n "$done_paths" ] || can_fail || fail "$reason"
  done_paths+=" $path"
  run_path
done <<<"$paths"
print_table | sed 's/^/# /'
