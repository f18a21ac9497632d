#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 900
# A program that finds less of something than a port wants: memory of its cgroup, hugepages, room in a file system, and each
# limit of ulimit in steps from 0. Either the port works, with every packet of its pool written, or the call fails with a
# sentence. Nothing in between: no signal, no hang, no error without a word. Prints what came of each.
#
#   Tests/abi/memory_pressure.sh [--cgroups]    only what a cgroup limits: a guest has those of version 2
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
# shellcheck source-path=SCRIPTDIR source=../support/cgroups.sh
. "$(dirname "$0")/../support/cgroups.sh"
[ "$(id -u)" -eq 0 ] || skip "limits of other users, cgroups and file systems want root"

# A guest has the program and no compiler.
worker=$build/test-bin/support-short_of_memory
if [ "${1-}" != --cgroups ]; then compile Tests/support/short_of_memory.c || fail "compiling"; fi
cp "$worker" "$work/worker" || exit 1
chmod 755 "$work" "$work/worker"
mkdir -m 777 "$work/open"

row() { # LIMIT VALUE WORD ADDRESS [COMMAND...]: a row of the table; false for anything between an error and a working port
  local limit=$1 value=$2 word=$3 address=$4 said status
  shift 4
  said=$("$@" "$work/worker" "$limit" "$value" "$word" "$work/open" "$address" 2>&1)
  status=$?
  rm -f "$work/open/s"
  printf '# %-14s %-12s %-14s %s\n' "$limit" "$value" "$address" "$said"
  [ "$status" -eq 0 ] || echo "# ... status $status"
  return "$status"
}

rows() { # LIMIT WORD VALUE...
  local limit=$1 word=$2 value address bad=0
  shift 2
  for value; do
    for address in soft:loopback served; do row "$limit" "$value" "$word" "$address" || bad=1; done
  done
  return "$bad"
}

both() { # LIMIT WORD VALUE...: as rows, and the last value is enough
  local said
  said=$(rows "$@") || { echo "$said"; return 1; }
  echo "$said"
  tail -n 2 <<<"$said" | grep -c 'works$' | grep -qx 2
}

kib() { local each; for each; do printf '%s ' $((each * 1024)); done; }

pages=$hugepages
keep "$pages"
old=$kept_value
trap 'end_groups; give_back; clean_up' EXIT

half_a_pool() {
  local folder said bad=0 address
  folder=$(group memory memory.limit_in_bytes memory.max $((16 << 20))) || skip "this machine makes no memory cgroups"
  # Free hugepages would do instead, which this kind of cgroup does not count.
  echo 0 >"$pages"
  for address in soft:loopback served; do
    said=$(row cgroup 16MiB cgroup "$address" in_group "$folder") || bad=1
    echo "$said"
    grep -q 'memory cgroup has' <<<"$said" || bad=1
  done
  said=$(row cgroup 16MiB cgroup soft:loopback,pool_packets=2048 in_group "$folder") || bad=1
  echo "$said"
  grep -q 'works$' <<<"$said" || bad=1
  echo "$old" >"$pages"
  return "$bad"
}

no_hugepages() {
  local folder said bad=0 address
  folder=$(group hugetlb hugetlb.2MB.limit_in_bytes hugetlb.2MB.max 0) || skip "this machine makes no hugetlb cgroups"
  echo $((old + 40)) >"$pages"
  awk '/^HugePages_Free/ && $2 >= 30 { found = 1 } END { exit !found }' /proc/meminfo ||
    skip "this system has no room for 40 hugepages now"
  for address in soft:loopback served; do
    said=$(row hugetlb 0 "" "$address" in_group "$folder") || bad=1
    echo "$said"
    grep -q 'works$' <<<"$said" || bad=1
  done
  echo "$old" >"$pages"
  return "$bad"
}

# Recordings and sockets in a file system that is full; the memory of ports is not there.
full_disk() {
  local said bad=0
  mkdir -p "$work/full"
  mount -t tmpfs -o size=4k none "$work/full" || skip "this machine lets nobody mount a file system"
  dd if=/dev/zero of="$work/full/fill" bs=4096 count=1 2>/dev/null
  said=$(row tmpfs full capture "soft:pcap=,out=$work/full/out") || bad=1
  echo "$said"
  grep -q 'open: -28' <<<"$said" || bad=1
  return "$bad"
}

run_case "half a pool of memory in the cgroup: an error that says so, and a smaller pool works" half_a_pool
run_case "free hugepages that the cgroup forbids: plain pages" no_hugepages
[ "${1-}" != --cgroups ] || exit 0
run_case "a full file system: an error" full_disk
# shellcheck disable=SC2046
run_case "ulimit -f" both f "ulimit -f" 0 1 $(kib 4 100 1024 16384 33792 65536)
# shellcheck disable=SC2046
run_case "ulimit -n" both n "ulimit -n" $(seq 0 44)
# shellcheck disable=SC2046
run_case "ulimit -v" both v "ulimit -v" 0 $(kib 1024 4096 8192 12288 16384 24576 32768 40960 49152 65536 98304 131072 1048576)
# shellcheck disable=SC2046
run_case "ulimit -d" both d "ulimit -d" 0 $(kib 64 256 512 1024 2048 4096 8192 16384 65536)
run_case "ulimit -l" both l "" 0 65536
run_case "ulimit -u" both u "ulimit -u" 0 1 2 3 64
