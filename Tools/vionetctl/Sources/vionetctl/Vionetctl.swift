// SPDX-License-Identifier: BSD-2-Clause
//
// vionetctl: what vionet offers on the command line. Each subcommand is a file here; what they share is in
// Library (libvionet's calls), Machine (sysfs and interfaces) and Output.

import ArgumentParser

@main
struct Vionetctl: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "vionetctl",
    abstract: "Find virtio-net devices, hand them over, look into them, be one.",
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
      """,
    version: "vionetctl with libvionet \(Library.version)",
    subcommands: [List.self, Info.self, Bind.self, Unbind.self, Serve.self])
}
