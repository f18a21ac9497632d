// SPDX-License-Identifier: BSD-2-Clause
//
// vionetctl: what vionet offers on the command line. Each subcommand is a file here; what they share is in
// Library (libvionet's calls), Program (a running program's control socket), Machine (sysfs, interfaces, clocks) and
// Output.

import ArgumentParser

@main
struct Vionetctl: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "vionetctl",
    abstract:
      "Find virtio-net devices, hand them over, look into them, be one; watch and set those of a running program.",
    discussion: """
      A PCI function is driven either by the kernel or, once it is bound to vfio-pci or uio_pci_generic, by a program \
      that uses libvionet:

        vionetctl list                              which there are, and whose
        vionetctl bind --dry-run vfio-pci 00:05.0   what bind would write
        vionetctl bind vfio-pci 00:05.0             take it from the kernel
        vionetctl info 00:05.0                      what it offers
        vionetctl bind kernel 00:05.0               give it back

      And it can be such a device for another program:

        vionetctl serve /run/vm.sock tap=vionet0

      Of a program that has opened a control socket, such as vionet-fwd-control /run/app.sock:

        vionetctl stats --watch /run/app.sock       what its ports count
        vionetctl set /run/app.sock mtu 1400        change a setting
        vionetctl events /run/app.sock              follow what happens
      """,
    version: "vionetctl with libvionet \(Library.version)",
    subcommands: [
      List.self, Info.self, Bind.self, Unbind.self, Serve.self, Stats.self, SetPort.self, FollowEvents.self,
    ])
}
