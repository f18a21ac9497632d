// SPDX-License-Identifier: BSD-2-Clause
//
// One vhost-user message: a header of 12 bytes (request, flags, size), a payload, and up to eight file descriptors.
// It is read piece by piece from a socket that never blocks; so a front-end that sends half a message delays nobody
// but itself. Whatever file descriptors nobody took are closed with the message.

import CLinux
import Linux

enum Request {
  static let getFeatures: UInt32 = 1
  static let setFeatures: UInt32 = 2
  static let setOwner: UInt32 = 3
  static let resetOwner: UInt32 = 4
  static let setMemTable: UInt32 = 5
  static let setLogBase: UInt32 = 6
  static let setLogFile: UInt32 = 7
  static let setVringNum: UInt32 = 8
  static let setVringAddr: UInt32 = 9
  static let setVringBase: UInt32 = 10
  static let getVringBase: UInt32 = 11
  static let setVringKick: UInt32 = 12
  static let setVringCall: UInt32 = 13
  static let setVringErr: UInt32 = 14
  static let getProtocolFeatures: UInt32 = 15
  static let setProtocolFeatures: UInt32 = 16
  static let getQueueNum: UInt32 = 17
  static let setVringEnable: UInt32 = 18
  static let sendRarp: UInt32 = 19
  static let netSetMTU: UInt32 = 20
  static let setBackendFile: UInt32 = 21
  static let getConfig: UInt32 = 24
  static let setConfig: UInt32 = 25
  static let getInflightFile: UInt32 = 31
  static let setInflightFile: UInt32 = 32
  static let resetDevice: UInt32 = 34
  static let getMaxMemorySlots: UInt32 = 36
  static let addMemoryRegion: UInt32 = 37
  static let removeMemoryRegion: UInt32 = 38
  static let setStatus: UInt32 = 39
  static let getStatus: UInt32 = 40
}

struct Message {
  static let headerSize = 12
  static let largestPayload = 512
  static let largestFiles = 8
  private static let version: UInt32 = 1
  private static let reply: UInt32 = 4
  private static let needReplyFlag: UInt32 = 8

  /// Header and payload.
  private let bytes: Bytes
  private let files: Table<Int32>
  private var received = 0
  private(set) var fileCount = 0

  init(_ bytes: Bytes, _ files: Table<Int32>) {
    self.bytes = bytes.first(Self.headerSize + Self.largestPayload)
    self.files = files
  }

  var request: UInt32 { bytes.load(0, as: UInt32.self) }
  private var flags: UInt32 { bytes.load(4, as: UInt32.self) }
  var size: Int { Int(bytes.load(8, as: UInt32.self)) }
  var needsReply: Bool { flags & Self.needReplyFlag != 0 }
  var payload: Bytes { bytes.dropping(Self.headerSize).first(size) }

  func word(_ at: Int) -> UInt32 { payload.load(at, as: UInt32.self) }
  func double(_ at: Int) -> UInt64 { payload.load(at, as: UInt64.self) }

  /// Takes over a file descriptor; -1 if there is none.
  func takeFile(_ index: Int) -> Int32 {
    if index >= fileCount { return -1 }
    let file = files[index]
    files[index] = -1
    return file
  }

  /// Takes a file over, to be closed with the message's own.
  mutating func keep(_ file: Int32) {
    files[fileCount] = file
    fileCount += 1
  }

  func file(_ index: Int) -> Int32 { index < fileCount ? files[index] : -1 }

  /// Gets ready for the next message.
  mutating func clear() {
    var index = 0
    while index < fileCount {
      let file = takeFile(index)
      if file >= 0 { _ = sys_close(file) }
      index += 1
    }
    fileCount = 0
    received = 0
  }

  enum Progress { case complete, waiting, closed, broken }

  /// Reads on; complete when a whole message is there.
  mutating func read(_ socket: Int32) -> Progress {
    while true {
      if received >= Self.headerSize {
        if !isSound { return .broken }
        if received == Self.headerSize + size { return .complete }
      }
      let end = received < Self.headerSize ? Self.headerSize : Self.headerSize + size
      let got = receive(socket, bytes.dropping(received).first(end - received))
      if got == -Int(EAGAIN) || got == -Int(EINTR) { return .waiting }
      if got == 0 || got == -Int(ECONNRESET) { return received == 0 ? .closed : .broken }
      if got < 0 { return .broken }
      received += got
    }
  }

  private mutating func receive(_ socket: Int32, _ target: Bytes) -> Int {
    var count: UInt32 = 0
    let room = files.count - fileCount
    let got = unsafe sys_receive(socket, target.base, target.count, files.base + fileCount, UInt32(room), &count)
    fileCount += Int(count)
    return got
  }

  private var isSound: Bool { flags & 3 == Self.version && flags & Self.reply == 0 && size <= Self.largestPayload }

  /// Answers with the first `size` bytes of the payload, and perhaps a file; false if the front-end does not take them.
  func answer(_ socket: Int32, size: Int, file: Int32 = -1) -> Bool {
    bytes.store(4, Self.version | Self.reply)
    bytes.store(8, UInt32(size))
    let length = Self.headerSize + size
    var file = file
    return unsafe sys_send(socket, bytes.base, length, &file, file < 0 ? 0 : 1) == length
  }

  func answer(_ socket: Int32, value: UInt64) -> Bool {
    bytes.store(Self.headerSize, value)
    return answer(socket, size: 8)
  }
}
