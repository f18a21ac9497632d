#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 1800
# What a device reaches of our memory, through VFIO: two functions of one IOMMU group, pools in a program's own memory, and
# a function that goes and returns. And what cgroups of version 2 let a program have.
# shellcheck source-path=SCRIPTDIR source=../lib/guest.sh
. "$(dirname "$0")/../lib/guest.sh"
[ "$forwarder" = ours ] || skip "this is about our ports"
pair -t twin disable-legacy=on,iommu_platform=on
pair apart disable-legacy=on,iommu_platform=on
pair old disable-modern=on,disable-legacy=off
boot iommu hugepages=64 cgroups

one_group() {
  guest "for device in $(address twin a) $(address twin b); do readlink /sys/bus/pci/devices/\$device/iommu_group; done"
  [ "$(sort -u "$work/said" | wc -l)" -eq 1 ] || no "they are in two groups: $(tr '\n' ' ' <"$work/said")"
}

# While the kernel's driver has one function of the group, the other one is refused.
half_bound() {
  guest "modprobe -a virtio_pci vfio_iommu_type1 vfio-pci && bind vfio-pci $(address twin a) && bind virtio-pci $(address twin b)" ||
    { no "$(last_said)"; return; }
  refused twin "bind all of them to vfio-pci"
}

two_ports() {
  guest -t $((2 * patience)) "pci-port group pci:$(address twin a) pci:$(address twin b)" || { no "$(cat "$work/said")"; return; }
  sed 's/^/  /' "$work/said"
}

own_memory() {
  local limit=$((SECONDS + 3 * patience)) turn
  guest "launch forwarder pci-port memory pci:$(address apart a)"
  for turn in 1 2; do
    until guest "[ \$(grep -c ready /tmp/forwarder.out) -ge $turn ]"; do
      if ! guest 'running forwarder' || [ $SECONDS -ge $limit ]; then
        forwarder_said "turn $turn"
        return
      fi
      sleep 0.1
    done
    in_space a ping -q -b -c 100000 -i 0.05 "$(network apart).255" >/dev/null 2>&1 &
    children+=($!)
    until guest "! running forwarder || [ \$(grep -c ready /tmp/forwarder.out) -gt $turn ]"; do
      [ $SECONDS -lt $limit ] || { forwarder_said "turn $turn"; return; }
      sleep 0.2
    done
    end "${children[-1]}"
    unset 'children[-1]'
  done
  guest 'finish forwarder 30' || forwarder_said "it ended with ${line##* }"
}

# gone_and_back PAIR: the registers read as all ones while the function's command register is 0, and it answers to no
# address. That holds for I/O ports; QEMU reads memory as zeroes then.
gone_and_back() {
  local device said
  device=$(address "$1" a)
  guest "launch forwarder pci-port revive pci:$device"
  for said in runs stopped closed; do
    until guest "grep -q 'take it away.* $said' /tmp/forwarder.out"; do
      guest 'running forwarder' || { forwarder_said "it ended"; return; }
      sleep 0.2
    done
    guest "printf '\\0\\0' | dd of=/sys/bus/pci/devices/$device/config bs=1 seek=4 conv=notrunc 2>&1 &&
      echo gone >/tmp/forwarder.in"
  done
  guest 'finish forwarder 30 && grep -q revived /tmp/forwarder.out' || forwarder_said "it ended with ${line##* }"
}

# Half a pool of memory; no hugepages though some are free.
short_of_memory() {
  guest "ln -s /proc/self/fd /dev/fd; mkdir -p /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup &&
    LD_LIBRARY_PATH=/vionet bash /tree/Tests/abi/memory_pressure.sh --cgroups" ||
    { sed 's/^/  | /' "$work/said"; no "$(grep -m 1 '^not ok' "$work/said")"; return; }
  sed 's/^/  /' "$work/said"
  [ "$(grep '^ok' "$work/said" | grep -vc SKIP)" -eq 2 ] || no "a case was left out"
}

check half-bound half_bound
check bind bound twin vfio-pci
check one-group one_group
check two-ports two_ports
check twin carry twin
check twin-again again twin
check apart-bind bound apart vfio-pci
check own-memory own_memory
check old-bind bound old vfio-pci
check gone gone_and_back old
check cgroups short_of_memory
done_here
