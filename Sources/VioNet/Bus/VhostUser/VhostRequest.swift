// SPDX-License-Identifier: BSD-2-Clause
//
// The vhost-user requests that this driver sends, and the protocol features it understands (QEMU's
// docs/interop/vhost-user.rst). The kernel's headers do not have them.

import Linux

enum VhostRequest {
  static let getFeatures: UInt32 = 1
  static let setFeatures: UInt32 = 2
  static let setOwner: UInt32 = 3
  static let setMemoryTable: UInt32 = 5
  static let setVringSize: UInt32 = 8
  static let setVringAddress: UInt32 = 9
  static let setVringBase: UInt32 = 10
  static let getVringBase: UInt32 = 11
  static let setVringKick: UInt32 = 12
  static let setVringCall: UInt32 = 13
  static let setVringError: UInt32 = 14
  static let getProtocolFeatures: UInt32 = 15
  static let setProtocolFeatures: UInt32 = 16
  static let getQueueNumber: UInt32 = 17
  static let setVringEnable: UInt32 = 18
  static let sendRARP: UInt32 = 19
  static let setMTU: UInt32 = 20
  static let setBackendRequestFile: UInt32 = 21
  static let getConfig: UInt32 = 24
  static let getInflightFile: UInt32 = 31
  static let setInflightFile: UInt32 = 32
  static let resetDevice: UInt32 = 34
  static let getMaximumSlots: UInt32 = 36
  static let addRegion: UInt32 = 37
  static let removeRegion: UInt32 = 38
  static let setStatus: UInt32 = 39
  static let getStatus: UInt32 = 40

  static func name(_ request: UInt32) -> Text {
    switch request {
    case getFeatures: Text("GET_FEATURES")
    case setFeatures: Text("SET_FEATURES")
    case setOwner: Text("SET_OWNER")
    case setMemoryTable: Text("SET_MEM_TABLE")
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
    case getInflightFile: Text("GET_INFLIGHT_FD")
    case setInflightFile: Text("SET_INFLIGHT_FD")
    case resetDevice: Text("RESET_DEVICE")
    case getMaximumSlots: Text("GET_MAX_MEM_SLOTS")
    case addRegion: Text("ADD_MEM_REG")
    case removeRegion: Text("REM_MEM_REG")
    case setStatus: Text("SET_STATUS")
    case getStatus: Text("GET_STATUS")
    default: Text("a request")
    }
  }
}

/// VHOST_USER_PROTOCOL_F_*
enum ProtocolFeature {
  static let queues: UInt64 = 1 << 0
  static let announce: UInt64 = 1 << 2
  static let replyAcknowledge: UInt64 = 1 << 3
  static let mtu: UInt64 = 1 << 4
  static let backendRequests: UInt64 = 1 << 5
  static let config: UInt64 = 1 << 9
  static let inflight: UInt64 = 1 << 12
  static let resetDevice: UInt64 = 1 << 13
  static let memorySlots: UInt64 = 1 << 15
  static let status: UInt64 = 1 << 16

  /// What is asked for when offered.
  static let wanted =
    queues | announce | replyAcknowledge | mtu | backendRequests | config | inflight | resetDevice | memorySlots
    | status
}
