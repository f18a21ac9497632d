#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The programs of docs/porting.md: one prints the frames of a capture and ends with it, the other sends frames, which arrive.
# The commands of docs/tuning.md that change nothing on the machine, and those of docs/faq.md.
# deadline: 120
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need python3 python3

build() { # NAME: the block of that name
  awk -v start="^\`\`\`c $1\$" '$0 ~ start { inside = 1; next } /^```/ { inside = 0 } inside' "$root/docs/porting.md" >"$work/$1.c"
  # shellcheck disable=SC2046
  gcc -std=gnu11 -O2 -Wall -Wextra -Werror "$work/$1.c" -o "$work/$1" $(pkg-config --cflags --libs vionet) \
    "-Wl,-rpath,$stage/lib" || fail "compiling the program \"$1\""
}

receives() {
  build receive
  python3 "$root/Tests/support/capture.py" make "$work/in" 2000 || fail "making a capture"
  gives 0 "$work/receive" "soft:pcap=$work/in"
  [ "$(grep -c '^[0-9]* bytes$' "$work/said")" -eq 2000 ] || { tail -n 3 "$work/said"; fail "not 2000 frames"; }
  [ "$(awk '/bytes$/ { n += $1 } END { print n }' "$work/said")" -eq $(($(stat -c %s "$work/in") - 24 - 16 * 2000)) ] ||
    fail "other lengths"
  tail -n 1 "$work/said" | grep -q 'has ended after 2000 frames' || fail "no word of the end"
  gives 1 "$work/receive" soft:nothing
}

# More lines than the ring has room for (256), so that the program waits for room.
sends() {
  build send
  seq 1 1000 >"$work/lines"
  "$work/send" "soft:pcap=,out=$work/out" <"$work/lines" || fail "it failed"
  [ "$(stat -c %s "$work/out")" -eq $((24 + 1000 * (16 + 14) + $(stat -c %s "$work/lines"))) ] || fail "not all came out"
  [ "$(tail -c 5 "$work/out")" = 1000 ] || fail "no last line"
  gives 1 "$work/send" soft:nothing
}

# Each line of the page that begins with "taskset", with the program of this build.
tuning() {
  need taskset util-linux
  local line count=0
  while read -r line; do
    count=$((count + 1))
    PATH=$examples:$PATH gives 0 bash -c "$line"
    said packets
  done < <(grep '^taskset' "$root/docs/tuning.md" | sed 's/ *#.*//')
  [ "$count" -ge 2 ] || fail "the page has $count commands"
}

# Each command of the page's blocks.
questions() {
  local line count=0
  while read -r line; do
    count=$((count + 1))
    PATH=$examples:$PATH gives 0 bash -c "$line"
  done < <(awk '/^```sh$/ { inside = 1; next } /^```/ { inside = 0 } inside' "$root/docs/faq.md")
  [ "$count" -ge 6 ] || fail "the page has $count commands"
}

run_case "a loop that receives" receives
run_case "a loop that sends" sends
run_case "commands about speed" tuning
run_case "commands of the questions" questions
