// SPDX-License-Identifier: BSD-2-Clause

import ArgumentParser
import Glibc

struct Doctor: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say what keeps device addresses from working on this machine, with the commands that mend it.",
    discussion: """
      For each address the command says whether a program of this user can open it now. What is missing is a sentence, \
      with a command below it; most of these want root. Without an address it looks at the machine, and at every kind \
      of address that is not ready to be used. Devices are not opened; memory, threads and files are tried with a \
      device of this process's own.

        vionetctl doctor
        vionetctl doctor soft:tap=vionet0 pci:00:05.0
        vionetctl doctor --json vhost-user:/run/x.sock,queues=4

      The exit status is 0 if all addresses can work, and 1 if one cannot. What only makes them slower does not count.
      """)

  @Flag(help: "Print a JSON object.")
  var json = false

  @Argument(
    help: "Device addresses with their keys, PCI addresses, or network interfaces; none for every kind.",
    completion: .custom(Device.completions))
  var addresses: [String] = []

  private static let kinds = ["soft:", "soft:tap=", "vhost-user:", "vhost-net:", "vhost-vdpa:", "pci:"]

  func run() throws {
    let checks = Progress.during("looking at the machine") { _ in
      let machine = Checkup()
      if addresses.isEmpty { return (machine, Doctor.kinds.map { AddressCheck($0, machine) }) }
      return (machine, addresses.map { AddressCheck(named: $0, machine) })
    }
    print(json ? try JSON.text(Report(machine: checks.0, addresses: checks.1)) : text(checks.0, checks.1))
    fflush(nil)
    // A machine is not ill because it has no PCI function: of the kinds only soft: must work.
    let counted = addresses.isEmpty ? Array(checks.1.prefix(1)) : checks.1
    if counted.contains(where: { !$0.works }) { throw ExitCode(1) }
  }

  private func text(_ machine: Checkup, _ checks: [AddressCheck]) -> String {
    var parts: [String] = []
    if addresses.isEmpty {
      let width = machine.lines.map(\.0.count).max() ?? 0
      parts.append(
        machine.lines.map { name, value in
          "\(name)\(String(repeating: " ", count: width - name.count))  \(value)"
        }.joined(separator: "\n"))
    }
    var said: Set<String> = []
    for check in checks {
      parts.append(Doctor.text(check, check.findings.filter { $0.isNeeded || said.insert($0.sentence).inserted }))
    }
    return parts.joined(separator: "\n\n")
  }

  /// What only makes an address slower is said once.
  private static func text(_ check: AddressCheck, _ findings: [Finding]) -> String {
    let verdict = check.works ? Style.green.on("can work") : Style.red.on("cannot work yet")
    var lines = ["\(Style.bold.on(check.address)) \(verdict)"]
    for finding in findings {
      lines.append("  \(finding.isNeeded ? "" : "(for speed) ")\(finding.sentence)")
      if let command = finding.command { lines.append("      \(Style.yellow.on(command))") }
    }
    return lines.joined(separator: "\n")
  }

  private struct Report: Encodable {
    let machine: Checkup
    let addresses: [AddressCheck]
  }
}

extension AddressCheck: Encodable {
  private enum Key: String, CodingKey { case address, works, findings }

  func encode(to encoder: any Encoder) throws {
    var object = encoder.container(keyedBy: Key.self)
    try object.encode(address, forKey: .address)
    try object.encode(works, forKey: .works)
    try object.encode(findings, forKey: .findings)
  }
}
