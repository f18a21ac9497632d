#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 600
# The programs of docs/event-loops.md, on epoll, libuv and libevent: they forward a capture, sleep when it is over, and go on
# in turns when packets come without end. Without its rules, one at a time, the program does what the page says.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need python3 python3

page=$root/docs/event-loops.md
python3 "$root/Tests/support/capture.py" make "$work/in" 2000 || fail "making a capture"
in=soft:pcap=$work/in out=soft:pcap=,out=$work/out,queue_size=4096
# shellcheck disable=SC2317 # called by until_true
all_there() { [ "$(stat -c %s "$work/out" 2>/dev/null)" = "$(stat -c %s "$work/in")" ]; }
loop_sleeps() { grep -q '^State:.S' "/proc/${children[-1]}/task/${children[-1]}/status"; }
ticks() { awk '{ print $14 + $15 }' "/proc/${children[-1]}/task/${children[-1]}/stat"; }
wakes() { awk '/^voluntary_ctxt_switches/ { print $2 }' "/proc/${children[-1]}/task/${children[-1]}/status"; }

block() { awk -v start="^\`\`\`$1\$" '$0 ~ start { inside = 1; next } /^```/ { inside = 0 } inside' "$page"; }

# build LOOP LIBRARIES [SED]: the page's function and its program for that loop, perhaps changed.
build() {
  block c >"$work/$1.c"
  block "c $1" >>"$work/$1.c"
  if [ -n "${3-}" ]; then
    cp "$work/$1.c" "$work/right.c"
    sed -i "$3" "$work/$1.c"
    ! cmp -s "$work/$1.c" "$work/right.c" || fail "the page has nothing of $3"
  fi
  # shellcheck disable=SC2046,SC2086
  gcc -std=gnu11 -O2 -Wall -Wextra -Werror "$work/$1.c" -o "$work/$1" $(pkg-config --cflags --libs vionet $2) \
    "-Wl,-rpath,$stage/lib" || fail "compiling the program for $1"
}

start() {
  rm -f "$work/out"
  : >"$work/said"
  "$@" >"$work/said" 2>&1 &
  children+=($!)
}

forwards() { # LOOP LIBRARIES
  build "$@"
  start "$work/$1" "$in" "$out"
  until_true 60 all_there || { cat "$work/said"; fail "not all frames came out"; }
  python3 "$root/Tests/support/capture.py" compare "$work/in" "$work/out" || fail "other frames"
  until_true 10 loop_sleeps || fail "it does not sleep"
  kill "${children[-1]}"
  # Frames one by one, for each of which it is woken.
  start "$work/$1" soft:generate,rate=100 "$out"
  until_true 60 has_come 50 || { cat "$work/said"; fail "it stopped"; }
  # A busy machine lets several frames come before the program runs, so this takes as many frames as it takes.
  until_true 60 has_woken 25 || fail "woken $(wakes) times"
  echo "# $1: woken $(wakes) times for $((($(stat -c %s "$work/out") - 24) / (16 + 64))) frames"
  kill "${children[-1]}"
  # More than one turn of serve() has room for.
  start "$work/$1" soft:generate "$out"
  until_true 60 has_come 20000 || { cat "$work/said"; fail "it stopped under load"; }
}
# shellcheck disable=SC2317 # called by until_true
has_come() { [ "$(stat -c %s "$work/out" 2>/dev/null || echo 0)" -ge $((24 + $1 * (16 + 64))) ]; }

# shellcheck disable=SC2317 # called by until_true
has_woken() { [ "$(wakes)" -ge "$1" ]; }

# Frames wait, the program sleeps, and none has come out but those fetched before: for good, since nothing else happens.
# shellcheck disable=SC2317 # called by until_true
sleeps_on() { loop_sleeps && [ "$(wakes)" = "$before" ]; }
sleeps() { # SED COUNT: at most so many frames come out
  build epoll '' "$1"
  start "$work/epoll" "$in" "$out"
  until_true 60 test -s "$work/out" || { cat "$work/said"; fail "it does not start"; }
  local before frames turn
  for turn in 1 2 3 4 5; do
    until_true 10 loop_sleeps || fail "it does not sleep"
    before=$(wakes)
    sleep 0.3
    until_true 10 sleeps_on || fail "it was woken"
  done
  all_there && fail "all frames came out"
  frames=$(stat -c %s "$work/out")
  echo "# $frames of $(stat -c %s "$work/in") bytes came out in $turn looks"
  [ "$frames" -le $((24 + $2 * (16 + 1514))) ] || fail "too many frames came out"
}

spins() {
  # Each wake-up fetches, and arms no more after the first time.
  build epoll '' 's/more = serve(a, b);.*/{ static int once; uint16_t n; struct vionet_packet *p; more = once++ ? 0 : serve(a, b); while ((n = vionet_rx_burst(a, 0, \&p, 1)) > 0) vionet_packet_free(p); }/'
  start "$work/epoll" soft:generate,rate=100 "$out"
  until_true 60 has_spun || fail "it does not spin"
}
# shellcheck disable=SC2317 # called by until_true
has_spun() { [ "$(ticks)" -ge 50 ]; }

run_case "epoll" forwards epoll ''
run_case "libuv" forwards libuv libuv
run_case "libevent" forwards libevent libevent
run_case "never armed: it sleeps for good" sleeps 's/more = serve(a, b);.*/{ static int once; more = once++ ? serve(a, b) : 0; }/' 0
run_case "the 1 not heeded: it sleeps while packets wait" sleeps 's/if (received == 0)/if (received != 1)/; s/if (armed != 1)/if (armed == 1) return 0; else/' 32
run_case "not armed again: it spins" spins
