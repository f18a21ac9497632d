// SPDX-License-Identifier: BSD-2-Clause
//
// One vhost-user message: a header of 12 bytes (request, flags, size), a payload, and up to eight file descriptors.
// It is read piece by piece from a socket that never blocks, so that a front-end which sends half a message delays only
// itself. File descriptors that were not taken over are closed with the message.

import CLinux
import Linux
import Virtio

struct Message {
  static let largestPayload = 512

  /// Header and payload.
  private let bytes: Bytes
  private let files: Table<Int32>
  private var received = 0
  private(set) var fileCount = 0

  init(_ bytes: Bytes, _ files: Table<Int32>) {
    self.bytes = bytes.first(VhostMessage.headerBytes + Self.largestPayload)
    self.files = files
  }

  var request: UInt32 { bytes.load(VhostMessage.requestOffset, as: UInt32.self) }
  private var flags: UInt32 { bytes.load(VhostMessage.flagsOffset, as: UInt32.self) }
  var size: Int { Int(bytes.load(VhostMessage.sizeOffset, as: UInt32.self)) }
  var needsReply: Bool { flags & VhostMessage.needReplyFlag != 0 }
  var payload: Bytes { bytes.dropping(VhostMessage.headerBytes).first(size) }

  func word(_ at: Int) -> UInt32 { payload.load(at, as: UInt32.self) }
  func double(_ at: Int) -> UInt64 { payload.load(at, as: UInt64.self) }

  /// Takes over a file descriptor; -1 if there is none.
  func takeFile(_ index: Int) -> Int32 {
    if index >= fileCount { return -1 }
    let file = files[index]
    files[index] = -1
    return file
  }

  /// Takes over a file, which is closed with the message's own.
  mutating func keep(_ file: Int32) {
    files[fileCount] = file
    fileCount += 1
  }

  func file(_ index: Int) -> Int32 { index < fileCount ? files[index] : -1 }

  /// Gets ready for the next message.
  mutating func clear() {
    var index = 0
    while index < fileCount {
      sys_close_received(takeFile(index))
      index += 1
    }
    fileCount = 0
    received = 0
  }

  /// Short: this process has no descriptor left for a file that came.
  enum Progress { case complete, waiting, closed, broken, short }

  /// Reads on; complete when a whole message is there.
  mutating func read(_ socket: Int32) -> Progress {
    while true {
      if received >= VhostMessage.headerBytes {
        if !isSound { return .broken }  // tested by HostileTests
        if received == VhostMessage.headerBytes + size { return .complete }
      }
      let end = received < VhostMessage.headerBytes ? VhostMessage.headerBytes : VhostMessage.headerBytes + size
      let got = receive(socket, bytes.dropping(received).first(end - received))
      if got == -Int(EAGAIN) || got == -Int(EINTR) { return .waiting }
      if got == 0 || got == -Int(ECONNRESET) { return received == 0 ? .closed : .broken }
      if got < 0 { return got == -Int(EMFILE) ? .short : .broken }
      received += got
    }
  }

  // Safety: the table has `room` places behind its first `fileCount`, and `target` its `count` bytes.
  private mutating func receive(_ socket: Int32, _ target: Bytes) -> Int {
    var count: UInt32 = 0
    let room = files.count - fileCount
    let got = unsafe sys_receive(socket, target.base, target.count, files.base + fileCount, UInt32(room), &count)
    fileCount += Int(count)
    return got
  }

  private var isSound: Bool {
    flags & VhostMessage.versionMask == VhostMessage.version && flags & VhostMessage.replyFlag == 0
      && size <= Self.largestPayload
  }

  /// Answers with the first `size` bytes of the payload and a file, if there is one. False if the front-end takes no more.
  // Safety: header and payload lie in `bytes`, which has room for both; one file is sent, or none.
  func answer(_ socket: Int32, size: Int, file: Int32 = -1) -> Bool {
    bytes.store(VhostMessage.flagsOffset, VhostMessage.version | VhostMessage.replyFlag)
    bytes.store(VhostMessage.sizeOffset, UInt32(size))
    let length = VhostMessage.headerBytes + size
    var file = file
    return unsafe sys_send(socket, bytes.base, length, &file, file < 0 ? 0 : 1) == length
  }

  func answer(_ socket: Int32, value: UInt64) -> Bool {
    bytes.store(VhostMessage.headerBytes, value)
    return answer(socket, size: 8)
  }
}
