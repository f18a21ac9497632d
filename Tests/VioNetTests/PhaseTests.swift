// SPDX-License-Identifier: BSD-2-Clause
//
// The phases of a port: which leads to which, compared with the tables of docs/architecture.md, and what each shows.

import CVionet
import Foundation
import Testing

@testable import VioNet

@Suite struct PhaseTests {
  static let all: [(name: String, phase: Phase)] = [
    ("probing", .probing), ("probed", .probed), ("initialised", .initialised), ("running", .running),
    ("waiting", .waiting), ("stopped", .stopped), ("quarantined", .quarantined(isInitialised: true)),
    ("quarantined", .quarantined(isInitialised: false)),
  ]

  /// The rows of the table of architecture.md whose first column has this title.
  private func table(_ title: String) throws -> [[String]] {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
      "../../docs/architecture.md")
    let text = try String(contentsOf: file, encoding: .utf8)
    let chapter = try #require(text.components(separatedBy: "## A port's phases\n").dropFirst().first)
    let lines = chapter.components(separatedBy: "\n## ")[0].components(separatedBy: "\n")
    let begin = try #require(lines.firstIndex { $0.hasPrefix("| \(title) |") })
    return lines[(begin + 2)...].prefix { $0.hasPrefix("|") }.map { line in
      line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
    }
  }

  private func edgesOfTheDocument() throws -> Set<String> {
    var edges: Set<String> = []
    for row in try table("from") {
      let from =
        row[0] == "any but probing"
        ? Self.all.map(\.name).filter { $0 != "probing" && $0 != "quarantined" } : row[0].components(separatedBy: ", ")
      // "stopped, or probed if the port was not initialised" names two.
      let to = Self.all.map(\.name).filter { name in
        row[1].components(separatedBy: CharacterSet(charactersIn: ", ")).contains(name)
      }
      for a in from { for b in to { edges.insert("\(a) to \(b)") } }
    }
    return edges
  }

  @Test func edgesAreThoseOfTheDocument() throws {
    var edges: Set<String> = []
    for from in Self.all {
      for to in Self.all where from.name != to.name && from.phase.leads(to: to.phase) {
        edges.insert("\(from.name) to \(to.name)")
      }
    }
    let documented = try edgesOfTheDocument()
    #expect(documented.count >= 16)
    #expect(edges == documented)
  }

  @Test func aQuarantineEndsWhereThePortWas() {
    #expect(Phase.quarantined(isInitialised: true).leads(to: .stopped))
    #expect(!Phase.quarantined(isInitialised: true).leads(to: .probed))
    #expect(Phase.quarantined(isInitialised: false).leads(to: .probed))
    #expect(!Phase.quarantined(isInitialised: false).leads(to: .stopped))
    #expect(!Phase.quarantined(isInitialised: true).leads(to: .running))
  }

  @Test func phasesShowTheStateOfTheDocument() throws {
    let names: [String: UInt32] = [
      "0": 0, "`ATTACHED`": VIONET_STATE_ATTACHED.rawValue, "`INITIALISED`": VIONET_STATE_INITIALISED.rawValue,
      "`STARTED`": VIONET_STATE_STARTED.rawValue, "`WAITING`": VIONET_STATE_WAITING.rawValue,
      "`STOPPED`": VIONET_STATE_STOPPED.rawValue, "`BROKEN`": VIONET_STATE_BROKEN.rawValue,
    ]
    let rows = try table("phase")
    #expect(rows.count == 7)
    for (name, phase) in Self.all {
      let row = try #require(rows.first { $0[0] == name })
      #expect(phase.shown(isBroken: false).rawValue == names[row[2]])
      let broken = phase == .waiting ? VIONET_STATE_WAITING : VIONET_STATE_BROKEN
      #expect(phase.shown(isBroken: true) == broken)
    }
  }

  @Test func onlyPhasesBehindInitAreInitialised() {
    let initialised = Self.all.filter(\.phase.isInitialised).map(\.name)
    #expect(initialised == ["initialised", "running", "waiting", "stopped", "quarantined"])
    #expect(Self.all.filter(\.phase.isStarted).map(\.name) == ["running", "waiting"])
  }
}
