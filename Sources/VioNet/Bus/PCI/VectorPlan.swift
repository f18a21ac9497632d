// SPDX-License-Identifier: BSD-2-Clause
//
// Which MSI-X vector announces what. Normally vector 0 is for changes of the configuration and vector n + 1 for queue n. If
// a function has fewer, queues share vectors. The two queues of a pair share first: few programs sleep on a transmit queue, so
// that sharing seldom wakes anybody needlessly. With two vectors the configuration still has its own, because packets come often
// and changes rarely. With one vector everything shares it: a needless wake-up costs little, but an event without a vector
// would never be announced.

struct VectorPlan {
  /// Vectors in use, counted from vector 0.
  let count: Int
  private let pairs: Int

  /// Vectors for 128 queue pairs and the configuration.
  static let most = 257

  init(available: Int, pairs: Int) {
    self.pairs = pairs
    let usable = min(available, VectorPlan.most)
    count = usable > 2 * pairs ? 2 * pairs + 1 : min(usable, pairs + 1)
  }

  static var none: VectorPlan { VectorPlan(available: 0, pairs: 0) }

  /// Each queue has a vector of its own.
  var isOwnPerQueue: Bool { count > 0 && count == 2 * pairs + 1 }

  /// The vector of a receive or transmit queue; nil if there is none, and for the control queue, whose answers are polled.
  func vector(queue index: Int) -> Int? {
    if count == 0 || index >= 2 * pairs { return nil }
    if isOwnPerQueue { return index + 1 }
    return count == 1 ? 0 : 1 + index / 2 % (count - 1)
  }

  /// True if several sleepers may wait for this vector: those of receive queues, and whoever watches the configuration. Who
  /// sleeps on a transmit queue watches what its pair's receive queue is woken by.
  func isShared(_ vector: Int) -> Bool {
    var sleepers = vector == 0 ? 1 : 0
    for pair in 0..<pairs where self.vector(queue: 2 * pair) == vector { sleepers += 1 }
    return sleepers > 1
  }
}
