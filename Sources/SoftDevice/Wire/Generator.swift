// SPDX-License-Identifier: BSD-2-Clause
//
// The wire "generate": how many frames are due, and which. With a rate, time is cut into windows of a second; what the
// driver had no buffer for when it was due is lost, as on a real wire. The sequence number counts the lost ones too,
// so that a receiver can tell.

import CLinux
import Linux
import Virtio

struct Generator: ~Copyable {
  private static let second: UInt64 = 1_000_000_000
  private static let longestHeader = NetHeaderLayout.bytesWithTunnel

  private let block: Block
  private(set) var template: Template
  let rate: UInt64
  let flows: UInt32
  private let checksums: Template.Checksums
  var sequence: UInt64 = 0
  var flow: UInt32 = 0
  /// The receiver that is next.
  var turn = 0
  private var windowStart: UInt64 = 0
  private var sent: UInt64 = 0

  init(_ options: WireOptions) throws(Failure) {
    block = try Block(Self.longestHeader + options.length)
    template = Template(block.bytes, header: Self.longestHeader, length: options.length, .complete)
    checksums = options.checksums
    rate = options.rate
    flows = UInt32(options.flows)
  }

  /// Makes the template as the driver can take it: it has checksums of its own kind only for one that knows them.
  mutating func use(_ terms: Terms) {
    let kind = terms.guest & Feature.guestChecksum != 0 ? checksums : .complete
    if terms.header == template.header && kind == template.checksums || terms.header > Self.longestHeader { return }
    template = Template(block.bytes, header: terms.header, length: template.length, kind)
  }

  /// Begins to count time, when frames can flow again.
  mutating func restart(_ now: UInt64) {
    windowStart = now
    sent = 0
  }

  /// Frames that should have been sent by now.
  mutating func due(_ now: UInt64) -> Int {
    if rate == 0 { return Int.max }
    var elapsed = now &- windowStart
    if elapsed >= 2 &* Self.second {
      restart(now)
      elapsed = 0
    } else if elapsed >= Self.second, sent >= rate {
      // Only when all of the window was sent: its last frame is due at its end.
      windowStart &+= Self.second
      elapsed &-= Self.second
      sent &-= rate
    }
    let wanted = elapsed &* rate / Self.second
    return wanted > sent ? Int(truncatingIfNeeded: wanted &- sent) : 0
  }

  /// Notes that `frames` of those due were delivered or lost.
  mutating func account(_ frames: Int) {
    if rate != 0 { sent &+= UInt64(frames) }
  }

  /// Skips frames nobody could take.
  mutating func lose(_ frames: Int) {
    account(frames)
    sequence &+= UInt64(frames)
    flow = UInt32((UInt64(flow) &+ UInt64(frames)) % UInt64(flows))
  }

  /// Nanoseconds until the next frame is due.
  func wait(_ now: UInt64) -> UInt64 {
    let moment = windowStart &+ ((sent &+ 1) &* Self.second &+ rate &- 1) / max(rate, 1)
    return moment > now ? moment &- now : 0
  }
}
