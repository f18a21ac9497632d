// SPDX-License-Identifier: BSD-2-Clause
//
// One queue of a kernel TAP interface, whose frames carry a virtio-net header: the other end of the kernel's vhost. The
// interface is made with its first queue and goes with the last, unless it was there before: then it is somebody's, and
// stays as it was. Nothing here reads or writes a frame; vhost does.

import CLinux
import Linux

struct TapQueue {
  private(set) var file: Descriptor
  private(set) var isAttached = true

  /// What IFNAMSIZ leaves for a name.
  static let longestName = 15

  static func checkName(_ name: Text) throws(Failure) {
    if name.count > longestName {
      throw Failure(ENAMETOOLONG, "the interface name ").quoting(name).text(" is longer than ").number(longestName)
        .text(" bytes")
    }
  }

  static func exists(_ name: Text) -> Bool {
    unsafe (name.withCString { string in unsafe sys_has_interface(string) } ?? 0) != 0
  }

  /// One queue, the first or one more, of an interface that has one or, `isMany`, several.
  @inline(never)
  init(_ name: Text, isMany: Bool) throws(Failure) {
    file = Descriptor(
      owning: try check(unsafe sys_open("/dev/net/tun", O_RDWR | O_NONBLOCK, 0)) {
        Failure($0, "cannot open /dev/net/tun: ").reason($0).text($0 == ENOENT || $0 == ENODEV ? "; modprobe tun" : "")
      })
    do throws(Failure) {
      try take(name, isMany)
      // The header of virtio 1.0, merged buffers or not (virtio 1.4, 5.1.9).
      var header: Int32 = 12
      _ = try check(unsafe sys_ioctl(file.number, SYS_TUNSETVNETHDRSZ, &header)) {
        Failure($0, "tap ").quoting(name).text(" takes no header of 12 bytes: ").reason($0)
      }
      // What waits for the interface is bounded by our rings.
      var room = Int32.max
      _ = unsafe sys_ioctl(file.number, SYS_TUNSETSNDBUF, &room)
    } catch {
      file.close()
      throw error
    }
  }

  private func take(_ name: Text, _ isMany: Bool) throws(Failure) {
    var result = request(SYS_TUNSETIFF, name, TapQueue.kind | (isMany ? IFF_MULTI_QUEUE : 0))
    if result != -EINVAL { return try TapQueue.explain(name, result) }
    // One of the other kind: several queues that were made by somebody serve as one, but not the other way round.
    result = request(SYS_TUNSETIFF, name, TapQueue.kind | (isMany ? 0 : IFF_MULTI_QUEUE))
    if result < 0 { throw Failure(EINVAL, "interface ").quoting(name).text(" exists and is no tap") }
    if isMany {
      throw Failure(EINVAL, "tap ").quoting(name).text(" has one queue; as root: ip tuntap del ").plain(name)
        .text(" mode tap; ip tuntap add ").plain(name).text(" mode tap multi_queue")
    }
  }

  private static let kind = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR

  private static func explain(_ name: Text, _ result: Int32) throws(Failure) {
    _ = try check(result) { code in
      let failure = Failure(code, "tap ").quoting(name).text(": ").reason(code)
      return switch code {
      case EPERM:
        failure.text("; this wants CAP_NET_ADMIN, or as root: ip tuntap add ").plain(name).text(" mode tap user USER")
      case EBUSY: failure.text("; another program has it")
      case E2BIG: failure.text("; it has no more queues")
      default: failure
      }
    }
  }

  private func request(_ number: UInt, _ name: Text, _ flags: Int32) -> Int32 {
    var request = unsafe ifreq()
    unsafe _ = name.withCString { string in unsafe tap_request(&request, string, Int16(truncatingIfNeeded: flags)) }
    return unsafe sys_ioctl(file.number, number, &request)
  }

  mutating func close() { file.close() }

  // MARK: The interface

  /// Its own address, which is that of the kernel's end.
  func setAddress(_ address: UInt64) throws(Failure) {
    var request = unsafe ifreq()
    var address = address
    unsafe tap_request(&request, "", 0)
    unsafe request.ifr_ifru.ifru_hwaddr.sa_family = 1
    unsafe memcpy(&request.ifr_ifru.ifru_hwaddr.sa_data, &address, 6)
    _ = try check(unsafe sys_ioctl(file.number, SYS_SIOCSIFHWADDR, &request)) {
      Failure($0, "mac: the tap takes no such address: ").reason($0)
    }
  }

  /// What the kernel may leave undone in the frames that it gives us; false if it knows no such thing.
  func setOffloads(_ offloads: UInt) -> Bool { sys_ioctl_value(file.number, SYS_TUNSETOFFLOAD, offloads) >= 0 }

  /// Whether the kernel sees somebody at our end.
  func setCarrier(_ on: Bool) {
    var value: Int32 = on ? 1 : 0
    unsafe _ = sys_ioctl(file.number, SYS_TUNSETCARRIER, &value)
  }

  /// Gives the queue its share of the frames, or none.
  mutating func attach(_ on: Bool) throws(Failure) {
    if isAttached == on { return }
    _ = try check(request(SYS_TUNSETQUEUE, Text(""), on ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE)) {
      Failure($0, "a queue of the tap cannot be switched: ").reason($0)
    }
    isAttached = on
  }

  /// Somebody has deleted the interface. Of an attached queue, as is all below.
  var isGone: Bool { poll() & POLLERR != 0 }

  /// The interface is "up" in whatever namespace it is: only then it takes frames.
  var isUp: Bool { poll() & POLLOUT != 0 }

  private func poll() -> Int32 {
    var request = pollfd(fd: file.number, events: Int16(POLLOUT), revents: 0)
    unsafe _ = sys_poll(&request, 1, 0)
    return Int32(request.revents)
  }
}
