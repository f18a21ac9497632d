// SPDX-License-Identifier: BSD-2-Clause
//
// How a port gets its next vhost-user back-end: begin() looks for one, connect() is called when `descriptor` is readable,
// and what came of the back-end is reported by succeeded() or failed().

import Linux

struct BackendConnector {
  private let transport: Cell<VhostUserTransport>

  init(_ transport: Cell<VhostUserTransport>) { self.transport = transport }

  /// Back-ends connect to us, instead of our connecting to them.
  var isServer: Bool { transport.value.finder?.isServer ?? false }

  /// Readable when connect() can get on.
  var descriptor: Int32 { transport.value.finder?.ready.number ?? -1 }

  /// The back-end is gone, or is to go: looks for the next one.
  func begin() {
    transport.value.disconnect()
    transport.value.finder?.begin()
  }

  /// Stops looking.
  func end() { transport.value.finder?.end() }

  /// True if a back-end is there now, and its features are known. Does not wait for one.
  func connect() throws(Failure) -> Bool {
    guard let socket = transport.value.finder?.step() else { return false }
    do throws(Failure) {
      try transport.value.connect(socket, wasAsked: true)
    } catch {
      failed()
      throw error
    }
    return true
  }

  /// The port is up: the next back-end is looked for without delay again.
  func succeeded() { transport.value.finder?.succeeded() }

  /// The back-end was of no use: it is let go of, and the next one is looked for after a while.
  func failed() {
    transport.value.disconnect()
    transport.value.finder?.failed()
  }

  /// Asks the new back-end to tell the network where this address is now.
  func announce(_ address: UInt64) { transport.value.announce(address) }
}
