// SPDX-License-Identifier: BSD-2-Clause
//
// Which MSI-X vector announces what. As a rule vector 0 is for changes of the configuration and vector n + 1 for queue n.
// A function with fewer has its queues share them, a pair's two first: its sender never sleeps, so that whoever waits for
// its receiver is not woken in vain. With two vectors the configuration still has its own: what waits for a change is
// seldom what waits for packets, and packets come often. With one all share it, since who is woken in vain merely looks,
// whereas an event without a vector would never be announced.

struct VectorPlan {
  /// Vectors in use, from 0 on; 0 for none.
  let count: Int
  private let pairs: Int

  /// More than 128 queue pairs use.
  static let most = 257

  init(available: Int, pairs: Int) {
    self.pairs = pairs
    let usable = min(available, VectorPlan.most)
    count = usable > 2 * pairs ? 2 * pairs + 1 : min(usable, pairs + 1)
  }

  static var none: VectorPlan { VectorPlan(available: 0, pairs: 0) }

  /// The vector of a queue of data; nil for another, whose answers are waited for, and if there is none at all.
  func vector(queue index: Int) -> Int? {
    if count == 0 || index >= 2 * pairs { return nil }
    if count == 2 * pairs + 1 { return index + 1 }
    return count == 1 ? 0 : 1 + index / 2 % (count - 1)
  }

  /// More than one sleeper may wait for this vector: several receive queues, or one and the watcher of the configuration.
  func isShared(_ vector: Int) -> Bool {
    var sleepers = vector == 0 ? 1 : 0
    for pair in 0..<pairs where self.vector(queue: 2 * pair) == vector { sleepers += 1 }
    return sleepers > 1
  }
}
