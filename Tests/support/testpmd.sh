# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: BSD-2-Clause
# Sourced: DPDK's testpmd as a peer, driven through its prompt. It runs without hugepages. Wants lib.sh first.

need dpdk-testpmd dpdk-dev
last_core=$(($(nproc) - 1))

# testpmd NAME DEVICES [testpmd options...]: starts it and waits for its prompt, which `say` then talks to. It says only
# what is wrong, and does not wait for links: that takes it 9 s where no front-end is there yet.
testpmd() {
  local name=$1 device devices=()
  for device in $2; do devices+=(--vdev "$device"); done
  shift 2
  : >"$work/$name.out"
  [ -p "$work/$name.in" ] || mkfifo "$work/$name.in"
  stdbuf -oL dpdk-testpmd --lcores "0@0,1@$last_core" --no-pci --no-huge -m 192 --no-shconf --no-telemetry \
    --log-level=lib.vhost.*:error \
    --file-prefix="$tag-$name" "${devices[@]}" -- -i --nb-cores=1 --total-num-mbufs=16384 --no-lsc-interrupt \
    --disable-link-check "$@" <>"$work/$name.in" >"$work/$name.out" 2>&1 &
  children+=($!)
  until_true 60 grep -q 'testpmd> *$' "$work/$name.out" || { cat "$work/$name.out"; fail "testpmd did not start"; }
}

# say NAME command: one line at its prompt; returns when the prompt is back.
say() {
  local before
  before=$(prompts "$1")
  echo "$2" >"$work/$1.in"
  until_true 60 more_prompts "$1" "$before" || { cat "$work/$1.out"; fail "testpmd does not answer: $2"; }
}
prompts() { grep -c 'testpmd> *' "$work/$1.out"; }
more_prompts() { [ "$(prompts "$1")" -gt "$2" ]; }

# leave NAME: testpmd closes its device and ends.
leave() {
  echo quit >"$work/$1.in"
  until_true 60 grep -q '^Bye' "$work/$1.out" || { cat "$work/$1.out"; fail "testpmd does not end"; }
}

# total NAME RX-packets|RX-dropped|TX-packets|TX-dropped: the last figure that `stop` printed.
total() {
  tr -d '\r' <"$work/$1.out" | sed -n '/Forward statistics for port 0/,/----$/p' |
    sed -n "s/.*$2: *\([0-9][0-9]*\).*/\1/p" | tail -n 1
}

# nic NAME RX-bytes: the last figure that `show port stats 0` printed.
nic() { tr -d '\r' <"$work/$1.out" | sed -n "s/.*$2: *\([0-9][0-9]*\).*/\1/p" | tail -n 1; }
