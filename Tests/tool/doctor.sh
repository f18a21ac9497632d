#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# vionetctl doctor: something is taken away, opening fails and the tool finds it; its command is run, opening works and the
# finding is gone. What this machine has no device for is looked at on a simulated bus; Tests/guest/scenarios/doctor.sh has
# the devices.
# deadline: 600
# shellcheck source-path=SCRIPTDIR source=../support/tool.sh
. "$(dirname "$0")/../support/tool.sh"
# shellcheck source-path=SCRIPTDIR source=../support/cgroups.sh
. "$(dirname "$0")/../support/cgroups.sh"
need python3 python3
[ "$(id -u)" -eq 0 ] || skip "limits, cgroups and other users want root"
need setpriv util-linux
pages=$hugepages
keep "$pages"
old=$kept_value
trap 'end_groups; give_back; clean_up' EXIT

# found ADDRESS [COMMAND...]: the ids of what is needed, as "command" runs the tool; its command of the first one is in $mend.
found() {
  local address=$1 status
  shift
  "$@" "$vionetctl" doctor --json "$address" >"$work/report" 2>"$work/errors"
  status=$?
  [ ! -s "$work/errors" ] || { cat "$work/errors"; return 1; }
  python3 - "$work/report" "$status" >"$work/found" <<'END' || return
import json, sys
check = json.load(open(sys.argv[1]))["addresses"][0]
needed = [each for each in check["findings"] if each["needed"]]
assert check["works"] == (not needed) == (sys.argv[2] == "0"), check
print(" ".join(each["id"] for each in needed))
print(needed[0]["command"] or "" if needed else "")
END
  mend=$(tail -n 1 "$work/found")
  head -n 1 "$work/found"
}
# is_found WANTED ADDRESS [COMMAND...]
is_found() {
  local wanted=$1 got
  shift
  got=$(found "$@") || fail "no report about $1"
  mend=$(tail -n 1 "$work/found")
  [ "$got" = "$wanted" ] || { cat "$work/report"; fail "$1: found \"$got\", not \"$wanted\""; }
}
opens() { timeout 60 "$vionetctl" info "$1" >"$work/opened" 2>&1; }

survey() {
  gives 0 "$vionetctl" doctor
  said '^hugepages'
  said '^soft: can work$'
  "$vionetctl" doctor --json >"$work/report" || fail "the kinds"
  python3 - "$work/report" <<'END' || { cat "$work/report"; fail "the machine is another"; }
import json, os, pathlib, resource, sys
report = json.load(open(sys.argv[1]))
machine = report["machine"]
assert [each["address"] for each in report["addresses"]] == \
    ["soft:", "soft:tap=", "vhost-user:", "vhost-net:", "vhost-vdpa:", "pci:"]
folder = pathlib.Path("/sys/kernel/mm/hugepages")
for pages in machine["hugepages"]:
    place = folder / f"hugepages-{pages['size_kib']}kB"
    assert pages["total"] == int((place / "nr_hugepages").read_text()), pages
    assert pages["free"] == int((place / "free_hugepages").read_text()), pages
assert len(machine["hugepages"]) == len(list(folder.iterdir())) if folder.exists() else not machine["hugepages"]
soft = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
assert machine["limits"]["memlock"] == (None if soft == resource.RLIM_INFINITY else soft), machine["limits"]
assert machine["processors"]["allowed"] == len(os.sched_getaffinity(0)), machine["processors"]
assert {each["path"] for each in machine["devices"]} >= {"/dev/net/tun", "/dev/vhost-net", "/dev/vfio/vfio"}
assert machine["capabilities"]["CAP_NET_ADMIN"] in (True, False) and "noiommu_allowed" in machine
END
  for wrong in vhost-user:,queues=-9 pci:,queue_size=-9999 vhost-vdpa:,queues=9223372036854775807; do
    "$vionetctl" doctor "$wrong" >"$work/said" 2>&1
    [ $? -le 1 ] || { cat "$work/said"; fail "$wrong ends it"; }
  done
  for wrong in soft:sink,colour=red vhost-user:/run/x,colour=red soft:sink,queues=999 nothing /dev/vhost-vdpa-7; do
    is_found address "$wrong"
    if opens "$wrong"; then fail "$wrong opens"; fi
  done
}

# The limit is lowered until nothing opens; at each step both must agree.
files() {
  local count
  for count in 8 12 16 20 24 28 32 36 40 44 64; do
    (
      ulimit -S -n "$count"
      got=$(found soft:sink) || fail "no report at $count"
      if opens soft:sink; then wanted='' expected=works; else wanted=nofile expected=fails; fi
      # A report about one file more or less may differ: the tool has files of its own.
      [ "$got" = "$wanted" ] || [ "$count" -gt 12 ] || fail "with $count files it $expected, and the tool finds \"$got\""
      [ "$got" = "$wanted" ] || echo "$count files: it $expected, found \"$got\""
    ) || exit 1
  done
  ulimit -S -n 12
  is_found nofile soft:sink,queues=2
  eval "$mend" || fail "$mend"
  is_found '' soft:sink,queues=2
  opens soft:sink,queues=2 || { cat "$work/opened"; fail "it does not open"; }
}

file_size() {
  ulimit -S -f 1024
  is_found fsize soft:loopback
  if opens soft:loopback; then fail "it opens"; fi
  eval "$mend" || fail "$mend"
  is_found '' soft:loopback
  opens soft:loopback || { cat "$work/opened"; fail "it does not open"; }
}

# Another user, in a namespace whose /dev/net has what the test puts there. Nobody can read this folder.
tun() {
  need_spaces
  space m
  mkdir -p "$work/for-all/bin" "$work/for-all/lib" && chmod 711 "$work"
  cp "$vionetctl" "$work/for-all/bin" && cp -L "$stage"/lib/libvionet.so.0 "$work/for-all/lib"
  # shellcheck disable=SC2016
  in_space m unshare --mount bash -c '
    mount -t tmpfs none /dev/net || exit 77
    trap "touch $0/done" EXIT
    while [ ! -e "$0/stop" ]; do
      read -r line <"$0/do" || continue
      bash -c "$line" >"$0/out" 2>&1
      echo $? >"$0/status"
    done' "$work" &
  children+=($!)
  mkfifo "$work/do"
  nobody="setpriv --reuid 65534 --regid 65534 --clear-groups $work/for-all/bin/vionetctl"
  taken "the file is not there" "$vionetctl" soft:tap=vtd0 tun-missing
  # A file that only root may open, then an interface that nobody may make.
  there "chmod 600 /dev/net/tun" || fail "chmod"
  taken "the file is root's" "$nobody" soft:tap=vtd0 "tun-access tap-rights"
  taken "the interface is root's" "$nobody" soft:tap=vtd0 tap-rights
  there "ip link delete vtd0; ip tuntap add dev vtd0 mode tap" || fail "ip tuntap"
  taken "the interface has one queue" "$vionetctl" soft:tap=vtd0,queues=2 tap-queues
  there "ip link add vtd1 type dummy || ip tuntap add dev vtd1 mode tun" || fail "no other interface"
  there "$vionetctl doctor soft:tap=vtd1" && fail "an interface that is no TAP"
  grep -q 'exists and is no TAP' "$work/out" || { cat "$work/out"; fail "another finding"; }
  touch "$work/stop"
  echo : >"$work/do"
}
# there COMMAND: in the namespace of the case above
there() {
  rm -f "$work/status"
  echo "$1" >"$work/do"
  until_true 60 test -s "$work/status" || fail "no answer to $1"
  return "$(cat "$work/status")"
}
# taken WHY TOOL ADDRESS IDS: those are found and it does not open; their first command is run in turn until none is left.
taken() {
  local why=$1 tool=$2 address=$3 ids=$4 id
  for id in $ids ''; do
    there "$tool doctor --json $address"
    cp "$work/out" "$work/report"
    python3 - "$work/report" "$id" >"$work/command" <<'END' || { cat "$work/report"; fail "$why: no $id"; }
import json, sys
needed = [each for each in json.load(open(sys.argv[1]))["addresses"][0]["findings"] if each["needed"]]
assert (needed[0]["id"] if needed else "") == sys.argv[2], needed
print(needed[0]["command"] if needed else "")
END
    [ -n "$id" ] || break
    there "$tool info $address" && fail "$why: it opens"
    there "$(cat "$work/command")" || { cat "$work/out"; fail "$(cat "$work/command")"; }
    case $ids in *" "*) ids=''; return ;; esac
  done
  there "$tool info $address" || { cat "$work/out"; fail "$why: it does not open"; }
}

memory() {
  local folder
  folder=$(group memory memory.limit_in_bytes memory.max $((16 << 20))) || skip "this machine makes no memory cgroups"
  # More than what a command that forgets the pool would leave.
  local address=soft:loopback,pool_packets=100000
  is_found memory-cgroup $address in_group "$folder"
  in_group "$folder" "$vionetctl" info $address >"$work/opened" 2>&1 && fail "it opens"
  eval "$mend" || fail "$mend"
  is_found '' $address in_group "$folder"
  in_group "$folder" "$vionetctl" info $address >"$work/opened" 2>&1 || { cat "$work/opened"; fail "it does not open"; }
}

# A function without an IOMMU on a simulated bus: everything but the device.
hugepages() {
  local folder
  make_bus
  add_function 0000:00:05.0 1af4:1041 uio_pci_generic
  echo 0 >"$pages"
  is_found_among hugepages pci:00:05.0 "${on_bus[@]}"
  eval "$mend" || fail "$mend"
  awk '/^HugePages_Free/ && $2 >= 1 { found = 1 } END { exit !found }' /proc/meminfo ||
    skip "this system has no room for 40 hugepages now"
  is_not_found hugepages pci:00:05.0 "${on_bus[@]}"
  if folder=$(group hugetlb hugetlb.2MB.limit_in_bytes hugetlb.2MB.max 0); then
    is_found_among hugetlb-cgroup pci:00:05.0 in_group "$folder" "${on_bus[@]}"
    eval "$mend" || fail "$mend"
    is_not_found hugetlb-cgroup pci:00:05.0 in_group "$folder" "${on_bus[@]}"
  else
    echo "this machine makes no hugetlb cgroups"
  fi
  echo "$old" >"$pages"
}
# is_found_among ID ADDRESS COMMAND...: among others; $mend is its command.
is_found_among() {
  local id=$1
  shift
  found "$@" >/dev/null
  mend=$(python3 - "$work/report" "$id" <<'END'
import json, sys
print([each["command"] for each in json.load(open(sys.argv[1]))["addresses"][0]["findings"] if each["id"] == sys.argv[2]][0])
END
) || { cat "$work/report"; fail "no finding $id"; }
}
is_not_found() {
  local id=$1
  shift
  found "$@" >/dev/null
  if grep -q "\"id\" : \"$id\"" "$work/report"; then cat "$work/report"; fail "still $id"; fi
}

# A hard limit that root may not raise either is common in containers: the port is small enough for the usual one, 8 MiB.
locked() {
  make_bus
  add_function 0000:00:06.0 1af4:1041 vfio-pci 12
  weak=(setpriv --bounding-set -ipc_lock --inh-caps -all)
  ulimit -S -l 1024
  is_found_among memlock vhost-vdpa:/dev/vhost-vdpa-0,pool_packets=2048
  is_found_among memlock pci:00:06.0,pool_packets=2048 "${on_bus[@]}" "${weak[@]}"
  command=$mend
  is_not_found memlock pci:00:06.0,pool_packets=2048 "${on_bus[@]}"
  eval "$command" || fail "$command"
  is_not_found memlock pci:00:06.0,pool_packets=2048 "${on_bus[@]}" "${weak[@]}"
  is_not_found memlock vhost-vdpa:/dev/vhost-vdpa-0,pool_packets=2048
}

functions() {
  make_bus
  add_function 0000:00:07.0 1af4:1041 virtio-pci 12 ens5
  rm -rf "$bus/drivers/vfio-pci" # another case's
  for name in 00:07.0 ens5; do
    is_found_among pci-driver "$name" "${on_bus[@]}"
    [ "$mend" = "vionetctl bind vfio-pci 0000:00:07.0" ] || fail "the command is $mend"
    is_found_among pci-module "$name" "${on_bus[@]}"
  done
  if ! ip -n "$tag-m" tuntap add ens5 mode tap || ! ip -n "$tag-m" link set ens5 up; then fail "cannot make a TAP"; fi
  is_not_found pci-used ens5 "${on_bus[@]}"
  ip -n "$tag-m" address add 192.0.2.5/24 dev ens5
  is_found_among pci-used ens5 "${on_bus[@]}"
  is_found pci-missing 00:09.0 "${on_bus[@]}"
}

socket() {
  cd "$work" || exit 1
  address=vhost-user:$work/vm.sock
  is_found socket-missing "$address"
  if opens "$address"; then fail "it opens"; fi
  is_found '' "$address,server=1"
  is_found socket-folder "vhost-user:$work/no/vm.sock,server=1"
  eval "$mend" || fail "$mend"
  is_found '' "vhost-user:$work/no/vm.sock,server=1"
  is_found socket-missing "$address"
  read -ra command <<<"$mend"
  [ "${command[0]}" = vionetctl ] || fail "the command is $mend"
  background server "$vionetctl" "${command[@]:1}"
  is_found '' "$address"
  is_found socket-used "$address,server=1"
  opens "$address" || { cat "$work/opened"; fail "it does not open"; }
  kill -KILL "${children[-1]}" && wait "${children[-1]}" 2>/dev/null
  unset 'children[-1]'
  is_found socket-dead "$address"
  if opens "$address"; then fail "it opens"; fi
}

run_case "the machine as it is, and addresses that are wrong" survey
run_case "too few files" files
run_case "a file may not be that long" file_size
run_case "a TAP: the device, the rights, the kind" tun
run_case "too little memory in the cgroup" memory
run_case "no hugepages, and none for this cgroup" hugepages
run_case "too little memory may be locked" locked
run_case "PCI functions that another driver has" functions
run_case "sockets: none, dead, another's" socket
