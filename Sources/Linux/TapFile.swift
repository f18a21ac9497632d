// SPDX-License-Identifier: BSD-2-Clause
//
// What is asked of a descriptor of /dev/net/tun, for the driver's end of a TAP interface and for a soft device's. Each
// call returns a negative errno on failure. The caller owns the descriptor.

import CLinux

// Safety: each request or number lives longer than the call that reads it; names are zero-terminated.
package enum TapFile {
  private static var kind: Int32 { IFF_TAP | IFF_NO_PI | IFF_VNET_HDR }

  /// A descriptor that is no queue of any interface yet.
  package static func open() -> Int32 { unsafe sys_open("/dev/net/tun", O_RDWR | O_NONBLOCK, 0) }

  /// Makes the descriptor a queue of the interface of that name, the first or one more, of an interface with one queue or,
  /// `isMany`, several. Frames carry a virtio-net header.
  package static func attach(_ file: Int32, to name: Text, isMany: Bool) -> Int32 {
    unsafe name.withCString { string in unsafe attach(file, string, isMany) } ?? -ENAMETOOLONG
  }

  package static func attach(_ file: Int32, to name: Path, isMany: Bool) -> Int32 {
    unsafe name.withCString { string in unsafe attach(file, string, isMany) }
  }

  private static func attach(_ file: Int32, _ name: UnsafePointer<CChar>, _ isMany: Bool) -> Int32 {
    var request = unsafe ifreq()
    unsafe tap_request(&request, name, Int16(truncatingIfNeeded: kind | (isMany ? IFF_MULTI_QUEUE : 0)))
    return unsafe sys_ioctl(file, SYS_TUNSETIFF, &request)
  }

  /// What poll() says of a queue: POLLERR if its interface was deleted, POLLOUT if the interface is up.
  package static func state(_ file: Int32) -> Int32 {
    var request = pollfd(fd: file, events: Int16(POLLOUT), revents: 0)
    unsafe _ = sys_poll(&request, 1, 0)
    return Int32(request.revents)
  }

  /// What the interface of a queue was set to: header size and offloads.
  package static func settings(_ file: Int32) -> tap_settings {
    var kept = tap_settings()
    unsafe tap_keep(file, &kept)
    return kept
  }

  /// Sets the interface as it was. It may live on, and the next program that opens it expects no header of ours, nor frames
  /// without checksums.
  package static func giveBack(_ file: Int32, _ kept: tap_settings) {
    var kept = kept
    unsafe tap_give_back(file, &kept)
  }

  /// How many bytes the header before each frame has.
  package static func setHeaderBytes(_ file: Int32, _ bytes: Int) -> Int32 {
    var bytes = Int32(bytes)
    return unsafe sys_ioctl(file, SYS_TUNSETVNETHDRSZ, &bytes)
  }

  /// What the kernel may leave undone in the frames that it gives (TUN_F_*).
  package static func setOffloads(_ file: Int32, _ offloads: UInt) -> Int32 {
    sys_ioctl_value(file, SYS_TUNSETOFFLOAD, offloads)
  }

  /// Gives a queue its share of the frames, or none.
  package static func setAttached(_ file: Int32, _ isAttached: Bool) -> Int32 {
    var request = unsafe ifreq()
    unsafe tap_request(&request, "", Int16(truncatingIfNeeded: isAttached ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE))
    return unsafe sys_ioctl(file, SYS_TUNSETQUEUE, &request)
  }
}
