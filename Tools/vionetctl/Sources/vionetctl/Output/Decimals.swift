// SPDX-License-Identifier: BSD-2-Clause

enum Decimals {
  /// A number with that many digits behind the point.
  static func text(_ number: Double, _ digits: Int) -> String {
    let scale = (0..<digits).reduce(1) { value, _ in value * 10 }
    let whole = Int((number * Double(scale)).rounded())
    let fraction = String(whole.magnitude % UInt(scale))
    let sign = whole < 0 ? "-" : ""
    if digits == 0 { return "\(whole)" }
    return
      "\(sign)\(whole.magnitude / UInt(scale)).\(String(repeating: "0", count: digits - fraction.count))\(fraction)"
  }
}
