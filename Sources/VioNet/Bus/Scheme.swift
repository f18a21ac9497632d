// SPDX-License-Identifier: BSD-2-Clause
//
// The transports, by the schemes of their addresses. The table below is the only place that lists them.

import CLinux
import Linux

package struct Scheme {
  private let name: StaticString
  /// The option "server" makes sense: back-ends may come to us.
  private let listens: Bool
  private let open: (inout OpenRequest) throws(Failure) -> Bus

  private init(
    _ name: StaticString, listens: Bool = false, _ open: @escaping (inout OpenRequest) throws(Failure) -> Bus
  ) {
    self.name = name
    self.listens = listens
    self.open = open
  }

  /// Every scheme, in the order in which sentences list them.
  private static var all: InlineArray<5, Scheme> {
    [
      Scheme("vhost-user", listens: true, VhostUserTransport.open),
      Scheme("vhost-net", VhostNetTransport.open),
      Scheme("vhost-vdpa", VhostVDPATransport.open),
      Scheme("soft", VhostUserTransport.adopt),
      Scheme("pci", PCITransport.open),
    ]
  }

  init(named name: Text) throws(Failure) {
    let all = Scheme.all
    for place in 0..<all.count where name.equals(all[place].name) {
      self = all[place]
      return
    }
    throw Scheme.list(Failure(EINVAL, "unknown scheme ").quoting(name).text("; known are "))
  }

  package func isNamed(_ name: StaticString) -> Bool { Text(self.name).equals(name) }

  /// Adds "vhost-user:, vhost-net: and pci:", or whichever there are.
  static func list(_ failure: Failure) -> Failure {
    let all = Scheme.all
    for place in 0..<all.count {
      if place > 0 { _ = failure.text(place == all.count - 1 ? " and " : ", ") }
      _ = failure.text(all[place].name).text(":")
    }
    return failure
  }

  /// Takes hold of the device.
  func connect(_ request: inout OpenRequest) throws(Failure) -> Bus {
    if request.listens && !listens {
      throw Failure(EINVAL, "option \"server\" is for vhost-user: only, not for device ").quoting(request.address.whole)
    }
    return try open(&request)
  }
}

/// What a transport is asked to open.
struct OpenRequest {
  let address: DeviceAddress
  let queuePairs: UInt16
  /// Keys that only PCI functions have.
  let pci: PCIOptions
  /// The bytes of the MAC address that an interface made for this port is to have, as they lie in memory.
  let hardwareAddress: UInt64?
  /// Back-ends connect to the address, instead of being connected to there.
  let listens: Bool
  /// The end of a connection whose other end a device in this process has.
  var socket: Descriptor
  /// When the call that asks has to end.
  let deadline: Deadline
}
