# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: BSD-2-Clause
# Sourced by guest.sh: the cases of a scenario and their results. A case that fails does not end the scenario.
reason='' begun=0

# no REASON: the command of a check has failed, and this is why.
no() { reason=$*; return 1; }

# check NAME COMMAND...: one case, reported as a line of TAP. It also fails if the IOMMU, the guest's kernel or QEMU
# complained meanwhile. Its command runs in this shell, so variables that it sets stay.
check() {
  local name=$1 status
  shift
  reason=
  begun=$((begun + 1))
  "$@"
  status=$?
  cases=$((cases + 1))
  # A forwarder that a failed case left running would disturb the next case.
  guest 'put_away forwarder'
  [ "$status" -ne 0 ] || no_faults || status=1
  if [ "$status" -eq 0 ]; then
    echo "ok $cases - $name"
  else
    failed_cases=$((failed_cases + 1))
    echo "# ${reason:-$*}"
    echo "not ok $cases - $name"
  fi
  guest 'dmesg -c >>/tmp/dmesg'
  : >"$work/qemu.out"
}

# no_faults: since the last check nobody has reported an access of a device outside its memory, or a fault of the kernel.
no_faults() {
  if guest "dmesg | grep -E 'DMAR:.*(fault addr|error)|BUG:|Oops|Call Trace|Bad page'"; then
    sed 's/^/  | /' "$work/said" | head -n 5
    no "the guest's kernel: $(head -n 1 "$work/said")"
  elif grep -qi -e virtio -e vtd_ "$work/qemu.out"; then
    sed 's/^/  | /' "$work/qemu.out"
    no "QEMU: $(grep -i -e virtio -e vtd_ "$work/qemu.out" | head -n 1)"
  fi
}

# skipped NAME REASON: a case that cannot run this time.
skipped() {
  begun=$((begun + 1)) cases=$((cases + 1))
  echo "ok $cases - $1 # SKIP $2"
}

# The last line of a scenario. lib.sh then prints the number of cases.
done_here() {
  switch_off
  echo "# $SECONDS s in all"
  # A mistake in an arithmetic expression ends a check without a result.
  [ "$begun" -eq "$cases" ] || fail "$((begun - cases)) cases ended without a result"
}

show_console() {
  local log
  for log in console qemu.out; do
    [ -s "$work/$log" ] || continue
    echo "---- the end of $log:"
    tail -n 25 "$work/$log" | tr -d '\r'
  done
  echo "----"
}
