# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# Sourced by tests that run programs in a cgroup with a limit, after lib.sh. They call end_groups at their end.
# shellcheck disable=SC2154 # lib.sh sets work

is_mounted() { grep -q " $1 " /proc/mounts; }

# group KIND FILE FILE2 VALUE: makes a cgroup of that kind with that limit, which has another name in version 2, and prints
# its folder; false if it cannot be made
group() {
  local kind=$1 file=$2 second=$3 value=$4 top
  if grep -qw "$kind" /sys/fs/cgroup/cgroup.controllers 2>/dev/null; then
    top=/sys/fs/cgroup/vionet-test-$$-$kind
    if ! grep -qw "$kind" /sys/fs/cgroup/cgroup.subtree_control; then
      echo "+$kind" >/sys/fs/cgroup/cgroup.subtree_control || return 1
      echo "$kind" >>"$work/switched-on"
    fi
    mkdir -p "$top" && echo "$value" >"$top/$second" || return 1
    echo 0 2>/dev/null >"$top/memory.swap.max"
    echo "$top"
    return
  fi
  top=$(awk -v kind="$kind" '$3 == "cgroup" && ("," $4 ",") ~ ("," kind ",") { print $2; exit }' /proc/mounts)
  if [ -z "$top" ]; then
    top=$work/$kind
    mkdir -p "$top"
    is_mounted "$top" || mount -t cgroup -o "$kind" none "$top" 2>/dev/null || return 1
  fi
  top+=/vionet-test-$$-$kind
  mkdir -p "$top" && echo "$value" >"$top/$file" && echo "$top"
}

in_group() { # FOLDER COMMAND...
  local folder=$1
  shift
  bash -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$folder" "$@"
}

end_groups() {
  local folder
  for folder in "/sys/fs/cgroup/vionet-test-$$"-* /sys/fs/cgroup/*/"vionet-test-$$"-* "$work"/*/"vionet-test-$$"-*; do
    [ -d "$folder" ] && rmdir "$folder"
  done
  for folder in memory hugetlb full; do is_mounted "$work/$folder" && umount -l "$work/$folder"; done
  # In version 2 these kinds were switched on for all groups.
  while read -r folder; do echo "-$folder" >/sys/fs/cgroup/cgroup.subtree_control; done <"$work/switched-on"
}
: >"$work/switched-on"
