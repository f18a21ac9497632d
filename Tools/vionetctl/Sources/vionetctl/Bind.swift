// SPDX-License-Identifier: BSD-2-Clause

import ArgumentParser

/// The options and arguments that bind and unbind share.
struct RebindingOptions: ParsableArguments {
  @Flag(
    name: [.customShort("n"), .long],
    help: "Check everything, then only print the writes, as shell commands.")
  var dryRun = false

  @Flag(help: "Print a JSON array: one object for each function, with the writes.")
  var json = false

  @Flag(
    name: .shortAndLong,
    help: "Take a function even if its interface is in use: has an address, a master or the default route.")
  var force = false

  @Argument(
    help: ArgumentHelp(
      "PCI addresses such as 0000:00:05.0 or 00:05.0, or names of network interfaces.", valueName: "function"),
    completion: .custom(Device.completions))
  var functions: [String]

  /// Checks all functions before it changes the first. All that is wrong is said at once.
  func rebind(to driver: Driver?) throws {
    let all = try Device.all()
    var plans: [Rebinding] = []
    var problems: [String] = []
    for function in functions {
      do {
        let plan = Rebinding(device: try Device.named(function, among: all), driver: driver)
        if plans.contains(where: { $0.device.name == plan.device.name }) { continue }
        for problem in plan.problems(force: force) where !problems.contains(problem) { problems.append(problem) }
        plans.append(plan)
      } catch let wrong as Sentence {
        problems.append(wrong.description)
      }
    }
    if !problems.isEmpty { throw Sentence(problems.joined(separator: "\n")) }
    var done: [Rebound] = []
    try Progress.during("moving functions") { _ in
      for plan in plans {
        if json { done.append(try rebound(plan)) } else { try carryOut(plan) }
      }
    }
    if json { print(try JSON.text(done)) }
  }

  private func rebound(_ plan: Rebinding) throws -> Rebound {
    let device = dryRun || plan.writes.isEmpty ? plan.device : try plan.make()
    return Rebound(
      function: plan.device.name, before: plan.device.driver, after: device.driver, writes: plan.writes.map(\.command),
      dry_run: dryRun, reason: device.driver == Driver.kernel.name ? nil : device.reason)
  }

  private func carryOut(_ plan: Rebinding) throws {
    let name = plan.device.name
    let before = plan.device.driver ?? "no driver"
    if plan.writes.isEmpty { return print("\(dryRun ? "# " : "")\(name): \(before) already") }
    if dryRun { return print(plan.writes.map(\.command).joined(separator: "\n")) }
    let now = try plan.make()
    print("\(name): \(before) -> \(now.driver ?? "no driver")")
    if plan.driver == .vfio || plan.driver == .uio, let reason = now.reason { print("\(name): \(reason)") }
  }
}

/// A function that was moved, or with --dry-run would be.
struct Rebound: Encodable {
  let function: String
  let before: String?
  let after: String?
  let writes: [String]
  let dry_run: Bool
  /// Why a program cannot take it with its new driver.
  let reason: String?

  private enum CodingKeys: String, CodingKey { case function, before, after, writes, dry_run, reason }

  func encode(to encoder: any Encoder) throws {
    var object = encoder.container(keyedBy: CodingKeys.self)
    try object.encode(function, forKey: .function)
    try object.encode(before, forKey: .before)
    try object.encode(after, forKey: .after)
    try object.encode(writes, forKey: .writes)
    try object.encode(dry_run, forKey: .dry_run)
    try object.encode(reason, forKey: .reason)
  }
}

struct Bind: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Give virtio-net PCI functions to a driver.",
    discussion: """
      vfio-pci needs an IOMMU, uio_pci_generic does not; both make a function usable by programs that use libvionet. \
      "kernel" gives it back to the kernel's own driver, virtio-pci. A binding lasts until the machine restarts.
      """)

  @Argument(help: "The driver that gets the functions.")
  var driver: Driver

  @OptionGroup var options: RebindingOptions

  func run() throws { try options.rebind(to: driver) }
}
