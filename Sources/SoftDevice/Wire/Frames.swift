// SPDX-License-Identifier: BSD-2-Clause
//
// The two sides of a wire, as the traffic loops see them. Both are used by one batch at a time and are dispatched
// statically; a wire whose state is hot hands out a small copy of it and takes it back afterwards.

import Linux

/// Where frames from the driver go.
protocol FrameTarget: ~Copyable {
  /// Takes one frame. False: the wire cannot have it.
  mutating func take(_ frame: Frame) -> Bool
}

/// Where frames for the driver come from.
protocol FrameSource: ~Copyable {
  /// The next frame, which stays the next one until `advance`; nil if none waits.
  mutating func peek() -> Frame?
  mutating func advance()
}
