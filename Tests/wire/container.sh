#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 300
# Programs in what a container is made of, as docs/containers.md says: namespaces of their own, another user, no capability, a
# read-only root, no locked memory, 64 descriptors. They carry frames between files and through vhost-user sockets in a shared
# folder; a TAP wants one capability and says so.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need_spaces
need setpriv util-linux
need python3 python3

python3 "$root/Tests/support/capture.py" make "$work/in" 2000 || fail "making a capture"
serve=$(program serve-devices) || exit 1
chmod 755 "$work"
mkdir -m 777 "$work/shared"
# shellcheck disable=SC2317 # called by until_true
all_there() { [ "$(stat -c %s "$1" 2>/dev/null)" = "$(stat -c %s "$work/in")" ]; }

# contained CAPABILITIES command...: only "shared" can be written to.
contained() {
  local capabilities=$1
  shift
  # shellcheck disable=SC2016
  exec unshare --net --mount --ipc --uts sh -c '
    mount --bind "$1" "$1" && mount -o remount,bind,ro / || exit 99
    ulimit -l 0; ulimit -n 64
    capabilities=$2
    shift 2
    exec setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs --bounding-set="-all$capabilities" \
      --inh-caps="-all$capabilities" ${capabilities:+--ambient-caps="-all$capabilities"} "$@"' sh "$work/shared" "$capabilities" "$@"
}

start() { # NAME command...
  local name=$1
  shift
  : >"$work/$name.out"
  contained '' "$@" >"$work/$name.out" 2>&1 &
  children+=($!)
}

has_nothing() {
  local status=/proc/${children[-1]}/status
  until_true 10 grep -q '^Uid:.65534' "$status" || fail "it is another user"
  ! grep -E '^Cap(Eff|Bnd):' "$status" | grep -qv ':.0*$' || fail "it has capabilities"
}

files() {
  start fwd "$examples/vionet-l2fwd" -n -q 2 "soft:pcap=$work/in" "soft:pcap=,out=$work/shared/a,queue_size=4096"
  until_true 60 all_there "$work/shared/a" || { cat "$work/fwd.out"; fail "not all frames came out"; }
  has_nothing
}

# The back-end is in a container of its own.
sockets() {
  start serve "$serve" "$work/shared/1" "pcap=$work/in" "$work/shared/2" "pcap=,out=$work/shared/b"
  until_true 10 grep -q '^ready' "$work/serve.out" || { cat "$work/serve.out"; fail "no back-end"; }
  start fwd "$examples/vionet-l2fwd" -n -q 2 "vhost-user:$work/shared/1" "vhost-user:$work/shared/2,queue_size=4096"
  until_true 60 all_there "$work/shared/b" || { cat "$work/fwd.out"; fail "not all frames came out"; }
  has_nothing
}

tap() {
  (contained '' "$examples/vionet-info" soft:tap=tap0) >"$work/said" 2>&1 && fail "a TAP without a capability"
  said 'tap.*not permitted'
  (contained ,+net_admin "$examples/vionet-info" soft:tap=tap0) >"$work/said" 2>&1 || { cat "$work/said"; fail "a TAP with CAP_NET_ADMIN"; }
}

run_case "between files" files
run_case "through vhost-user, the back-end in another container" sockets
run_case "a TAP needs CAP_NET_ADMIN" tap
