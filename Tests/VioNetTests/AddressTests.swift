// SPDX-License-Identifier: BSD-2-Clause
//
// Device addresses, options, features: what is accepted, and what a refusal says.

import CLinux
import CVionet
import Linux
import Virtio
import Testing

@testable import VioNet

/// The sentence of this thread's last error.
private func sentence() -> String { unsafe String(cString: sentence_get(Int32(SENTENCE_ERROR))) }

private func parse(_ text: String) throws -> PortOptions {
  var options = PortOptions()
  try unsafe text.withCString { string in
    let address = try unsafe DeviceAddress(string)
    try address.eachKey(
      { (key, value) throws(Failure) in try options.set(key, value) }, foreign: { (_, _) throws(Failure) in false })
  }
  try options.checkSizes()
  return options
}

@Suite(.serialized) struct AddressTests {
  @Test func keysAreRead() throws {
    let options = try parse("vhost-user:/run/x.sock,queue_size=512,mac=02:00:00:aB:00:01,queues=1,mrg_rxbuf=0")
    #expect(options.receiveDescriptors == 512 && options.transmitDescriptors == 512)
    #expect(options.address?.bytes.3 == 0xab)
  }

  @Test(arguments: [
    ("", "no scheme"), ("anything", "no scheme"), ("tcp:host", "unknown scheme \"tcp\""), ("soft:", "names nothing"),
    ("vhost-user:/x,frobnicate=1", "\"frobnicate\""), ("vhost-user:/x,queue_size", "\"queue_size\" has no value"),
    ("vhost-user:/x,queue_size=100", "queue_size: descriptors must be a power of two"),
    ("vhost-user:/x,queue_size=65536", "queue_size"), ("vhost-user:/x,queue_size=1", "queue_size"),
    ("vhost-user:/x,queue_size=-4", "queue_size"), ("vhost-user:/x,queues=0", "queues must be 1 to 128"),
    ("vhost-user:/x,queues=129", "queues must be 1 to 128"), ("vhost-user:/x,mac=01:00:00:00:00:01", "mac"),
    ("vhost-user:/x,mac=02:00:00:00:00", "mac"), ("vhost-user:/x,in_order=2", "takes 0 or 1"),
    ("vhost-user:/x,speed=fast", "speed"), ("vhost-user:/x,speed=0", "speed"),
  ])
  func badAddressesAreNamed(text: String, says: String) {
    let error = #expect(throws: Failure.self) { try parse(text) }
    #expect(error?.code == EINVAL)
    #expect(sentence().contains(says), "\(text): \(sentence())")
  }

  @Test func anAddressHasALimit() {
    let error = #expect(throws: Failure.self) {
      try parse("vhost-user:/" + String(repeating: "x", count: Int(VIONET_DEVICE_LENGTH)))
    }
    #expect(error?.code == EINVAL)
  }

  @Test func everyWantedFeatureHasAName() {
    for bit in 0..<64 where Features.wanted >> UInt64(bit) & 1 != 0 { #expect(Feature.name(UInt32(bit)) != nil) }
    #expect(Features.required & ~Features.wanted == 0)
  }

  @Test func randomAddressesAreLocalAndDiffer() throws {
    let one = try MACAddress.random()
    let other = try MACAddress.random()
    #expect(one.bytes.0 & 3 == 2 && one.isUsable)
    #expect(one.bytes != other.bytes)
  }

  @Test func tablesFitTheirStaticStorage() {
    #expect(MemoryLayout<PortSlot>.stride == 64)
    #expect(PortSlots.bytes <= Int(STORAGE_PORTS_BYTES))
    #expect(PoolTable.bytes <= Int(STORAGE_POOLS_BYTES))
    #expect(MemoryLayout<EventCallbackTable>.size <= Int(STORAGE_EVENTS_BYTES))
    #expect(MemoryLayout<VFIOGroupTable>.size <= Int(STORAGE_GROUPS_BYTES))
  }

  @Test(arguments: [2, 8, 256, 32768]) func ringPartsAreAlignedAndApart(size: Int) {
    let layout = RingLayout(size: size)
    #expect(layout.available % 64 == 0 && layout.used % 64 == 60)
    #expect(layout.available >= size * 16)
    #expect(layout.used >= layout.available + 6 + size * 2)
    #expect(layout.bytes >= layout.used + 6 + size * 8)
    #expect(layout.bytes % 64 == 0)
  }

  @Test(arguments: [2, 256, 1024]) func aLegacyRingIsLaidOutAsItsDeviceComputesIt(size: Int) {
    // vring_init() of linux/virtio_ring.h with an alignment of 4096
    let layout = RingLayout(size: size, isLegacy: true)
    #expect(layout.available == size * 16)
    #expect(layout.used == (size * 18 + 6 + 4095) / 4096 * 4096)
    #expect(layout.bytes >= layout.used + 6 + size * 8)
  }
}
