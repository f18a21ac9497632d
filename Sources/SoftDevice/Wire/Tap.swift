// SPDX-License-Identifier: BSD-2-Clause
//
// The wire "tap": a kernel TAP interface. It is made here, not persistent, so that the kernel removes it when its
// descriptor closes; addresses, MTU and "up" are the user's. Frames travel with a virtio-net header of 12 bytes
// (IFF_VNET_HDR) in which no offload is agreed: the kernel finishes checksums and segments before it hands frames over.
//
// One frame is one system call, so frames are copied through memory of our own: the kernel then never reads what the
// front-end may be changing, and a frame's length is known before it needs a buffer.

import CLinux
import Linux

struct Tap: ~Copyable {
  private static let header = 12
  private static let room = header + Frame.longest

  private let file: File
  private let block: Block
  private let incoming: Bytes
  private let outgoing: Bytes
  private var waiting = 0
  /// The interface was taken away.
  private(set) var isDead = false

  init(_ name: Name) throws(Failure) {
    let file = File(
      owning: try check(unsafe sys_open("/dev/net/tun", O_RDWR | O_NONBLOCK, 0)) { code in
        Failure(code, "tap ").quoting(name).text(": /dev/net/tun: ").reason(code)
      })
    try Self.attach(file.number, name)
    block = try Block(2 * (Self.room + 64))
    incoming = block.part(at: 0, count: Self.room)
    outgoing = block.part(at: Self.room + 64, count: Self.room)
    self.file = file
  }

  private static func attach(_ number: Int32, _ name: Name) throws(Failure) {
    var request = unsafe ifreq()
    unsafe name.withCString { string in
      unsafe tap_request(&request, string, Int16(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
    }
    _ = try check(unsafe sys_ioctl(number, SYS_TUNSETIFF, &request)) { explain(name, $0) }
    var header = Int32(header)
    _ = try check(unsafe sys_ioctl(number, SYS_TUNSETVNETHDRSZ, &header)) { explain(name, $0) }
    _ = try check(sys_ioctl_value(number, SYS_TUNSETOFFLOAD, 0)) { explain(name, $0) }
  }

  private static func explain(_ name: Name, _ code: Int32) -> Failure {
    let failure = Failure(code, "tap ").quoting(name).text(": ").reason(code)
    switch code {
    case EPERM: return failure.text(" (making an interface needs CAP_NET_ADMIN)")
    case EBUSY: return failure.text(" (another program holds it)")
    case EINVAL: return failure.text(" (an interface of that name exists and is no TAP)")
    default: return failure
    }
  }

  var number: Int32 { file.number }
}

extension Tap: FrameTarget {
  mutating func take(_ frame: Frame) -> Bool {
    if frame.count > Self.room - Self.header { return false }
    frame.header.store(to: outgoing)
    frame.copy(to: outgoing.dropping(Self.header))
    return unsafe sys_write(number, outgoing.base, Self.header &+ frame.count) >= 0
  }
}

extension Tap: FrameSource {
  mutating func peek() -> Frame? {
    if waiting == 0 {
      if isDead { return nil }
      let length = unsafe sys_read(number, incoming.base, Self.room)
      if length <= 0 && length != -Int(EAGAIN) && length != -Int(EINTR) { isDead = true }
      if length < Self.header { return nil }
      waiting = length
    }
    return Frame(incoming.first(waiting).dropping(Self.header), NetHeader(incoming))
  }

  mutating func advance() { waiting = 0 }
}
