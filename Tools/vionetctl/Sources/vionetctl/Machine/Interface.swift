// SPDX-License-Identifier: BSD-2-Clause
//
// What a network interface of the kernel is in use for, so that a user does not cut off the machine by accident.

import Glibc

struct Interface {
  let name: String

  /// What depends on the interface, such as "address 10.0.0.2"; empty if it is down.
  var uses: [String] {
    guard isUp else { return [] }
    var uses = addresses.map { "address \($0)" }
    if let master = SysFS.link("/sys/class/net/\(name)/master") { uses.append("a place in \(master)") }
    if hasDefaultRoute { uses.append(Interface.defaultRoute) }
    return uses
  }

  static let defaultRoute = "the default route"

  private var isUp: Bool {
    let flags = SysFS.read("/sys/class/net/\(name)/flags")?.dropFirst(2).prefix { $0.isHexDigit } ?? ""
    return (UInt32(flags, radix: 16) ?? 0) & UInt32(IFF_UP) != 0
  }

  /// Addresses that were configured. A link-local address of IPv6 does not count, because the kernel makes it.
  private var addresses: [String] {
    var first: UnsafeMutablePointer<ifaddrs>?
    guard unsafe getifaddrs(&first) == 0 else { return [] }
    defer { unsafe freeifaddrs(first) }
    return unsafe sequence(first: first, next: { unsafe $0?.pointee.ifa_next }).compactMap { entry in
      guard let entry = unsafe entry?.pointee, let address = unsafe entry.ifa_addr,
        unsafe String(cString: entry.ifa_name) == name, let text = unsafe Interface.text(address),
        !text.hasPrefix("fe80:")
      else { return nil }
      return text
    }
  }

  private static func text(_ address: UnsafeMutablePointer<sockaddr>) -> String? {
    let length: Int
    switch Int32(unsafe address.pointee.sa_family) {
    case AF_INET: length = MemoryLayout<sockaddr_in>.size
    case AF_INET6: length = MemoryLayout<sockaddr_in6>.size
    default: return nil
    }
    var host = [CChar](repeating: 0, count: Int(NI_MAXHOST))
    let result = unsafe getnameinfo(
      address, socklen_t(length), &host, socklen_t(host.count), nil, 0, NI_NUMERICHOST)
    return result == 0 ? String(decoding: host.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self) : nil
  }

  private var hasDefaultRoute: Bool {
    // proc(5): interface, destination, gateway, flags, three counters, mask
    SysFS.rows("/proc/net/route").contains {
      $0.count > 7 && $0[0] == name && $0[1] == "00000000" && $0[7] == "00000000"
    }
      // destination, bits of it, six more, flags, interface
      || SysFS.rows("/proc/net/ipv6_route").contains {
        $0.count > 9 && $0[9] == name && $0[1] == "00" && $0[0].allSatisfy { $0 == "0" }
      }
  }
}
