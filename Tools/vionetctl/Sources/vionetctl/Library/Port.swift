// SPDX-License-Identifier: BSD-2-Clause
//
// A port that is open while it is being looked at, and what vionet_info() tells of it.

import CVionet

struct Port {
  private let number: UInt16

  /// Opens a port for `body`. Returns nil if the address says that the device is left to another driver.
  static func probe<Result>(_ address: String, _ body: (Port) throws -> Result) throws -> Result? {
    var number: UInt16 = 0
    let result = unsafe vionet_probe(address, &number)
    if try Library.check(result) == VIONET_SKIPPED { return nil }
    defer { vionet_close(number) }
    return try body(Port(number: number))
  }

  /// Resets the device and negotiates its features.
  func initialise() throws { try Library.check(vionet_init(number, nil)) }

  func information() throws -> PortInformation { try Port.information(number) }

  static func information(_ number: UInt16) throws -> PortInformation {
    var info = vionet_info()
    info.size = MemoryLayout<vionet_info>.size
    try Library.check(unsafe vionet_info(number, &info))
    return PortInformation(info)
  }
}

struct Feature {
  let bit: Int
  let name: String?
  let isNegotiated: Bool
}

struct PortInformation {
  enum Ring: String { case split, packed }

  let device: String
  /// Nil before the device is initialised.
  let mac: String?
  let macIsRandom: Bool
  let mtu: Int
  let linkIsUp: Bool
  let queuePairs: Int
  let maximumQueuePairs: Int
  let ring: Ring?
  let receiveDescriptors: Int
  let transmitDescriptors: Int
  let headerSize: Int
  let features: [Feature]

  init(_ info: vionet_info) {
    device = Library.text(info.device)
    mac = PortInformation.text(mac: unsafe withUnsafeBytes(of: info.mac) { bytes in unsafe Array(bytes) })
    macIsRandom = info.mac_random != 0
    mtu = Int(info.mtu)
    linkIsUp = info.link_up != 0
    queuePairs = Int(info.queue_pairs)
    maximumQueuePairs = Int(info.max_queue_pairs)
    ring =
      info.ring == VIONET_RING_PACKED.rawValue ? .packed : info.ring == VIONET_RING_SPLIT.rawValue ? .split : nil
    receiveDescriptors = Int(info.rx_descriptors)
    transmitDescriptors = Int(info.tx_descriptors)
    headerSize = Int(info.header_size)
    features = PortInformation.features(offered: info.offered, negotiated: info.negotiated)
  }

  private static func text(mac: [UInt8]) -> String? {
    if mac.allSatisfy({ $0 == 0 }) { return nil }
    return mac.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: ":")
  }

  static func features(offered: (UInt64, UInt64), negotiated: (UInt64, UInt64)) -> [Feature] {
    func has(_ words: (UInt64, UInt64), _ bit: Int) -> Bool {
      (bit < 64 ? words.0 >> bit : words.1 >> (bit - 64)) & 1 != 0
    }
    return (0..<128).filter { has(offered, $0) || has(negotiated, $0) }.map { bit in
      let name = unsafe vionet_feature_name(UInt32(bit)).map { unsafe String(cString: $0) }
      return Feature(bit: bit, name: name, isNegotiated: has(negotiated, bit))
    }
  }
}
