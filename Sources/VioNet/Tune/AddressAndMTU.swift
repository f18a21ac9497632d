// SPDX-License-Identifier: BSD-2-Clause
//
// The port's own address and the largest packet.

import CLinux
import CVionet
import Linux
import Virtio

extension MACAddress {
  /// Copies six bytes.
  // Safety: the caller's array has six bytes, as vionet.h says.
  package init(copying start: UnsafePointer<UInt8>) {
    self.init((0, 0, 0, 0, 0, 0))
    unsafe memcpy(&bytes, start, 6)
  }

  var isGroup: Bool { bytes.0 & 1 != 0 }
}

extension Port {
  mutating func setAddress(_ address: MACAddress) throws(Failure) {
    if !address.isUsable { throw Failure(EINVAL, "mac: a port's address is neither a group address nor all zero") }
    try sendAddress(address)
    settings.address = address
    agreed.config.address = address
    agreed.config.addressIsRandom = false
  }

  /// Gives the device its address: by a command, or to a legacy device without that command by writing its configuration
  /// (virtio 1.4, 5.1.4.2).
  // Safety: both get the six bytes of `address`.
  private mutating func sendAddress(_ address: MACAddress) throws(Failure) {
    var address = address
    if bus.traits.isLegacy && !agreed.features.has(Feature.controlAddress) {
      if queues.pairs != 0 { unsafe bus.writeConfig(ConfigLayout.mac, &address.bytes, 6) }
      return
    }
    try require(Feature.controlAddress)
    try unsafe send(ControlCommand.setAddress, &address.bytes, 6)
  }

  /// Gives the device the address that the user set, or else the one of the port's options or a random one, if the device
  /// takes it.
  mutating func restoreAddress() throws(Failure) {
    if let address = settings.address {
      agreed.config.address = address
      agreed.config.addressIsRandom = false
    } else if agreed.config.address.bytes == agreed.config.deviceAddress.bytes
      || !agreed.features.has(Feature.controlAddress)
    {
      return
    }
    try sendAddress(agreed.config.address)
  }

  // MARK: MTU

  mutating func setMTU(_ mtu: UInt16) throws(Failure) {
    if mtu < ConfigLimit.smallestMTU {
      throw Failure(EINVAL, "mtu ").number(mtu).text(" is below ").number(ConfigLimit.smallestMTU)
    }
    if mtu > agreed.config.largestMTU {
      let failure = Failure(EINVAL, "mtu ").number(mtu).text(" is above ").number(agreed.config.largestMTU)
      throw agreed.features.has(Feature.mtu)
        ? failure.text(", which the device gives with VIRTIO_NET_F_MTU")
        : failure.text(", which is what receive buffers hold: vionet_pool_config.data_size, or mrg_rxbuf=1")
    }
    settings.mtu = mtu
    restoreMTU()
  }

  /// Applies the MTU that the user set, as far as the device that there is now allows it.
  mutating func restoreMTU() {
    if settings.mtu == 0 { return }
    agreed.config.mtu = min(settings.mtu, agreed.config.largestMTU)
    for pair in 0..<queues.pairs {
      transmitQueue(pair).value.longest = UInt32(agreed.config.mtu) + NetConfig.frameHeader
    }
  }
}
