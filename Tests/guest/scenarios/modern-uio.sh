#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 180
# Modern devices in a guest without an IOMMU, through UIO, with memory of hugepages; and what is said of one that cannot be
# had.
# shellcheck source-path=SCRIPTDIR source=../guest.sh
. "$(dirname "$0")/../guest.sh"
pair modern disable-legacy=on
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

if [ "$forwarder" = ours ]; then
  check bind bound modern uio_pci_generic
  check not-root user
  check taken taken
fi
done_here
