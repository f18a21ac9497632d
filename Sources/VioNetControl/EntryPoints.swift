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
  // Safety: `path` is a C string, and `control` points at room for a pointer, as the header demands.
  do throws(Failure) {
    guard let control = unsafe control else { throw Failure(EINVAL, "control is NULL") }
    unsafe control.pointee = nil
    // More bytes than any address has are not needed to see that a path is too long.
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
public func vionet_control_fd(_ control: OpaquePointer) -> Int32 {
  do throws(Failure) {
    // Safety: as in socket().
    try unsafe socket(control).value.mustBeOwn()
    return unsafe socket(control).value.descriptor
  } catch {
    return 0 - error.code
  }
}

@implementation @c(vionet_control_process)
public func vionet_control_process(_ control: OpaquePointer) -> Int32 {
  // Safety: as in socket().
  do throws(Failure) { try unsafe socket(control).value.mustBeOwn() } catch { return 0 - error.code }
  var requests: Int32 = 0
  // Safety: as in socket(). vionet_control_error() is about vionet_control_open() alone, so what a request says is
  // forgotten when it is answered.
  Failure.keepingSentence { unsafe requests = socket(control).value.process() }
  return requests
}

@implementation @c(vionet_control_close)
public func vionet_control_close(_ control: OpaquePointer?) {
  // Safety: as in socket(). The header forbids any use afterwards.
  guard let control = unsafe control else { return }
  // The file, too, is that of the process that made it.
  do throws(Failure) { try unsafe socket(control).value.mustBeOwn() } catch { return }
  unsafe socket(control).destroy()
}

@implementation @c(vionet_control_error)
public func vionet_control_error() -> UnsafePointer<CChar> {
  // Safety: the C string belongs to this thread and lasts until its next failure.
  unsafe sentence_get(Int32(SENTENCE_ERROR))
}

// Safety: vionet_control_open() made the pointer, and the header allows no use after vionet_control_close().
private func socket(_ control: OpaquePointer) -> Cell<ControlSocket> {
  unsafe Cell(UnsafeMutablePointer<ControlSocket>(control))
}
