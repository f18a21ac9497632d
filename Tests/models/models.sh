#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 1800
# The protocols between threads, and between driver and device, as models that Spin runs in every order: with the memory of
# x86, and with one that is as weak as arm64's. Each model is run with each fault that its first comment names, too, which
# must be found. VIONET_MODELS=large takes the larger sizes, for `make test-models`.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need spin spin
need gcc gcc

# search MODEL definitions...: every order; the result is 0 if nothing is wrong, 1 if something is. The search is whole.
search() {
  local model=$1 options=()
  shift
  [ $# -eq 0 ] || options=("${@/#/-D}")
  rm -rf "$work/run"
  mkdir "$work/run"
  cp "$root"/Tests/models/*.pml "$work/run"
  cd "$work/run" || fail "no folder"
  spin -a "${options[@]}" "$model.pml" >spin.out 2>&1 || { cat spin.out; fail "spin does not read $model.pml"; }
  gcc -O1 -DSAFETY -DCOLLAPSE -DVECTORSZ=2048 -o search pan.c >gcc.out 2>&1 || { cat gcc.out; fail "the search is not built"; }
  ./search -m1000000 >search.out 2>&1
  grep -q 'max search depth too small\|out of memory\|not completed' search.out && [ -z "${fault-}" ] &&
    { cat search.out; fail "the search of $model is not whole"; }
  grep -q 'errors: 0$' search.out
}

holds() { # model definitions...
  local fault=
  search "$@" || { cat search.out; fail "$*"; }
  sed -n 's/^ *\([0-9]*\) states, stored.*/\1 states/p' search.out
}
fault_is_found() { # model definitions...
  local fault=yes
  if search "$@"; then fail "nobody finds the fault $* in $(sed -n 's/ states, stored.*//p' search.out) states"; fi
  grep '^pan:1: ' search.out || { cat search.out; fail "no word of what is wrong with $*"; }
}

# check MODEL "faults" "faults with weak memory" variants...: a variant is a definition that is no fault.
check() {
  local model=$1 faults=$2 weak=$3 variant fault
  shift 3
  for variant in "" "$@"; do
    # shellcheck disable=SC2086
    run_case "$model${variant:+ $variant} on x86" holds "$model" $variant
    # shellcheck disable=SC2086
    run_case "$model${variant:+ $variant} on weak memory" holds "$model" WEAK $variant
  done
  for fault in $faults; do run_case "$model: the fault $fault" fault_is_found "$model" "$fault"; done
  for fault in $weak; do run_case "$model: the fault $fault on weak memory" fault_is_found "$model" WEAK "$fault"; done
}

check notify "NO_PUBLISH_FENCE NO_ARM_FENCE NO_SECOND_LOOK WRONG_EVENT NO_ASK" "PLAIN_INDEX" FLAGS
check packed "ONE_LAP" "PLAIN_FLAGS FIRST_FIRST EARLY_BODY"
check stop "NO_BARRIER FUNCTION_FIRST" "PLAIN_LEAVE PLAIN_FUNCTION"
check biased-lock "NO_BARRIER NO_SECOND_LOOK ONE_BYTE" "PLAIN_UNLOCK"
check transmit-buffer "NO_PUT_FENCE NO_LEAVE_FENCE NO_LOOK_AFTER" "PLAIN_MARK"
if [ "${VIONET_MODELS-}" = large ]; then
  for order in TSO WEAK; do
    run_case "notify, three laps of the counter, $order" holds notify $order ENTRIES=24
    run_case "packed, seven laps and a half, $order" holds packed $order BUFFERS=15
    run_case "transmit-buffer, three threads, $order" holds transmit-buffer $order THREADS=3 EACH=1
  done
fi
