// swift-tools-version: 6.2
// SPDX-License-Identifier: BSD-2-Clause
//
// The unit tests: `swift test` builds the sources as ordinary Swift. No product ships from here: the library that does
// is Embedded Swift with a version script, built by the Makefile.
import PackageDescription

let settings: [SwiftSetting] = [.strictMemorySafety(), .treatAllWarnings(as: .error)]

let package = Package(
  name: "vionet",
  targets: [
    .systemLibrary(name: "CVionet", path: "include"),
    .target(name: "CLinux", linkerSettings: [.linkedLibrary("bsd")]),
    .target(name: "Linux", dependencies: ["CLinux"], swiftSettings: settings),
    .target(name: "Virtio", dependencies: ["Linux"], swiftSettings: settings),
    .target(name: "SoftDevice", dependencies: ["CLinux", "Linux", "Virtio"], swiftSettings: settings),
    .target(name: "VioNet", dependencies: ["CLinux", "CVionet", "Linux", "Virtio"], swiftSettings: settings),
    .target(
      name: "VioNetABI", dependencies: ["CLinux", "CVionet", "Linux", "SoftDevice", "VioNet", "Virtio"],
      swiftSettings: settings),
    .testTarget(name: "SoftDeviceTests", dependencies: ["SoftDevice", "Linux", "CLinux", "Virtio"]),
    .testTarget(name: "VioNetTests", dependencies: ["VioNet", "Linux", "CLinux", "CVionet", "Virtio"]),
  ]
)
