// SPDX-License-Identifier: BSD-2-Clause
//
// A soft device: all its state, which belongs to its own thread from the moment that runs. Only the counters and the
// stop eventfd are touched from outside.

import CLinux
import Linux

package struct Device: ~Copyable {
  /// What a frame may have besides the MTU: an Ethernet header and one VLAN tag.
  static let linkHeader = 18

  let wire: Wire
  let config: NetConfig
  let counters: Counters
  let poller: Poller
  let stop: File
  /// Where front-ends connect; nil in a device that has one from the beginning.
  private let listening: ListeningSocket?
  /// Its number; -1 if there is none.
  let listener: Int32

  private let block: Block
  let queues: Table<Queue>
  let segments: Table<Bytes>
  let moreSegments: Table<Bytes>
  /// A virtio-net header for a frame that needs nothing done.
  let blank: Bytes

  var memory: MemoryMap
  var message: Message
  var session = Session()
  var socket: File?
  /// Its number; -1 while no front-end is connected.
  var socketNumber: Int32 = -1
  var isReceiving = false
  var isStopping = false
  /// The queue on which the driver broke the rules; -1 if none.
  var fault = -1
  var thread = pthread_t()

  init(_ options: WireOptions, listening: consuming ListeningSocket?) throws(Failure) {
    let poller = try Poller()
    let stop = try File.event()
    let block = try Block(Layout.size)
    wire = try Wire(options)
    config = NetConfig(mtu: UInt16(max(1500, options.length - 14)))
    counters = Counters(block.part(at: Layout.counters, count: Counters.size))
    blank = block.part(at: Layout.blank, count: 12)
    blank.store(10, UInt16(1).littleEndian)
    queues = block.table(Queue.self, at: Layout.queues, count: 2)
    queues[Queue.receive] = Queue(deviceWrites: true)
    queues[Queue.transmit] = Queue(deviceWrites: false)
    memory = MemoryMap(block.table(Region.self, at: Layout.regions, count: MemoryMap.limit))
    message = Message(
      block.part(at: Layout.message, count: Layout.messageSize),
      block.table(Int32.self, at: Layout.files, count: Message.largestFiles))
    segments = block.table(Bytes.self, at: Layout.segments, count: Chain.limit)
    moreSegments = block.table(Bytes.self, at: Layout.moreSegments, count: Chain.limit)
    segments[0] = blank.first(0)
    moreSegments[0] = blank.first(0)
    self.poller = poller
    self.stop = stop
    self.block = block
    listener = listening.number
    self.listening = listening
  }

  package var statistics: DeviceStatistics { counters.statistics }
}

/// Where a device's tables lie in its block.
private enum Layout {
  static let counters = 0
  static let blank = 64
  static let files = 128
  static let queues = 192
  static let regions = queues + 512
  static let message = regions + 1024
  static let messageSize = 576
  static let segments = message + 640
  static let moreSegments = segments + Chain.limit * 16
  static let size = moreSegments + Chain.limit * 16
}
