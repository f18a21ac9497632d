#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Tools/install-deps.sh PURPOSE: installs the Debian packages of the table that this purpose needs, and says which; silent
# if none is missing. Without root or apt-get it prints the command to run and fails. The one thing that is not Debian's is
# Swift, from swift.org.
set -eu

purposes='build vionetctl demo test test-arm64 test-guest test-plans test-restarts test-killed test-ovs test-wakeups test-soak
test-models test-failures test-threads test-packages test-peers test-roots test-mtcp test-dashboard deb dist site pictures recordings pages
fuzz hostile bench bench-guest'

# What is used         Debian package             for which purposes
table='
gcc                    gcc                        all
make                   make                       all
ld                     binutils                   all
pkg-config             pkg-config                 all
libc.a                 libc6-dev                  all
libbsd                 libbsd-dev                 all
g++                    g++                        vionetctl test test-guest deb fuzz hostile test-threads bench-guest recordings pages test-packages test-peers
git                    git                        vionetctl test test-guest bench-guest deb dist test-packages test-peers test-mtcp recordings pages test-roots
HTTPS                  ca-certificates            vionetctl test test-guest deb bench-guest test-peers test-mtcp recordings pages test-packages test-roots
ip                     iproute2                   demo test test-guest test-ovs bench-guest test-peers test-mtcp test-dashboard recordings
ping                   iputils-ping               demo test test-guest bench-guest test-peers test-mtcp recordings
iperf3                 iperf3                     demo test test-guest bench-guest recordings test-peers
dpdk-testpmd           dpdk-dev                   test test-plans test-restarts test-killed test-ovs bench bench-guest
libdpdk                libdpdk-dev                bench
ovs-vswitchd           openvswitch-switch-dpdk    test test-ovs
ovn-northd             ovn-central                test test-ovs
ovn-controller         ovn-host                   test test-ovs
qemu-system-x86_64     qemu-system-x86            test test-guest bench-guest
busybox                busybox-static             test test-guest bench-guest test-peers
cpio                   cpio                       test test-guest bench-guest test-peers
modinfo                kmod                       test test-guest bench-guest test-peers
xz                     xz-utils                   test test-guest bench-guest deb dist test-packages test-peers
python3                python3                    all
prometheus_client      python3-prometheus-client  test
duk                    duktape                    test
yaml                   python3-yaml               test
dot                    graphviz                   test pictures recordings pages
termtosvg              termtosvg                  test pictures recordings pages
musl-gcc               musl-tools                 test
asciinema              asciinema                  recordings
sphinx-build           python3-sphinx             test site
myst_parser            python3-myst-parser        test site
matplotlib             python3-matplotlib         bench pages
libmd.a                libmd-dev                  test
mandoc                 mandoc                     test deb site test-packages
abidiff                abigail-tools              test
dpkg-buildpackage      dpkg-dev                   deb test-packages
dh                     debhelper                  deb test-packages
fakeroot               fakeroot                   deb test-packages
lintian                lintian                    deb test-packages
clang                  clang                      deb test-packages
debootstrap            debootstrap                test-packages test-roots
arm64-headers          libc6-dev-arm64-cross      test-arm64 deb dist test-packages
aarch64-linux-gnu-gcc  gcc-aarch64-linux-gnu      test-arm64
qemu-aarch64-static    qemu-user-static           test-arm64
tcpdump                tcpdump                    test
tshark                 tshark                     test
capinfos               wireshark-common           test
curl                   curl                       test test-peers test-mtcp test-dashboard
ab                     apache2-utils              test
libuv                  libuv1-dev                 test
libevent               libevent-dev               test
rustc                  rustc                      test
shellcheck             shellcheck                 test
zsh                    zsh                        test
fish                   fish                       test
spin                   spin                       test test-models
numa.h                 libnuma-dev                test-mtcp
prometheus             prometheus                 test-dashboard
chromium               chromium                   test-dashboard
fonts                  fonts-dejavu-core          test-dashboard pictures recordings pages
valgrind               valgrind                   test bench
'

purpose=${1-}
if [ $# -ne 1 ] || [[ ! " ${purposes//$'\n'/ } " == *" $purpose "* ]]; then
  echo "usage: Tools/install-deps.sh PURPOSE, one of: ${purposes//$'\n'/ }" >&2
  exit 2
fi
mapfile -t wanted < <(awk -v purpose="$purpose" \
  '{ for (i = 3; i <= NF; i++) if ($i == purpose || $i == "all") print $2 }' <<<"$table")

if ! command -v dpkg-query >/dev/null; then
  echo "This is not Debian: find what these packages of Debian's hold: ${wanted[*]}" >&2
  exit 1
fi

# A package may be there for several architectures, each with a line of its own.
is_installed() {
  dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
}

missing=()
for package in "${wanted[@]}"; do
  is_installed "$package" || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "$purpose needs packages; as root: apt-get install --no-install-recommends ${missing[*]}" >&2
  exit 1
fi

echo "Installing for $purpose: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
# Packages start no service meanwhile: Open vSwitch is used as programs.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  trap 'rm -f $policy' EXIT
  printf '#!/bin/sh\nexit 101\n' >$policy
  chmod 755 $policy
fi
apt-get update -qq
apt-get install -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 "${missing[@]}"
