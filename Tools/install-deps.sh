#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Installs the Debian packages that a purpose needs and says which; silent when none is missing. Without root or
# apt-get it prints the command to run and fails. Swift is needed too, and comes from swift.org, not from Debian.
#
#   Tools/install-deps.sh build|vionetctl|demo|test|test-plans|test-restarts|test-killed|test-ovs|test-wakeups|test-soak|test-guest|fuzz|bench|bench-guest

build="gcc make binutils pkg-config libc6-dev libbsd-dev"
vionetctl="$build git ca-certificates g++"
demo="$build iproute2 iputils-ping iperf3"
guest="$vionetctl qemu-system-x86 busybox-static cpio kmod xz-utils iproute2 iputils-ping iperf3 python3"
switch="$build dpdk-dev openvswitch-switch-dpdk ovn-central ovn-host iproute2 python3"
test="$demo $switch g++ libmd-dev python3 python3-prometheus-client shellcheck valgrind $guest"
bench="$build dpdk-dev libdpdk-dev python3 python3-matplotlib valgrind"

set -eu

case "$#:${1-}" in
  1:build) wanted=$build ;;
  1:vionetctl) wanted=$vionetctl ;;
  1:demo) wanted=$demo ;;
  1:test) wanted=$test ;;
  1:test-plans | 1:test-restarts | 1:test-killed) wanted="$build dpdk-dev" ;;
  1:test-ovs) wanted=$switch ;;
  1:test-guest) wanted=$guest ;;
  1:test-wakeups | 1:test-soak) wanted=$build ;;
  1:fuzz) wanted="$build g++" ;;
  1:bench-guest) wanted="$guest dpdk-dev" ;;
  1:bench) wanted=$bench ;;
  *)
    echo "usage: Tools/install-deps.sh build|vionetctl|demo|test|test-plans|test-restarts|test-killed|test-ovs|test-wakeups|test-soak|test-guest|fuzz|bench|bench-guest" >&2
    exit 2
    ;;
esac

if ! command -v dpkg-query >/dev/null; then
  echo "This is not Debian, so look yourself whether you have what its packages hold: $wanted" >&2
  exit 1
fi

# A package of a foreign architecture has the same name, so there may be several lines.
is_installed() {
  dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
}

missing=()
for package in $wanted; do
  is_installed "$package" || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "For $1 there is something to install, as root: apt-get install --no-install-recommends ${missing[*]}" >&2
  exit 1
fi

echo "Installing for $1: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
# No service is started that a package brings: Open vSwitch is wanted as programs.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  trap 'rm -f $policy' EXIT
  printf '#!/bin/sh\nexit 101\n' >$policy
  chmod 755 $policy
fi
apt-get update -qq
apt-get install -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 "${missing[@]}"
