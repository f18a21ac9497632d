// SPDX-License-Identifier: BSD-2-Clause
//
// The port's own address and the largest packet.

import CLinux
import CVionet
import Linux

extension MACAddress {
  /// From six bytes.
  package init(copying start: UnsafePointer<UInt8>) {
    self.init((0, 0, 0, 0, 0, 0))
    unsafe memcpy(&bytes, start, 6)
  }

  var isGroup: Bool { bytes.0 & 1 != 0 }
}

extension Port {
  mutating func setAddress(_ address: MACAddress) throws(Failure) {
    if !address.isUsable { throw Failure(EINVAL, "a port's address is not a group's and not all zero") }
    try tellAddress(address)
    settings.address = address
    config.address = address
    config.addressIsRandom = false
  }

  /// By a command; a device from before virtio 1.0 without that command lets its configuration be written (5.1.4.2).
  private mutating func tellAddress(_ address: MACAddress) throws(Failure) {
    var address = address
    if bus.isLegacy && !features.has(VIRTIO_NET_F_CTRL_MAC_ADDR) {
      if queuePairs != 0 { unsafe bus.writeConfig(NetConfig.addressOffset, &address.bytes, 6) }
      return
    }
    try need(VIRTIO_NET_F_CTRL_MAC_ADDR)
    try unsafe tell(ControlCommand.setAddress, &address.bytes, 6)
  }

  /// The address that the user set, or else gave or was given by chance, as far as the device can be told of it.
  mutating func restoreAddress() throws(Failure) {
    if let address = settings.address {
      config.address = address
      config.addressIsRandom = false
    } else if config.address.bytes == config.deviceAddress.bytes || !features.has(VIRTIO_NET_F_CTRL_MAC_ADDR) {
      return
    }
    try tellAddress(config.address)
  }

  // MARK: MTU

  mutating func setMTU(_ mtu: UInt16) throws(Failure) {
    if mtu < NetConfig.smallestMTU {
      throw Failure(EINVAL, "mtu ").number(mtu).text(" is below ").number(NetConfig.smallestMTU)
    }
    if mtu > config.largestMTU {
      let failure = Failure(EINVAL, "mtu ").number(mtu).text(" is above ").number(config.largestMTU)
      throw features.has(VIRTIO_NET_F_MTU)
        ? failure.text(", which the device gives with VIRTIO_NET_F_MTU")
        : failure.text(", which is what receive buffers hold: vionet_pool_config.data_size, or mrg_rxbuf=1")
    }
    settings.mtu = mtu
    restoreMTU()
  }

  /// Also of a port whose largest one has become less meanwhile.
  mutating func restoreMTU() {
    if settings.mtu == 0 { return }
    config.mtu = min(settings.mtu, config.largestMTU)
    for pair in 0..<queuePairs { transmitQueue(pair).value.longest = UInt32(config.mtu) + NetConfig.frameHeader }
  }
}
