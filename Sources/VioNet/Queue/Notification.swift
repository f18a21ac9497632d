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

  /// Asks for one notification at the next used entry. Returns true if that entry is there already, in which case none
  /// may come (virtio 1.4, 2.7.14).
  func requestNotification() -> Bool {
    if shape.isPacked {
      if shape.hasEventIndex {
        let lap: UInt16 = usedFlags == 0 ? 0 : RingFormat.wrapBit
        available.store16(RingFormat.eventOffset, lastUsed | lap)
        available.store16Release(RingFormat.eventFlagsOffset, EventFlag.atDescriptor)
      } else {
        available.store16(RingFormat.eventFlagsOffset, EventFlag.enable)
      }
    } else if shape.hasEventIndex {
      available.store16(usedEventOffset, lastUsed)
    } else {
      available.store16(RingFormat.flagsOffset, 0)
    }
    shared_fence()
    return hasUsed
  }

  /// True if the device has used a buffer that was not taken yet.
  var hasUsed: Bool {
    if batchLeft != 0 { return true }
    if !shape.isPacked { return used.load16(RingFormat.indexOffset) != lastUsed }
    if outstanding == 0 { return false }
    let flags = descriptors.load16(Int(lastUsed) * RingFormat.descriptorBytes + RingFormat.packedFlagsOffset)
    return flags & DescriptorFlag.availableAndUsed == usedFlags
  }
}
