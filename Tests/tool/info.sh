#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# vionetctl info: a device as text and as JSON, which agree with the C program vionet-info; and why other devices fail.
# shellcheck source-path=SCRIPTDIR source=../support/tool.sh
. "$(dirname "$0")/../support/tool.sh"
need python3 python3

agreement() {
  device=soft:sink,queue_size=512,mac=02:00:00:00:00:07
  gives 0 "$examples/vionet-info" "$device"
  mv "$work/said" "$work/in-c"
  gives 0 "$vionetctl" info "$device"
  mv "$work/said" "$work/text"
  gives 0 "$vionetctl" info --json "$device"
  python3 - "$work/in-c" "$work/text" "$work/said" <<'END' || fail "text, JSON and vionet-info do not agree"
import json, re, sys
in_c, text, said = (open(name).read() for name in sys.argv[1:])
features = lambda text: re.findall(r"^.* (\d+) +(\S+|\(no name\)) +(in use|offered)$", text, re.M)
assert len(features(in_c)) > 3 and features(text) == features(in_c), (features(text), features(in_c))
assert text.splitlines()[0] == in_c.splitlines()[0]
for name, pattern in (("MAC", r"(\S+)"), ("MTU", r"(\d+)"), ("link", r"(\w+)"), ("queue pairs", r"(\d+ of \d+)"),
                      ("rings", r"(.*)"), ("header", r"(\d+) bytes")):
    here, there = (re.search(rf"^  {name} +{pattern}", t, re.M).group(1) for t in (text, in_c))
    assert here == there, (name, here, there)
data = json.loads(said)
assert sorted(data) == sorted("device features header_size link_up mac mac_random max_queue_pairs mtu queue_pairs ring "
                              "rx_descriptors tx_descriptors".split()), sorted(data)
assert data["device"] == text.splitlines()[0] and data["mac"] == "02:00:00:00:00:07" and data["mac_random"] is False
assert data["rx_descriptors"] == data["tx_descriptors"] == 512 and data["link_up"] is True and data["mtu"] >= 68
assert [(str(f["bit"]), f["name"], "in use" if f["negotiated"] else "offered") for f in data["features"]] == features(in_c)
END
}

refusals() {
  prints 1 "$vionetctl" info vhost-user:/nonexistent/socket <<'END'
Error: no socket "/nonexistent/socket": No such file or directory
END
  prints 1 "$vionetctl" info --json soft:sink,colour=red <<'END'
Error: unknown option "colour" for device "soft:sink,colour=red"
END
  # A short PCI address is the address of a device.
  prints 1 "$vionetctl" info ff:1f.7 <<'END'
Error: there is no PCI function 0000:ff:1f.7: No such file or directory
END
  gives 64 "$vionetctl" info
}

functions() {
  make_bus
  add_function 0000:00:05.0 1af4:1041 virtio-pci 12 ens5
  prints 1 "${on_bus[@]}" "$vionetctl" info 00:05.0 <<'END'
Error: PCI function 0000:00:05.0 belongs to the kernel's driver virtio-pci: vionetctl bind vfio-pci 0000:00:05.0
END
  prints 1 "${on_bus[@]}" "$vionetctl" info pci:00:05.0,vdpa=1 <<'END'
Error: PCI function 0000:00:05.0 is left to a vDPA driver (vdpa=1)
END
}

names() {
  make_bus
  add_function 0000:00:05.0 1af4:1041 virtio-pci 12 ens5
  ip -n "$tag-m" tuntap add tap7 mode tap || fail "cannot make a TAP"
  # The interface of a function, with keys and without.
  for name in ens5 ens5,queues=2; do
    prints 1 "${on_bus[@]}" "$vionetctl" info "$name" <<'END'
Error: PCI function 0000:00:05.0 belongs to the kernel's driver virtio-pci: vionetctl bind vfio-pci 0000:00:05.0
END
  done
  prints 1 "${on_bus[@]}" "$vionetctl" info ens5,colour=red <<'END'
Error: unknown option "colour" for device "pci:0000:00:05.0,colour=red"
END
  prints 1 "${on_bus[@]}" "$vionetctl" info 00:05.0,colour=red <<'END'
Error: unknown option "colour" for device "pci:0000:00:05.0,colour=red"
END
  # What cannot be taken for an address is told what to write.
  prints 1 "${on_bus[@]}" "$vionetctl" info tap7 <<'END'
Error: "tap7" is a TAP interface: write vhost-net:tap7, or soft:tap=NAME for one that is made
END
  prints 1 "${on_bus[@]}" "$vionetctl" info lo <<'END'
Error: "lo" is not the interface of a virtio-net device; vionetctl list shows those
END
  prints 1 "${on_bus[@]}" "$vionetctl" info /run/x.sock <<'END'
Error: "/run/x.sock" is a path: for the vhost-user socket of a back-end, write vhost-user:/run/x.sock
END
  prints 1 "${on_bus[@]}" "$vionetctl" info /dev/vhost-vdpa-0 <<'END'
Error: "/dev/vhost-vdpa-0" is a path: write vhost-vdpa:/dev/vhost-vdpa-0
END
  prints 1 "${on_bus[@]}" "$vionetctl" info nothing <<'END'
Error: "nothing" is neither a device address, such as pci:0000:00:05.0, nor a PCI address or an interface of this machine
END
}

run_case "text, JSON and vionet-info agree" agreement
run_case "a device that cannot be opened is an error with the library's sentence" refusals
run_case "a PCI function that cannot be used is named with the reason" functions
run_case "an interface stands for its device, and other names are told what to write" names
