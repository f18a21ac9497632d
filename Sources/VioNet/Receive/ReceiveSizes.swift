// SPDX-License-Identifier: BSD-2-Clause
//
// The receive door of a queue whose frames are counted by size: the burst in use, then a look at what it brought.

import CLinux
import CVionet
import Linux

extension ReceivePath {
  /// The same path with its frames counted. Its burst is in `counted` of the queue.
  var countingSizes: ReceivePath { unsafe ReceivePath(name: name, burst: receiveCounting) }
}

@_optimize(speed)
private func receiveCounting(
  _ block: UnsafeMutableRawPointer, _ packets: UnsafeMutablePointer<UnsafeMutablePointer<vionet_packet>?>,
  _ count: UInt16
) -> UInt16 {
  let queue = unsafe Cell<ReceiveQueue>(raw: block)
  let received = unsafe queue.value.core.counted(block, packets, count)
  let list = unsafe PacketList(packets)
  for place in 0..<Int(received) {
    guard let packet = list[place] else { continue }
    queue.value.core.counters.sizes.add(
      FrameKind(length: packet.totalLength, first: packet.length, data: packet.dataAddress))
  }
  return received
}
