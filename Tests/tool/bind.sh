#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# vionetctl bind and unbind, on a simulated bus and with --dry-run only: exactly these writes are printed, none is done, and
# errors have these words. The guest shows that the writes work (Tests/guest/scenarios/vionetctl-bind.sh).
# shellcheck source-path=SCRIPTDIR source=../support/tool.sh
. "$(dirname "$0")/../support/tool.sh"

make_bus
dry=("${on_bus[@]}" "$vionetctl")
add_function 0000:00:04.0 1af4:1041 virtio-pci 11
add_function 0000:00:05.0 1af4:1041 virtio-pci 12 ens5
add_function 0000:00:06.0 1af4:1000
add_function 0000:0a:07.1 1af4:1041 vfio-pci 13
add_function 0000:00:08.0 8086:10d3 e1000e 14
add_driver uio_pci_generic
pci=/sys/bus/pci

writes() {
  prints 0 "${dry[@]}" bind --dry-run vfio-pci 0000:00:04.0 <<END
echo vfio-pci > $pci/devices/0000:00:04.0/driver_override
echo 0000:00:04.0 > $pci/devices/0000:00:04.0/driver/unbind
echo 0000:00:04.0 > $pci/drivers_probe
END
  # Short, with the scheme, by the interface, twice; one without a driver, one that has it already.
  prints 0 "${dry[@]}" bind -n uio_pci_generic 0:4.0 pci:00:05.0 ens5 0000:00:06.0 <<END
echo uio_pci_generic > $pci/devices/0000:00:04.0/driver_override
echo 0000:00:04.0 > $pci/devices/0000:00:04.0/driver/unbind
echo 0000:00:04.0 > $pci/drivers_probe
echo uio_pci_generic > $pci/devices/0000:00:05.0/driver_override
echo 0000:00:05.0 > $pci/devices/0000:00:05.0/driver/unbind
echo 0000:00:05.0 > $pci/drivers_probe
echo uio_pci_generic > $pci/devices/0000:00:06.0/driver_override
echo 0000:00:06.0 > $pci/drivers_probe
END
  for name in kernel virtio-pci; do
    prints 0 "${dry[@]}" bind "$name" --dry-run a:7.1 00:04.0 <<END
echo > $pci/devices/0000:0a:07.1/driver_override
echo 0000:0a:07.1 > $pci/devices/0000:0a:07.1/driver/unbind
echo 0000:0a:07.1 > $pci/drivers_probe
# 0000:00:04.0: virtio-pci already
END
  done
  prints 0 "${dry[@]}" unbind --dry-run 00:04.0 00:06.0 <<END
echo 0000:00:04.0 > $pci/devices/0000:00:04.0/driver/unbind
# 0000:00:06.0: no driver already
END
}

refuses() { # WORDS arguments...
  local words=$1
  shift
  prints 1 "${dry[@]}" "$@" <<<"Error: $words"
}
refusals() {
  refuses "there is no PCI function 0000:00:1f.7" bind -n vfio-pci 00:04.0 00:1f.7
  refuses "PCI function 0000:00:08.0 is not a virtio-net device" unbind -n 00:08.0
  refuses '"eth9" is neither a PCI address like 0000:00:05.0 nor the interface of a virtio-net function' unbind -n eth9
  for wrong in 00:05 00:05.8 00:20.0 0:0:0:5.0 00:+5.0 00:.0 100:05.0 pci:; do
    refuses "\"$wrong\" is neither a PCI address like 0000:00:05.0 nor the interface of a virtio-net function" \
      unbind -n $wrong
  done
  refuses "PCI function 0000:00:06.0 is in no IOMMU group, which vfio-pci needs: start the kernel with intel_iommu=on (or \
its like), or bind the function to uio_pci_generic" bind -n vfio-pci 00:04.0 00:06.0
  # All that is wrong is said at once, and each thing once.
  refuses "there is no PCI function 0000:00:1f.7
PCI function 0000:00:06.0 is in no IOMMU group, which vfio-pci needs: start the kernel with intel_iommu=on (or its like), \
or bind the function to uio_pci_generic
PCI function 0000:00:08.0 is not a virtio-net device" bind -n vfio-pci 00:1f.7 00:04.0 00:06.0 00:08.0
  if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
    chmod 711 "$work" "$bus"
    mkdir -p "$work/for-all/bin" "$work/for-all/lib"
    cp "$vionetctl" "$work/for-all/bin" && cp -L "$stage"/lib/libvionet.so.0 "$work/for-all/lib"
    prints 1 "${on_bus[@]}" setpriv --reuid 65534 --regid 65534 --clear-groups "$work/for-all/bin/vionetctl" bind -n \
      vfio-pci 00:04.0 <<END
Error: cannot do "echo vfio-pci > $pci/devices/0000:00:04.0/driver_override": Permission denied; run this as root
END
  fi
  rmdir "$bus/drivers/uio_pci_generic"
  refuses "the kernel has no driver uio_pci_generic: modprobe uio_pci_generic" bind -n uio_pci_generic 00:04.0
  gives 64 "${dry[@]}" bind -n e1000e 00:04.0
  said "'vfio-pci', 'uio_pci_generic' or 'kernel'"
  gives 64 "${dry[@]}" bind -n vfio-pci
  gives 64 "${dry[@]}" unbind -n
}

# The interface of a function: a TAP, without addresses and down at the begin of each case.
ip -n "$tag-m" tuntap add ens5 mode tap || fail "cannot make a TAP"
taken="echo 0000:00:05.0 > $pci/devices/0000:00:05.0/driver/unbind"
busy="PCI function 0000:00:05.0 is in use: its interface ens5 is up and has"
begin() {
  ip -n "$tag-m" address flush dev ens5
  ip -n "$tag-m" link set ens5 "$1"
}

# Down, then up, then with the default route.
in_use() {
  begin down
  ip -n "$tag-m" address add 192.0.2.5/24 dev ens5
  prints 0 "${dry[@]}" unbind -n ens5 <<<"$taken"
  ip -n "$tag-m" link set ens5 up
  refuses "$busy address 192.0.2.5; --force takes it all the same" unbind -n ens5
  refuses "$busy address 192.0.2.5; --force takes it all the same" bind -n vfio-pci 00:05.0
  prints 0 "${dry[@]}" bind -n kernel ens5 <<<"# 0000:00:05.0: virtio-pci already"
  prints 0 "${dry[@]}" unbind -n --force ens5 <<<"$taken"
  prints 0 "${dry[@]}" unbind -nf ens5 <<<"$taken"
  ip -n "$tag-m" route add default via 192.0.2.1
  refuses "$busy address 192.0.2.5, the default route; --force takes it all the same" unbind -n ens5
  ip -n "$tag-m" address flush dev ens5
  prints 0 "${dry[@]}" unbind -n ens5 <<<"$taken"
}

in_bridge() {
  begin up
  ip -n "$tag-m" link add br5 type bridge 2>/dev/null || skip "this kernel has no bridges"
  ip -n "$tag-m" link set ens5 master br5
  refuses "$busy a place in br5; --force takes it all the same" unbind -n ens5
  ip -n "$tag-m" link delete br5
}

in_use_over_ipv6() {
  begin up
  in_space m sh -c 'echo 0 >/proc/sys/net/ipv6/conf/ens5/disable_ipv6' 2>/dev/null || skip "this kernel has no IPv6"
  ip -n "$tag-m" -6 address add fe80::5/64 dev ens5 nodad
  prints 0 "${dry[@]}" unbind -n ens5 <<<"$taken"
  ip -n "$tag-m" -6 address add 2001:db8::5/64 dev ens5 nodad
  refuses "$busy address 2001:db8::5; --force takes it all the same" unbind -n ens5
  ip -n "$tag-m" -6 route add default via fe80::1 dev ens5
  refuses "$busy address 2001:db8::5, the default route; --force takes it all the same" unbind -n ens5
}

no_writes() {
  for function in "$bus"/devices/*; do
    [ "$(cat "$function/driver_override")" = "(null)" ] || fail "a dry run wrote to $function/driver_override"
  done
  [ ! -e "$bus/drivers_probe" ] || fail "a dry run made drivers_probe"
}

# A write to unbind does nothing here, so that the function stays where it was.
given_back() {
  local place=$bus/devices/0000:00:04.0 before
  touch "$bus/drivers_probe" "$bus/drivers/virtio-pci/unbind"
  for before in "(null)" virtio-pci some-driver; do
    echo "$before" >"$place/driver_override"
    prints 1 "${on_bus[@]}" "$vionetctl" bind vfio-pci 00:04.0 <<END
Error: PCI function 0000:00:04.0 is bound to virtio-pci, not to vfio-pci
END
    [ "$(cat "$bus/drivers/virtio-pci/unbind")" = 0000:00:04.0 ] || fail "the function was not unbound"
    [ "$(head -n 1 "$place/driver_override")" = "${before#(null)}" ] || fail "driver_override is $(cat "$place/driver_override")"
  done
}

run_case "the writes that bind and unbind a function" writes
run_case "what cannot be bound is refused with the reason" refusals
run_case "an interface with an address or the default route is taken with --force only" in_use
run_case "an interface in a bridge is taken with --force only" in_bridge
run_case "an interface with an IPv6 address is taken with --force only" in_use_over_ipv6
run_case "a dry run writes nothing" no_writes
run_case "a function that its new driver does not take names the one it named before" given_back
