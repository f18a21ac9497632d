// SPDX-License-Identifier: BSD-2-Clause
//
// Which handler serves a request, with the size and the number of file descriptors each must have, and how it is
// answered. A request that cannot be met is answered with 1 if the front-end asked for an answer (REPLY_ACK), and ends
// the connection if it did not, since it would go on as if all were well. A malformed one always ends it.

import CLinux
import Linux

enum Answer {
  case done
  case value(UInt64)
  /// The first bytes of the payload, filled in.
  case payload(Int)
  /// The same with a file that goes along.
  case file(Int, Int32)
  case refused(StaticString)
  case broken(StaticString)
}

extension Device {
  /// Handles the message at hand; false ends the connection.
  mutating func serve() -> Bool {
    let message = message
    if Log.wanted(.debug) {
      Log.line("soft device: request").number(message.request).text("size").number(message.size).text("files")
        .number(message.fileCount).send(.debug)
    }
    let hasReplyAck = session.protocolFeatures & ProtocolFeature.replyAck != 0
    let wantsReply = hasReplyAck && message.needsReply
    switch dispatch(message) {
    case .done: return !wantsReply || message.answer(socketNumber, value: 0)
    case .value(let value): return message.answer(socketNumber, value: value)
    case .payload(let size): return message.answer(socketNumber, size: size)
    case .file(let size, let file): return message.answer(socketNumber, size: size, file: file)
    case .refused(let reason):
      Log.refused(message.request, reason)
      return wantsReply && message.answer(socketNumber, value: 1)
    case .broken(let reason):
      Log.refused(message.request, reason)
      return false
    }
  }

  private mutating func dispatch(_ message: Message) -> Answer {
    if let size = Self.size(message.request), size != message.size { return .broken("wrong size") }
    if message.fileCount > Self.mostFiles(message.request) { return .broken("too many file descriptors") }
    if message.request >= Request.setVringNum && message.request <= Request.setVringErr
      || message.request == Request.setVringEnable
    {
      return dispatchRing(message)
    }
    switch message.request {
    case Request.getFeatures: return .value(offered)
    case Request.setFeatures: return setFeatures(message.double(0))
    // Nothing is logged, since LOG_ALL is not offered: a log is taken and left alone.
    case Request.setOwner, Request.setLogBase, Request.setLogFile: return .done
    case Request.sendRarp: return announce(message)
    case Request.setBackendFile: return setBackendFile(message)
    case Request.getInflightFile, Request.setInflightFile: return dispatchInflight(message)
    case Request.getMaxMemorySlots: return .value(UInt64(MemoryMap.limit))
    case Request.addMemoryRegion: return addMemory(message)
    case Request.removeMemoryRegion: return removeMemory(message)
    case Request.resetOwner: return stopRings()
    case Request.setMemTable: return setMemory(message)
    case Request.getProtocolFeatures: return .value(ProtocolFeature.offered)
    case Request.setProtocolFeatures: return setProtocolFeatures(message.double(0))
    case Request.getQueueNum: return .value(UInt64(config.pairs))
    case Request.netSetMTU: return setMTU(message.double(0))
    case Request.getConfig: return getConfig(message)
    case Request.setConfig: return .refused("no field of the configuration can be written")
    case Request.resetDevice: return reset()
    case Request.setStatus: return setStatus(message.double(0))
    case Request.getStatus: return .value(UInt64(session.status))
    default: return .refused("unknown request")
    }
  }

  private mutating func dispatchRing(_ message: Message) -> Answer {
    switch message.request {
    case Request.setVringNum: return setRingSize(message.word(0), message.word(4))
    case Request.setVringAddr: return setRingAddress(message)
    case Request.setVringBase: return setRingBase(message.word(0), message.word(4))
    case Request.getVringBase: return getRingBase(message)
    case Request.setVringEnable: return enableRing(message.word(0), message.word(4))
    default: return setRingFile(message)
    }
  }

  /// The only size a request may have; nil if it varies or the request is unknown.
  private static func size(_ request: UInt32) -> Int? {
    switch request {
    case Request.getFeatures, Request.setOwner, Request.resetOwner, Request.getProtocolFeatures, Request.getQueueNum,
      Request.resetDevice, Request.getStatus, Request.setBackendFile, Request.getMaxMemorySlots:
      return 0
    case Request.setFeatures, Request.setVringNum, Request.setVringBase, Request.getVringBase, Request.setVringKick,
      Request.setVringCall, Request.setVringErr, Request.setProtocolFeatures, Request.setVringEnable, Request.sendRarp,
      Request.netSetMTU, Request.setStatus:
      return 8
    case Request.setVringAddr, Request.addMemoryRegion, Request.removeMemoryRegion: return 40
    default: return nil
    }
  }

  private static func mostFiles(_ request: UInt32) -> Int {
    switch request {
    case Request.setMemTable: return MemoryMap.tableLimit
    case Request.setVringKick, Request.setVringCall, Request.setVringErr, Request.setBackendFile, Request.setLogBase,
      Request.setLogFile, Request.setInflightFile, Request.addMemoryRegion, Request.removeMemoryRegion:
      return 1
    default: return 0
    }
  }
}

extension Log {
  static func refused(_ request: UInt32, _ reason: StaticString) {
    if wanted(.debug) { line("soft device: request").number(request).text("refused:").text(reason).send(.debug) }
  }
}
