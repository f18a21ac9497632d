// SPDX-License-Identifier: BSD-2-Clause
//
// The wire "tap", each test in a network namespace of its own.

import CLinux
import Linux
import Virtio
import Testing

@testable import SoftDevice

/// Runs `body`, and all programs it starts, in a fresh network namespace.
func inNetworkSpace(_ body: () throws -> Void) throws {
  let before = unsafe sys_open("/proc/thread-self/ns/net", O_RDONLY, 0)
  defer { _ = sys_close(before) }
  if unshare(CLONE_NEWNET) < 0 { throw TestError("cannot make a network namespace") }
  defer { _ = setns(before, CLONE_NEWNET) }
  try body()
}

/// Speaks UDP as a program on the host does, and ARP as one on the other side of a TAP.
struct Neighbour {
  static let mine: [UInt8] = [2, 0, 0, 0, 0, 0x99]
  static let kernels: [UInt8] = [2, 0, 0, 0, 0, 0x77]

  /// Brings the interface up at 198.18.7.1 and tells the kernel where 198.18.7.2 is.
  static func settle(_ name: String, mtu: Int = 1500) throws {
    try #require(run("ip link set \(name) up mtu \(mtu) address 02:00:00:00:00:77"))
    try #require(run("ip address add 198.18.7.1/24 dev \(name)"))
    try #require(run("ip neighbour replace 198.18.7.2 lladdr 02:00:00:00:00:99 dev \(name)"))
  }

  /// An IPv4 address and port as system calls take them.
  private static func withAddress(
    _ host: [UInt8], _ port: UInt16, _ body: (__CONST_SOCKADDR_ARG) -> Int
  ) -> Int {
    let bytes: [UInt8] = [2, 0, UInt8(port >> 8), UInt8(port & 0xff)] + host + [UInt8](repeating: 0, count: 8)
    return unsafe bytes.withUnsafeBytes { raw in
      unsafe body(__CONST_SOCKADDR_ARG(__sockaddr__: raw.baseAddress?.assumingMemoryBound(to: sockaddr.self)))
    }
  }

  /// A UDP socket at 198.18.7.1:port.
  static func socketAt(_ port: UInt16) -> Int32 {
    let number = socket(2, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
    let bound = withAddress([198, 18, 7, 1], port) { address in unsafe Int(bind(number, address, 16)) }
    #expect(bound == 0)
    return number
  }

  /// The next datagram; nil if none comes.
  static func receive(_ number: Int32) -> [UInt8]? {
    let deadline = Deadline(milliseconds: 3000)
    var bytes = [UInt8](repeating: 0, count: 65536)
    while !deadline.hasPassed {
      let got = unsafe recv(number, &bytes, bytes.count, 0)
      if got >= 0 { return Array(bytes[..<got]) }
      sys_sleep_microseconds(100)
    }
    return nil
  }

  static func send(_ number: Int32, _ bytes: [UInt8], port: UInt16) -> Int {
    withAddress([198, 18, 7, 2], port) { address in unsafe sendto(number, bytes, bytes.count, 0, address, 16) }
  }
}

/// A UDP datagram from 198.18.7.2 to 198.18.7.1, with a right header checksum.
struct Datagram {
  var bytes: [UInt8]

  init(to port: UInt16, length: Int, partial: Bool = false) {
    let total = UInt16(28 + length)
    var ip: [UInt8] = [0x45, 0, UInt8(total >> 8), UInt8(total & 0xff), 0, 0, 0x40, 0, 64, 17, 0, 0]
    ip += [198, 18, 7, 2, 198, 18, 7, 1]
    let check = ~Self.sum(ip)
    ip.replaceSubrange(10..<12, with: [UInt8(check >> 8), UInt8(check & 0xff)])
    let size = UInt16(8 + length)
    var udp: [UInt8] = [0, 99, UInt8(port >> 8), UInt8(port & 0xff), UInt8(size >> 8), UInt8(size & 0xff), 0, 0]
    udp += (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 11) }
    let pseudo = Array(ip[12..<20]) + [0, 17, UInt8(size >> 8), UInt8(size & 0xff)]
    let sum = partial ? Self.sum(pseudo) : ~Self.sum(pseudo + udp)
    udp.replaceSubrange(6..<8, with: [UInt8(sum >> 8), UInt8(sum & 0xff)])
    bytes = Neighbour.kernels + Neighbour.mine + [8, 0] + ip + udp
  }

  static func sum(_ bytes: [UInt8]) -> UInt16 {
    var total = 0
    for index in stride(from: 0, to: bytes.count, by: 2) {
      total += Int(bytes[index]) << 8 + (index + 1 < bytes.count ? Int(bytes[index + 1]) : 0)
    }
    while total > 0xffff { total = total & 0xffff + total >> 16 }
    return UInt16(total)
  }
}

extension SoftDeviceTests {
  @Suite(.enabled(if: getuid() == 0, "making an interface needs root"))
  struct TapTests {
    @Test
    func tapSpeaksWithTheKernel() throws {
      try inNetworkSpace {
        let bench = try Bench("tap=vt0")
        try Neighbour.settle("vt0")
        #expect(throws: TestError.self) { try Bench("tap=vt0") }
        #expect(sentence().contains("vt0") && sentence().contains("busy"), "\(sentence())")
        try bench.front.start()
        bench.front.fill(200)
        let request: [UInt8] =
          [0xff, 0xff, 0xff, 0xff, 0xff, 0xff] + Neighbour.mine + [8, 6, 0, 1, 8, 0, 6, 4, 0, 1] + Neighbour.mine
          + [198, 18, 7, 2] + [0, 0, 0, 0, 0, 0, 198, 18, 7, 1]
        bench.front.transmit(request)
        let answer = try #require(
          bench.front.receive(wanted: { $0.count >= 42 && Array($0[12..<22]) == [8, 6, 0, 1, 8, 0, 6, 4, 0, 2] }))
        #expect(Array(answer.frame[0..<12]) == Neighbour.mine + Neighbour.kernels)
        #expect(Array(answer.frame[28..<32]) == [198, 18, 7, 1])
        // With no buffers and frames waiting in the interface, the device sleeps all the same.
        while bench.front.takeUsed(0, wait: 20) != nil {}
      }
    }

    @Test
    func tapGoesWithItsDevice() throws {
      try inNetworkSpace {
        do {
          let bench = try Bench("tap=vt1")
          #expect(run("ip link show vt1"))
          run("ip link set vt1 up")
          try bench.front.start()
          bench.front.fill(10)
          // Taken away under our feet: the device stays quiet.
          run("ip link delete vt1")
          bench.front.transmit(frame(60))
          #expect(bench.until { $0.fromDriver == 1 })
          #expect(bench.until { $0.fromDriverDrops == 1 })
          try bench.front.untilAsleep()
        }
        #expect(!run("ip link show vt1"))
      }
    }

    @Test
    func pairsAreQueuesOfTheInterface() throws {
      try inNetworkSpace {
        let bench = try Bench("tap=vt2,queues=3", pairs: 3)
        let front = bench.front
        try Neighbour.settle("vt2")
        try front.negotiate()
        for queue in 0..<6 { try front.startRing(queue, enable: queue < 4) }
        for pair in 0..<3 { front.fill(200, queue: 2 * pair) }
        var counts = [0, 0, 0]
        for port in 0..<60 {
          let number = Neighbour.socketAt(UInt16(20000 + port))
          #expect(Neighbour.send(number, [UInt8](repeating: 7, count: 30), port: 9) == 30)
          _ = sys_close(number)
        }
        #expect(bench.until { $0.toDriver >= 60 })
        for pair in 0..<3 {
          while let got = front.receiveWhole(wait: 0, queue: 2 * pair) {
            if got.frame.count == 72 && got.frame[23] == 17 { counts[pair] += 1 }
          }
        }
        #expect(counts[0] > 5 && counts[1] > 5 && counts[0] + counts[1] == 60 && counts[2] == 0, "\(counts)")
        // What the driver sends on any pair comes in.
        let number = Neighbour.socketAt(999)
        defer { _ = sys_close(number) }
        front.transmit(Datagram(to: 999, length: 40).bytes, queue: 3)
        #expect(Neighbour.receive(number)?.count == 40)
      }
    }

    /// What the kernel sends, with the work left to the driver that it has agreed to do.
    @Test(arguments: [0, Feature.guestChecksum, Feature.guestOffloads])
    func theKernelLeavesWorkToTheDriver(_ features: UInt64) throws {
      try inNetworkSpace {
        let wish = OffloadTests.simple | features | Feature.mergeable
        let bench = try Bench("tap=vt3", wish: wish)
        let front = bench.front
        try Neighbour.settle("vt3")
        try front.start()
        front.fill(200)
        let number = Neighbour.socketAt(99)
        defer { _ = sys_close(number) }
        let isDatagram = { (frame: [UInt8]) in frame.count > 42 && frame[23] == 17 && frame[35] == 99 }
        #expect(Neighbour.send(number, [UInt8](repeating: 5, count: 300), port: 9) == 300)
        let one = try #require(front.receive(wanted: isDatagram))
        let expected = features == 0 ? header() : OffloadTests.partial
        #expect(Array(one.header[..<10]) == expected)
        let pseudo: [UInt8] = Array(one.frame[26..<34]) + [0, 17, 1, 52]
        #expect(features != 0 || Datagram.sum(pseudo + one.frame[34...]) == 0xffff)
        // UDP_SEGMENT: one call, several datagrams.
        var size: Int32 = 1000
        #expect(unsafe setsockopt(number, 17, 103, &size, 4) == 0)
        #expect(Neighbour.send(number, [UInt8](repeating: 6, count: 4500), port: 9) == 4500)
        let first = try #require(front.receive(wanted: isDatagram))
        if features == Feature.guestOffloads && bench.device.value.offered & Feature.guestUSO4 != 0 {
          #expect(first.header[1] == 5 && first.header[4..<6] == [0xe8, 3] && first.frame.count == 4542)
          #expect(first.buffers == 3)
        } else {
          #expect(first.header[1] == 0 && first.frame.count == 1042)
          for length in [1042, 1042, 1042, 542] {
            #expect(try #require(front.receive(wanted: isDatagram)).frame.count == length)
          }
        }
      }
    }

    /// Checksums that the driver leaves to the kernel.
    @Test
    func theDriverLeavesWorkToTheKernel() throws {
      try inNetworkSpace {
        let bench = try Bench("tap=vt4", wish: OffloadTests.simple | Feature.hostOffloads)
        let front = bench.front
        try Neighbour.settle("vt4")
        try front.start()
        let number = Neighbour.socketAt(99)
        defer { _ = sys_close(number) }
        // With a checksum of its own that is wrong the kernel takes no datagram.
        let sent = Datagram(to: 99, length: 700, partial: true).bytes
        front.transmit(sent)
        front.transmit(sent, asking: OffloadTests.partial)
        #expect(Neighbour.receive(number)?.count == 700)
        if bench.device.value.offered & Feature.hostUSO != 0 {
          let asking = header(flags: 1, kind: 5, length: 42, size: 500, start: 34, offset: 6)
          front.transmit(Datagram(to: 99, length: 1200, partial: true).bytes, asking: asking)
          for length in [500, 500, 200] { #expect(Neighbour.receive(number)?.count == length) }
        }
        // What the kernel does not understand is lost, and counted.
        front.transmit(sent, asking: header(flags: 1, start: 900, offset: 6))
        #expect(bench.until { $0.fromDriver >= 3 && $0.fromDriverDrops == 1 })
      }
    }
  }
}
