// SPDX-License-Identifier: BSD-2-Clause
//
// vionetctl: vionet on the command line. Each subcommand is a file here. What they share is in Library (libvionet's
// calls), Program (a running program's control socket), Machine (sysfs, limits, interfaces, clocks), Health (what an address
// needs of the machine) and Output.

import ArgumentParser

@main
struct Vionetctl: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "vionetctl",
    abstract:
      "Find, bind, inspect, measure and serve virtio-net devices; watch and change the ports of a running program.",
    discussion: """
      A PCI function is driven by the kernel or, once it is bound to vfio-pci or uio_pci_generic, by a program that \
      uses libvionet:

        vionetctl list                              all devices, and their drivers
        vionetctl bind --dry-run vfio-pci 00:05.0   what bind would write
        vionetctl bind vfio-pci 00:05.0             take it from the kernel
        vionetctl info 00:05.0                      what it offers
        vionetctl doctor 00:05.0                    what keeps a program from it, and the commands that help
        vionetctl bind kernel 00:05.0               give it back to the kernel

      vionetctl can serve a device to another program:

        vionetctl serve /run/vm.sock tap=vionet0

      It can look into a program that has opened a control socket, such as vionet-fwd-control /run/app.sock:

        vionetctl dump /run/app.sock                all about its ports and pools
        vionetctl stats --watch /run/app.sock       the counters of its ports
        vionetctl set /run/app.sock mtu 1400        change a setting
        vionetctl events /run/app.sock              print events as they happen
        vionetctl capture /run/app.sock | tshark -r -   its packets, both directions and drops

      It measures how fast this machine is:

        vionetctl bench                             rates of three devices of its own, in 10 s
      """,
    version: "vionetctl with libvionet \(Library.version)",
    subcommands: [
      List.self, Info.self, Doctor.self, Bind.self, Unbind.self, Serve.self, Stats.self, Dump.self, SetPort.self,
      FollowEvents.self, Capture.self, Bench.self,
    ])
}
