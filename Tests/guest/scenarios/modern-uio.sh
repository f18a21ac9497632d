#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 180
# Modern devices in a guest without an IOMMU, through UIO, with memory of hugepages; and what is said of one that cannot be
# had. The first of the two is in a slot that can be emptied, for which the kernel waits for nobody here.
# shellcheck source-path=SCRIPTDIR source=../guest.sh
. "$(dirname "$0")/../guest.sh"
pair modern disable-legacy=on
nics[3]=${nics[3]/addr=04.0/bus=port1}
nics=(-device "pcie-root-port,id=port1,chassis=1,slot=1,addr=1c.0" "${nics[@]}")
address() { if [ "$2" = a ]; then echo 0000:01:00.0; else echo 0000:00:05.0; fi; }
boot hugepages=64
row modern uio_pci_generic

# says COMMAND WORDS: it fails, and that is in what it says.
says() {
  if guest "$1"; then
    no "$1 did not fail"
  else
    grep -qF -- "$2" "$work/said" || no "$1: not a word of \"$2\": $(last_said)"
  fi
}

# The owner of its files sees no more than the beginning of its configuration.
user() {
  local device file
  device=$(address modern a)
  file=/sys/bus/pci/devices/$device/config
  says "ports as 1000 -1 vionet-info pci:$device" "cannot open $file: Permission denied; a function bound to" &&
    guest "chown 1000 $file" &&
    says "ports as 1000 -1 vionet-info pci:$device" "wants CAP_SYS_ADMIN: run as root, or bind it to vfio-pci"
}

# Neither a second process nor a second port takes what is taken.
taken() {
  local device
  device=$(address modern a)
  guest "launch forwarder ports revive pci:$device"
  until guest "grep -q take /tmp/forwarder.out"; do
    guest 'running forwarder' || { forwarder_said "it ended"; return; }
  done
  says "vionet-info pci:$device" "/dev/uio0 is another port's, of this process or another"
}

# Every call says so from the moment on that the function is away, under traffic, and the port can be closed.
unplugged() {
  local own=52:54:00:00:04:0a traffic command
  launch_tuner modern && passes modern "1=$own" 1:5 || return
  become a bash -c "while :; do $here/frames.py modern-a flows $own 2000; done" >/dev/null 2>&1 &
  traffic=$!
  children+=("$traffic")
  sleep 1
  monitor "device_del nic-modern-a"
  until_true 20 is_unplugged || { no "the guest does not let go of the function"; return; }
  for command in arm "wait 1000" "promiscuous 1" announce; do
    tell "$command"
    # shellcheck disable=SC2128,SC2154 # "done" is set by tell
    [ "$done" = -19 ] || { no "$command returns $done, not -19: $(last_said)"; return; }
  done
  tell news
  grep -q '^events 3 link 0 ' "$work/said" || { no "not the event that it is gone: $(head -n 1 "$work/said")"; return; }
  guest 'echo end >/tmp/forwarder.in; finish forwarder 10' || no "the tuner ends with ${line##* }"
  end "$traffic"
  unset 'children[-1]'
}
is_unplugged() { guest "[ ! -e /sys/bus/pci/devices/$(address modern a) ]"; }

if [ "$forwarder" = ours ]; then
  check bind bound modern uio_pci_generic
  check not-root user
  check taken taken
  check unplugged unplugged
fi
done_here
