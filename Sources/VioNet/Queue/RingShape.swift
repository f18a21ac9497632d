// SPDX-License-Identifier: BSD-2-Clause
//
// The shape of a ring as negotiated, and the one place where it becomes a type.

struct RingShape {
  var isPacked = false
  /// IN_ORDER was negotiated.
  var isInOrder = false
  /// Both sides name the entry at which they want a notification (virtio 1.4, 2.7.7.1 and 2.8.10).
  var hasEventIndex = false
}

/// Work on a subject that knows the type of its ring at compile time.
protocol RingVisitor {
  associatedtype Subject
  associatedtype Answer
  func visit<R: ReceiveRing & TransmitRing & ~Copyable>(_: R.Type, _ subject: inout Subject) -> Answer
}

extension RingShape {
  /// Calls the visitor with the type of ring that has this shape.
  @inline(__always)
  func visit<V: RingVisitor>(_ visitor: V, _ subject: inout V.Subject) -> V.Answer {
    switch (isPacked, isInOrder) {
    case (false, false): visitor.visit(SplitRing<AnyOrder>.self, &subject)
    case (false, true): visitor.visit(SplitRing<InOrder>.self, &subject)
    case (true, false): visitor.visit(PackedRing<AnyOrder>.self, &subject)
    case (true, true): visitor.visit(PackedRing<InOrder>.self, &subject)
    }
  }

  /// The one of four values that belongs to this shape. Generic code cannot form C function pointers, so that those of
  /// all types are listed.
  @inline(__always)
  func choose<Value>(_ values: PerRing<Value>) -> Value {
    var values = values
    return visit(RingChoice<Value>(), &values)
  }
}

/// A value for each type of ring.
struct PerRing<Value> {
  let split: Value
  let splitInOrder: Value
  let packed: Value
  let packedInOrder: Value
}

private struct RingChoice<Value>: RingVisitor {
  @inline(__always)
  func visit<R: ReceiveRing & TransmitRing & ~Copyable>(_: R.Type, _ values: inout PerRing<Value>) -> Value {
    if R.isPacked { return R.isInOrder ? values.packedInOrder : values.packed }
    return R.isInOrder ? values.splitInOrder : values.split
  }
}
