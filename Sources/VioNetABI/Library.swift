// SPDX-License-Identifier: BSD-2-Clause
//
// vionet.h, chapter "Library": version, errors, log. Contracts are there.
//
// Safety: pointers are the caller's. Their lengths and lifetimes are what vionet.h asks for, and NULL is refused first.

import CLinux
import CVionet
import Linux

@implementation @c(vionet_version)
public func vionet_version() -> UnsafePointer<CChar> { unsafe characters("0.1.0") }

@implementation @c(vionet_version_number)
public func vionet_version_number() -> UInt32 {
  UInt32(VIONET_VERSION_MAJOR << 16 | VIONET_VERSION_MINOR << 8 | VIONET_VERSION_PATCH)
}

@implementation @c(vionet_error)
public func vionet_error() -> UnsafePointer<CChar> { unsafe sentence_get(Int32(SENTENCE_ERROR)) }

@implementation @c(vionet_log_set)
public func vionet_log_set(_ level: Int32, _ callback: vionet_log_callback?, _ user: UnsafeMutableRawPointer?) {
  unsafe log_set(level, callback, user)
}
