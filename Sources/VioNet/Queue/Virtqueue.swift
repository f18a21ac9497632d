// SPDX-License-Identifier: BSD-2-Clause
//
// What receive and transmit queues have in common: the ring and where we are in it, which packet sits in which slot,
// the signal to the device, the counters, and the door through which a burst comes in and a stop keeps it out.
//
// All of it is plain data in private memory. The device sees the ring and nothing else.

import CLinux
import CVionet
import Linux

/// Why a queue was given up.
enum RingFault: UInt8 {
  case none = 0
  /// used.idx moved by more than was outstanding.
  case indexJump
  /// A used id beyond the ring.
  case badID
  /// A used id of a descriptor that the device did not have.
  case notOutstanding
  /// A frame in no buffer, or in more than a packet has segments or the ring descriptors.
  case badCount
  /// The device does not let go of it, or does not take it again.
  case notReset

  var text: StaticString {
    switch self {
    case .none: "nothing"
    case .indexJump: "the used index moved by more than was outstanding"
    case .badID: "a used id lies beyond the ring"
    case .notOutstanding: "a used id names a descriptor that the device did not have"
    case .badCount: "num_buffers is zero, or more than the ring or a packet can have"
    case .notReset: "it was to be restarted, and the device did not go along"
    }
  }
}

struct QueueCounters {
  var packets: UInt64 = 0
  var bytes: UInt64 = 0
  var noBuffer: UInt64 = 0
  var ringFull: UInt64 = 0
  var kicks: UInt64 = 0
  var dropped = InlineArray<8, UInt64>(repeating: 0)
  /// Signals from the device, and arms that found any; taken note of by the next look.
  var interrupts: UInt64 = 0
  var wakeUps: UInt64 = 0
  /// With size_stats=1.
  var sizes = FrameSizes()

  /// Counts of a queue that was stopped with `count` packets in it.
  static func stopped(_ count: Int) -> QueueCounters {
    var counters = QueueCounters()
    counters.dropped[Int(VIONET_DROP_STOPPED.rawValue)] = UInt64(count)
    return counters
  }
}

@safe
struct Virtqueue {
  typealias Burst =
    @convention(c) (
      UnsafeMutableRawPointer, UnsafeMutablePointer<UnsafeMutablePointer<vionet_packet>?>, UInt16
    ) -> UInt16

  // The door: these two stay when the block gets its next queue.
  /// The specialised burst function for what was negotiated, or one that does nothing.
  var burst: Burst
  /// 1 while a thread is inside a burst.
  var inside: UInt32 = 0
  /// Bytes of both.
  static let doorBytes = 12

  // Touched by every burst.
  var port: UInt16
  var fault: RingFault = .none
  /// The fault is new: VIONET_EVENT_BROKEN is due when the burst is over.
  var faultIsUnreported: Bool = false
  /// Signals are wanted from the device, once.
  var armed: Bool = false
  var ring: RingState
  /// The packet in each slot, by descriptor id; nothing where the device has none. `inner` marks what is not the head
  /// of a chain, `chained` a slot whose successor is in `links`.
  var slots: PacketTable

  // Seldom touched.
  /// 2n for receive queue n, 2n + 1 for transmit queue n (virtio 1.4, 5.1.2).
  var index: UInt16
  var kick: Int32
  var call: Int32
  /// The port's eventfd that a fault signals; -1 for none. The port closes it, and only when no burst can run.
  var faultEvent: Int32 = -1
  /// How the device is told; by the kick descriptor until the bus says otherwise.
  var notifier: Notifier
  var counters: QueueCounters
  /// With size_stats=1 the burst around which frames are counted.
  var counted: Burst
}

extension Virtqueue {
  /// A queue that moves nothing; its control block lives on when the port is gone.
  static let idleBurst: Burst = { _, _, _ in 0 }

  /// Fresh ring, all ids idle.
  init(
    port: UInt16, index: UInt16, ring base: Shared, layout: RingLayout, shape: RingShape
  ) throws(Failure) {
    let size = layout.size
    guard let slots = PacketTable(count: size) else { throw Virtqueue.noMemory(size) }
    // A queue of ids is masked: its table is a power of two.
    let room = 1 << (Int.bitWidth - max(1, size - 1).leadingZeroBitCount)
    guard let ids = Table<UInt16>.make(count: room) else {
      slots.destroy()
      throw Virtqueue.noMemory(size)
    }
    do throws(Failure) {
      (kick, call) = try Virtqueue.events()
    } catch {
      slots.destroy()
      ids.destroy()
      throw error
    }
    notifier = .event(kick)
    unsafe self.burst = Virtqueue.idleBurst
    unsafe counted = Virtqueue.idleBurst
    self.port = port
    self.index = index
    self.slots = slots
    ring = RingState(base: base, layout: layout, shape: shape, ids: ids)
    counters = QueueCounters()
    // Until somebody arms the queue.
    ring.refuseSignals()
  }

  private static func noMemory(_ size: Int) -> Failure {
    Failure(ENOMEM, "no memory for a ring of ").number(size).text(" descriptors")
  }

  private static func events() throws(Failure) -> (Int32, Int32) {
    var kick = try Descriptor.event()
    do throws(Failure) {
      return (kick.number, try Descriptor.event().number)
    } catch {
      kick.close()
      throw error
    }
  }

  /// Ends what init began. The packets in the slots were taken out before.
  mutating func destroy() {
    slots.destroy()
    ring.idle.table.destroy()
    _ = sys_close(kick)
    _ = sys_close(call)
  }

  /// What the bus needs to know.
  var setUp: RingSetUp {
    RingSetUp(
      index: index, size: ring.size, isPacked: ring.shape.isPacked, descriptors: ring.descriptors.address,
      available: ring.available.address, used: ring.used.address, kick: kick, call: call)
  }

  /// Signals the device, which asked to be signalled.
  @inline(never)
  mutating func notifyDevice() {
    counters.kicks &+= 1
    notifier.signal(ring.position)
  }

  /// Asks for no more signals after one came.
  @inline(never)
  mutating func disarm() {
    armed = false
    ring.refuseSignals()
  }

  /// Takes note of a signal. Several that come before anybody looks are one.
  mutating func signalled() {
    counters.interrupts &+= 1
    counters.wakeUps &+= 1
  }

  /// Asks for one signal when something is used; true if something already is.
  mutating func arm() -> Bool {
    armed = true
    let waiting = ring.wantSignal()
    if waiting { disarm() }
    return waiting
  }
}

extension Virtqueue {
  /// Lets bursts in, unless the queue is broken.
  mutating func open(_ burst: @escaping Burst) { if fault == .none { unsafe self.burst = burst } }

  /// Waits until no thread is inside a burst; false if one still is at the deadline.
  @inline(never)
  mutating func isLeft(by deadline: Deadline) -> Bool {
    while unsafe shared_load32(&inside) != 0 {
      if deadline.hasPassed { return false }
      sys_sleep_microseconds(20)
    }
    return true
  }

  /// The device broke the rules: the queue moves nothing from now on, and its buffers stay where they are until the
  /// device has been stopped.
  @inline(never)
  mutating func giveUp(_ fault: RingFault) {
    self.fault = fault
    faultIsUnreported = true
    unsafe burst = Virtqueue.idleBurst
    if faultEvent >= 0 { _ = sys_eventfd_signal(faultEvent) }
    if Log.wanted(.error) {
      Log.line("port").number(port).text("queue").number(index).text("is broken:").text(fault.text).send(.error)
    }
  }
}
