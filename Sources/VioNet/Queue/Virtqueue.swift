// SPDX-License-Identifier: BSD-2-Clause
//
// What receive and transmit queues have in common: the ring and the position in it, which packet is in which slot,
// notifications in both directions, counters, and the burst entry, by which a thread comes in and a stop keeps it out.
//
// All of it is plain data in private memory. The device sees the ring and nothing else.

import CLinux
import CVionet
import Linux

/// Why a queue is broken.
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
  /// A device that does not stop the queue, or does not start it again.
  case notReset

  var text: StaticString {
    switch self {
    case .none: "nothing"
    case .indexJump: "the used index moved by more than was outstanding"
    case .badID: "a used id lies beyond the ring"
    case .notOutstanding: "a used id names a descriptor that the device did not have"
    case .badCount: "num_buffers is zero, or more than the ring or a packet can have"
    case .notReset: "the device did not stop the queue or did not start it again"
    }
  }
}

// Safety: `unsafe` marks the C function pointers. Each is a burst of this library, made for the type of queue that
// begins with this value.
@safe
struct Virtqueue {
  typealias Burst =
    @convention(c) (
      UnsafeMutableRawPointer, UnsafeMutablePointer<UnsafeMutablePointer<vionet_packet>?>, UInt16
    ) -> UInt16

  // The burst entry, which stays when the control block gets its next queue.
  /// The burst function for what was negotiated, or one that does nothing.
  var burst: Burst
  /// 1 while a thread is inside a burst.
  var inside: UInt32 = 0
  /// Behind faultIsUnreported.
  private var unreported: UInt8 = 0
  /// Bytes of the burst entry.
  static let entryBytes = 13

  // Read by every burst.
  var fault: RingFault = .none
  var port: UInt16
  /// One notification is wanted from the device.
  var armed: Bool = false
  /// A transmit burst has something to see to besides packets (TransmitQueue.attend), or the queue is broken.
  var needsCare: Bool = false
  var ring: RingState
  /// The packet in each slot, by descriptor id; 0 where the device has none. A transmit queue adds tags (SlotTag).
  var slots: PacketTable

  // Seldom read.
  /// 2n for receive queue n, 2n + 1 for transmit queue n (virtio 1.4, 5.1.2).
  var index: UInt16
  /// 1 while a burst that checks for other threads is at work; it has told of one.
  var isOccupied: UInt8 = 0
  var hasToldOfThreads: UInt8 = 0
  /// Eventfd that the device waits for.
  var kick: Int32
  /// Eventfd that the device signals.
  var call: Int32
  /// The port's eventfd that a fault signals; -1 for none. The port closes it only when no burst can run.
  var faultEvent: Int32 = -1
  /// How the device is notified; by `kick` until the bus says otherwise.
  var notifier: Notifier
  var counters: QueueCounters
  /// The burst around which frames are counted, with size_stats=1, or threads checked, with check_threads=1.
  var countedBurst: Burst
  /// The burst, counted or not, around which a watcher is called while the port has one.
  var watchedBurst: Burst
  /// Address of that watcher. A thread that is late finds its own port's here, whatever port has the number by then.
  var watcher: UInt = 0
}

// Safety: idleBurst uses none of its arguments.
extension Virtqueue {
  /// A burst that moves nothing. A queue's control block keeps it when the port is gone.
  static let idleBurst: Burst = { _, _, _ in 0 }

  /// Makes a queue with a fresh ring, all ids idle.
  init(
    port: UInt16, index: UInt16, ring base: Shared, layout: RingLayout, shape: RingShape
  ) throws(Failure) {
    let size = layout.size
    guard let slots = PacketTable(count: size) else { throw Virtqueue.noMemory(size) }
    guard let ids = IDQueue.make(size: size) else {
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
    unsafe countedBurst = Virtqueue.idleBurst
    unsafe watchedBurst = Virtqueue.idleBurst
    self.port = port
    self.index = index
    self.slots = slots
    ring = RingState(base: base, layout: layout, shape: shape, ids: ids)
    counters = QueueCounters()
    ring.refuseNotifications()
  }

  private static func noMemory(_ size: Int) -> Failure {
    Failure(ENOMEM, "no memory for a ring of ").number(size).text(" descriptors")
  }

  private static func events() throws(Failure) -> (Int32, Int32) {
    var kick = try File.event()
    var call = try File.event()
    return (kick.take(), call.take())
  }

  /// Frees what init made. The packets in the slots were taken out before.
  mutating func destroy() {
    slots.destroy()
    ring.idle.destroy()
    _ = sys_close(kick)
    _ = sys_close(call)
  }

  /// What the bus needs to know of the ring.
  var setUp: RingSetUp {
    RingSetUp(
      index: index, size: ring.size, isPacked: ring.shape.isPacked, descriptors: ring.descriptors.address,
      available: ring.available.address, used: ring.used.address, kick: kick, call: call)
  }
}

// MARK: Notifications

extension Virtqueue {
  /// Notifies the device that buffers are available.
  @inline(never)
  mutating func notifyDevice() {
    counters.kicks &+= 1
    notifier.signal(ring.position)
  }

  /// Asks for one notification when something is used that a burst can take; true if something already is.
  mutating func arm() -> Bool {
    armed = true
    let part = ring.waitingForMore
    // A program that is told of a part of a frame finds nothing, arms again, and never sleeps.
    let waiting = part == 0 ? ring.requestNotification() : ring.requestNotification(ahead: part, beyond: part)
    if waiting { disarm() }
    return waiting
  }

  /// Asks for one notification when about that many more descriptors are idle, without EVENT_IDX for one with each used
  /// entry; true if an entry is used already.
  mutating func arm(freeing descriptors: UInt16) -> Bool {
    armed = true
    needsCare = true
    return ring.requestNotification(ahead: ring.entry(freeing: descriptors))
  }

  /// Asks for no more notifications.
  @inline(never)
  mutating func disarm() {
    armed = false
    ring.refuseNotifications()
  }

  /// Counts a notification. Several that come before anybody looks count as one.
  mutating func countInterrupt() {
    counters.interrupts &+= 1
    counters.wakeUps &+= 1
  }
}

// MARK: Burst entry

// Safety: as for the struct; what other threads read is the queue's own, and is read and written atomically.
extension Virtqueue {
  /// Lets bursts in, unless the queue is broken.
  mutating func enable(_ burst: @escaping Burst) { if fault == .none { unsafe entry = burst } }

  /// The burst function as other threads read and write it: what was stored before it is seen by who loads it.
  @inline(__always)
  var entry: Burst {
    mutating get { unsafe unsafeBitCast(shared_load64_acquire(&burst), to: Burst.self) }
    set { unsafe shared_store64_release(&burst, unsafeBitCast(newValue, to: UInt64.self)) }
  }

  /// True until VIONET_EVENT_BROKEN was raised, after the burst that found the fault. A thread with a stale port number reads
  /// it while the block gets its next queue.
  @inline(__always)
  var faultIsUnreported: Bool {
    mutating get { unsafe shared_load8(&unreported) != 0 }
    set { unsafe shared_store8(&unreported, newValue ? 1 : 0) }
  }

  /// Waits until no thread is inside a burst; false if one still is at the deadline.
  @inline(never)
  mutating func waitUntilLeft(by deadline: Deadline) -> Bool {
    // What the burst did is seen after it has left.
    while unsafe shared_load32_acquire(&inside) != 0 {
      if deadline.hasPassed { return false }
      sys_sleep_microseconds(20)
    }
    return true
  }

  /// Ends the queue because the device broke the rules. It moves nothing from now on, and its buffers stay where they
  /// are until the device was stopped.
  @inline(never)
  mutating func markBroken(_ fault: RingFault) {
    self.fault = fault
    needsCare = true
    faultIsUnreported = true
    unsafe entry = Virtqueue.idleBurst
    if faultEvent >= 0 { _ = sys_eventfd_signal(faultEvent) }
    if Log.wanted(.error) {
      Log.line("port").number(port).text("queue").number(index).text("is broken:").text(fault.text)
        .text("- the device breaks the rules, or two threads were on the queue at once, which check_threads=1")
        .text("finds, or something has written over the rings").send(.error)
    }
  }
}
