// SPDX-License-Identifier: BSD-2-Clause
//
// vhost-user as both ends have it (QEMU, docs/interop/vhost-user.rst): requests, the header of a message, protocol
// features. The kernel's headers have none of them.

import Linux

/// Front-end message types (vhost-user, "Front-end message types").
package enum VhostRequest {
  @inline(__always) package static var getFeatures: UInt32 { 1 }
  @inline(__always) package static var setFeatures: UInt32 { 2 }
  @inline(__always) package static var setOwner: UInt32 { 3 }
  @inline(__always) package static var resetOwner: UInt32 { 4 }
  @inline(__always) package static var setMemoryTable: UInt32 { 5 }
  @inline(__always) package static var setLogBase: UInt32 { 6 }
  @inline(__always) package static var setLogFile: UInt32 { 7 }
  @inline(__always) package static var setVringSize: UInt32 { 8 }
  @inline(__always) package static var setVringAddress: UInt32 { 9 }
  @inline(__always) package static var setVringBase: UInt32 { 10 }
  @inline(__always) package static var getVringBase: UInt32 { 11 }
  @inline(__always) package static var setVringKick: UInt32 { 12 }
  @inline(__always) package static var setVringCall: UInt32 { 13 }
  @inline(__always) package static var setVringError: UInt32 { 14 }
  @inline(__always) package static var getProtocolFeatures: UInt32 { 15 }
  @inline(__always) package static var setProtocolFeatures: UInt32 { 16 }
  @inline(__always) package static var getQueueNumber: UInt32 { 17 }
  @inline(__always) package static var setVringEnable: UInt32 { 18 }
  @inline(__always) package static var sendRARP: UInt32 { 19 }
  @inline(__always) package static var setMTU: UInt32 { 20 }
  @inline(__always) package static var setBackendRequestFile: UInt32 { 21 }
  @inline(__always) package static var getConfig: UInt32 { 24 }
  @inline(__always) package static var setConfig: UInt32 { 25 }
  @inline(__always) package static var getInflightFile: UInt32 { 31 }
  @inline(__always) package static var setInflightFile: UInt32 { 32 }
  @inline(__always) package static var resetDevice: UInt32 { 34 }
  @inline(__always) package static var getMaximumSlots: UInt32 { 36 }
  @inline(__always) package static var addRegion: UInt32 { 37 }
  @inline(__always) package static var removeRegion: UInt32 { 38 }
  @inline(__always) package static var setStatus: UInt32 { 39 }
  @inline(__always) package static var getStatus: UInt32 { 40 }
  // The protocol has no message for features above bit 63. These two are between this library's driver and its device.
  @inline(__always) package static var getHigherFeatures: UInt32 { 0x7601 }
  @inline(__always) package static var setHigherFeatures: UInt32 { 0x7602 }

  /// The request's name as the protocol has it.
  package static func name(_ request: UInt32) -> Text {
    switch request {
    case getFeatures: Text("GET_FEATURES")
    case setFeatures: Text("SET_FEATURES")
    case setOwner: Text("SET_OWNER")
    case resetOwner: Text("RESET_OWNER")
    case setMemoryTable: Text("SET_MEM_TABLE")
    case setLogBase: Text("SET_LOG_BASE")
    case setLogFile: Text("SET_LOG_FD")
    case setVringSize: Text("SET_VRING_NUM")
    case setVringAddress: Text("SET_VRING_ADDR")
    case setVringBase: Text("SET_VRING_BASE")
    case getVringBase: Text("GET_VRING_BASE")
    case setVringKick: Text("SET_VRING_KICK")
    case setVringCall: Text("SET_VRING_CALL")
    case setVringError: Text("SET_VRING_ERR")
    case getProtocolFeatures: Text("GET_PROTOCOL_FEATURES")
    case setProtocolFeatures: Text("SET_PROTOCOL_FEATURES")
    case getQueueNumber: Text("GET_QUEUE_NUM")
    case setVringEnable: Text("SET_VRING_ENABLE")
    case sendRARP: Text("SEND_RARP")
    case setMTU: Text("NET_SET_MTU")
    case setBackendRequestFile: Text("SET_BACKEND_REQ_FD")
    case getConfig: Text("GET_CONFIG")
    case setConfig: Text("SET_CONFIG")
    case getInflightFile: Text("GET_INFLIGHT_FD")
    case setInflightFile: Text("SET_INFLIGHT_FD")
    case resetDevice: Text("RESET_DEVICE")
    case getMaximumSlots: Text("GET_MAX_MEM_SLOTS")
    case addRegion: Text("ADD_MEM_REG")
    case removeRegion: Text("REM_MEM_REG")
    case setStatus: Text("SET_STATUS")
    case getStatus: Text("GET_STATUS")
    case getHigherFeatures: Text("GET_HIGHER_FEATURES")
    case setHigherFeatures: Text("SET_HIGHER_FEATURES")
    default: Text("a request")
    }
  }
}

/// Back-end message types (vhost-user, "Back-end message types").
package enum VhostBackendRequest {
  /// VHOST_USER_BACKEND_CONFIG_CHANGE_MSG: the configuration has changed.
  @inline(__always) package static var configChange: UInt32 { 2 }
}

/// The header of a message (vhost-user, "Header"): request, flags, size of the payload, each 32 bits in the machine's
/// byte order.
package enum VhostMessage {
  @inline(__always) package static var headerBytes: Int { 12 }
  @inline(__always) package static var requestOffset: Int { 0 }
  @inline(__always) package static var flagsOffset: Int { 4 }
  @inline(__always) package static var sizeOffset: Int { 8 }

  /// The version in the flags, and the bits it stands in.
  @inline(__always) package static var version: UInt32 { 1 }
  @inline(__always) package static var versionMask: UInt32 { 3 }
  @inline(__always) package static var replyFlag: UInt32 { 4 }
  @inline(__always) package static var needReplyFlag: UInt32 { 8 }

  /// File descriptors that come with one message at most.
  @inline(__always) package static var mostFiles: Int { 8 }
}

/// The 64-bit number of SET_VRING_KICK, SET_VRING_CALL and SET_VRING_ERR.
package enum VringFile {
  /// The ring's index.
  @inline(__always) package static var indexMask: UInt64 { 0xff }
  /// No file descriptor comes with the message.
  @inline(__always) package static var noFile: UInt64 { 0x100 }
}

/// Regions of memory in one SET_MEM_TABLE; every back-end takes as many.
package enum VhostMemory {
  @inline(__always) package static var tableRegions: Int { 8 }
}

/// VHOST_USER_PROTOCOL_F_* (vhost-user, "Protocol features"), as masks.
package enum ProtocolFeature {
  /// MQ: a back-end says how many queues it has.
  @inline(__always) package static var multiqueue: UInt64 { 1 << 0 }
  /// RARP: a back-end can announce the driver, by SEND_RARP.
  @inline(__always) package static var announce: UInt64 { 1 << 2 }
  /// REPLY_ACK: a request can ask for an answer.
  @inline(__always) package static var replyAcknowledge: UInt64 { 1 << 3 }
  /// MTU: the back-end is told the MTU, by NET_SET_MTU.
  @inline(__always) package static var mtu: UInt64 { 1 << 4 }
  /// BACKEND_REQ: the back-end has a channel of its own.
  @inline(__always) package static var backendRequests: UInt64 { 1 << 5 }
  /// CONFIG: the configuration space can be read, by GET_CONFIG.
  @inline(__always) package static var config: UInt64 { 1 << 9 }
  /// INFLIGHT_SHMFD: a buffer in which a back-end records what it has in hand.
  @inline(__always) package static var inflight: UInt64 { 1 << 12 }
  /// RESET_DEVICE: a request of that name resets the device.
  @inline(__always) package static var resetDevice: UInt64 { 1 << 13 }
  /// CONFIGURE_MEM_SLOTS: memory regions one by one.
  @inline(__always) package static var memorySlots: UInt64 { 1 << 15 }
  /// STATUS: the back-end knows the device status, by SET_STATUS and GET_STATUS.
  @inline(__always) package static var status: UInt64 { 1 << 16 }
  /// Features above bit 63 have messages. Of this library alone: only a device that knows who its front-end is, because
  /// it is in the same process, offers it.
  @inline(__always) package static var higherFeatures: UInt64 { 1 << 63 }
}
