// SPDX-License-Identifier: BSD-2-Clause
//
// Rows of text in columns that are as wide as their widest cell.

struct Table {
  private var rows: [[String]]

  init(_ headings: String...) { rows = [headings] }
  init(_ headings: [String]) { rows = [headings] }

  mutating func add(_ cells: String...) { rows.append(cells) }
  mutating func add(_ cells: [String]) { rows.append(cells) }

  /// The table as text; no line ends with blanks.
  var text: String {
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      let cells = zip(row, widths).map { cell, width in cell + String(repeating: " ", count: width - cell.count) }
      let line = cells.joined(separator: "  ")
      return String(line.reversed().drop { $0 == " " }.reversed())
    }.joined(separator: "\n")
  }
}
