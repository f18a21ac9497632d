// SPDX-License-Identifier: BSD-2-Clause
//
// Requests that say which memory of the front-end's rings and buffers lie in. Nothing runs while one is served.

import CLinux
import Linux
import Virtio

extension Device {
  /// Replaces the memory table. Rings that were set up are looked up anew; one that is no longer inside the memory
  /// stands still until its addresses are given again.
  mutating func setMemory(_ message: Message) -> Answer {
    let count = Int(message.word(0))
    // tested by HostileTests
    if count < 1 || count > VhostMemory.tableRegions { return .broken("not 1 to 8 memory regions") }
    if message.size != 8 + 32 * count { return .broken("wrong size") }  // tested by HostileRequestTests
    // tested by HostileTests
    if message.fileCount != count { return .broken("not one file descriptor for each memory region") }
    // The rings' addresses are of the old mappings, which go first: nothing runs meanwhile.
    forgetRings()  // tested by HostileRequestTests
    forgetMemory()
    for index in 0..<count {
      if !map(message, 8 + 32 * index, message.file(index)) {
        forgetMemory()
        return .refused("a memory region that cannot be mapped")
      }
    }
    resolveRings()
    return .done
  }

  /// One region more; rings that waited for it begin to work.
  mutating func addMemory(_ message: Message) -> Answer {
    if message.fileCount != 1 { return .broken("not one file descriptor for a memory region") }
    if !map(message, 8, message.file(0)) { return .refused("a memory region that cannot be mapped, or one too many") }
    resolveRings()
    return .done
  }

  /// One region less; a ring inside it stands still from now on.
  mutating func removeMemory(_ message: Message) -> Answer {
    // The translation may be of that region.
    translation = Translation(memory)
    if !memory.remove(guest: message.double(8), user: message.double(24), size: message.double(16)) {
      return .refused("no such memory region")
    }
    resolveRings()
    return .done
  }

  /// Maps the region that a message describes at `at`.
  private mutating func map(_ message: Message, _ at: Int, _ file: Int32) -> Bool {
    memory.add(
      guest: message.double(at), user: message.double(at + 16), size: message.double(at + 8),
      offset: message.double(at + 24), file: file)
  }

  private mutating func resolveRings() {
    translation = Translation(memory)
    for index in 0..<queues.count where !queues[index].resolve(memory) { queues[index].rings = nil }
    refresh()
  }
}
