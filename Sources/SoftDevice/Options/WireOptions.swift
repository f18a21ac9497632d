// SPDX-License-Identifier: BSD-2-Clause
//
// The address of a soft device behind "soft:": its wire, and the keys that belong to it. All is checked here, so that
// opening the wire fails only for reasons of the system.

import CLinux
import Linux

/// A wire and its keys.
package struct WireOptions {
  enum Kind { case loopback, generate, sink, tap, capture, pipe }

  static let shortestFrame = 64
  static let longestFrame = 9000
  static let highestRate: UInt64 = 1_000_000_000
  static let mostFlows = 65536

  let kind: Kind
  package var isTAP: Bool { kind == .tap }
  /// The interface, the capture to replay, or the pipe.
  let target: Path
  /// The capture to record, its format, and most bytes that are kept of a frame.
  private(set) var output = Path()
  private(set) var format = CaptureFormat.pcap
  private(set) var snapLength = CaptureFormat.longest
  /// The capture to replay may grow.
  private(set) var follows = false
  private(set) var length = shortestFrame
  /// Frames per second; 0: as many as the driver takes.
  private(set) var rate: UInt64 = 0
  private(set) var flows = 1
  private(set) var checksums = Template.Checksums.complete
  private(set) var device = DeviceOptions()

  /// The first element: "loopback", "generate", "sink", "tap=NAME", "pcap=IN" or "pipe=NAME".
  package init(_ wire: Text) throws(Failure) {
    let parts = wire.split(at: 0x3d)
    let head = parts?.head ?? wire
    kind = try Self.kind(head)
    switch kind {
    case .loopback, .generate, .sink:
      if let parts { throw Failure(EINVAL, "wire ").quoting(head).text(" takes no value, not ").quoting(parts.tail) }
      target = Path()
    case .tap:
      target = try Self.interface(parts?.tail ?? Text(""))
    case .capture:
      target = try Self.name(parts?.tail ?? Text(""), head)
    case .pipe:
      target = try Self.name(parts?.tail ?? Text(""), head)
      if target.isEmpty { throw Failure(EINVAL, "wire \"pipe\" needs a name: pipe=NAME") }
    }
  }

  private static func kind(_ head: Text) throws(Failure) -> Kind {
    if head.equals("loopback") { return .loopback }
    if head.equals("generate") { return .generate }
    if head.equals("sink") { return .sink }
    if head.equals("tap") { return .tap }
    if head.equals("pcap") { return .capture }
    if head.equals("pipe") { return .pipe }
    throw Failure(EINVAL, "unknown wire ").quoting(head)
      .text(" of a soft device: loopback, generate, sink, tap=NAME, pcap=IN or pipe=NAME")
  }

  private static func name(_ text: Text, _ key: Text) throws(Failure) -> Path {
    guard let name = Path(exactly: text) else {
      throw Failure(EINVAL, "value of ").quoting(key).text(" is longer than 255 bytes or has a zero inside")
    }
    return name
  }

  /// An interface name as the kernel takes it, and no pattern for it to fill in.
  private static func interface(_ text: Text) throws(Failure) -> Path {
    var good = text.count >= 1 && text.count <= 15 && !text.equals(".") && !text.equals("..")
    var index = 0
    while index < text.count {
      let byte = text[index]
      if byte <= 0x20 || byte >= 0x7f || byte == 0x2f || byte == 0x3a || byte == 0x25 { good = false }
      index += 1
    }
    guard good, let name = Path(exactly: text) else {
      throw Failure(EINVAL, "tap=").quoting(text.slice(0, 64))
        .text(": an interface name has 1 to 15 characters, no blank and none of \"/:%\"")
    }
    return name
  }
}

extension WireOptions {
  /// Sets one key; false if it is neither this wire's nor every device's.
  @inline(never)
  package mutating func set(_ key: Text, _ value: Text) throws(Failure) -> Bool {
    switch kind {
    case .generate:
      if key.equals("length") {
        length = Int(try DeviceOptions.number(key, value, UInt64(Self.shortestFrame), UInt64(Self.longestFrame)))
        return true
      }
      if key.equals("rate") {
        rate = try DeviceOptions.number(key, value, 0, Self.highestRate)
        return true
      }
      if key.equals("flows") {
        flows = Int(try DeviceOptions.number(key, value, 1, UInt64(Self.mostFlows)))
        return true
      }
      if key.equals("checksum") {
        checksums = try Self.checksums(value)
        return true
      }
    case .capture:
      if try setCapture(key, value) { return true }
    default: break
    }
    return try device.set(key, value)
  }

  private mutating func setCapture(_ key: Text, _ value: Text) throws(Failure) -> Bool {
    if key.equals("out") {
      output = try Self.name(value, key)
    } else if key.equals("format") {
      format = try Self.format(value)
    } else if key.equals("snaplen") {
      let limits = (UInt64(Self.shortestFrame), UInt64(CaptureFormat.longest))
      snapLength = Int(try DeviceOptions.number(key, value, limits.0, limits.1))
    } else if key.equals("follow") {
      follows = try DeviceOptions.number(key, value, 0, 1) == 1
    } else {
      return false
    }
    return true
  }

  private static func format(_ value: Text) throws(Failure) -> CaptureFormat {
    if value.equals("pcap") { return .pcap }
    if value.equals("pcap-ns") { return .pcapNanoseconds }
    if value.equals("pcapng") { return .pcapng }
    throw Failure(EINVAL, "format=").quoting(value).text(" is none of pcap, pcap-ns and pcapng")
  }

  private static func checksums(_ value: Text) throws(Failure) -> Template.Checksums {
    if value.equals("complete") { return .complete }
    if value.equals("partial") { return .partial }
    if value.equals("valid") { return .valid }
    throw Failure(EINVAL, "checksum=").quoting(value).text(" is none of complete, partial and valid")
  }

  /// A whole wire, "wire,key=value,...".
  package init(parsing text: Text) throws(Failure) {
    let parts = text.split(at: 0x2c)
    try self.init(parts?.head ?? text)
    var rest = parts?.tail
    while let options = rest {
      let pair = options.split(at: 0x2c)
      try add(pair?.head ?? options, text)
      rest = pair?.tail
    }
  }

  private mutating func add(_ option: Text, _ whole: Text) throws(Failure) {
    guard let (key, value) = option.split(at: 0x3d) else {
      throw Failure(EINVAL, "option ").quoting(option).text(" of ").quoting(whole).text(" is not key=value")
    }
    if try !set(key, value) {
      throw Failure(EINVAL, "unknown key ").quoting(key).text(" of wire ").quoting(whole)
    }
  }
}
