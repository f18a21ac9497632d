// SPDX-License-Identifier: BSD-2-Clause
//
// The state of a soft device, which belongs to its own thread as soon as that runs. Other threads use only the counters
// and the stop eventfd.

import CLinux
import Linux
import Virtio

package struct Device: ~Copyable {
  /// Bytes of a frame beyond the MTU: an Ethernet header and one VLAN tag.
  static let linkHeader = 18

  let wire: Wire
  let config: NetConfig
  /// The features this device offers.
  let offered: UInt64
  /// Those of bits 64 to 127.
  let offeredAbove: UInt64
  let counters: Counters
  /// Why the wire carries no frames, and why the last session that ended for a fault did.
  let reason: Reason
  let complaint: Reason
  let poller: Poller
  let stop: File
  /// Where front-ends connect; nil in a device that has one from the beginning.
  private let listening: ListeningSocket?
  /// The listening socket's number; -1 if there is none.
  let listener: Int32
  /// The front-end's socket that the device connects to; empty unless it is a client.
  let frontEndPath: Path
  /// Its one front-end is in this process and was there from the beginning.
  var isHosted: Bool { listener < 0 && frontEndPath.isEmpty }

  private let block: Block
  let queues: Table<Queue>
  /// Chains of a receive queue, and of a transmit queue, while they are worked on.
  let incoming: Batch
  let outgoing: Batch
  /// A few bytes for headers that do not lie in one piece.
  let scratch: Bytes

  var memory: MemoryMap
  var translation: Translation
  var message: Message
  var session = Session()
  var terms = Terms()
  var filter: Filter
  var steering: Steering
  var socket: File?
  /// The buffer for a successor, mapped.
  var inflight: Bytes?
  /// Where the device's own messages go; -1 if nowhere.
  var backend: Int32 = -1
  /// The number of `socket`; -1 while no front-end is connected.
  var socketNumber: Int32 = -1
  /// Before the next connection, if the device connects by itself.
  var pause = ConnectionPause()
  /// Pairs whose receive queue works.
  var receivers: Receivers
  /// Pairs up to the last one of which some queue runs.
  var pairsInUse = 0
  /// The control queue runs.
  var hasControl = false
  var isStopping = false
  var linkIsUp = true
  var wireState = WireState.up
  /// No front-end is accepted before that time, because descriptors had run out; 0: none is kept waiting.
  var acceptsAgainAt: UInt64 = 0
  /// That was logged, and no front-end was accepted since.
  var isShortageLogged = false
  /// The queue on which the driver broke the rules; -1 if none.
  var fault = -1
  /// A frame waits for more buffers, and the driver was not asked to kick for those yet.
  var isShort = false
  /// Interrupts of some queue may wait: each pass looks whether they have waited long enough.
  var coalesces = false
  var thread = pthread_t()

  init(_ options: WireOptions, listening: consuming ListeningSocket?, frontEndPath: Path) throws(Failure) {
    let poller = try Poller()
    let stop = try File.event()
    let layout = Layout(pairs: options.device.pairs)
    let block = try Block(layout.size)
    let counters = Counters(block.part(at: Layout.counters, count: Counters.size))
    let reason = Reason(block.cell(Reason.State.self, at: Layout.reason))
    var config = try NetConfig(options.device, longest: options.length)
    wire = try Wire(options, WireReport(counters: counters, reason: reason))
    self.counters = counters
    self.reason = reason
    complaint = Reason(block.cell(Reason.State.self, at: Layout.complaint))
    offered = options.device.offer(of: wire)
    config.offer(offered)
    self.config = config
    offeredAbove = options.device.offerAbove(of: wire, with: offered)
    scratch = block.part(at: Layout.scratch, count: 64)
    queues = block.table(Queue.self, at: Layout.queues, count: 2 * options.device.pairs + 1)
    for index in 0..<queues.count { queues[index] = Queue(Queue.direction(index)) }
    let isServed = listening.number >= 0 || !frontEndPath.isEmpty
    let room = block.part(at: layout.memoryGuard, count: MemoryGuard.bytes)
    memory = MemoryMap(
      block.table(Region.self, at: layout.regions, count: MemoryMap.limit),
      isServed ? MemoryGuard(room, wantsSeals: options.device.wantsSeals) : nil, counters)
    translation = Translation(memory)
    message = Message(
      block.part(at: Layout.message, count: Layout.messageSize),
      block.table(Int32.self, at: Layout.files, count: VhostMessage.mostFiles))
    receivers = Receivers(block.table(UInt8.self, at: Layout.receivers, count: DeviceOptions.mostPairs))
    filter = Filter(block.part(at: layout.filter, count: Filter.room))
    steering = Steering(block, at: layout.steering)
    incoming = layout.batch(block, at: layout.incoming)
    outgoing = layout.batch(block, at: layout.outgoing)
    self.poller = poller
    self.stop = stop
    self.block = block
    listener = listening.number
    self.frontEndPath = frontEndPath
    self.listening = listening
  }

  package var statistics: DeviceStatistics { counters.statistics }
}

/// The pairs whose receive queue works, in order.
struct Receivers {
  private let table: Table<UInt8>
  private(set) var count = 0

  init(_ table: Table<UInt8>) { self.table = table }

  subscript(place: Int) -> UInt8 { table[place] }

  mutating func clear() { count = 0 }

  mutating func add(_ pair: Int) {
    table[count] = UInt8(truncatingIfNeeded: pair)
    count += 1
  }
}

/// Where a device's tables lie in its block.
private struct Layout {
  static let counters = 0
  static let scratch = 128
  static let files = 192
  static let receivers = 256
  static let message = 384
  static let messageSize = 576
  static let reason = 960
  static let complaint = 1408
  static let queues = 1856
  static let batchSize = Batch.room * 32 + Batch.segmentRoom * 16

  let regions: Int
  let memoryGuard: Int
  let filter: Int
  let steering: Int
  let incoming: Int
  let outgoing: Int
  let size: Int

  init(pairs: Int) {
    regions = Self.queues + ((2 * pairs + 1) * MemoryLayout<Queue>.stride + 63) & ~63
    memoryGuard = regions + (MemoryMap.limit * MemoryLayout<Region>.stride + 63) & ~63
    filter = memoryGuard + (MemoryGuard.bytes + 63) & ~63
    steering = filter + (Filter.room + 63) & ~63
    incoming = steering + Steering.room
    outgoing = incoming + Self.batchSize
    size = outgoing + Self.batchSize
  }

  func batch(_ block: borrowing Block, at: Int) -> Batch {
    let segments = block.table(Bytes.self, at: at + Batch.room * 32, count: Batch.segmentRoom)
    segments[0] = block.part(at: 0, count: 0)
    return Batch(block.table(Chain.self, at: at, count: Batch.room), segments)
  }
}
