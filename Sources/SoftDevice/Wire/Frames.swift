// SPDX-License-Identifier: BSD-2-Clause
//
// The two sides of a wire, as the traffic loops see them. Both are used by one batch at a time and are dispatched
// statically; a wire whose state is hot hands out a small copy of it and takes it back afterwards.

import Linux

/// Where frames from the driver go.
protocol FrameTarget: ~Copyable {
  /// Takes one frame: what stands in `chain` behind a header of `header` bytes. False: the wire cannot have it.
  mutating func take(_ chain: borrowing Chain, header: Int) -> Bool
}

/// Where frames for the driver come from.
protocol FrameSource: ~Copyable {
  /// The next frame, which stays the next one until `advance`; nil if none waits.
  mutating func peek() -> Bytes?
  mutating func advance()
}

/// Counts and forgets; nothing of a frame is read.
struct Forget: FrameTarget {
  @inline(__always)
  func take(_ chain: borrowing Chain, header: Int) -> Bool { true }
}

/// Takes nothing: what a queue that is started but disabled does with frames.
struct Refuse: FrameTarget {
  func take(_ chain: borrowing Chain, header: Int) -> Bool { false }
}
