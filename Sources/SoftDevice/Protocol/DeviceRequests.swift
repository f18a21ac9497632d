// SPDX-License-Identifier: BSD-2-Clause
//
// Requests that concern the device as a whole: features, memory, configuration, status, reset.

import CLinux
import Linux

extension Device {
  mutating func setFeatures(_ features: UInt64) -> Answer {
    if features & ~offered != 0 { return .refused("features that were not offered") }
    if isRunning && features != session.features { return .refused("features change while a ring runs") }
    if isRunning { return .done }
    session.begin(features)
    session.mac = config.mac
    filter.reset(vlans: session.has(Feature.controlVLAN))
    for index in 0..<queues.count {
      queues[index].direction = index == controlIndex(features) ? .both : Queue.direction(index)
      if session.ringsBeginEnabled { queues[index].enabled = true }
      queues[index].agreement = session.rings
      _ = queues[index].resolve(memory)
    }
    refresh()
    return .done
  }

  mutating func setProtocolFeatures(_ features: UInt64) -> Answer {
    if features & ~ProtocolFeature.offered != 0 { return .refused("protocol features that were not offered") }
    session.protocolFeatures = features
    refresh()
    return .done
  }

  /// Replaces the memory table. Rings that were set up are looked up anew; one that is no longer inside the memory
  /// stands still until its addresses are given again.
  mutating func setMemory(_ message: Message) -> Answer {
    let count = Int(message.word(0))
    if count < 1 || count > MemoryMap.limit { return .broken("not 1 to 8 memory regions") }
    if message.size != 8 + 32 * count { return .broken("wrong size") }
    if message.fileCount != count { return .broken("not one file descriptor for each memory region") }
    // The rings' addresses are of the old mappings, which go first: nothing runs meanwhile.
    forgetRings()
    forgetMemory()
    for index in 0..<count {
      let at = 8 + 32 * index
      let mapped = memory.add(
        guest: message.double(at), user: message.double(at + 16), size: message.double(at + 8),
        offset: message.double(at + 24), file: message.file(index))
      if !mapped {
        forgetMemory()
        return .refused("a memory region that cannot be mapped")
      }
    }
    translation = Translation(memory)
    for index in 0..<queues.count { _ = queues[index].resolve(memory) }
    refresh()
    return .done
  }

  mutating func setMTU(_ mtu: UInt64) -> Answer {
    if mtu < 68 || mtu > 65535 { return .refused("MTU out of range") }
    session.mtu = UInt16(mtu)
    refresh()
    return .done
  }

  /// Answers with as many bytes of the configuration as were asked for (vhost-user: the same size as the request).
  func getConfig(_ message: Message) -> Answer {
    let offset = Int(message.word(0))
    let size = Int(message.word(4))
    if message.size < 12 || size != message.size - 12 { return .broken("wrong size") }
    if size == 0 || size > NetConfig.size || offset > NetConfig.size - size {
      return .broken("outside the configuration")
    }
    for index in 0..<size { message.payload[12 + index] = config.byte(offset + index, session) }
    return .payload(message.size)
  }

  mutating func setStatus(_ status: UInt64) -> Answer {
    if status > 0xff { return .refused("status out of range") }
    if status == 0 { return reset() }
    session.status = UInt8(status)
    if !session.featuresAreSet { session.status &= ~Status.featuresOK }
    refresh()
    return .done
  }

  /// As after power-on, but for memory and eventfds, which belong to the connection.
  mutating func reset() -> Answer {
    _ = stopRings()
    session.reset()
    session.mac = config.mac
    filter.reset(vlans: false)
    return .done
  }

  mutating func stopRings() -> Answer {
    for index in 0..<queues.count {
      stopRing(index)
      queues[index].enabled = false
      queues[index].rewind()
      queues[index].addressed = false
      queues[index].rings = nil
    }
    return .done
  }
}
