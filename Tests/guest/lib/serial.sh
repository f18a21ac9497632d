# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: BSD-2-Clause
# Sourced by guest.sh: the guest's second serial line, by which this machine gives it commands. The other end and the
# protocol are in Tests/guest/init.

# next_line END: reads one line from the guest into "line". Fails when $SECONDS reaches END or QEMU has ended. A read that
# times out keeps what it has read, which is the beginning of a line.
next_line() {
  local part
  line=
  until IFS= read -r -t 1 part <&"$from_guest"; do
    line+=$part
    [ "$SECONDS" -lt "$1" ] && ! gone "$qemu" || return 1
  done
  line+=$part
}

# answered SECONDS PATTERN: reads up to the line that matches; leaves it in "line", and the lines before in $work/said.
answered() {
  local limit=$((SECONDS + $1))
  : >"$work/said"
  while next_line $limit; do
    # shellcheck disable=SC2053 # a pattern
    [[ $line != $2 ]] || return 0
    echo "$line" >>"$work/said"
  done
  return 1
}

# hand_over COMMAND: sends it with its length in front, because an emulated serial line may lose what was in its FIFO.
hand_over() {
  local LC_ALL=C text=${1//$'\n'/ }
  echo "${#text} $text" >&"$to_guest"
}

# guest [-t SECONDS] COMMAND: runs it in the guest and returns its status. A command that does not end within $patience
# seconds, or those SECONDS, ends the scenario.
guest() {
  local limit=$patience tries=4
  if [ "$1" = -t ]; then
    limit=$2
    shift 2
  fi
  line=
  until [[ $line = 'vionet-guest: status '* ]]; do
    [ -z "$line" ] || echo "the serial line lost a part of \"$1\": $line"
    ((tries-- > 0)) || fail "the serial line loses a part of \"$1\" each time"
    hand_over "$1"
    answered "$limit" 'vionet-guest: @(status|lost)*' || {
      cat "$work/said"
      show_console
      fail "the guest did not answer within $limit s: $1"
    }
  done
  sed -i '$ { /^$/d }' "$work/said"
  return "${line##* }"
}
last_said() { tail -n 1 "$work/said"; }

# works COMMAND: it succeeds in the guest, with several times the usual patience.
works() { guest -t $((2 * patience)) "$1" || no "$1: $(tail -n 3 "$work/said" | paste -sd '|')"; }

# says COMMAND WORDS: it fails in the guest, and its output has these words.
says() {
  if guest "$1"; then
    no "$1 did not fail"
  else
    grep -qF -- "$2" "$work/said" || no "$1: its output lacks \"$2\": $(last_said)"
  fi
}
