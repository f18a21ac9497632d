#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 1800
# Modern devices in a guest without an IOMMU, through UIO, with memory from hugepages; and the messages about a device that
# cannot be opened. The first NIC is in a slot that can be emptied.
# shellcheck source-path=SCRIPTDIR source=../lib/guest.sh
. "$(dirname "$0")/../lib/guest.sh"
pair modern disable-legacy=on
nics[3]=${nics[3]/addr=04.0/bus=port1}
nics=(-device "pcie-root-port,id=port1,chassis=1,slot=1,addr=1c.0" "${nics[@]}")
address() { if [ "$2" = a ]; then echo 0000:01:00.0; else echo 0000:00:05.0; fi; }
boot hugepages=64
all_cases modern uio_pci_generic

# The owner of its files reads only the beginning of its configuration space.
user() {
  local device file
  device=$(address modern a)
  file=/sys/bus/pci/devices/$device/config
  says "pci-port as 1000 -1 vionet-info pci:$device" "cannot open $file: Permission denied; a function bound to" &&
    guest "chown 1000 $file" &&
    says "pci-port as 1000 -1 vionet-info pci:$device" "wants CAP_SYS_ADMIN: run as root, or bind it to vfio-pci"
}

# A second process cannot open it.
taken() {
  local device
  device=$(address modern a)
  guest "launch forwarder pci-port revive pci:$device"
  until guest "grep -q take /tmp/forwarder.out"; do
    guest 'running forwarder' || { forwarder_said "it ended"; return; }
  done
  says "vionet-info pci:$device" "/dev/uio0 is another port's, of this process or another"
}

# Every call reports it once the function is unplugged under traffic, and the port can be closed.
unplugged() {
  local own=52:54:00:00:04:0a traffic command
  launch_tuner modern && passes modern "1=$own" 1:5 || return
  become a bash -c "while :; do $here/tools/frames.py modern-a flows $own 2000; done" >/dev/null 2>&1 &
  traffic=$!
  children+=("$traffic")
  until_true "$patience" received_flows 100 || { no "there is no traffic"; return; }
  monitor "device_del nic-modern-a"
  until_true "$patience" is_unplugged || { no "the guest does not let go of the function"; return; }
  for command in arm "wait 1000" "promiscuous 1" announce; do
    tell "$command"
    [ "$result" = -19 ] || { no "$command returns $result, not -19: $(last_said)"; return; }
  done
  tell events
  grep -q '^events 3 link 0 ' "$work/said" || { no "not the event that it is gone: $(head -n 1 "$work/said")"; return; }
  guest 'echo end >/tmp/forwarder.in; finish forwarder 30' || no "the tuner ends with ${line##* }"
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
