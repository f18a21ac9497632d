// SPDX-License-Identifier: BSD-2-Clause
//
// What may stand after "soft:".

import CLinux
import Linux
import Virtio
import Testing

@testable import SoftDevice

extension SoftDeviceTests {
  @Suite struct OptionsTests {
    @Test(arguments: [
      "loopback", "sink", "generate", "generate,length=64,rate=0,flows=1", "generate,length=9000,rate=1000,flows=65536",
      "sink,queues=128,mtu=9000,mac=02:00:00:00:00:0A,packed_vq=0,in_order=1,mrg_rxbuf=0",
      "sink,features_off=0xffffffffffffffff,features_off=1", "sink,speed=1", "sink,speed=2147483647",
      "tap=v0", "pcap=", "pcap=a.pcap,out=b.pcap", "pcap,out=b", "pipe=x",
      "pcap=a,follow=1,out=b,format=pcapng,snaplen=64", "pcap=,out=b,format=pcap-ns,snaplen=262144,follow=0",
    ])
    func good(_ wire: String) throws {
      _ = try WireOptions(parsing: text(wire))
    }

    @Test(arguments: [
      ("", "unknown wire \"\""), ("loop", "unknown wire \"loop\""), ("loopback=1", "takes no value"),
      ("sink,length=64", "unknown key \"length\""), ("generate,length=63", "length=\"63\" is not a number from 64"),
      ("generate,length=9001", "9000"), ("generate,length=", "length="), ("generate,rate=x", "rate="),
      ("generate,flows=0", "flows="), ("generate,flows=65537", "65536"), ("generate,mac=1", "mac="),
      ("sink,mac=01:00:00:00:00:01", "unicast"),
      ("sink,mac=00:00:00:00:00:00", "unicast"), ("sink,mac=02:00:00:00:00:0g", "unicast"),
      ("sink,queues=0", "queues="), ("sink,queues=129", "128"), ("sink,mtu=67", "mtu="),
      ("sink,speed=0", "speed="), ("sink,speed=2147483648", "speed="), ("sink,packed_vq=2", "0 to 1"),
      ("sink,features_off=0xg", "hexadecimal"), ("sink,features_off=", "features_off="),
      ("generate,rate", "not key=value"), ("tap=", "interface name"), ("tap=a/b", "interface name"),
      ("tap=.", "interface name"), ("tap=..", "interface name"), ("tap=abcdefghijklmnop", "interface name"),
      ("tap=v%d", "interface name"), ("tap", "interface name"), ("pipe=", "needs a name"), ("pipe", "needs a name"),
      ("pcap=a,in=b", "unknown key \"in\""), ("pcap=a,format=erf", "pcapng"), ("pcap=a,snaplen=63", "snaplen="),
      ("pcap=a,follow=2", "0 to 1"), ("sink,follow=1", "unknown key \"follow\""),
    ])
    func bad(_ wire: String, _ part: String) {
      do {
        _ = try WireOptions(parsing: text(wire))
        Issue.record("accepted \(wire)")
      } catch {
        #expect(error.code == EINVAL)
        #expect(sentence().contains(part), "\(sentence())")
      }
    }

    @Test func keysOneByOne() throws {
      var options = try WireOptions(text("generate"))
      #expect(try options.set(text("length"), text("1500")))
      #expect(try !options.set(text("out"), text("x")))
      #expect(try options.set(text("mtu"), text("9000")))
      #expect(try options.set(text("packed_vq"), text("0")) && options.set(text("features_off"), text("0x21")))
      #expect(options.device.mtu == 9000 && options.device.without == Feature.packed | 0x21)
      #expect(try options.set(text("packed_vq"), text("1")) && options.device.without == 0x21)
      #expect(options.length == 1500)
    }

    /// What a device offers, and what it tells of itself, goes by its keys.
    @Test func keysOfTheDevice() throws {
      let gone: [(String, UInt64)] = [
        ("packed_vq=0", Feature.packed), ("in_order=0", Feature.inOrder), ("mrg_rxbuf=0", Feature.mergeable),
        ("features_off=0x20000", Feature.controlQueue | Feature.throughControl),
        ("features_off=1", Feature.hostOffloads), ("features_off=2", Feature.guestOffloads | Feature.controlOffloads),
        ("features_off=0x1880", Feature.hostTSO4 | Feature.hostTSO6 | Feature.guestTSO4 | Feature.hostECN),
      ]
      for (keys, lacking) in gone {
        let bench = try Bench("sink,queues=2," + keys, pairs: 2)
        let offered = try bench.front.ask(VhostRequest.getFeatures)
        #expect(offered == Feature.served & ~(lacking | Feature.speedDuplex), "\(keys)")
      }
      let bench = try Bench("sink,queues=5,mtu=4000,mac=02:0a:0b:0c:0d:0e", pairs: 5)
      #expect(try bench.front.config(0, 12) == [2, 10, 11, 12, 13, 14, 1, 0, 5, 0, 0xa0, 0x0f])
    }

    /// A speed is reported, and the feature for it offered, if the device was given one: full duplex then.
    @Test func speed() throws {
      let bench = try Bench("sink,speed=25000")
      #expect(try (bench.front.ask(VhostRequest.getFeatures) ?? 0) & Feature.speedDuplex != 0)
      #expect(try bench.front.config(12, 5) == [0xa8, 0x61, 0, 0, 1])
      let silent = try Bench("sink")
      #expect(try (silent.front.ask(VhostRequest.getFeatures) ?? 0) & Feature.speedDuplex == 0)
      #expect(try silent.front.config(12, 5) == [0, 0, 0, 0, 0])
    }

    @Test func longValues() {
      #expect(throws: Failure.self) { try WireOptions(text("pipe=" + String(repeating: "x", count: 256))) }
      #expect(throws: Never.self) { try WireOptions(text("pipe=" + String(repeating: "x", count: 255))) }
    }
  }
}
