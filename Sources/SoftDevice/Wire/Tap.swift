// SPDX-License-Identifier: BSD-2-Clause
//
// The wire "tap": a kernel TAP interface. It is made here, not persistent, so that the kernel removes it when its
// descriptor closes; addresses, MTU and "up" are the user's. Frames travel with a virtio-net header of 12 bytes, or of
// 24 for a driver that agreed on tunnels (IFF_VNET_HDR), which says what is left to do on them in either direction; what
// the driver cannot do itself, the kernel does before it hands a frame over. With several queue pairs the interface has as
// many queues, of which those take frames whose pairs receive.
//
// One frame is one system call, so frames are copied through memory of our own: the kernel then never reads what the
// front-end may be changing, and a frame's length is known before it needs a buffer.
//
// The link is the interface's "up", read from the first queue's descriptor, which works across namespaces. A netlink
// socket says when to look.

import CLinux
import Linux
import Virtio

// Safety: a frame is read into `room` bytes of the block and written from as many; requests outlive the calls.
struct Tap: ~Copyable {
  private static let room = NetHeaderLayout.bytesWithTunnel + Frame.longest
  /// TUN_F_USO4 and TUN_F_USO6 of TUNSETOFFLOAD, which headers before Linux 6.2 do not have.
  private static let segmentsUDP = UInt(TUN_USO)
  /// TUN_F_UDP_TUNNEL_GSO and TUN_F_UDP_TUNNEL_GSO_CSUM, since Linux 6.17. They need all of the others.
  private static let tunnel = UInt(TUN_TUNNEL)
  private static let tunnelChecksum = UInt(TUN_TUNNEL_CHECKSUM)
  private static let segments = UInt(TUN_F_CSUM) | UInt(TUN_F_TSO4) | UInt(TUN_F_TSO6) | segmentsUDP

  /// One of the interface's queues.
  private struct Line {
    let file: Int32
    let incoming: Bytes
    /// Bytes of the frame at hand, with its header.
    var waiting = 0
    var isAttached = true
  }

  private let block: Block
  private let lines: Table<Line>
  private let outgoing: Bytes
  /// The kernel can leave the segmentation of UDP to others, and do it.
  let knowsUDP: Bool
  /// The kernel can leave the segmentation of packets in UDP tunnels to others, and do it.
  let knowsTunnels: Bool
  private var offloads: UInt = 0
  /// Bytes of the header before each frame.
  private var header = NetHeaderLayout.bytes
  private let name: Path
  private let links: File
  /// What the interface was set to before; it may live on without us.
  private let kept: tap_settings?
  /// The interface was taken away.
  private(set) var isDead = false

  init(_ name: Path, pairs: Int) throws(Failure) {
    let links = File(
      owning: try check(InterfaceEvents.open()) { Failure($0, "tap ").quoting(name).text(": netlink: ").reason($0) })
    let head = (pairs * MemoryLayout<Line>.stride + 63) & ~63
    let block = try Block(head + (pairs + 1) * (Self.room + 64))
    let lines = block.table(Line.self, at: 0, count: pairs)
    var made = 0
    var kept: tap_settings?
    do throws(Failure) {
      while made < pairs {
        let file = try Self.open(name, isMultiqueue: pairs > 1, &kept)
        lines[made] = Line(file: file, incoming: block.part(at: head + (made + 1) * (Self.room + 64), count: Self.room))
        made += 1
      }
    } catch {
      Self.close(lines, made, kept)
      throw error
    }
    self.kept = kept
    outgoing = block.part(at: head, count: Self.room)
    let known = UInt(TUN_F_CSUM) | Self.segmentsUDP
    knowsUDP = TapFile.setOffloads(lines[0].file, known) >= 0
    knowsTunnels = TapFile.setOffloads(lines[0].file, Self.segments | Self.tunnel | Self.tunnelChecksum) >= 0
    if !knowsTunnels && Log.wanted(.info) {
      Log.line("soft device: no UDP tunnel offloads, because the kernel has no TUN_F_UDP_TUNNEL_GSO").send(.info)
    }
    _ = TapFile.setOffloads(lines[0].file, 0)
    self.block = block
    self.lines = lines
    self.links = links
    self.name = name
  }

  deinit { Self.close(lines, lines.count, kept) }

  private static func close(_ lines: Table<Line>, _ count: Int, _ kept: tap_settings?) {
    if count > 0, let kept { TapFile.giveBack(lines[0].file, kept) }
    for index in 0..<count { _ = sys_close(lines[index].file) }
  }

  /// One more queue of the interface, which the first one makes. `kept` becomes what it was set to, if that is not known.
  private static func open(
    _ name: Path, isMultiqueue: Bool, _ kept: inout tap_settings?
  ) throws(Failure) -> Int32 {
    var file = File(
      owning: try check(TapFile.open()) { code in
        Failure(code, "tap ").quoting(name).text(": /dev/net/tun: ").reason(code)
      })
    var result = TapFile.attach(file.number, to: name, isMany: isMultiqueue)
    // One that somebody made with several queues takes no other kind.
    if result == -EINVAL && !isMultiqueue { result = TapFile.attach(file.number, to: name, isMany: true) }
    if result >= 0 && kept == nil { kept = TapFile.settings(file.number) }
    if result >= 0 { result = TapFile.setHeaderBytes(file.number, NetHeaderLayout.bytes) }
    _ = try check(result) { explain(name, $0) }
    return file.take()
  }

  private static func explain(_ name: Path, _ code: Int32) -> Failure {
    let failure = Failure(code, "tap ").quoting(name).text(": ").reason(code)
    switch code {
    case EPERM: return failure.text(" (making an interface needs CAP_NET_ADMIN)")
    case EBUSY: return failure.text(" (another program holds it)")
    case EINVAL: return failure.text(" (an interface of that name exists and is no TAP)")
    default: return failure
    }
  }

  /// What becomes readable when frames for a pair arrive; nil if that never happens again.
  func file(_ pair: Int) -> Int32? { isDead ? nil : lines[pair].file }

  /// What becomes readable when some interface changes.
  var changes: Int32 { links.number }

  /// Looks whether the interface is there and up. The first queue is always attached, and only such a one can tell.
  mutating func look() -> WireState {
    let state = isDead ? POLLERR : TapFile.state(lines[0].file)
    if state & POLLERR != 0 { isDead = true }
    return isDead ? .gone : state & POLLOUT != 0 ? .up : .down
  }

  var whyDown: Failure {
    if isDead { return Failure(ENODEV, "interface ").quoting(name).text(" was removed; open the port again") }
    return Failure(ENETDOWN, "interface ").quoting(name).text(" is down: ip link set ").plain(name).text(" up")
  }

  /// Leaves to the kernel what the driver has not agreed to do.
  mutating func use(_ terms: Terms) {
    let features = terms.guest
    var wanted: UInt = 0
    if features & Feature.guestChecksum != 0 { wanted |= UInt(TUN_F_CSUM) }
    if features & Feature.guestTSO4 != 0 { wanted |= UInt(TUN_F_TSO4) }
    if features & Feature.guestTSO6 != 0 { wanted |= UInt(TUN_F_TSO6) }
    if features & Feature.guestECN != 0 { wanted |= UInt(TUN_F_TSO_ECN) }
    let both = Feature.guestUSO4 | Feature.guestUSO6
    if knowsUDP && features & both == both { wanted |= Self.segmentsUDP }
    if terms.tunnels & HigherFeature.guestTunnel != 0 { wanted |= Self.tunnel }
    if terms.tunnels & HigherFeature.guestTunnelChecksum != 0 { wanted |= Self.tunnelChecksum }
    setHeader(wanted & Self.tunnel != 0 || terms.hasTunnels ? NetHeaderLayout.bytesWithTunnel : NetHeaderLayout.bytes)
    if wanted != offloads && TapFile.setOffloads(lines[0].file, wanted) >= 0 { offloads = wanted }
  }

  /// Makes the header before each frame `bytes` long. A frame that was read before keeps the header that it came with.
  private mutating func setHeader(_ bytes: Int) {
    if bytes == header { return }
    for index in 0..<lines.count {
      if TapFile.setHeaderBytes(lines[index].file, bytes) < 0 { return }
      lines[index].waiting = 0
    }
    header = bytes
  }

  /// Gives a pair's queue frames or not. The first one always has them, so that none is lost while the driver starts.
  func attach(_ pair: Int, _ attached: Bool) {
    if lines.count == 1 || pair == 0 || lines[pair].isAttached == attached { return }
    _ = TapFile.setAttached(lines[pair].file, attached)
    lines[pair].isAttached = attached
    lines[pair].waiting = 0
  }

  func write(_ frame: Frame, _ pair: Int) -> Taking {
    if frame.count > Frame.longest { return .long }
    frame.header.store(to: outgoing, bytes: header)
    frame.copy(to: outgoing.dropping(header))
    if !frame.header.isSegmented && frame.header.flags & NetHeaderFlag.needsChecksum == 0 {
      TapChecksums.complete(outgoing.dropping(header).first(frame.count))
    }
    return unsafe sys_write(lines[pair].file, outgoing.base, header &+ frame.count) >= 0 ? .taken : .refused
  }

  mutating func peek(_ pair: Int) -> Frame? {
    let incoming = lines[pair].incoming
    if lines[pair].waiting == 0 {
      if isDead { return nil }
      let length = unsafe sys_read(lines[pair].file, incoming.base, header &+ Frame.longest)
      if length <= 0 && length != -Int(EAGAIN) && length != -Int(EINTR) { isDead = true }
      if length < header { return nil }
      lines[pair].waiting = length
      // The driver would not be told that the kernel has not looked either.
      if offloads & UInt(TUN_F_CSUM) == 0 && NetHeader(incoming).flags & NetHeaderFlag.dataValid != 0 {
        TapChecksums.complete(incoming.first(length).dropping(header))
      }
    }
    let frame = incoming.first(lines[pair].waiting).dropping(header)
    return Frame(frame, NetHeader(incoming, hasTunnel: header > NetHeaderLayout.bytes))
  }

  func advance(_ pair: Int) { lines[pair].waiting = 0 }
}
