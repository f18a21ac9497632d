// SPDX-License-Identifier: BSD-2-Clause
//
// What a device says of its own accord: its link, the wish that we announce ourselves, the need of a reset, its end.
// Nobody watches in the background: a descriptor becomes readable, and the program asks what there is.

import CLinux
import CVionet
import Linux

/// What was new at one look.
struct PortNews {
  var link = false
  var announce = false
  var needsReset = false
  var gone = false
  /// The back-end is not there, and awaited.
  var waits = false
  /// A queue is broken or a reset is needed, and the user wants us to see to it.
  var wantsRecovery = false
}

extension Port {
  /// One descriptor for changes of the configuration, the end of the connection, and queues that were given up. From
  /// the start of the port to its stop.
  mutating func makeNews() throws(Failure) {
    if !poke.isOpen { poke = try Descriptor.event() }
    PortSlots.all[number].eventSignal = poke.number + 1
    if !news.isOpen {
      news = try Descriptor.watcher()
      try news.watch(poke.number)
    }
    news.unwatch(bus.meetingDescriptor)
    if isWaiting && bus.isGone { return try news.watch(bus.meetingDescriptor) }
    try news.watch(bus.errorDescriptor)
    try news.watch(bus.changeDescriptor)
    try news.watch(bus.controlDescriptor)
  }

  /// Looks at the device; each thing is new once.
  mutating func takeNews() throws(Failure) -> PortNews {
    try mustBeStarted()
    _ = sys_eventfd_drain(poke.number)
    var news = PortNews()
    if isWaiting {
      news.waits = true
      return news
    }
    do throws(Failure) {
      if !bus.isGone { try look(&news) }
    } catch {
      if !bus.isGone { throw error }
      news = PortNews()
    }
    if !bus.isGone { return news }
    // Registers that read as all ones have said everything, and nothing of it is true.
    if bus.isDevice { news = PortNews() }
    let isNew = !goneIsKnown
    if !isNew && bus.isDevice { throw isWithoutDevice() }
    if bus.awaitsBackends {
      try awaitNext()
      news.waits = true
    }
    goneIsKnown = true
    news.gone = isNew
    return news
  }

  private mutating func look(_ news: inout PortNews) throws(Failure) {
    _ = bus.takeChange()
    let hasErrors = bus.takeErrors()
    let needsReset = try bus.status() & DeviceStatus.needsReset != 0 || hasErrors
    news.needsReset = needsReset && !resetIsKnown
    resetIsKnown = needsReset
    news.wantsRecovery = options.recovers && (needsReset || hasBrokenQueue)
    try config.readSpeed(bus, features, wish: options.speed)
    if !features.has(VIRTIO_NET_F_STATUS) { return }
    let status = try NetConfig.status(bus)
    let up = status & UInt16(VIRTIO_NET_S_LINK_UP) != 0
    news.link = up != config.linkUp
    config.linkUp = up
    news.announce = features.has(VIRTIO_NET_F_GUEST_ANNOUNCE) && status & UInt16(VIRTIO_NET_S_ANNOUNCE) != 0
  }
}

extension Ports {
  package static func newsDescriptor(_ number: UInt16) throws(Failure) -> Int32 {
    try look(number) { (port) throws(Failure) in
      try port.value.mustBeStarted()
      return port.value.news.number
    }
  }

  /// Delivers what is new, with no lock held, and sees to what is to be seen to. Returns how many events that were.
  package static func handleNews(_ number: UInt16) throws(Failure) -> Int32 {
    let news = try with(number) { (port) throws(Failure) in try port.value.takeNews() }
    var count: Int32 = 0
    func raise(_ isNew: Bool, _ event: vionet_event) {
      if !isNew { return }
      Events.raise(number, event)
      count += 1
    }
    raise(news.gone, VIONET_EVENT_GONE)
    raise(news.link, VIONET_EVENT_LINK)
    raise(news.needsReset, VIONET_EVENT_NEEDS_RESET)
    raise(news.announce, VIONET_EVENT_ANNOUNCE)
    if news.announce {
      try with(number) { (port) throws(Failure) in
        try unsafe port.value.control?.send(ControlCommand.announceAcknowledge)
      }
    }
    if news.wantsRecovery {
      let isUp = try with(number) { (port) throws(Failure) in try port.value.recover() }
      raise(isUp, VIONET_EVENT_RECOVERED)
    }
    if news.waits {
      let isUp = try with(number) { (port) throws(Failure) in try port.value.meetNext() }
      raise(isUp, VIONET_EVENT_CONNECTED)
    }
    return count
  }
}
