// SPDX-License-Identifier: BSD-2-Clause
//
// What a vhost-user back-end is given beside its rings: memory, all at once or piece by piece; a buffer for its own notes
// on what it has in hand; descriptors by which it calls us.

import CLinux
import Linux
import Virtio

extension VhostUserTransport {
  /// What every back-end takes.
  static let fewestRegions = 8

  /// Tells the back-end which memory it may use: our addresses serve as its guest addresses.
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

  /// Takes every slot back, before its memory goes.
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

  /// Where the back-end notes which buffers it has in hand. The rings are made anew whenever a back-end comes, from our own
  /// record of what the last one had, so that its notes end with it: it gets a fresh buffer, of its own making, which is
  /// never looked at. It has to know its rings by then (VHU-06).
  mutating func prepareInflight(_ calls: Table<Int32>, size: UInt16) throws(Failure) {
    if !has(ProtocolFeature.inflight) { return }
    for index in 0..<calls.count { try tellFile(VhostRequest.setVringCall, UInt32(index), calls[index]) }
    var area = (UInt64(0), UInt64(0), UInt32(calls.count) | UInt32(size) << 16, UInt32(0))
    var file: Int32 = -1
    defer { if file >= 0 { _ = sys_close(file) } }
    note(VhostRequest.getInflightFile, UInt64(calls.count), UInt64(size))
    try unsafe socket.send(VhostRequest.getInflightFile, flags: 0, payload: &area, count: 24)
    try unsafe socket.reply(to: VhostRequest.getInflightFile, into: &area, count: 24, file: &file)
    // None is needed, or none could be made.
    if area.0 == 0 || file < 0 { return }
    note(VhostRequest.setInflightFile, area.0, area.1)
    area.2 = UInt32(calls.count) | UInt32(size) << 16
    try unsafe tell(VhostRequest.setInflightFile, &area, 24, &file, 1)
  }

  // MARK: What it calls us by

  mutating func openChannel() throws(Failure) {
    var theirs = try socket.channel.open()
    defer { theirs.close() }
    var file = theirs.number
    note(VhostRequest.setBackendRequestFile, 0)
    try unsafe tell(VhostRequest.setBackendRequestFile, nil, 0, &file, 1)
  }

  /// True if the back-end said that its configuration has changed.
  mutating func takeChange() -> Bool {
    socket.channel.serve()
    defer { socket.channel.hasNews = false }
    return socket.channel.hasNews
  }
}
