#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The Debian packages, as root: built from the sources of a release in a Debian 12 without Swift, for this kind of processor and
# for arm64, their code compared with Swift's own; then installed in a fresh one and used there as a new user would. Prints what
# it measures, and writes it into docs/packages.md.
#
#   Tests/support/packages.sh [FOLDER]    keeps the packages and logs in FOLDER, build/packages
#
# vionetctl's package, which needs Swift, is the one that make deb has built.
set -euo pipefail
case ${1-} in -*) echo "usage: Tests/support/packages.sh [FOLDER]" >&2; exit 2 ;; esac
cd "$(dirname "$0")/../.."
# shellcheck source-path=SCRIPTDIR source=suites.sh
. Tests/support/suites.sh
version=$(sed -n 's/^VERSION := //p' Makefile)
out=$PWD/${1:-build/packages} roots=$(mktemp -d)
trap 'rm -rf --one-file-system "$roots"' EXIT
rm -rf "$out" && mkdir -p "$out"
[ "$(id -u)" -eq 0 ] || { echo "debootstrap wants root" >&2; exit 1; }

step() { printf '%(%T)T  %s\n' -1 "$*"; }
fail() { echo "FAIL: $*" >&2; exit 1; }

# inside ROOT COMMAND...: in the root, with /proc, /dev and /sys, and no process of it left afterwards. separate=--net gives it a
# network of its own.
separate=''
inside() {
  # shellcheck disable=SC2016,SC2086
  unshare --mount --pid --fork --kill-child $separate --mount-proc="$1/proc" sh -c 'mount --bind /dev "$1/dev"
    mount -t sysfs -o ro sysfs "$1/sys"; shift; exec chroot "$@"' sh "$1" "$1" /usr/bin/env -i HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin "${@:2}"
}

# Packages come from where this machine's do.
make_root() {
  local mirror
  mirror=$(mirror_of_debian)
  debootstrap --variant=minbase bookworm "$roots/user" "$mirror" >"$out/debootstrap.log" 2>&1 || fail "debootstrap: $out/debootstrap.log"
  rm -f "$roots/user/etc/apt/sources.list"
  cp $sources "$roots/user/etc/apt/${sources#/etc/apt/}"
  inside "$roots/user" apt-get update -qq >>"$out/debootstrap.log" 2>&1
  cp -a "$roots/user" "$roots/builder"
  cp -a "$roots/user" "$roots/dpdk"
}

build_packages() {
  local place=$roots/builder/build/vionet-$version
  mkdir "$roots/builder/build"
  cp "build/vionet-$version.tar.xz" "$roots/builder/build/vionet_$version.orig.tar.xz"
  tar -C "$roots/builder/build" -xf "build/vionet-$version.tar.xz"
  inside "$roots/builder" sh -c "cd /build/vionet-$version && apt-get install -qq -y --no-install-recommends lintian &&
    apt-get build-dep -qq -y --no-install-recommends ./" >"$out/build-dep.log" 2>&1 || fail "build-dep: $out/build-dep.log"
  ! inside "$roots/builder" which swiftc || fail "the root has a Swift"
  inside "$roots/builder" sh -c "cd /build/vionet-$version && dpkg-buildpackage -us -uc" >"$out/build.log" 2>&1 ||
    { tail -n 20 "$out/build.log"; fail "dpkg-buildpackage: $out/build.log"; }
  cp "$roots"/builder/build/*.{deb,dsc,changes} "$out"
  # The assembly keeps lintian busy for minutes: make deb asks about the sources.
  inside "$roots/builder" sh -c "cd /build && lintian --fail-on error,warning --suppress-tags initial-upload-closes-no-bugs *.deb" ||
    fail "lintian"
  mkdir "$out/objects" && cp "$place"/build/objects/*.o "$out/objects"
}

# A cross compiler, and the library for it; the assembly in the sources is that of Swift for arm64.
build_for_arm64() {
  local place=/build/arm64/vionet-$version file
  mkdir "$roots/builder/build/arm64" && cp "$roots"/builder/build/*.{dsc,tar.xz} "$roots/builder/build/arm64"
  inside "$roots/builder" sh -c "dpkg --add-architecture arm64 && apt-get update -qq && cd /build/arm64 && dpkg-source -x *.dsc &&
    apt-get install -qq -y --no-install-recommends crossbuild-essential-arm64 &&
    apt-get build-dep -qq -y --no-install-recommends -a arm64 $place" >"$out/arm64-build-dep.log" 2>&1 ||
    fail "build-dep for arm64: $out/arm64-build-dep.log"
  inside "$roots/builder" sh -c "cd $place && dpkg-buildpackage -us -uc -B -a arm64" >"$out/arm64-build.log" 2>&1 ||
    { tail -n 20 "$out/arm64-build.log"; fail "dpkg-buildpackage -a arm64: $out/arm64-build.log"; }
  inside "$roots/builder" sh -c "cd /build/arm64 && lintian --fail-on error,warning --suppress-tags initial-upload-closes-no-bugs *.deb" ||
    fail "lintian, arm64"
  cp "$roots"/builder/build/arm64/*_arm64.deb "$out"
  mkdir "$out/arm64" && dpkg-deb -x "$out"/libvionet0_*_arm64.deb "$out/arm64"
  file=$out/arm64/usr/lib/aarch64-linux-gnu/libvionet.so.$version
  readelf -h "$file" | grep -q AArch64 || fail "$file is not for arm64"
  echo "    $(cd "$out" && echo *_arm64.deb)"
}

# The instructions of an object with what they refer to. The assemblers pad functions with other no-operations, and a quote or
# the end of a line in the name of a constant is one character to one of them and two to the other.
code() {
  objdump -dr --no-show-raw-insn "$1" | sed '1,3d; s/\\"/"/g; s/\^J/\\n/g; s/\^M/\\r/g' |
    grep -vE '\b(nop[wl]?|data16)\b|xchg +%ax,%ax' |
    awk '/^Disassembly/ { section = $4 } { print section, $0 }' | LC_ALL=C sort
}

compare_code() {
  local module lines
  local modules; read -ra modules < <(sed -n 's|^MODULES := ||p' Makefile)
  for module in "${modules[@]}"; do
    code "build/objects/$module.o" >"$out/swift.code"
    code "$out/objects/$module.o" >"$out/clang.code"
    cmp "$out/swift.code" "$out/clang.code" || fail "$module: its code differs from Swift's: $out/*.code"
    lines=$(wc -l <"$out/swift.code")
    [ "$lines" -gt 500 ] || fail "$module: hardly any code to compare"
    echo "    $module: $lines lines of code, the same as Swift's"
  done
  sed 's/\bret\b/hlt/' "$out/clang.code" | cmp -s - "$out/swift.code" && fail "another instruction went unseen"
  return 0
}

# footprint PACKAGES...: how many packages an installation brings to the fresh root, and how many MB they have.
footprint() {
  local each found others=()
  mapfile -t found < <(inside "$roots/user" sh -c "apt-get install -s --no-install-recommends $*" |
    sed -n 's/^Inst \([^ ]*\) (\([^ ]*\) .*/\1=\2/p')
  for each in "${found[@]}"; do [[ $each == *vionet* ]] || others+=("$each"); done
  {
    for each in "${found[@]}"; do
      [[ $each != *vionet* ]] || dpkg-deb -f "$roots/user/packages/${each%%=*}_"*.deb Installed-Size
    done
    inside "$roots/user" apt-cache show "${others[@]}" | sed -n 's/^Installed-Size: //p'
  } | awk -v packages=${#found[@]} '{ n += $1 } END { printf "%d packages, %.1f MB\n", packages, n / 1024 }'
}

# libraries_of_dpdk: how many shared libraries DPDK's skeleton loads, compiled as its own Makefile does.
libraries_of_dpdk() {
  Tools/fetch-dpdk-examples.sh build/dpdk-examples
  inside "$roots/dpdk" apt-get install -qq -y --no-install-recommends libdpdk-dev gcc libc6-dev pkg-config >"$out/dpdk.log" 2>&1 ||
    fail "DPDK: $out/dpdk.log"
  cp build/dpdk-examples/skeleton/basicfwd.c "$roots/dpdk/srv"
  # shellcheck disable=SC2016
  inside "$roots/dpdk" sh -c 'cd /srv && gcc -O3 $(pkg-config --cflags libdpdk) basicfwd.c -o basicfwd $(pkg-config --libs libdpdk)'
  inside "$roots/dpdk" ldd /srv/basicfwd | grep -c '=>'
}

# The rows of docs/packages.md.
measure() {
  local compiler=(gcc libc6-dev pkg-config)
  mkdir "$roots/user/packages" && cp "$out"/*_{amd64,all}.deb "$roots/user/packages"
  {
    echo "| | vionet | DPDK |"
    echo "|---|---|---|"
    echo "| to run a program: \`libvionet0\`; \`librte-net-virtio23\` | $(footprint '/packages/libvionet0_*.deb') |" \
      "$(footprint librte-net-virtio23) |"
    echo "| to compile one, gcc and libc included: \`libvionet-dev\`; \`libdpdk-dev\` |" \
      "$(footprint '/packages/lib*.deb' "${compiler[@]}") | $(footprint libdpdk-dev "${compiler[@]}") |"
    echo "| of these, the compiler alone | $(footprint "${compiler[@]}") | the same |"
  } >"$out/table"
}

# An ordinary user, who has no rights beyond a TAP interface that root makes for him, in a network of its own.
use_packages() {
  local user=$roots/user
  cp build/deb/vionetctl_"$version"-*_amd64.deb "$user/packages"
  cp Tests/support/new-user.sh "$user/srv"
  inside "$user" /srv/new-user.sh install 2>&1 | tee "$out/install.log" || fail "installing: $out/install.log"
  separate=--net inside "$user" /srv/new-user.sh use 2>&1 | tee "$out/use.log" || fail "using it: $out/use.log"
  cp "$user/srv/typed" "$out"
  echo "| shared libraries of a small program: the README's; its skeleton (\`ldd\`) |" \
    "$(inside "$user" ldd /new/forward | grep -c '=>') | $(libraries_of_dpdk) |" >>"$out/table"
}

# What debian/tests has, as autopkgtest would run it.
test_packages() {
  local user=$roots/user test tests
  read -ra tests < <(sed -n 's/^Tests: //p' debian/tests/control)
  inside "$user" apt-get install -qq -y --no-install-recommends cmake make >"$out/cmake.log" 2>&1 || fail "cmake: $out/cmake.log"
  cp -r debian/tests README.md "$user/new"
  for test in "${tests[@]}"; do
    inside "$user" setpriv --reuid new --regid new --init-groups sh -c "mkdir -p /new/$test && cd /new &&
      HOME=/new AUTOPKGTEST_TMP=/new/$test tests/$test" >"$out/$test.log" 2>&1 || { cat "$out/$test.log"; fail "debian/tests/$test"; }
    sed 's/^/    /' "$out/$test.log"
  done
}

step "a fresh Debian 12, three times"; make_root
step "the packages are built there"; build_packages
step "their code is compared"; compare_code
step "the packages for arm64"; build_for_arm64
step "what they bring to a fresh Debian"; measure
step "a new user"; use_packages
step "the packages' own tests"; test_packages
step "docs/packages.md"; python3 -B Tests/support/packages.py "$out" docs/packages.md && sed 's/^/    /' "$out/table"
step "done: $out"
