// swift-tools-version: 6.2
// SPDX-License-Identifier: BSD-2-Clause
//
// The command line tool: ordinary Swift that finds the installed library through pkg-config, as any program does.
// `make vionetctl` builds it against this tree's.
import PackageDescription

let package = Package(
  name: "vionetctl",
  dependencies: [.package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")],
  targets: [
    .systemLibrary(name: "CVionet", pkgConfig: "vionet"),
    .executableTarget(
      name: "vionetctl",
      dependencies: ["CVionet", .product(name: "ArgumentParser", package: "swift-argument-parser")],
      swiftSettings: [.strictMemorySafety(), .treatAllWarnings(as: .error)]),
  ]
)
