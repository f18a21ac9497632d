// SPDX-License-Identifier: BSD-2-Clause
//
// What a vhost-user back-end gets apart from its rings: memory, in one message or region by region; a buffer for its record
// of packets in flight; and the channel for its own requests.

import CLinux
import Linux
import Virtio

// Safety: messages point at local tables whose room covers the count that is sent.
extension VhostUserTransport {
  /// The regions that every back-end takes.
  static let fewestRegions = 8

  /// Gives the back-end the memory that it may use. Our own addresses serve as guest addresses.
  mutating func share(_ regions: SharedRegions) throws(Failure) {
    if has(ProtocolFeature.memorySlots) {
      try forgetMemory()
      for index in 0..<regions.count {
        try tell(VhostRequest.addRegion, regions[index], file: regions[index].file)
        _ = shared.add(regions[index])
      }
      return
    }
    var table = InlineArray<33, UInt64>(repeating: 0)
    var files = InlineArray<8, Int32>(repeating: -1)
    for index in 0..<min(regions.count, VhostUserTransport.fewestRegions) {
      let region = regions[index]
      let row = 1 + index * 4
      table[row] = region.address
      table[row + 1] = region.length
      table[row + 2] = region.address
      table[row + 3] = region.offset
      files[index] = region.file
    }
    table[0] = UInt64(regions.count)
    note(VhostRequest.setMemoryTable, UInt64(regions.count))
    try unsafe tell(VhostRequest.setMemoryTable, &table, 8 + regions.count * 32, &files, regions.count)
  }

  /// Takes back all regions that were given one by one, before their memory goes.
  mutating func forgetMemory() throws(Failure) {
    let old = shared
    shared = SharedRegions()
    for index in 0..<old.count { try tell(VhostRequest.removeRegion, old[index], file: -1) }
  }

  private mutating func tell(_ request: UInt32, _ region: SharedRegion, file: Int32) throws(Failure) {
    var slot = (UInt64(0), region.address, region.length, region.address, region.offset)
    var file = file
    note(request, region.address, region.length)
    try unsafe tell(request, &slot, 40, &file, file < 0 ? 0 : 1)
  }

  /// Gives the back-end a buffer for its record of packets in flight (vhost-user, "Inflight I/O tracking"). We never read it:
  /// each back-end gets fresh rings that are filled from our own record. The back-end must know the rings' call descriptors
  /// first, since some size the buffer by them.
  mutating func prepareInflight(_ calls: Table<Int32>, size: UInt16) throws(Failure) {
    if !has(ProtocolFeature.inflight) { return }
    for index in 0..<calls.count { try tellFile(VhostRequest.setVringCall, UInt32(index), calls[index]) }
    var area = (UInt64(0), UInt64(0), UInt32(calls.count) | UInt32(size) << 16, UInt32(0))
    note(VhostRequest.getInflightFile, UInt64(calls.count), UInt64(size))
    try unsafe socket.send(VhostRequest.getInflightFile, flags: 0, payload: &area, count: 24)
    try unsafe socket.reply(to: VhostRequest.getInflightFile, into: &area, count: 24, takesFile: true)
    var file = socket.takeReceived()
    defer { sys_close_received(file) }
    // The back-end needs no buffer, or could not make one.
    if area.0 == 0 || file < 0 { return }
    note(VhostRequest.setInflightFile, area.0, area.1)
    area.2 = UInt32(calls.count) | UInt32(size) << 16
    try unsafe tell(VhostRequest.setInflightFile, &area, 24, &file, 1)
  }

  // MARK: The back-end's requests

  mutating func openChannel() throws(Failure) {
    let theirs = try socket.channel.open()
    var file = theirs.number
    note(VhostRequest.setBackendRequestFile, 0)
    try unsafe tell(VhostRequest.setBackendRequestFile, nil, 0, &file, 1)
  }

  /// True if the back-end has said that its configuration changed.
  mutating func takeChange() -> Bool {
    socket.channel.serve()
    defer { socket.channel.configurationChanged = false }
    return socket.channel.configurationChanged
  }
}
