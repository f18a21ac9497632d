// SPDX-License-Identifier: BSD-2-Clause
//
// Filters in libpcap's language. libpcap is loaded when there is a filter to compile, so that the tool works without it.

import Glibc

enum PacketFilter {
  private static let library = "libpcap.so.0.8"

  /// struct bpf_program and struct bpf_insn of pcap/bpf.h.
  // Safety: libpcap fills it.
  @safe
  private struct Program {
    var count: UInt32 = 0
    var instructions: UnsafeMutablePointer<Instruction>?
  }
  private struct Instruction {
    var code: UInt16
    var ifTrue: UInt8
    var ifFalse: UInt8
    var value: UInt32
  }
  private typealias OpenDead = @convention(c) (Int32, Int32) -> OpaquePointer?
  private typealias Compile =
    @convention(c) (OpaquePointer, UnsafeMutableRawPointer, UnsafePointer<CChar>, Int32, UInt32) -> Int32
  private typealias Message = @convention(c) (OpaquePointer) -> UnsafePointer<CChar>

  /// The instructions of an expression such as "tcp port 80", as the control socket wants them. The process ends soon, so
  /// nothing is freed.
  static func compiled(_ expression: String, snapLength: Int) throws -> [String] {
    guard let handle = unsafe dlopen(library, RTLD_NOW) else {
      throw Sentence("a filter needs \(library) (Debian package libpcap0.8), which is not here")
    }
    guard let open = unsafe dlsym(handle, "pcap_open_dead"), let compile = unsafe dlsym(handle, "pcap_compile"),
      let message = unsafe dlsym(handle, "pcap_geterr")
    else { throw Sentence("\(library) is another library than libpcap") }
    let ethernet: Int32 = 1
    guard let pcap = unsafe unsafeBitCast(open, to: OpenDead.self)(ethernet, Int32(snapLength)) else {
      throw Sentence("libpcap has no memory")
    }
    var program = Program()
    let unknownMask: UInt32 = 0xffff_ffff
    if unsafe unsafeBitCast(compile, to: Compile.self)(pcap, &program, expression, 1, unknownMask) != 0 {
      let reason = unsafe String(cString: unsafeBitCast(message, to: Message.self)(pcap))
      throw Sentence("the filter \"\(expression)\": \(reason)")
    }
    return unsafe UnsafeBufferPointer(start: program.instructions, count: Int(program.count)).map {
      let word =
        UInt64($0.code) << 48 | UInt64($0.ifTrue) << 40 | UInt64($0.ifFalse) << 32 | UInt64($0.value)
      let digits = String(word, radix: 16)
      return String(repeating: "0", count: 16 - digits.count) + digits
    }
  }
}
