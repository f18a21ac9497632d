# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: BSD-2-Clause
# Sourced by guest.sh: the program tuner in the guest, a port that takes commands and counts what it receives.

# launch_tuner PAIR [keys]
launch_tuner() { launch_tuner_on "pci:$(address "$1" a)${2-}"; }
launch_tuner_on() { # DEVICE
  answers_before=0
  # The output of an earlier tuner would look like an answer of this one.
  guest -t $((2 * patience)) "rm -f /tmp/forwarder.out; launch forwarder tuner $1;
    await_lines forwarder '^ready' 0 $patience; tail -n 1 /tmp/forwarder.out; grep -q '^ready' /tmp/forwarder.out" ||
    no "the tuner does not start: $(last_said)"
}

# tell COMMAND: gives it to the tuner; its output is in $work/said, the result of its call in "result".
tell() { begin "$@" && answer; }
begin() { guest "echo '$*' >/tmp/forwarder.in"; }
answer() {
  guest -t $((2 * patience)) "await_lines forwarder 'done ' $answers_before $patience; tail -n 2 /tmp/forwarder.out"
  answers_before=$((answers_before + 1))
  result=$(sed -n '$ s/.*done //p' "$work/said")
}
obeys() { { tell "$@" && [ "$result" = 0 ]; } || no "$*: $(last_said)"; }
first_said() { sed -n '1 s/ *$//p' "$work/said"; }

# passes PAIR "MARK=ADDRESS[,VLAN]..." "MARK:5 ...": of these frames, five each, exactly those come through. Frames that
# are still on their way are waited for; then nothing else may come.
passes() {
  tell forget
  # shellcheck disable=SC2086 # a list
  in_space a "$here/tools/frames.py" "$1-a" marks $2 || { no "cannot send"; return; }
  until_true "$patience" marks_are "$3" || :
  sleep 0.2
  marks_are "$3" || no "of $2 came through: $(first_said), not $3"
}
# Mark 255 is not counted: its frames may come at any time.
marks_are() { tell marks && [ "$(first_said | sed 's/ *255:[0-9]*$//')" = "$1" ]; }

# received_flows NUMBER: that many packets of flows have come, whatever is wrong with them.
received_flows() {
  tell flows
  [ "$(sed -n '1 s/.*in all \([0-9]*\) .*/\1/p' "$work/said")" -ge "$1" ]
}

# send_flows PAIR COUNT [ADDRESS]: two packets of each of so many flows.
send_flows() { in_space a "$here/tools/frames.py" "$1-a" flows "${3-$(own "$1")}" "$2" || no "cannot send"; }

# own PAIR: the MAC address of NIC a.
own() { echo "52:54:00:00:$(address "$1" a | cut -c9-10):0a"; }
