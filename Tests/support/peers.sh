#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Peers that are newer than this machine's, from Debian 13 and its backports: they are downloaded into build/peers, nothing is
# installed. Programs run by their own loader, under their own names, so that the tests are the same. docs/peers.md gets the
# results: a row for each peer and test.
#
#   Tests/support/peers.sh [PART[=REGEX]...]
#
#   passt      DHCP, ping and files, by a forwarder and by a web server of ours
#   dpdk       DPDK 24.11's testpmd as front-end and as back-end
#   qemu       QEMU 10's devices, with Debian 12's kernel in the guest
#   kernel     the kernel of Debian 13 in a guest of QEMU 10
#   backports  the kernel of its backports likewise
#
# Without a part it runs all; REGEX chooses tests of a part, as Tests/run.sh --only does.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=suites.sh
. "$(dirname "$0")/suites.sh"
need apt-get apt
need dpkg dpkg
cd "$root" || exit 1
store=$build/peers
failed=0

# tree_of NAME PACKAGE...: Debian 13's packages, with all that they depend on, in build/peers/NAME; sets "tree".
tree_of() {
  tree=$store/$1
  [ -e "$tree/versions" ] || { echo "downloading ${*:2} of Debian 13"; unpack_closure trixie "$tree" "${@:2}" >"$work/download.out" 2>&1; } ||
    { tail -n 20 "$work/download.out"; fail "${*:2} of Debian 13 cannot be downloaded"; }
  libraries_of "$tree"
}

# stand_in NAME LINE...: a program of that name that runs the last tree's, before this machine's in PATH.
stand_in() {
  mkdir -p "$store/bin/$part"
  { echo "#!/bin/sh"; printf '%s\n' "${@:2}"; } >"$store/bin/$part/$1"
  chmod 755 "$store/bin/$part/$1"
}

# with_peer NAME VERSION run.sh-ARGUMENTS...: runs tests, with the stand-ins of this part, and writes their rows.
with_peer() {
  echo "== $1 $2"
  env PATH="$store/bin/$part:$PATH" VIONET_GUEST_SUITE="${kernel-}" Tests/run.sh "${@:3}" 2>&1 | tee "$work/log"
  [ "${PIPESTATUS[0]}" -eq 0 ] || failed=1
  Tests/support/peers_page.py "$1" "$2" "$work/log" || failed=1
}

dpdk() {
  tree_of dpdk dpdk-dev
  # It takes no drivers from a folder that lies in one that others may write to.
  stand_in dpdk-testpmd "exec unshare --mount sh -c 'mount --bind \"$libraries/dpdk\" /mnt && exec \"\$@\"' sh \\" \
    "  '$loader' --library-path '$libraries' '$tree/usr/bin/dpdk-testpmd' -d /mnt/$(basename "$libraries"/dpdk/pmds-*) \"\$@\""
  with_peer DPDK "$(version_in "$tree" dpdk-dev)" --only "${only:-dpdk-(back|device|echo|front|odd|paths|rxonly|test-plans|txonly|virtio)}"
}

# qemu10: makes QEMU 10 the part's own, and sets "version".
qemu10() {
  tree_of qemu qemu-system-x86
  stand_in qemu-system-x86_64 "export QEMU_MODULE_DIR='$libraries/qemu'" \
    "exec '$loader' --library-path '$libraries' '$tree/usr/bin/qemu-system-x86_64' -L '$tree/usr/share/qemu' -L '$tree/usr/share/seabios' \"\$@\""
  version=$(version_in "$tree" qemu-system-x86)
}

guests() { # SUITE
  local kernel=$1
  qemu10
  VIONET_GUEST_SUITE=$kernel Tests/guest/build-guest.sh || fail "no guest with the kernel of $kernel"
  with_peer "Linux in QEMU's guest" "$(cat "$build/guest-$kernel/release"), QEMU $version" --only "${only:-guest-}"
}

run_part() {
  case $part in
    passt)
      tree_of passt passt
      with_peer passt "$(version_in "$tree" passt)" Tests/support/passt.sh
      ;;
    dpdk) dpdk ;;
    qemu) qemu10; with_peer QEMU "$version" --only "${only:-guest-|wire-qemu}" ;;
    kernel) guests trixie ;;
    backports) guests trixie-backports ;;
    *) fail "unknown part $part: passt, dpdk, qemu, kernel or backports" ;;
  esac
}

[ $# -gt 0 ] || set -- passt dpdk qemu kernel backports
for argument; do
  part=${argument%%=*} only=''
  case $argument in *=*) only=${argument#*=} ;; esac
  run_part
done
exit "$failed"
