// SPDX-License-Identifier: BSD-2-Clause
//
// The bus verbs about interrupts: what to watch, and how to take a signal. A vhost-user back-end signals each queue's call
// descriptor and nothing else, as other vhost devices do; a PCI function may have fewer interrupts than there are things to announce.

import CLinux
import Linux

extension Bus {
  var hasInterrupts: Bool {
    if case .pci(let bus) = self { return bus.value.hasInterrupts }
    return true
  }

  /// What the sleeper of a pair's receive queue has to watch beside the queue's own call descriptor, because it shares
  /// an interrupt with others; -1 for nothing. Before it sleeps again it has to take the signal: passInterrupts.
  func sharedInterrupt(pair: Int) -> Int32 {
    if case .pci(let bus) = self { return bus.value.sharedInterrupt(pair: pair) }
    return -1
  }

  func passInterrupts(pair: Int) { if case .pci(let bus) = self { bus.value.passInterrupts(pair: pair) } }

  /// Readable when the device's configuration may have changed (virtio 1.4, 3.2.1), its status included; -1 if such
  /// changes are not announced. To be watched only: takeChange() takes the signal. It lives from connect() to quiesce(),
  /// or as long as the connection.
  @inline(never)
  var changeDescriptor: Int32 {
    switch self {
    case .vhostUser(let bus): bus.value.socket.channel.descriptor
    case .vhostNet(let bus): bus.value.news.number
    case .vhostVDPA(let bus): bus.value.changes.number
    case .pci(let bus): bus.value.changeDescriptor
    }
  }

  /// True if the configuration may have changed since the last time.
  @inline(never)
  func takeChange() -> Bool {
    switch self {
    case .vhostUser(let bus): bus.value.takeChange()
    case .vhostNet(let bus): bus.value.takeNews()
    case .vhostVDPA(let bus): bus.value.takeChange()
    case .pci(let bus): bus.value.takeChange()
    }
  }
}
