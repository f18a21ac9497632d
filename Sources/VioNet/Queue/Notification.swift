// SPDX-License-Identifier: BSD-2-Clause
//
// The wish to be signalled by the device: none while a program polls, one when it is about to sleep. Where both sides
// name the entry at which they want it (EVENT_IDX), none means one that lies a whole lap of the counter away.

import CLinux
import Linux
import Virtio

extension RingState {
  /// What a notification tells with NOTIFICATION_DATA (2.9): where the next entry goes, of a packed ring with the wrap
  /// counter, which is 1 in the first lap, in bit 15.
  var position: UInt16 {
    shape.isPacked && availableMark == DescriptorFlag.available ? nextAvailable | 0x8000 : nextAvailable
  }

  /// Offset of used_event, behind the available entries (virtio 1.4, 2.7.6).
  private var usedEventOffset: Int { RingFormat.elementsOffset + Int(size) * 2 }

  /// No signals (2.7.7.1, 2.8.10).
  func refuseSignals() {
    if shape.isPacked {
      available.store16(RingFormat.eventFlagsOffset, EventFlag.disable)
    } else if shape.hasEventIndex {
      available.store16(usedEventOffset, lastUsed &- 1)
    } else {
      available.store16(RingFormat.flagsOffset, SplitFlag.noInterrupt)
    }
  }

  /// One signal at the next used entry. Returns true if that is there already (2.7.14's race).
  func wantSignal() -> Bool {
    if shape.isPacked {
      if shape.hasEventIndex {
        let lap: UInt16 = usedMark == 0 ? 0 : 0x8000
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

  /// Something is used that was not taken yet.
  var hasUsed: Bool {
    if batchLeft != 0 { return true }
    if !shape.isPacked { return used.load16(RingFormat.indexOffset) != lastUsed }
    if outstanding == 0 { return false }
    let flags = descriptors.load16(Int(lastUsed) * RingFormat.descriptorBytes + 14)
    return flags & DescriptorFlag.availableAndUsed == usedMark
  }
}
