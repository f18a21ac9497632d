// SPDX-License-Identifier: BSD-2-Clause
//
// Which function serves a request, its size and its number of file descriptors, and how it is answered. A request that
// cannot be met is answered with 1 if the front-end asked for an answer (REPLY_ACK). Otherwise it ends the connection,
// since the front-end would go on as if all were well. A malformed request always ends it.

import CLinux
import Linux
import Virtio

enum Answer {
  case done
  case value(UInt64)
  /// The first bytes of the payload, filled in.
  case payload(Int)
  /// The first bytes of the payload, and a file that goes with them.
  case file(Int, Int32)
  case refused(StaticString)
  case broken(StaticString)
}

extension Device {
  /// Handles the message at hand. A failure ends the session.
  mutating func serve() throws(Failure) {
    let message = message
    if Log.wanted(.debug) {
      Log.line("soft device: request").number(message.request).text("size").number(message.size).text("files")
        .number(message.fileCount).send(.debug)
    }
    let hasReplyAck = session.protocolFeatures & ProtocolFeature.replyAcknowledge != 0
    let wantsReply = hasReplyAck && message.needsReply
    let isAnswered =
      switch dispatch(message) {
      case .done: !wantsReply || message.answer(socketNumber, value: 0)
      case .value(let value): message.answer(socketNumber, value: value)
      case .payload(let size): message.answer(socketNumber, size: size)
      case .file(let size, let file): message.answer(socketNumber, size: size, file: file)
      case .refused(let reason): try refuse(message, reason, mayAnswer: wantsReply)
      case .broken(let reason): try refuse(message, reason, mayAnswer: false)
      }
    if isAnswered { return }
    throw Failure(EPIPE, "the front-end cannot be answered: request ").number(message.request)
  }

  /// Answers with 1, if that is of use.
  @inline(never)
  private func refuse(_ message: Message, _ reason: StaticString, mayAnswer: Bool) throws(Failure) -> Bool {
    Log.refused(message.request, reason)
    if mayAnswer { return message.answer(socketNumber, value: 1) }
    throw Failure(EPROTO, "the front-end sent request ").number(message.request).text(", which was refused: ")
      .text(reason)
  }

  private mutating func dispatch(_ message: Message) -> Answer {
    // tested by HostileRequestTests
    if let size = Self.size(message.request), size != message.size { return .broken("wrong size") }
    // tested by HostileTests
    if message.fileCount > Self.mostFiles(message.request) { return .broken("too many file descriptors") }
    // tested by abi-device-abilities
    if message.request >= VhostRequest.setVringSize && message.request <= VhostRequest.setVringError
      || message.request == VhostRequest.setVringEnable
    {
      return dispatchRing(message)
    }
    switch message.request {
    case VhostRequest.getFeatures: return .value(offeredToThis)
    case VhostRequest.setFeatures: return setFeatures(message.double(0))
    // Nothing is logged, since LOG_ALL is not offered: a log is taken and left alone.
    case VhostRequest.setLogBase, VhostRequest.setLogFile: return .done
    case VhostRequest.setOwner: return setOwner()
    case VhostRequest.sendRARP: return announce(message)
    case VhostRequest.setBackendRequestFile: return setBackendFile(message)
    case VhostRequest.getInflightFile, VhostRequest.setInflightFile: return dispatchInflight(message)
    case VhostRequest.getMaximumSlots: return .value(UInt64(MemoryMap.limit))
    case VhostRequest.addRegion: return addMemory(message)
    case VhostRequest.removeRegion: return removeMemory(message)
    case VhostRequest.resetOwner: return stopRings()
    case VhostRequest.setMemoryTable: return setMemory(message)
    case VhostRequest.getProtocolFeatures: return .value(session.offerProtocol(isHosted: isHosted))
    case VhostRequest.setProtocolFeatures: return setProtocolFeatures(message.double(0))
    case VhostRequest.getQueueNumber: return .value(UInt64(config.pairs))
    case VhostRequest.setMTU: return setMTU(message.double(0))
    case VhostRequest.getConfig: return getConfig(message)
    case VhostRequest.setConfig: return .refused("no field of the configuration can be written")
    case VhostRequest.resetDevice: return reset()
    case VhostRequest.setStatus: return setStatus(message.double(0))
    case VhostRequest.getStatus: return .value(UInt64(session.status))
    case VhostRequest.getHigherFeatures where isHosted: return .value(offeredAbove)
    case VhostRequest.setHigherFeatures: return setHigherFeatures(message.double(0))
    default: return .refused("unknown request")
    }
  }

  private mutating func dispatchRing(_ message: Message) -> Answer {
    switch message.request {
    case VhostRequest.setVringSize: return setRingSize(message.word(0), message.word(4))
    case VhostRequest.setVringAddress: return setRingAddress(message)
    case VhostRequest.setVringBase: return setRingBase(message.word(0), message.word(4))
    case VhostRequest.getVringBase: return getRingBase(message)
    case VhostRequest.setVringEnable: return enableRing(message.word(0), message.word(4))
    default: return setRingFile(message)
    }
  }

  /// The only size a request may have; nil if it varies or the request is unknown.
  private static func size(_ request: UInt32) -> Int? {
    switch request {
    case VhostRequest.getFeatures, VhostRequest.setOwner, VhostRequest.resetOwner, VhostRequest.getProtocolFeatures,
      VhostRequest.getQueueNumber,
      VhostRequest.resetDevice, VhostRequest.getStatus, VhostRequest.setBackendRequestFile,
      VhostRequest.getMaximumSlots, VhostRequest.getHigherFeatures:
      return 0
    case VhostRequest.setFeatures, VhostRequest.setVringSize, VhostRequest.setVringBase, VhostRequest.getVringBase,
      VhostRequest.setVringKick,
      VhostRequest.setVringCall, VhostRequest.setVringError, VhostRequest.setProtocolFeatures,
      VhostRequest.setVringEnable, VhostRequest.sendRARP,
      VhostRequest.setMTU, VhostRequest.setStatus, VhostRequest.setHigherFeatures:
      return 8
    case VhostRequest.setVringAddress, VhostRequest.addRegion, VhostRequest.removeRegion: return 40
    default: return nil
    }
  }

  private static func mostFiles(_ request: UInt32) -> Int {
    switch request {
    case VhostRequest.setMemoryTable: return VhostMemory.tableRegions
    case VhostRequest.setVringKick, VhostRequest.setVringCall, VhostRequest.setVringError,
      VhostRequest.setBackendRequestFile, VhostRequest.setLogBase,
      VhostRequest.setLogFile, VhostRequest.setInflightFile, VhostRequest.addRegion, VhostRequest.removeRegion:
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
