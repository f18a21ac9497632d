// SPDX-License-Identifier: BSD-2-Clause
//
// The device model: virtio-net devices made of software, each a vhost-user back-end in a thread of its own. What the
// rest of the library sees of it is here. A device and its driver meet only on a socket and in shared memory, the same
// whether the driver is in this process (start) or in another (serve).

import CLinux
import Linux

package enum SoftDevice {
  /// Makes a device for one front-end in this process, and returns the front-end's end of the socket, which does not
  /// block and is not inherited. The caller closes it.
  package static func start(_ options: WireOptions) throws(Failure) -> (
    device: Cell<Device>, socket: Descriptor
  ) {
    if options.device.isClient {
      throw Failure(EINVAL, "client=1: a soft: device has its driver already; only a served one can look for it")
    }
    let device = try make(try Device(options, listening: nil, calling: Name()))
    var ends: (Int32, Int32) = (-1, -1)
    let result = unsafe withUnsafeMutableBytes(of: &ends) { bytes in
      guard let base = bytes.baseAddress else { return -EINVAL }
      return unsafe sys_socket_pair(base.assumingMemoryBound(to: Int32.self))
    }
    if result < 0 {
      device.destroy()
      throw Failure(-result, "cannot make a socket pair: ").reason(-result)
    }
    device.value.connect(File(owning: ends.1))
    do throws(Failure) {
      try begin(device)
    } catch {
      _ = sys_close(ends.0)
      throw error
    }
    return (device, Descriptor(owning: ends.0))
  }

  /// Makes a device that listens on a socket, or connects to one: for one front-end at a time, and after it for the
  /// next.
  package static func serve(_ path: Text, _ options: WireOptions) throws(Failure) -> Cell<Device> {
    let device = try options.device.isClient ? caller(path, options) : listener(path, options)
    try begin(device)
    return device
  }

  @inline(never)
  private static func caller(_ path: Text, _ options: WireOptions) throws(Failure) -> Cell<Device> {
    let name = try ListeningSocket.name(path)
    return try make(try Device(options, listening: nil, calling: name))
  }

  @inline(never)
  private static func listener(_ path: Text, _ options: WireOptions) throws(Failure) -> Cell<Device> {
    let device = try make(try Device(options, listening: try ListeningSocket(path), calling: Name()))
    if !device.value.poller.add(device.value.listener, .listener) {
      device.destroy()
      throw Failure(ENOMEM, "socket ").quoting(path).text(" cannot be waited for")
    }
    return device
  }

  /// Ends the thread, disconnects, and removes what was made: the socket's file, the interface.
  package static func stop(_ device: Cell<Device>) {
    _ = sys_eventfd_signal(device.value.stop.number)
    _ = pthread_join(device.value.thread, nil)
    device.destroy()
  }

  /// The counters, from any thread.
  package static func statistics(_ device: Cell<Device>) -> DeviceStatistics { device.value.statistics }

  private static func make(_ device: consuming Device) throws(Failure) -> Cell<Device> {
    guard let cell = Cell.make(device) else { throw Failure(ENOMEM, "no memory for a soft device") }
    return cell
  }

  /// Starts the thread; without it there is no device.
  private static func begin(_ device: Cell<Device>) throws(Failure) {
    if let bell = device.value.wire.bell { _ = device.value.poller.add(bell, .wire) }
    var thread = pthread_t()
    var result = device.value.poller.add(device.value.stop.number, .stop) ? Int32(0) : -ENOMEM
    if result == 0 {
      result = unsafe sys_thread_start(&thread, "vionet-soft", body, device.raw)
    }
    if result < 0 {
      device.destroy()
      throw Failure(-result, "cannot start a thread for a soft device: ").reason(-result)
    }
    device.value.thread = thread
  }

  private static let body: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { argument in
    if let argument = unsafe argument { unsafe Cell<Device>(raw: argument).value.run() }
    return nil
  }
}
