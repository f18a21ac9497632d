// SPDX-License-Identifier: BSD-2-Clause
//
// Rows of text in columns that are as wide as their widest cell.

struct Table {
  private var rows: [[String]]
  /// Cells that are all of such a text, in colour.
  private let styles: [String: Style]

  init(_ headings: String..., styles: [String: Style] = [:]) { self.init(headings, styles: styles) }
  init(_ headings: [String], styles: [String: Style] = [:]) {
    rows = [headings]
    self.styles = styles
  }

  mutating func add(_ cells: String...) { rows.append(cells) }
  mutating func add(_ cells: [String]) { rows.append(cells) }

  /// The table as text; no line ends with blanks.
  var text: String {
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.enumerated().map { place, row in
      let last = row.lastIndex { !$0.isEmpty } ?? 0
      let cells = zip(row, widths).prefix(last + 1).enumerated().map { column, cell in
        let style = place == 0 ? Style.bold : styles[cell.0]
        let blanks = column == last ? 0 : cell.1 - cell.0.count
        return (style?.on(cell.0) ?? cell.0) + String(repeating: " ", count: blanks)
      }
      return cells.joined(separator: "  ")
    }.joined(separator: "\n")
  }
}
