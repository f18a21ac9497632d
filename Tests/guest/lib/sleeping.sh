# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: BSD-2-Clause
# Sourced by guest.sh: who sleeps, and which interrupt wakes it. All of this counts wake-ups and interrupts: on a busy
# machine their times say nothing.

# asleep PAIR: packets wake a forwarder that waits for interrupts, and without packets it leaves the processor alone. It
# also looks once in a second by itself, for its statistics: those wake-ups are allowed for.
asleep() {
  local woken began ping
  [ "$forwarder" = ours ] || return 0
  our_forwarder=vionet-fwd-wait start_forwarder "$1" || return
  began=$SECONDS woken=$(wake_ups)
  # One at a time, so that each of them finds it asleep.
  for ((ping = 0; ping < 20; ping++)); do
    in_space a ping -q -c 1 -W "$patience" "$(network "$1").2" >"$work/ping.out" 2>&1 || { no "a ping was lost"; return; }
  done
  woken=$(($(wake_ups) - woken))
  echo "  $1: $woken wake-ups for 20 pings"
  [ "$woken" -ge $((10 + SECONDS - began)) ] || { no "20 pings brought $woken wake-ups in $((SECONDS - began)) s"; return; }
  began=$SECONDS woken=$(wake_ups)
  sleep 2
  guest 'times_asleep forwarder 5'
  [ "$(last_said)" -ge 3 ] || { no "without packets it was asleep in $(last_said) of 5 looks"; return; }
  woken=$(($(wake_ups) - woken))
  stop_forwarder "$1" || return
  [ "$woken" -le $((10 + 3 * (SECONDS - began))) ] || no "without packets it woke $woken times in $((SECONDS - began)) s"
}
wake_ups() { guest 'wake_ups forwarder' && last_said; }

# config_vector PAIR: while a port is open, a change of the link signals the first vector once and, through it, one more
# eventfd. The forwarder, which would read the signal, is stopped meanwhile.
config_vector() {
  local name=$1 before after
  [ "$forwarder" = ours ] || return 0
  start_forwarder "$name" || return
  guest "kill -STOP \$(cat /tmp/forwarder.pid); until grep -q '^State:.T' /proc/\$(cat /tmp/forwarder.pid)/status; do usleep 20000; done"
  signals "$(address "$name" a)" && before=("${signalled[@]}") || return
  monitor "set_link $name-a off" >/dev/null
  until_true "$patience" more_signals "$name" "${before[@]}" || :
  sleep 0.5 # a second interrupt would be a mistake
  signals "$(address "$name" a)" && after=("${signalled[@]}") || return
  monitor "set_link $name-a on" >/dev/null
  guest "kill -CONT \$(cat /tmp/forwarder.pid)"
  stop_forwarder "$name" || return
  [ $((after[0] - before[0])) -eq 1 ] || { no "one change of the link came as $((after[0] - before[0])) interrupts"; return; }
  [ $((after[1] - before[1])) -eq 1 ] || no "$((after[1] - before[1])) more eventfds were signalled, not one"
}
more_signals() { signals "$(address "$1" a)" && [ "${signalled[0]}" -gt "$2" ] && [ "${signalled[1]}" -gt "$3" ]; }

# signals DEVICE: sets "signalled" to the count of the device's first vector, and to how many eventfds of the forwarder are
# signalled. Fails if there is no such vector, or no eventfd.
signals() {
  guest "awk '\$NF == \"vfio-msix[0]($1)\" { for (i = 2; i < NF - 2; i++) n += \$i; rows++ }
      END { print n + 0; exit rows != 1 }' /proc/interrupts &&
    cat /proc/\$(cat /tmp/forwarder.pid)/fdinfo/* >/tmp/fdinfo &&
    awk '/eventfd-count:/ { rows++; n += /: *[1-9a-f]/ } END { print n + 0; exit !rows }' /tmp/fdinfo" ||
    { no "signals cannot be counted: $(last_said)"; return 1; }
  mapfile -t signalled <"$work/said"
}
