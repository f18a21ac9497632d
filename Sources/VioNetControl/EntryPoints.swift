// SPDX-License-Identifier: BSD-2-Clause
//
// The entry points of libvionet-control. Contracts are in vionet-control.h.

import CLinux
import CVionetControl
import Linux

@implementation @c(vionet_control_open)
public func vionet_control_open(
  _ path: UnsafePointer<CChar>?, _ control: UnsafeMutablePointer<OpaquePointer?>?
) -> Int32 {
  do throws(Failure) {
    guard let control = unsafe control else { throw Failure(EINVAL, "control is NULL") }
    unsafe control.pointee = nil
    // One byte more than any path may have shows that a path is too long.
    guard let path = unsafe Text(path, limit: 256), !path.isEmpty else {
      throw Failure(EINVAL, "the path is NULL or empty")
    }
    guard let made = Cell.make(try ControlSocket(path)) else { throw Failure(ENOMEM, "no memory for a control socket") }
    unsafe control.pointee = OpaquePointer(made.pointer)
    return 0
  } catch {
    return 0 - error.code
  }
}

@implementation @c(vionet_control_fd)
public func vionet_control_fd(_ control: OpaquePointer) -> Int32 { unsafe socket(control).value.descriptor }

@implementation @c(vionet_control_process)
public func vionet_control_process(_ control: OpaquePointer) -> Int32 { unsafe socket(control).value.process() }

@implementation @c(vionet_control_close)
public func vionet_control_close(_ control: OpaquePointer?) {
  if let control = unsafe control { unsafe socket(control).destroy() }
}

@implementation @c(vionet_control_error)
public func vionet_control_error() -> UnsafePointer<CChar> { unsafe sentence_get(Int32(SENTENCE_ERROR)) }

// Safety: vionet_control_open() made the pointer, and it is used until vionet_control_close() alone.
private func socket(_ control: OpaquePointer) -> Cell<ControlSocket> {
  unsafe Cell(UnsafeMutablePointer<ControlSocket>(control))
}
