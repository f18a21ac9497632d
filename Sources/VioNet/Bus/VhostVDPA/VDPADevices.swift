// SPDX-License-Identifier: BSD-2-Clause
//
// The vDPA devices of this machine that have a /dev/vhost-vdpa-N, in the order of N. Their kind is unknown: only an opened
// device says it, and opening would reset the device.

import CLinux
import CVionet
import Linux

// Safety: names are strings that end with a zero.
package struct VDPADevices {
  private static let prefix: StaticString = "vhost-vdpa-"
  private static let most = 64

  private var numbers = InlineArray<64, UInt32>(repeating: 0)
  package private(set) var count = 0

  package init() {
    let bus = Path("/sys/bus/vdpa/devices")
    _ = Folder.first(bus) { device in
      // The character device has a folder in the folder of its vDPA device.
      _ = Folder.first(bus.adding("/").adding(device)) { name in
        let (head, number) = VDPADevices.split(name)
        if head, let number = number.unsignedNumber { insert(UInt32(clamping: number)) }
        return head
      }
      return false
    }
  }

  private static func split(_ name: Text) -> (Bool, Text) {
    let length = Text(prefix).count
    return (name.slice(0, length).equals(prefix), name.slice(length, name.count))
  }

  private mutating func insert(_ number: UInt32) {
    if count == VDPADevices.most { return }
    var place = count
    while place > 0 && numbers[place - 1] > number {
      numbers[place] = numbers[place - 1]
      place -= 1
    }
    numbers[place] = number
    count += 1
  }

  package func describe(_ index: Int, _ device: inout vionet_device) {
    let path = Path("/dev/").adding(VDPADevices.prefix).adding(number: numbers[index])
    device.iommu_group = -1
    device.kind = VIONET_DEVICE_VDPA.rawValue
    PCIDevices.fill(&device.address, Path("vhost-vdpa:").adding(path))
    PCIDevices.fill(&device.driver, Path("vhost_vdpa"))
    let access = unsafe path.withCString { name in unsafe sys_may_use(name) }
    if access == 0 { device.ready = 1 } else { PCIDevices.fill(&device.reason, because: access, path) }
  }
}

// Safety: names and sentences are strings that end with a zero.
extension PCIDevices {
  /// Writes why a character device cannot be opened.
  fileprivate static func fill<Room>(_ room: inout Room, because code: Int32, _ path: Path) {
    var reason = Path("")
    Failure.keepingSentence {
      _ = unsafe path.withCString { name in
        VhostDevice.explain(unsafe Text(name, limit: 255) ?? Text(""), "vhost-vdpa", -code)
      }
      reason = Path("").adding(unsafe Text(sentence_get(Int32(SENTENCE_ERROR)), limit: 255) ?? Text(""))
    }
    fill(&room, reason)
  }
}
