// SPDX-License-Identifier: BSD-2-Clause

import CLinux
import Linux
import Testing

@testable import SoftDevice

/// A device with one front-end attached, both ended when the test is over.
final class Bench {
  let device: Cell<Device>
  let front: FrontEnd

  init(_ wire: String, size: Int = 256, pairs: Int = 1, wish: UInt64 = FrontEnd.simple) throws {
    let socket: Descriptor
    do {
      (device, socket) = try SoftDevice.start(WireOptions(parsing: text(wire)))
    } catch {
      throw TestError(sentence())
    }
    front = FrontEnd(socket: socket.number, size: size, pairs: pairs, wish: wish)
  }

  deinit { SoftDevice.stop(device) }

  var statistics: DeviceStatistics { SoftDevice.statistics(device) }

  /// Waits until `condition` holds for the counters, which follow the frames. A busy machine may need long.
  func until(_ condition: (DeviceStatistics) -> Bool) -> Bool {
    let deadline = Deadline(milliseconds: 60_000)
    while !deadline.hasPassed {
      if condition(statistics) { return true }
      sys_sleep_microseconds(100)
    }
    return false
  }
}

func frame(_ length: Int, seed: Int = 0) -> [UInt8] {
  (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ seed &* 13) }
}
