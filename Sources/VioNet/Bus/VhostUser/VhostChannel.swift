// SPDX-License-Identifier: BSD-2-Clause
//
// The channel on which a back-end sends requests to us (BACKEND_REQ). The only request that we accept says that the
// configuration has changed; we refuse others. Anything that is not a message, or comes with files, ends the channel. The
// number of messages read at a time is limited.

import CLinux
import Linux
import Virtio

// Safety: every read and write stays within `bytes`, whose room is a header and the longest payload accepted.
struct VhostChannel: ~Copyable {
  /// The longest payload that is read.
  private static let longest = 64
  /// The most messages that one serve() reads.
  private static let most = 64

  private var file = File.none
  /// The configuration may have changed since this was last set to false.
  var configurationChanged = false
  private var bytes = InlineArray<76, UInt8>(repeating: 0)
  private var count = 0

  /// Makes a pair of sockets, keeps one end and returns the other for the back-end. That end blocks, as back-ends expect.
  mutating func open() throws(Failure) -> File {
    var pair = (Int32(-1), Int32(-1))
    let made = unsafe withUnsafeMutableBytes(of: &pair) { bytes in
      guard let base = bytes.baseAddress else { return -EINVAL }
      return unsafe sys_socket_pair(base.assumingMemoryBound(to: Int32.self))
    }
    _ = try check(made) { Failure($0, "cannot make a channel for the back-end: ").reason($0) }
    _ = sys_set_blocking(pair.1)
    count = 0
    file = File(owning: pair.0)
    return File(owning: pair.1)
  }

  /// Readable when the back-end has sent something; -1 if there is no channel.
  var descriptor: Int32 { file.number }

  mutating func close() {
    file.close()
    count = 0
  }

  /// Reads and answers the messages there are.
  mutating func serve() {
    var left = VhostChannel.most
    while descriptor >= 0 && left > 0 {
      left -= 1
      if !read(upTo: VhostMessage.headerBytes) { return }
      let length = Int(word(8))
      // tested by abi-hostile-answers
      if word(4) & VhostMessage.versionMask != VhostMessage.version || length > VhostChannel.longest { return close() }
      if !read(upTo: VhostMessage.headerBytes + length) { return }
      count = 0
      let isKnown = word(0) == VhostBackendRequest.configChange && length == 0
      if isKnown { configurationChanged = true }
      if word(4) & VhostMessage.needReplyFlag != 0 { answer(isKnown ? 0 : 1) }
    }
  }

  private func word(_ offset: Int) -> UInt32 {
    unsafe withUnsafeBytes(of: bytes) { unsafe $0.loadUnaligned(fromByteOffset: offset, as: UInt32.self) }
  }

  /// Reads until `wanted` bytes of the message are here; false if they are not here yet, or the channel has ended.
  private mutating func read(upTo wanted: Int) -> Bool {
    while count < wanted {
      var files: UInt32 = 0
      let (file, done) = (descriptor, count)
      let result = unsafe withUnsafeMutableBytes(of: &bytes) { room in
        guard let base = room.baseAddress else { return -Int(EINVAL) }
        return unsafe sys_receive(file, base + done, wanted - done, nil, 0, &files)
      }
      if result == -Int(EAGAIN) || result == -Int(EINTR) { return false }  // tested by abi-optional-messages
      if result <= 0 {
        close()
        return false
      }
      count += result
    }
    return true
  }

  /// Answers the last message. A back-end that does not take its answer loses the channel.
  private mutating func answer(_ verdict: UInt64) {
    var message = (word(0), VhostMessage.version | VhostMessage.replyFlag, UInt32(8), UInt32(verdict), UInt32(0))
    if unsafe sys_send(descriptor, &message, 20, nil, 0) != 20 { close() }
  }
}
