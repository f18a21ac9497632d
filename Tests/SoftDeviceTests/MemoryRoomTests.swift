// SPDX-License-Identifier: BSD-2-Clause
//
// How much memory is left, read from files like the kernel's.

import CLinux
import Linux
import Testing

extension SoftDeviceTests {
  @Suite struct MemoryRoomTests {
    private static let mebibyte = 1 << 20

    /// What is left where these files are, by their names below the root of the cgroups.
    private func room(_ groups: String, _ files: [String: String], swap: Int = 0) throws -> MemoryRoom {
      var room = MemoryRoom()
      try withFolder { folder in
        let machine = "MemTotal:  9 kB\nMemAvailable:    1048576 kB\nSwapFree: \(swap) kB\n"
        write(Array(machine.utf8), to: folder + "/meminfo")
        write(Array(groups.utf8), to: folder + "/self")
        for (name, content) in files {
          run("mkdir -p $(dirname \(folder)/\(name))")
          write(Array(content.utf8), to: folder + "/" + name)
        }
        func path(_ name: String) throws -> Path { try #require(Path(exactly: text(folder + name))) }
        room = MemoryRoom(machine: try path("/meminfo"), groups: try path("/self"), root: try path(""))
      }
      return room
    }

    private func holds(_ room: MemoryRoom, _ bytes: Int) -> Bool {
      Failure.quietly { () throws(Failure) in try room.mustHold(bytes) } != nil
    }

    @Test func withoutALimitTheMachineCounts() throws {
      let room = try room("0::/\n", [:])
      #expect(!room.hasLimit && !room.isCgroup)
      #expect(holds(room, 900 * Self.mebibyte))
      #expect(!holds(room, 1100 * Self.mebibyte))
    }

    @Test func theTightestLevelCounts() throws {
      let room = try room(
        "3:cpu:/\n0::/a/b\n",
        [
          "a/b/memory.max": "max\n", "a/memory.max": "67108864\n", "a/memory.current": "50331648\n",
          "a/memory.stat": "anon 5\ninactive_file 8388608\nactive_file 8388608\n", "a/memory.swap.max": "0\n",
        ], swap: 1 << 20)
      #expect(room.hasLimit && room.isCgroup)
      #expect(holds(room, 27 * Self.mebibyte))
      #expect(!holds(room, 31 * Self.mebibyte))
    }

    @Test func swapCounts() throws {
      let files = [
        "a/memory.max": "16777216\n", "a/memory.swap.max": "16777216\n", "a/memory.swap.current": "4194304\n",
      ]
      #expect(holds(try room("0::/a\n", files, swap: 1 << 20), 24 * Self.mebibyte))
      #expect(!holds(try room("0::/a\n", files, swap: 1 << 20), 28 * Self.mebibyte))
      #expect(!holds(try room("0::/a\n", files), 16 * Self.mebibyte))
    }

    @Test func versionOne() throws {
      let none = ["memory/memory.limit_in_bytes": "9223372036854771712\n"]
      #expect(try !room("4:cpuset,memory:/x/y\n0::/\n", none).hasLimit)
      let files = [
        "memory/x/memory.limit_in_bytes": "33554432\n", "memory/x/memory.usage_in_bytes": "20971520\n",
        "memory/x/memory.stat": "inactive_file 1\ntotal_inactive_file 4194304\ntotal_active_file 0\n",
      ]
      let room = try room("4:cpuset,memory:/x/y\n0::/\n", files)
      #expect(room.isCgroup)
      #expect(holds(room, 12 * Self.mebibyte))
      #expect(!holds(room, 16 * Self.mebibyte))
    }

    /// A container that sees its own cgroup as the root, but its name from outside.
    @Test func aFolderThatIsNotThere() throws {
      let room = try room("4:memory:/docker/1234\n", ["memory/memory.limit_in_bytes": "8388608\n"])
      #expect(room.isCgroup)
      #expect(!holds(room, 8 * Self.mebibyte))
    }
  }
}
