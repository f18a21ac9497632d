// SPDX-License-Identifier: BSD-2-Clause
//
// GET_INFLIGHT_FD makes the buffer that outlives this back-end; SET_INFLIGHT_FD brings back that of a predecessor.

import CLinux
import Linux
import Virtio

extension Device {
  /// The file is mapped from its start, so that a place far inside it would take as many addresses.
  private static let farthestInflight: UInt64 = 1 << 32

  /// Both have the same payload: bytes, where they begin in the file, queues, descriptors of each; some front-ends send
  /// the four bytes that a compiler adds to that, others do not.
  mutating func dispatchInflight(_ message: Message) -> Answer {
    if message.size != 20 && message.size != 24 { return .broken("wrong size") }  // tested by HostileRequestTests
    let queueCount = Int(message.word(16) & 0xffff)
    let size = UInt16(message.word(16) >> 16)
    // tested by InflightTests
    if queueCount < 1 || queueCount > queues.count || size == 0 || UInt32(size) > UInt32(RingFormat.largest) {
      return .refused("not a number of queues and descriptors that there are")
    }
    if isRunning { return .refused("a ring runs") }  // tested by InflightTests
    let each = Inflight.bytes(size, isPacked: session.rings.isPacked)
    if message.request == VhostRequest.getInflightFile { return makeInflight(message, each * queueCount, each) }
    if message.fileCount != 1 { return .broken("no file descriptor") }
    let offset = message.double(8)
    // tested by InflightTests
    if message.double(0) < UInt64(each * queueCount) { return .refused("too few bytes for the queues") }
    // tested by SharedFileTests
    if offset > Self.farthestInflight { return .refused("an inflight buffer that begins too far inside its file") }
    return map(message.file(0), Int(offset), each * queueCount, each)
      ? .done : .refused("an inflight buffer that cannot be mapped")
  }

  // Safety: the name is a constant string.
  private mutating func makeInflight(_ message: Message, _ length: Int, _ each: Int) -> Answer {
    let file = unsafe sys_memfd("vionet-inflight", UInt32(MFD_CLOEXEC | MFD_ALLOW_SEALING))
    if file < 0 { return refuseInflight(file) }
    // The message closes the file.
    self.message.keep(file)
    let result = sys_ftruncate(file, Int64(length))
    if result < 0 { return refuseInflight(result) }
    if sys_seal(file) < 0 || !map(file, 0, length, each) { return refuseInflight(-ENOMEM) }
    message.payload.store(0, UInt64(length))
    message.payload.store(8, UInt64(0))
    return .file(message.size, file)
  }

  private func refuseInflight(_ result: Int32) -> Answer {
    counters.shortage = 0 &- result
    return .refused("no memory for an inflight buffer")
  }

  /// Maps a buffer in place of the one before and gives each queue its part.
  private mutating func map(_ file: Int32, _ offset: Int, _ length: Int, _ each: Int) -> Bool {
    forgetInflight()
    guard let mapping = memory.map(file, UInt64(offset + length)) else { return false }
    inflight = mapping
    for index in 0..<min(length / each, queues.count) {
      let part = mapping.dropping(offset + index * each).first(each)
      queues[index].inflight = Inflight(part, isPacked: session.rings.isPacked)
    }
    return true
  }

  // Safety: no queue has a part of the mapping any more when it goes.
  mutating func forgetInflight() {
    for index in 0..<queues.count { queues[index].inflight = nil }
    if let inflight { memory.unmap(inflight) }
    inflight = nil
  }
}
