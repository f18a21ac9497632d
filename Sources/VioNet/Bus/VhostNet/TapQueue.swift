// SPDX-License-Identifier: BSD-2-Clause
//
// One queue of a kernel TAP interface, whose frames carry a virtio-net header. It is the other end of the kernel's vhost,
// which reads and writes all frames. An interface that did not exist is made with its first queue and goes with the last;
// one that existed is left as it was.

import CLinux
import Linux
import Virtio

// Safety: ioctls get local values of the size that the request implies; strings end with a zero.
struct TapQueue: ~Copyable {
  private(set) var file: File
  private(set) var isAttached = true

  /// The bytes that IFNAMSIZ leaves for a name.
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

  /// True if another program serves the interface.
  static func hasCarrier(_ name: Text) -> Bool {
    unsafe (name.withCString { string in unsafe tap_has_carrier(string) } ?? 0) != 0
  }

  init() throws(Failure) {
    let opened = try check(TapFile.open()) {
      Failure($0, "cannot open /dev/net/tun: ").reason($0).text($0 == ENOENT || $0 == ENODEV ? "; modprobe tun" : "")
    }
    file = File(owning: opened)
  }

  /// Becomes a queue of the interface, which has several queues if `isMany`. `kept` becomes what the interface was set to,
  /// if that is not known.
  ///
  /// What waits for it has no limit beside our rings: that is how a queue begins, and a limit would be for all queues of
  /// the interface, other programs' too.
  @inline(never)
  func take(_ name: Text, isMany: Bool, _ kept: inout tap_settings?) throws(Failure) {
    try join(name, isMany)
    if kept == nil { kept = TapFile.settings(file.number) }
    // The header of virtio 1.0 has 12 bytes, with merged buffers and without (virtio 1.4, 5.1.9).
    try setHeader(NetHeaderLayout.bytes)
  }

  /// Sets the length of the virtio-net header, which vhost knows from the features.
  func setHeader(_ bytes: Int) throws(Failure) {
    _ = try check(TapFile.setHeaderBytes(file.number, bytes)) {
      Failure($0, "the tap takes no header of ").number(bytes).text(" bytes: ").reason($0)
    }
  }

  private func join(_ name: Text, _ isMany: Bool) throws(Failure) {
    var result = TapFile.attach(file.number, to: name, isMany: isMany)
    if result != -EINVAL { return try TapQueue.explain(name, result) }
    // The interface is of the other kind. One made for several queues can serve with one, but not the other way round.
    result = TapFile.attach(file.number, to: name, isMany: !isMany)
    if result < 0 { throw Failure(EINVAL, "interface ").quoting(name).text(" exists and is no tap") }
    if isMany {
      throw Failure(EINVAL, "tap ").quoting(name).text(" has one queue; as root: ip tuntap del ").plain(name)
        .text(" mode tap; ip tuntap add ").plain(name).text(" mode tap multi_queue")
    }
  }

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

  mutating func close() { file.close() }

  /// Sets the interface as it was before its first queue was made.
  func giveBack(_ kept: tap_settings) { TapFile.giveBack(file.number, kept) }

  // MARK: The interface

  /// Sets the MAC address of the interface, which is that of the kernel's end.
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

  /// Sets the offloads that the kernel may use in frames for us; false if it does not know one of them.
  func setOffloads(_ offloads: UInt) -> Bool { TapFile.setOffloads(file.number, offloads) >= 0 }

  /// Sets whether the interface has a carrier.
  func setCarrier(_ on: Bool) {
    var value: Int32 = on ? 1 : 0
    unsafe _ = sys_ioctl(file.number, SYS_TUNSETCARRIER, &value)
  }

  /// Switches the queue's share of the frames on or off.
  mutating func attach(_ on: Bool) throws(Failure) {
    if isAttached == on { return }
    _ = try check(TapFile.setAttached(file.number, on)) {
      Failure($0, "a queue of the tap cannot be switched: ").reason($0)
    }
    isAttached = on
  }

  /// True if the interface was deleted. Only an attached queue can tell.
  var isGone: Bool { TapFile.state(file.number) & POLLERR != 0 }

  /// True if the interface is "up" in its namespace and takes frames. Only an attached queue can tell.
  var isUp: Bool { TapFile.state(file.number) & POLLOUT != 0 }
}
