#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 1800
# vionetctl takes devices from the kernel's driver, shows them, and gives them back; its output is compared word for word.
# In between a forwarder uses them.
# shellcheck source-path=SCRIPTDIR source=../lib/guest.sh
. "$(dirname "$0")/../lib/guest.sh"
[ "$forwarder" = ours ] || skip "vionetctl is tested with our forwarder"
pair new disable-legacy=on,iommu_platform=on
pair old
boot iommu hugepages=64 vionetctl
a=$(address new a) b=$(address new b) c=$(address old a) d=$(address old b)
bus=/sys/bus/pci/devices

# prints STATUS COMMAND: its output in the guest is exactly the input of this function.
prints() {
  local got
  cat >"$work/wanted"
  guest "$2"
  got=$?
  if ! diff "$work/wanted" "$work/said" >"$work/differences"; then
    sed 's/^/  | /' "$work/differences"
    no "$2 printed something else (>) than it should (<)"
  elif [ $got -ne "$1" ]; then
    no "$2 ended with $got, not $1"
  fi
}

group_of() { guest "basename \$(readlink $bus/$1/iommu_group)" && last_said; }
interface_of() { guest "interface_of $1" && last_said; }

# The list with single blanks; other tests look at its layout.
list="vionetctl list | tr -s ' '"
row_of() { echo "pci:$1 $2 $3 ${4:--} $(group_of "$1") $5"; }
heading="ADDRESS KIND DRIVER INTERFACE IOMMU GROUP READY"
kernels() {
  local device
  echo "$heading"
  for device in "$a" "$b"; do row_of "$device" modern virtio-pci "$(interface_of "$device")" no; done
  for device in "$c" "$d"; do row_of "$device" transitional virtio-pci "$(interface_of "$device")" no; done
  echo
  for device in "$a" "$b" "$c" "$d"; do
    echo "PCI function $device belongs to the kernel's driver virtio-pci: vionetctl bind vfio-pci $device"
  done
}

at_first() { kernels | prints 0 "$list"; }

refusals() {
  local name
  prints 1 "vionetctl bind vfio-pci $a" <<<"Error: the kernel has no driver vfio-pci: modprobe vfio-pci" || return
  guest 'modprobe -a vfio-pci vfio_iommu_type1' || { no "$(last_said)"; return; }
  name=$(interface_of "$a")
  guest "ifconfig $name $(network new).7 netmask 255.255.255.0 up"
  prints 1 "vionetctl bind vfio-pci $b $name" <<END
Error: PCI function $a is in use: its interface $name is up and has address $(network new).7; --force takes it all the same
END
}

# A probe that finds no driver, and one that fails: the messages tell the function's state and the command that mends it.
failures() {
  local probe=/sys/bus/pci/drivers_probe way="it has no driver now: vionetctl bind kernel $d"
  guest "mkdir -p /etc && echo somebody:x:1000:1000::/tmp:/bin/sh >/etc/passwd"
  prints 1 "start-stop-daemon -S -c somebody -x /vionet/bin/vionetctl -- unbind $d" <<END || return
Error: cannot do "echo $d > $bus/$d/driver/unbind": Permission denied; run this as root
END
  guest "touch /tmp/nothing && mount --bind /tmp/nothing $probe"
  prints 1 "vionetctl bind vfio-pci $d" <<END || return
Error: vfio-pci did not take PCI function $d, as dmesg may explain; $way
END
  guest "umount $probe"
  prints 0 "vionetctl bind kernel $d" <<<"$d: no driver -> virtio-pci" || return
  guest "mount --bind /proc/version $probe"
  prints 1 "vionetctl bind vfio-pci $d" <<END || return
Error: cannot do "echo $d > $probe": Input/output error; $way
END
  guest "umount $probe"
  prints 0 "vionetctl bind kernel $d" <<<"$d: no driver -> virtio-pci"
}

# Functions are bound by the tool itself, and by the commands that --dry-run prints.
taken() {
  local dry="vionetctl bind --dry-run vfio-pci $b"
  prints 0 "vionetctl bind --force vfio-pci $a $(interface_of "$c")" <<END || return
$a: virtio-pci -> vfio-pci
$c: virtio-pci -> vfio-pci
END
  guest "$dry >/tmp/dry && [ \$(driver_of $b) = virtio-pci ] && sh -e /tmp/dry" || { no "$(last_said)"; return; }
  prints 0 "$dry" <<<"# $b: vfio-pci already" || return
  prints 0 "vionetctl unbind $d && vionetctl bind vfio-pci $d" <<END
$d: virtio-pci -> no driver
$d: no driver -> vfio-pci
END
}

ready() {
  local device
  {
    echo "$heading"
    for device in "$a" "$b"; do row_of "$device" modern vfio-pci - yes; done
    for device in "$c" "$d"; do row_of "$device" transitional vfio-pci - yes; done
  } | prints 0 "$list"
}

shown() {
  local line
  guest "vionetctl info ${a#0000:}" || { no "$(last_said)"; return; }
  for line in "^pci:$a\$" "^  MAC  *52:54:00:00:${a:8:2}:0a\$" '^  link  *up$' \
    '^  *32  VIRTIO_F_VERSION_1  *in use$' '^  *33  VIRTIO_F_ACCESS_PLATFORM  *in use$'; do
    grep -q -- "$line" "$work/said" || { no "no line $line in the output of info"; return; }
  done
  guest "vionetctl info pci:$c" || { no "$(last_said)"; return; }
  grep -q "^  MAC  *52:54:00:00:${c:8:2}:0a\$" "$work/said" || no "another MAC for $c"
}

# A function that a port has open is listed as ready and cannot be opened a second time.
held() {
  start_forwarder new || return
  prints 1 "vionetctl info $a" <<END || return
Error: cannot open /dev/vfio/$(group_of "$a"): Device or resource busy; another process has its IOMMU group
END
  stop_forwarder new
}

passed_over() {
  prints 1 "vionet-info pci:$a,vdpa=1" <<<"vionet-info: PCI function $a is left to a vDPA driver (vdpa=1)"
}

given_back() {
  local name
  prints 0 "vionetctl bind kernel $a $b $c && vionetctl bind virtio-pci $d" <<END || return
$a: vfio-pci -> virtio-pci
$b: vfio-pci -> virtio-pci
$c: vfio-pci -> virtio-pci
$d: vfio-pci -> virtio-pci
END
  kernels | prints 0 "$list" || return
  name=$(interface_of "$a")
  guest "ifconfig $name $(network new).3 netmask 255.255.255.0 up && ping -c 3 -W 10 $(network new).1" ||
    no "no ping from the guest's kernel: $(last_said)"
}

guest 'modprobe -a virtio_pci virtio_net'
check list at_first
check refusals refusals
check failures failures
check bind taken
check ready ready
check info shown
check forward carry new
check held held
check vdpa passed_over
check kernel given_back
done_here
