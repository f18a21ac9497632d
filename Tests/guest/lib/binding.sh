# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: BSD-2-Clause
# Sourced by guest.sh: PCI functions change hands between the guest's kernel, VFIO, UIO and us.

# bound PAIR DRIVER: both NICs are given to this driver.
bound() {
  local more=
  # The kernel loads this module by itself only with a udev rule, and the guest has no udev.
  [ "$2" != vfio-pci ] || more=vfio_iommu_type1
  guest "modprobe -a $2 $more && bind $2 $(address "$1" a) $(address "$1" b)" || no "$(last_said)"
}

# again PAIR: both devices can be opened at once after their owner closed them, and after it was killed under traffic.
again() {
  local name=$1 flood before
  start_forwarder "$name" && stop_forwarder "$name" && start_forwarder "$name" || return
  become a ping -q -f -w 600 "$(network "$name").2" >"$work/flood.out" 2>&1 &
  flood=$!
  children+=("$flood")
  before=$(counter b "$name-b" rx_packets)
  until_true "$patience" more_frames "$name" $((before + 100)) || { no "there was no traffic to be killed under"; return; }
  kill_forwarder
  start_forwarder "$name" || { reason="after kill -9: $reason"; return 1; }
  kill -INT "$flood"
  wait "$flood" || { no "no ping of the traffic was answered"; return; }
  unset 'children[-1]'
  all_pings "$name" "after kill -9" || return
  stop_forwarder "$name"
}
more_frames() { [ "$(counter b "$1-b" rx_packets)" -ge "$2" ]; }

# back_to_kernel PAIR END: the guest's own driver takes the NIC and pings this machine through it.
back_to_kernel() {
  local device name
  device=$(address "$1" "$2")
  guest "modprobe -a virtio_pci virtio_net && bind virtio-pci $device && interface_of $device" || { no "$(last_said)"; return; }
  name=$(last_said)
  guest "ifconfig $name $(network "$1").3 netmask 255.255.255.0 up &&
    ping -c 3 -W 10 $(network "$1").$([ "$2" = a ] && echo 1 || echo 2)" || no "no ping from the guest's kernel: $(last_said)"
}

# refused PAIR WORD: our driver refuses a device that it cannot have now, with a sentence that has this word.
refused() {
  if guest "vionet-info pci:$(address "$1" a)"; then
    no "was not refused"
  else
    grep -qi -- "$2" "$work/said" || no "refused without the word $2: $(last_said)"
  fi
}

# all_cases PAIR DRIVER: what must work with every kind of device and binding. The names begin with "vfio" or "uio".
all_cases() {
  local way=${2%%[-_]*}
  check "$way-bind" bound "$1" "$2"
  check "$way-forward" carry "$1"
  check "$way-asleep" asleep "$1"
  check "$way-again" again "$1"
  check "$way-kernel" back_to_kernel "$1" a
}

# setup_order PAIR BUS: the debug log of a device's set-up has the order of DPDK's.
setup_order() {
  [ "$forwarder" = ours ] || return 0
  guest "VIONET_LOG=debug vionet-info -s pci:$(address "$1" a) 2>&1" || { no "vionet-info: $(last_said)"; return; }
  if "$root/Tests/support/setup_order.py" "$2" "$work/said" >"$work/order"; then
    sed 's/^/  /' "$work/order"
  else
    sed 's/^/  | /' "$work/order"
    no "not in the seed's order"
  fi
}
