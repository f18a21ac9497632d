// SPDX-License-Identifier: BSD-2-Clause
//
// Requests that concern one ring. They come in any order, SET_VRING_CALL often first, and some while the ring runs.
// SET_VRING_KICK starts a ring, as in DPDK and QEMU's libvhost-user. The first kick itself would not do: a front-end that
// finds kicks suppressed may never send one. GET_VRING_BASE stops a ring; SET_VRING_ENABLE switches it on and off without
// stopping it.

import CLinux
import Linux
import Virtio

extension Device {
  mutating func setRingSize(_ index: UInt32, _ size: UInt32) -> Answer {
    guard let index = ring(index) else { return .broken("no such ring") }
    // tested by HostileTests
    if size == 0 || size > UInt32(RingFormat.largest) || !session.rings.isPacked && size & (size &- 1) != 0 {
      return .refused("a ring's size is 1 to 32768, and of a split ring a power of two")
    }
    if queues[index].started { return .refused("the ring is started") }  // tested by HostileTests
    queues[index].size = UInt16(size)
    return resolve(index)
  }

  mutating func setRingAddress(_ message: Message) -> Answer {
    guard let index = ring(message.word(0)) else { return .broken("no such ring") }
    // tested by HostileRequestTests
    if message.word(4) & 1 != 0 { return .refused("a ring's writes cannot be logged") }
    queues[index].descriptorAddress = message.double(8)
    queues[index].deviceAddress = message.double(16)
    queues[index].driverAddress = message.double(24)
    queues[index].addressed = true
    return resolve(index)
  }

  private mutating func resolve(_ index: Int) -> Answer {
    // Without any memory yet, the addresses wait for it.
    let good = queues[index].resolve(memory) || memory.count == 0
    refresh()
    return good ? .done : .refused("the ring is not inside the memory, not aligned, or its base not inside it")
  }

  mutating func setRingBase(_ index: UInt32, _ base: UInt32) -> Answer {
    guard let index = ring(index) else { return .broken("no such ring") }
    // tested by HostileTests
    if base > 0xffff && !session.rings.isPacked { return .refused("an index of more than 16 bits") }
    if queues[index].started { return .refused("the ring is started") }  // tested by HostileTests
    queues[index].setBase(base)
    return queues[index].addressed ? resolve(index) : .done
  }

  mutating func getRingBase(_ message: Message) -> Answer {
    guard let index = ring(message.word(0)) else { return .broken("no such ring") }
    finishSent(index)
    // An orderly end of a ring that ran: nothing is in flight, and the one that comes next may be another.
    if queues[index].running { queues[index].inflight?.clear() }
    stopRing(index)
    message.payload.store(4, queues[index].base)
    return .payload(8)
  }

  mutating func enableRing(_ index: UInt32, _ enable: UInt32) -> Answer {
    guard let index = ring(index) else { return .broken("no such ring") }
    if enable > 1 { return .refused("neither 0 nor 1") }  // tested by HostileTests
    if enable == 0 { finishSent(index) }
    queues[index].enabled = enable == 1
    refresh()
    return .done
  }

  /// SET_VRING_KICK, SET_VRING_CALL and SET_VRING_ERR: bits 0-7 of the number are the ring, bit 8 says that no file
  /// descriptor comes with it.
  mutating func setRingFile(_ message: Message) -> Answer {
    let number = message.double(0)
    guard number & ~(VringFile.indexMask | VringFile.noFile) == 0,
      let index = ring(UInt32(number & VringFile.indexMask))
    else { return .broken("no such ring") }
    let hasFile = number & VringFile.noFile == 0
    // tested by HostileRequestTests
    if message.fileCount != (hasFile ? 1 : 0) { return .broken("file descriptor missing or unasked for") }
    // Anything else could make a write wait, or be the front-end's own socket, whose end would never show.
    // tested by SharedFileTests
    if hasFile && sys_is_eventfd(message.file(0)) == 0 { return .refused("a kick, call or error that is no eventfd") }
    let file = message.takeFile(0)
    switch message.request {
    case VhostRequest.setVringKick: return setKick(index, file)
    case VhostRequest.setVringCall:
      Self.replace(&queues[index].call, file)
      // Used buffers may have been shown to a driver that could not be interrupted then.
      if file >= 0 && queues[index].running { signal(file) }
    default: Self.replace(&queues[index].error, file)
    }
    return .done
  }

  private mutating func setKick(_ index: Int, _ file: Int32) -> Answer {
    dropKick(index)
    queues[index].kick = file
    if file >= 0, !poller.add(file, .kick, number: index, edge: true) {
      dropKick(index)
      return .refused("the kick is nothing that can be waited for")
    }
    queues[index].started = true
    refresh()
    return .done
  }

  /// Stops a ring; its next index stays, for GET_VRING_BASE.
  mutating func stopRing(_ index: Int) {
    queues[index].wantKicks(true)
    queues[index].started = false
    dropKick(index)
    refresh()
  }

  /// The kick's eventfd is the front-end's too, so that closing it does not take it out of the poller.
  mutating func dropKick(_ index: Int) {
    if queues[index].kick >= 0 { poller.remove(queues[index].kick) }
    Self.replace(&queues[index].kick, -1)
  }

  static func replace(_ file: inout Int32, _ new: Int32) {
    sys_close_received(file)
    file = new
  }

  /// The queues there are: those of the pairs, and the control queue where one is offered.
  private func ring(_ index: UInt32) -> Int? {
    index < UInt32(2 * config.pairs) || Int(index) == controlIndex(offered) ? Int(index) : nil
  }
}
