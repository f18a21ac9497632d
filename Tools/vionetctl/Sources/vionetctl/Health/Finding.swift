// SPDX-License-Identifier: BSD-2-Clause

/// Something that keeps an address from working, or makes it slower than it could be.
struct Finding: Encodable {
  /// A name that does not change from version to version, such as "tun-missing".
  let id: String
  /// False if the address works all the same.
  let isNeeded: Bool
  let sentence: String
  /// The command of a shell that mends it; nil if there is none. Most want root.
  let command: String?

  init(_ id: String, _ sentence: String, mend command: String? = nil) {
    self.init(id: id, isNeeded: true, sentence: sentence, command: command)
  }

  private init(id: String, isNeeded: Bool, sentence: String, command: String?) {
    self.id = id
    self.isNeeded = isNeeded
    self.sentence = sentence
    self.command = command
  }

  static func advice(_ id: String, _ sentence: String, mend command: String? = nil) -> Finding {
    Finding(id: id, isNeeded: false, sentence: sentence, command: command)
  }

  private enum Key: String, CodingKey { case id, needed, sentence, command }

  func encode(to encoder: any Encoder) throws {
    var object = encoder.container(keyedBy: Key.self)
    try object.encode(id, forKey: .id)
    try object.encode(isNeeded, forKey: .needed)
    try object.encode(sentence, forKey: .sentence)
    try object.encode(command, forKey: .command)
  }
}
