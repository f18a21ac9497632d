#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# vionetctl list: for this machine what sysfs says; for a simulated bus exactly this table and this JSON.
# shellcheck source-path=SCRIPTDIR source=../support/tool.sh
. "$(dirname "$0")/../support/tool.sh"
need python3 python3

this_machine() {
  gives 0 "$vionetctl" list
  gives 0 "$vionetctl" list --json
  python3 - "$work/said" <<'END' || fail "the list is not what sysfs says"
import json, os, pathlib, sys
bus = pathlib.Path("/sys/bus/pci/devices")
def read(function, name):
    path = bus / function / name
    return path.read_text().strip() if path.exists() else ""
def link(function, name):
    path = bus / function / name
    return os.path.basename(os.readlink(path)) if path.is_symlink() else None
functions = sorted(f for f in os.listdir(bus)
                   if read(f, "vendor") == "0x1af4" and read(f, "device") in ("0x1000", "0x1041"))
said = json.load(open(sys.argv[1]))
assert [d["address"] for d in said] == ["pci:" + f for f in functions], said
for function, device in zip(functions, said):
    assert sorted(device) == ["address", "driver", "in_use", "interface", "iommu_group", "kind", "ready", "reason"], device
    assert device["driver"] == link(function, "driver"), device
    group = link(function, "iommu_group")
    assert device["iommu_group"] == (None if group is None else int(group)), device
    assert device["kind"] == {"0x1000": "transitional", "0x1041": "modern"}[read(function, "device")], device
    assert device["ready"] == (device["reason"] is None), device
print(len(said), "functions")
END
}

simulated_bus() {
  make_bus
  prints 0 "${on_bus[@]}" "$vionetctl" list <<<"This machine has no virtio-net PCI functions and no vDPA devices."
  gives 0 "${on_bus[@]}" "$vionetctl" list --json
  [ "$(tr -d ' \n' <"$work/said")" = "[]" ] || fail "no JSON of no functions"
  add_function 0000:00:05.0 1af4:1041 virtio-pci 12 ens5
  add_function 0000:00:06.0 1af4:1000
  add_function 0000:00:07.0 8086:10d3 e1000e 12
  add_function 0000:00:08.0 1af4:1042 virtio-pci 13
  add_function 0001:00:00.0 1af4:1041 uio_pci_generic
  add_function 0000:00:04.0 1af4:1041 vfio-pci 12
  prints 0 "${on_bus[@]}" "$vionetctl" list <<'END'
ADDRESS           KIND          DRIVER           INTERFACE  IOMMU GROUP  READY
pci:0000:00:04.0  modern        vfio-pci         -          12           no
pci:0000:00:05.0  modern        virtio-pci       ens5       12           no
pci:0000:00:06.0  transitional  -                -          -            no
pci:0001:00:00.0  modern        uio_pci_generic  -          -            no

PCI function 0000:00:04.0: IOMMU group 12 has functions with other drivers: bind all of them to vfio-pci or unbind them
PCI function 0000:00:05.0 belongs to the kernel's driver virtio-pci: vionetctl bind vfio-pci 0000:00:05.0
PCI function 0000:00:06.0 has no driver: vionetctl bind uio_pci_generic 0000:00:06.0
cannot open /sys/bus/pci/devices/0001:00:00.0/config: No such file or directory
END
  rm -r "$bus/devices/0000:00:04.0" "$bus/devices/0001:00:00.0"
  prints 0 "${on_bus[@]}" "$vionetctl" list --json <<'END'
[
  {
    "address" : "pci:0000:00:05.0",
    "driver" : "virtio-pci",
    "in_use" : [

    ],
    "interface" : "ens5",
    "iommu_group" : 12,
    "kind" : "modern",
    "ready" : false,
    "reason" : "PCI function 0000:00:05.0 belongs to the kernel's driver virtio-pci: vionetctl bind vfio-pci 0000:00:05.0"
  },
  {
    "address" : "pci:0000:00:06.0",
    "driver" : null,
    "in_use" : [

    ],
    "interface" : null,
    "iommu_group" : null,
    "kind" : "transitional",
    "ready" : false,
    "reason" : "PCI function 0000:00:06.0 has no driver: vionetctl bind uio_pci_generic 0000:00:06.0"
  }
]
END
  rm -r "$bus/devices"
  prints 1 "${on_bus[@]}" "$vionetctl" list <<<"Error: cannot read /sys/bus/pci/devices: No such file or directory"
}

interface_in_use() {
  make_bus
  add_function 0000:00:05.0 1af4:1041 virtio-pci 12 ens5
  ip -n "$tag-m" tuntap add ens5 mode tap || fail "cannot make a TAP"
  ip -n "$tag-m" link set ens5 up
  gives 0 "${on_bus[@]}" "$vionetctl" list
  if grep -q Careful "$work/said"; then cat "$work/said"; fail "an unused interface is warned about"; fi
  ip -n "$tag-m" address add 192.0.2.5/24 dev ens5
  gives 0 "${on_bus[@]}" "$vionetctl" list
  [ "$(tail -n 1 "$work/said")" = "Careful: ens5 of 0000:00:05.0 is up and has address 192.0.2.5. Without it this machine \
loses that; bind takes it with --force only" ] || { cat "$work/said"; fail "no warning about the address"; }
  ip -n "$tag-m" route add default via 192.0.2.1
  gives 0 "${on_bus[@]}" "$vionetctl" list
  [ "$(tail -n 1 "$work/said")" = "Careful: ens5 of 0000:00:05.0 is up and has address 192.0.2.5, the default route. Without \
it this machine loses that, and may be cut off from its network; bind takes it with --force only" ] ||
    { cat "$work/said"; fail "no warning about the default route"; }
  gives 0 "${on_bus[@]}" "$vionetctl" list --json
  python3 -c 'import json, sys
assert json.load(open(sys.argv[1]))[0]["in_use"] == ["address 192.0.2.5", "the default route"]' "$work/said" ||
    { cat "$work/said"; fail "no in_use in JSON"; }
}

run_case "this machine's functions are those of sysfs" this_machine
run_case "a simulated bus is listed as table and as JSON" simulated_bus
run_case "an interface that the machine needs is warned about" interface_in_use
