// SPDX-License-Identifier: BSD-2-Clause
//
// The burst of a receive queue whose frames are counted by size: it calls the burst in use, then looks at what was
// received.

import CLinux
import CVionet
import Linux

extension ReceivePath {
  /// This path with its frames counted; the queue's `countedBurst` is the burst that it calls.
  // Safety: a C function pointer to the function below.
  var countingSizes: ReceivePath { unsafe ReceivePath(name, receiveCounting) }

  /// This path with a check for other threads around it, and around the count of sizes if there is one.
  // Safety: as countingSizes; the closure passes on what a burst is given.
  func checkingThreads(countsSizes: Bool) -> ReceivePath {
    if !countsSizes { return unsafe ReceivePath(name, Virtqueue.checkedBurst) }
    return unsafe ReceivePath(name) { block, packets, count in
      unsafe Cell<Virtqueue>(raw: block).value.alone { unsafe receiveCounting(block, packets, count) }
    }
  }
}

@_optimize(speed)
private func receiveCounting(
  _ block: UnsafeMutableRawPointer, _ packets: UnsafeMutablePointer<UnsafeMutablePointer<vionet_packet>?>,
  _ count: UInt16
) -> UInt16 {
  // Safety: the burst entry passes a receive queue's block, and its caller an array of `count` packets.
  let queue = unsafe Cell<ReceiveQueue>(raw: block)
  let received = unsafe queue.value.core.countedBurst(block, packets, count)
  let list = unsafe PacketList(packets)
  for place in 0..<Int(received) {
    guard let packet = list[unchecked: place] else { continue }
    queue.value.core.counters.sizes.add(
      FrameKind(length: packet.totalLength, first: packet.length, data: packet.dataAddress))
  }
  return received
}
