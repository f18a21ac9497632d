// SPDX-License-Identifier: BSD-2-Clause

import ArgumentParser
import Glibc

struct Serve: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Serve a virtio-net device on a vhost-user socket, for QEMU, DPDK or libvionet.",
    discussion: """
      Serves one device for each pair of a socket and a wire until SIGINT or SIGTERM, then removes the sockets and \
      prints the counters. A front-end may disconnect and connect again. A wire is what follows "soft:" in a device \
      address, and takes the keys of vionet_soft_serve():

        vionetctl serve /run/vm.sock tap=vionet0,queues=2
        vionetctl serve /run/a.sock pipe=x /run/b.sock pipe=x
        vionetctl serve /run/test.sock generate,length=64

      With client=1 in the wire, the device connects to a front-end that listens. QEMU needs shared memory (-object \
      memory-backend-memfd,share=on and -machine memory-backend=), a -chardev socket with reconnect=1, a -netdev \
      vhost-user with the same number of queues, and virtio-net-pci with mq=on if there are several.
      """)

  @Flag(help: "Print the counters as a JSON array.")
  var json = false

  @Option(help: ArgumentHelp("Print the counters at this interval too.", valueName: "seconds"))
  var every: UInt32?

  @Argument(help: "A socket's path and a wire, for each device.", completion: .file())
  var devices: [String]

  func validate() throws {
    if let last = devices.last, !devices.count.isMultiple(of: 2) {
      throw ValidationError("The socket \(last) has no wire.")
    }
    for place in stride(from: 0, to: devices.count, by: 2) {
      let (socket, wire) = (devices[place], devices[place + 1])
      if ServedDevice.isWire(socket) && !ServedDevice.isWire(wire) {
        throw ValidationError("\(socket) is a wire, and the socket comes first: vionetctl serve \(wire) \(socket)")
      }
    }
    if every == 0 { throw ValidationError("The interval is 1 second or more.") }
  }

  func run() throws {
    let signals = Signals(SIGINT, SIGTERM)
    var served: [ServedDevice] = []
    defer { for device in served { device.stop() } }
    for place in stride(from: 0, to: devices.count, by: 2) {
      served.append(try ServedDevice(path: devices[place], wire: devices[place + 1]))
    }
    if !json { Serve.say("ready: \(served.map(\.path).joined(separator: " "))") }
    while !signals.come(within: every) { try report(served) }
    try report(served)
  }

  private func report(_ served: [ServedDevice]) throws {
    let counts = try served.map { try $0.counts() }
    if json { return Serve.say(try JSON.text(counts)) }
    var table = Table("SOCKET", "WIRE", "TO DRIVER", "LOST", "FROM DRIVER", "LOST", "CONNECTIONS")
    for count in counts {
      table.add(
        count.path, count.wire, "\(count.toDriver)", "\(count.toDriverDrops)", "\(count.fromDriver)",
        "\(count.fromDriverDrops)", "\(count.connections)")
    }
    Serve.say(table.text)
    for count in counts where !count.reason.isEmpty { Serve.say("\(count.path): the wire: \(count.reason)") }
    for count in counts where count.faults > 0 {
      Serve.say("\(count.path): front-ends disconnected: \(count.faults); the last: \(count.fault)")
    }
  }

  /// Prints without buffering, also to a file or a pipe.
  private static func say(_ text: String) {
    print(text)
    fflush(nil)
  }
}
