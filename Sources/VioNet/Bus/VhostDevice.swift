// SPDX-License-Identifier: BSD-2-Clause
//
// An open character device of the kernel's vhost: /dev/vhost-net, or one of /dev/vhost-vdpa-*. It takes as ioctl requests
// what a vhost-user back-end takes as messages, under the same names.

import CLinux
import Linux
import Virtio

/// An ioctl request: its number, and its name for sentences and the log.
struct VhostCall {
  let number: UInt
  private let request: UInt32
  private let own: StaticString

  init(_ number: UInt, _ name: StaticString) {
    self.number = number
    request = 0
    own = name
  }

  var name: Text { request == 0 ? Text(own) : VhostRequest.name(request) }

  /// A request that vhost-user has too.
  init(_ request: UInt32) {
    self.request = request
    own = ""
    number =
      switch request {
      case VhostRequest.getFeatures: SYS_VHOST_GET_FEATURES
      case VhostRequest.setFeatures: SYS_VHOST_SET_FEATURES
      case VhostRequest.setOwner: SYS_VHOST_SET_OWNER
      case VhostRequest.setMemoryTable: SYS_VHOST_SET_MEM_TABLE
      case VhostRequest.setVringSize: SYS_VHOST_SET_VRING_NUM
      case VhostRequest.setVringAddress: SYS_VHOST_SET_VRING_ADDR
      case VhostRequest.setVringBase: SYS_VHOST_SET_VRING_BASE
      case VhostRequest.setVringKick: SYS_VHOST_SET_VRING_KICK
      case VhostRequest.setVringCall: SYS_VHOST_SET_VRING_CALL
      case VhostRequest.setVringError: SYS_VHOST_SET_VRING_ERR
      case VhostRequest.setVringEnable: SYS_VDPA_SET_VRING_ENABLE
      case VhostRequest.setStatus: SYS_VDPA_SET_STATUS
      case VhostRequest.getStatus: SYS_VDPA_GET_STATUS
      default: 0
      }
  }
}

// Safety: each request gets a pointer to a value of the type that its number implies.
struct VhostDevice: ~Copyable {
  private(set) var file: File
  /// Either "vhost-net" or "vhost-vdpa".
  let kind: StaticString

  /// Opens the device and takes it for this process, whose memory it will use.
  @inline(never)
  init(_ path: Text, kind: StaticString) throws(Failure) {
    self.kind = kind
    let opened = unsafe path.withCString { name in unsafe sys_open(name, O_RDWR | O_NONBLOCK, 0) } ?? -ENAMETOOLONG
    let file = File(owning: try check(opened) { VhostDevice.explain(path, kind, $0) })
    try VhostDevice.take(file.number, path, kind)
    self.file = file
  }

  private static func take(_ file: Int32, _ path: Text, _ kind: StaticString) throws(Failure) {
    let call = VhostCall(VhostRequest.setOwner)
    let owned = sys_ioctl(file, call.number, nil)
    if owned >= 0 { return }
    if owned == -ENOTTY { throw Failure(ENODEV, "").quoting(path).text(" is not a device of ").text(kind) }
    throw VhostDevice.refused(call, kind, -owned)
  }

  static func explain(_ path: Text, _ kind: StaticString, _ code: Int32) -> Failure {
    let failure = Failure(code, "cannot open ").plain(path).text(": ").reason(code)
    let isNet = Text(kind).equals("vhost-net")
    return switch code {
    case ENOENT, ENXIO, ENODEV: failure.text(isNet ? "; modprobe vhost_net" : "; modprobe vhost_vdpa, vdpa dev add")
    case EBUSY: failure.text("; another process has it")
    case EACCES, EPERM: failure.mayUse(Path("").adding(path))
    default: failure
    }
  }

  var isOpen: Bool { file.isOpen }

  mutating func close() { file.close() }

  /// Makes a request. Returns the kernel's answer, or a negative errno.
  @inline(never)
  func ask(_ call: VhostCall, _ payload: UnsafeMutableRawPointer?) -> Int32 {
    unsafe sys_ioctl(file.number, call.number, payload)
  }

  @inline(never)
  func tell(_ call: VhostCall, _ payload: UnsafeMutableRawPointer?) throws(Failure) {
    _ = try check(unsafe ask(call, payload)) { refused(call, $0) }
  }

  func refused(_ call: VhostCall, _ code: Int32) -> Failure { VhostDevice.refused(call, kind, code) }

  private static func refused(_ call: VhostCall, _ kind: StaticString, _ code: Int32) -> Failure {
    Failure(code, kind).text(": ").plain(call.name).text(" failed: ").reason(code)
  }
}
