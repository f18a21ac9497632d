// SPDX-License-Identifier: BSD-2-Clause
//
// The channel on which a back-end speaks first (BACKEND_REQ). Of all it may say one thing is heard: that the
// configuration has changed. The rest is refused. What does not look like a message, or comes with files, ends the
// channel; nothing that is said is believed, and no more than so many messages are read at a time.

import CLinux
import Linux
import Virtio

struct VhostChannel {
  private static let longest = 64
  private static let most = 64

  private(set) var descriptor: Int32 = -1
  /// The configuration may have changed since this was last set to false.
  var hasNews = false
  private var bytes = InlineArray<76, UInt8>(repeating: 0)
  private var count = 0

  /// Begins with our end of a pair; returns the back-end's, which blocks as that of any socket.
  mutating func open() throws(Failure) -> Descriptor {
    var pair = (Int32(-1), Int32(-1))
    let made = unsafe withUnsafeMutableBytes(of: &pair) { bytes in
      guard let base = bytes.baseAddress else { return -EINVAL }
      return unsafe sys_socket_pair(base.assumingMemoryBound(to: Int32.self))
    }
    _ = try check(made) { Failure($0, "cannot make a channel for the back-end: ").reason($0) }
    _ = sys_set_blocking(pair.1)
    close()
    descriptor = pair.0
    return Descriptor(owning: pair.1)
  }

  mutating func close() {
    if descriptor >= 0 { _ = sys_close(descriptor) }
    descriptor = -1
    count = 0
  }

  /// Reads what there is, and answers.
  mutating func serve() {
    var left = VhostChannel.most
    while descriptor >= 0 && left > 0 {
      left -= 1
      if !read(upTo: VhostMessage.headerBytes) { return }
      let length = Int(word(8))
      if word(4) & VhostMessage.versionMask != VhostMessage.version || length > VhostChannel.longest { return close() }
      if !read(upTo: VhostMessage.headerBytes + length) { return }
      count = 0
      let isKnown = word(0) == VhostBackendRequest.configChange && length == 0
      if isKnown { hasNews = true }
      if word(4) & VhostMessage.needReplyFlag != 0 { answer(isKnown ? 0 : 1) }
    }
  }

  private func word(_ offset: Int) -> UInt32 {
    unsafe withUnsafeBytes(of: bytes) { unsafe $0.loadUnaligned(fromByteOffset: offset, as: UInt32.self) }
  }

  /// False if so many bytes of the message are not here yet, or never will be.
  private mutating func read(upTo wanted: Int) -> Bool {
    while count < wanted {
      var files: UInt32 = 0
      let (file, done) = (descriptor, count)
      let result = unsafe withUnsafeMutableBytes(of: &bytes) { room in
        guard let base = room.baseAddress else { return -Int(EINVAL) }
        return unsafe sys_receive(file, base + done, wanted - done, nil, 0, &files)
      }
      if result == -Int(EAGAIN) || result == -Int(EINTR) { return false }
      if result <= 0 {
        close()
        return false
      }
      count += result
    }
    return true
  }

  /// A back-end that does not take its answer has none.
  private mutating func answer(_ verdict: UInt64) {
    var message = (word(0), VhostMessage.version | VhostMessage.replyFlag, UInt32(8), UInt32(verdict), UInt32(0))
    if unsafe sys_send(descriptor, &message, 20, nil, 0) != 20 { close() }
  }
}
