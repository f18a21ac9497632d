// SPDX-License-Identifier: BSD-2-Clause
//
// Requests that concern the device as a whole: features, configuration, status, reset, announcement.

import CLinux
import Linux
import Virtio

extension Device {
  mutating func setOwner() -> Answer {
    session.isOwned = true
    return .done
  }

  /// What this front-end is offered. The limits of RSS are in the configuration. One that does not read it has none of it: QEMU
  /// makes the configuration itself, and DPDK 24.11's virtio-user finds limits of zero and refuses to start several queues.
  var offeredToThis: UInt64 {
    let readsConfiguration = isHosted || session.protocolFeatures & ProtocolFeature.config != 0
    return readsConfiguration ? offered : offered & ~(Feature.rss | Feature.hashReport)
  }

  mutating func setFeatures(_ features: UInt64) -> Answer {
    // tested by HostileRequestTests
    if features & ~offeredToThis != 0 { return .refused("features that were not offered") }
    // tested by HostileTests
    if isRunning && features != session.features { return .refused("features change while a ring runs") }
    if isRunning { return .done }
    session.begin(features)
    session.mac = config.mac
    filter.reset(vlans: session.has(Feature.controlVLAN))
    steering.reset()
    for index in 0..<queues.count {
      queues[index].direction = index == controlIndex(features) ? .both : Queue.direction(index)
      if session.ringsBeginEnabled { queues[index].enabled = true }
      queues[index].agreement = session.rings
      _ = queues[index].resolve(memory)
    }
    refresh()
    return .done
  }

  /// Takes features above bit 63. They are agreed on with those of SET_FEATURES, which follow.
  mutating func setHigherFeatures(_ above: UInt64) -> Answer {
    // tested by HostileRequestTests
    if session.protocolFeatures & ProtocolFeature.higherFeatures == 0 { return .refused("unknown request") }
    if above & ~offeredAbove != 0 { return .refused("features that were not offered") }
    if isRunning && above != session.above { return .refused("features change while a ring runs") }
    session.above = above
    return .done
  }

  mutating func setProtocolFeatures(_ features: UInt64) -> Answer {
    let offered = ProtocolFeature.offered | (isHosted ? ProtocolFeature.higherFeatures : 0)
    // tested by HostileTests
    if features & ~offered != 0 { return .refused("protocol features that were not offered") }
    session.protocolFeatures = features
    refresh()
    return .done
  }

  mutating func setMTU(_ mtu: UInt64) -> Answer {
    if mtu < ConfigLimit.smallestMTU || mtu > 65535 { return .refused("MTU out of range") }  // tested by HostileTests
    session.mtu = UInt16(mtu)
    refresh()
    return .done
  }

  /// Answers with the bytes of the configuration that were asked for (vhost-user, "Virtio device config space").
  func getConfig(_ message: Message) -> Answer {
    let offset = Int(message.word(0))
    let size = Int(message.word(4))
    if message.size < 12 || size != message.size - 12 { return .broken("wrong size") }  // tested by HostileTests
    if size == 0 || size > NetConfig.size || offset > NetConfig.size - size {  // tested by HostileTests
      return .broken("outside the configuration")
    }
    for index in 0..<size { message.payload[12 + index] = config.byte(offset + index, session, linkIsUp: isLinkUp) }
    return .payload(message.size)
  }

  /// SEND_RARP: sends an announcement for a driver that cannot, after it was moved to this host.
  func announce(_ message: Message) -> Answer {
    let address = UInt64(bigEndian: message.double(0)) >> 16
    scratch.clear()
    scratch.store(0, UInt64(0xffff_ffff_ffff_0000).bigEndian | (address >> 32).bigEndian)
    scratch.store(8, UInt32(truncatingIfNeeded: address).bigEndian)
    // Reverse ARP of Ethernet and IPv4, a request, and the address twice (RFC 903).
    scratch.store(12, UInt64(0x8035_0001_0800_0604).bigEndian)
    scratch.store(20, UInt64(3 << 48 | address).bigEndian)
    scratch.store(32, (address << 16).bigEndian)
    _ = wire.write(Frame(scratch.first(60)), 0)
    wire.settle()
    return .done
  }

  /// Where the device's own messages go.
  mutating func setBackendFile(_ message: Message) -> Answer {
    if message.fileCount != 1 { return .broken("no file descriptor") }
    // tested by SharedFileTests
    if sys_take_channel(message.file(0), socketNumber) < 0 { return .refused("a channel that is no socket of its own") }
    closeChannel()
    backend = message.takeFile(0)
    return .done
  }

  /// Closes the channel. Nothing can lie in a socket that is only written to, so that its end makes nobody wait.
  mutating func closeChannel() {
    if backend >= 0 { _ = sys_close(backend) }
    backend = -1
  }

  /// The driver can be notified of changes of the configuration.
  private var canNotify: Bool { backend >= 0 && session.protocolFeatures & ProtocolFeature.config != 0 }

  /// The link's state as the driver sees it: up, if the driver could not be notified when the link comes up.
  private var isLinkUp: Bool { linkIsUp || !canNotify }

  /// Tells the front-end that the configuration has changed, unless it does not read its messages.
  // Safety: the message lies in `scratch`, which has 64 bytes.
  func notifyConfigChange() {
    if !canNotify { return }
    scratch.store(VhostMessage.requestOffset, VhostBackendRequest.configChange)
    scratch.store(VhostMessage.flagsOffset, VhostMessage.version)
    scratch.store(VhostMessage.sizeOffset, UInt32(0))
    unsafe _ = sys_send(backend, scratch.base, VhostMessage.headerBytes, nil, 0)
  }

  mutating func setStatus(_ status: UInt64) -> Answer {
    if status > 0xff { return .refused("status out of range") }  // tested by HostileTests
    if status == 0 { return reset() }
    session.status = UInt8(status)
    if !session.featuresAreSet { session.status &= ~DeviceStatus.featuresOK }
    refresh()
    return .done
  }

  /// Resets the device. Memory and eventfds stay, since they belong to the connection.
  mutating func reset() -> Answer {
    _ = stopRings()
    session.reset()
    session.mac = config.mac
    filter.reset(vlans: false)
    steering.reset()
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
