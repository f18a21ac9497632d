// SPDX-License-Identifier: BSD-2-Clause
//
// Whether the device is to notify us: not while a program polls, once when it is about to sleep. With EVENT_IDX each
// side names the entry at which it wants a notification; a driver that wants none names one that is a whole lap of the
// counter away.

import CLinux
import Linux
import Virtio

extension RingState {
  /// What a notification carries with NOTIFICATION_DATA (virtio 1.4, 2.9): where the next entry goes. A packed ring
  /// has the wrap counter, which is 1 in the first lap, in bit 15.
  var position: UInt16 {
    shape.isPacked && availableFlags == DescriptorFlag.available ? nextAvailable | RingFormat.wrapBit : nextAvailable
  }

  /// Offset of used_event, behind the available entries (virtio 1.4, 2.7.6).
  private var usedEventOffset: Int { RingFormat.elementsOffset + Int(size) * 2 }

  /// Asks the device for no notifications (virtio 1.4, 2.7.7.1 and 2.8.10).
  func refuseNotifications() {
    if shape.isPacked {
      available.store16(RingFormat.eventFlagsOffset, EventFlag.disable)
    } else if shape.hasEventIndex {
      available.store16(usedEventOffset, lastUsed &- 1)
    } else {
      available.store16(RingFormat.flagsOffset, SplitFlag.noInterrupt)
    }
  }

  /// Asks for one notification at a used entry: the next one, or the one `ahead` places behind it, which is less than the
  /// ring has. Without EVENT_IDX any used entry notifies. Returns true if more than `known` used entries are there already,
  /// in which case none may come (virtio 1.4, 2.7.14).
  func requestNotification(ahead: UInt16 = 0, beyond known: UInt16 = 0) -> Bool {
    if shape.isPacked {
      if shape.hasEventIndex {
        available.store16(RingFormat.eventOffset, packedEvent(ahead))
        available.store16Release(RingFormat.eventFlagsOffset, EventFlag.atDescriptor)
      } else {
        available.store16(RingFormat.eventFlagsOffset, EventFlag.enable)
      }
    } else if shape.hasEventIndex {
      available.store16(usedEventOffset, lastUsed &+ ahead)
    } else {
      available.store16(RingFormat.flagsOffset, 0)
    }
    shared_fence()
    return hasUsed(beyond: known)
  }

  /// A place behind the next used one, as an event structure names it (virtio 1.4, 2.8.10).
  private func packedEvent(_ ahead: UInt16) -> UInt16 {
    let lap: UInt16 = usedFlags == 0 ? 0 : RingFormat.wrapBit
    let (place, isNextLap) = packedPlace(ahead)
    return place | (isNextLap ? lap ^ RingFormat.wrapBit : lap)
  }

  /// The used entry, counted from the next one, with which about `descriptors` more are idle; no further than what the
  /// device has. A packed ring counts descriptors. A split one counts buffers, which are taken to be of equal length.
  func entry(freeing descriptors: UInt16) -> UInt16 {
    let last = max(min(descriptors, outstanding), 1) &- 1
    if shape.isPacked || outstanding == 0 { return last }
    let buffers = UInt32(nextAvailable &- lastUsed)
    let entries = (UInt32(last) &+ 1) &* buffers / UInt32(outstanding)
    return UInt16(truncatingIfNeeded: max(entries, 1) &- 1)
  }

  /// True if the device has used a buffer that was not taken yet.
  var hasUsed: Bool { hasUsed(beyond: 0) }

  /// True if the device has used more than that many buffers that were not taken yet.
  func hasUsed(beyond ahead: UInt16) -> Bool {
    if batchLeft != 0 { return true }
    if !shape.isPacked { return used.load16(RingFormat.indexOffset) &- lastUsed > ahead }
    if outstanding <= ahead { return false }
    let (place, isNextLap) = packedPlace(ahead)
    let flags = descriptors.load16(Int(place) * RingFormat.descriptorBytes + RingFormat.packedFlagsOffset)
    return flags & DescriptorFlag.availableAndUsed ^ usedFlags == (isNextLap ? DescriptorFlag.availableAndUsed : 0)
  }

  /// The place so far behind the next used one.
  private func packedPlace(_ ahead: UInt16) -> (place: UInt16, isNextLap: Bool) {
    // Below 65536, since neither is more than 32767.
    let place = lastUsed &+ ahead
    return place < size ? (place, false) : (place &- size, true)
  }
}
