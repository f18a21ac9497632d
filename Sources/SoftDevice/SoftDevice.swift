// SPDX-License-Identifier: BSD-2-Clause
//
// The device model: virtio-net devices made of software, each a vhost-user back-end in a thread of its own. This file has
// what the rest of the library uses. A device and its driver meet only on a socket and in shared memory, whether the
// driver is in this process (start) or in another (serve).

import CLinux
import Linux

package enum SoftDevice {
  /// Makes a device for one front-end in this process, and returns the front-end's end of the socket, which does not
  /// block and is not inherited. The caller closes it.
  package static func start(_ options: WireOptions) throws(Failure) -> (
    device: Cell<Device>, socket: Descriptor
  ) {
    if options.device.isClient {
      throw Failure(EINVAL, "client=1 is for served devices: a soft: device has its driver from the beginning")
    }
    if options.device.wantsSeals {
      throw Failure(EINVAL, "sealed=1 is for served devices: a soft: device has its memory from this process")
    }
    var device = try make(try Device(options, listening: nil, frontEndPath: Path()))
    var socket = try connect(device.cell)
    return (try start(&device), Descriptor(owning: socket.take()))
  }

  /// Connects a device and returns the front-end's end of the socket.
  // Safety: the pair of descriptors is written into the two numbers of `ends`.
  private static func connect(_ device: Cell<Device>) throws(Failure) -> File {
    var ends: (Int32, Int32) = (-1, -1)
    let result = unsafe withUnsafeMutableBytes(of: &ends) { bytes in
      guard let base = bytes.baseAddress else { return -EINVAL }
      return unsafe sys_socket_pair(base.assumingMemoryBound(to: Int32.self))
    }
    _ = try check(result) { Failure($0, "cannot make a socket pair: ").reason($0) }
    device.value.connect(File(owning: ends.1))
    return File(owning: ends.0)
  }

  /// Makes a device that listens on a socket, or connects to one: for one front-end at a time, and after it for the
  /// next.
  package static func serve(_ path: Text, _ options: WireOptions) throws(Failure) -> Cell<Device> {
    var device = try options.device.isClient ? makeClient(path, options) : makeListener(path, options)
    return try start(&device)
  }

  @inline(never)
  private static func makeClient(_ path: Text, _ options: WireOptions) throws(Failure) -> Owned<Device> {
    let name = try ListeningSocket.name(path)
    return try make(try Device(options, listening: nil, frontEndPath: name))
  }

  @inline(never)
  private static func makeListener(_ path: Text, _ options: WireOptions) throws(Failure) -> Owned<Device> {
    let device = try make(try Device(options, listening: try ListeningSocket(path), frontEndPath: Path()))
    if !device.cell.value.poller.add(device.cell.value.listener, .listener) {
      throw Failure(ENOMEM, "socket ").quoting(path).text(" cannot be waited for")
    }
    return device
  }

  /// Ends the thread, disconnects, and removes what was made: the socket's file, the interface.
  package static func stop(_ device: Cell<Device>) {
    _ = sys_eventfd_signal(device.value.stop.number)
    _ = pthread_join(device.value.thread, nil)
    device.destroy()
    library_release()
  }

  /// The counters, from any thread.
  package static func statistics(_ device: Cell<Device>) -> DeviceStatistics { device.value.statistics }

  /// Counters that a port of this process shows, by place; each can be read from any thread.
  package static var counters: Int { DeviceCount.connections.rawValue }

  package static func counterName(_ place: Int) -> StaticString { DeviceCount(rawValue: place)?.name ?? "" }

  package static func counter(_ device: Cell<Device>, _ place: Int) -> UInt64 {
    DeviceCount(rawValue: place).map { device.value.counters[$0] } ?? 0
  }

  /// Writes why the device's wire carries no more frames, cut to fit; an empty text while it does. From any thread.
  // Safety: the caller's buffer has `room` bytes.
  package static func copyReason(_ device: Cell<Device>, to target: UnsafeMutablePointer<CChar>, room: Int) {
    unsafe device.value.reason.copy(to: target, room: room)
  }

  /// Writes why the last session that ended for a fault did, cut to fit; an empty text if none has. From any thread.
  // Safety: the caller's buffer has `room` bytes.
  package static func copyComplaint(_ device: Cell<Device>, to target: UnsafeMutablePointer<CChar>, room: Int) {
    unsafe device.value.complaint.copy(to: target, room: room)
  }

  /// The errno of what this process lacked when a session ended for that, or 0; from any thread.
  package static func shortage(_ device: Cell<Device>) -> Int32 { device.value.counters.shortage }

  private static func make(_ device: consuming Device) throws(Failure) -> Owned<Device> {
    try Owned(device, for: "a soft device")
  }

  /// Starts the thread, which has the device from then on.
  // Safety: the thread is joined before the device is destroyed.
  private static func start(_ device: inout Owned<Device>) throws(Failure) -> Cell<Device> {
    let cell = device.cell
    if let bell = cell.value.wire.bell { _ = cell.value.poller.add(bell, .wire) }
    var thread = pthread_t()
    var result = cell.value.poller.add(cell.value.stop.number, .stop) ? Int32(0) : -ENOMEM
    if result == 0 {
      library_keep()
      result = unsafe sys_thread_start(&thread, "vionet-soft", body, cell.raw)
      if result != 0 { library_release() }
    }
    _ = try check(result) {
      Failure($0, "cannot start a thread for a soft device: ").reason($0).namingThreadLimit()
    }
    cell.value.thread = thread
    return device.take()
  }

  // Safety: the argument is the cell's own pointer, from start().
  private static let body: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { argument in
    if let argument = unsafe argument { unsafe Cell<Device>(raw: argument).value.run() }
    return nil
  }
}
