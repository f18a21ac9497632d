// SPDX-License-Identifier: BSD-2-Clause
//
// How a port gets its next vhost-user back-end. begin() starts looking for one, connect() is called when `descriptor` is
// readable, and then the port says with succeeded() or failed() how it went.

import Linux

struct BackendConnector {
  private let transport: Cell<VhostUserTransport>

  init(_ transport: Cell<VhostUserTransport>) { self.transport = transport }

  /// True if back-ends connect to us, false if we connect to them.
  var isServer: Bool { transport.value.finder?.isServer ?? false }

  /// Readable when connect() can make progress.
  var descriptor: Int32 { transport.value.finder?.descriptor ?? -1 }

  /// Closes the connection there is and starts looking for the next back-end.
  func begin() {
    transport.value.disconnect()
    transport.value.finder?.begin()
  }

  /// Stops looking.
  func end() { transport.value.finder?.end() }

  /// True if a back-end is connected and its features are known. Does not wait for one.
  func connect() throws(Failure) -> Bool {
    guard let socket = try transport.value.finder?.step() else { return false }
    do throws(Failure) {
      try transport.value.connect(socket, wasAsked: true)
    } catch {
      failed()
      throw error
    }
    return true
  }

  /// The port is up. When this back-end goes, looking for the next one begins without delay.
  func succeeded() { transport.value.finder?.succeeded() }

  /// The back-end was of no use. Closes its connection; the next attempt comes after a growing pause.
  func failed() {
    transport.value.disconnect()
    transport.value.finder?.failed()
  }

  /// Asks the new back-end to tell the network where this address is now.
  func announce(_ address: UInt64) { transport.value.announce(address) }
}
