// swift-tools-version: 6.2
//
// Debug builds are ordinary Swift, for unit tests and sanitizers. The library that ships is Embedded Swift and comes
// from the Makefile, which passes the same settings; `swift build -c release` compiles the same sources in that mode.
import PackageDescription

let settings: [SwiftSetting] = [
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
  .enableExperimentalFeature("Embedded", .when(configuration: .release)),
  .unsafeFlags(["-wmo"], .when(configuration: .release)),
]

let package = Package(
  name: "vionet",
  products: [.library(name: "vionet", type: .dynamic, targets: ["VioNetABI"])],
  targets: [
    .systemLibrary(name: "CVionet", path: "include"),
    .target(name: "CLinux", linkerSettings: [.linkedLibrary("bsd")]),
    .target(name: "Linux", dependencies: ["CLinux"], swiftSettings: settings),
    .target(name: "SoftDevice", dependencies: ["CLinux", "Linux"], swiftSettings: settings),
    .target(name: "VioNet", dependencies: ["CLinux", "CVionet", "Linux"], swiftSettings: settings),
    .target(
      name: "VioNetABI", dependencies: ["CLinux", "CVionet", "Linux", "SoftDevice", "VioNet"],
      swiftSettings: settings),
    .testTarget(name: "SoftDeviceTests", dependencies: ["SoftDevice", "Linux", "CLinux"]),
    .testTarget(name: "VioNetTests", dependencies: ["VioNet", "Linux", "CLinux", "CVionet"]),
  ]
)
