// SPDX-License-Identifier: BSD-2-Clause
//
// One queue is reset while the others run (virtio 1.4, 2.6.1): on PCI with VIRTIO_F_RING_RESET; a vhost-user back-end
// lets go of single rings in any case.

import CLinux
import Linux

extension Bus {
  var resetsQueues: Bool {
    if case .pci(let bus) = self { return bus.value.resetsQueues }
    return false
  }

  /// When this has returned the device has let go of the queue, which can be set up anew.
  @inline(never)
  func resetQueue(_ index: UInt16, isPacked: Bool) throws(Failure) {
    switch self {
    case .vhostUser(let bus):
      try bus.value.enable(index, false)
      try bus.value.stop(index)
      // A back-end may compare the next size with the position that the ring had.
      try bus.value.begin(UInt32(index), isPacked: isPacked)
    case .vhostNet(let bus): try bus.value.enable(index, false)
    case .vhostVDPA: break
    case .pci(let bus): try bus.value.resetQueue(index)
    }
  }
}
