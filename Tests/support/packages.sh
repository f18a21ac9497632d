#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The Debian packages, as root: built from the sources of a release in a Debian 12 without Swift, whose code is compared with
# Swift's own; then installed in a fresh one and used there as a new user would. Prints what it measures.
#
#   Tests/support/packages.sh [FOLDER]    keeps the packages and logs in FOLDER, build/packages
set -euo pipefail
cd "$(dirname "$0")/../.."
version=$(sed -n 's/^VERSION := //p' Makefile)
out=$PWD/${1:-build/packages} roots=$(mktemp -d)
trap 'rm -rf --one-file-system "$roots"' EXIT
rm -rf "$out" && mkdir -p "$out"
[ "$(id -u)" -eq 0 ] || { echo "debootstrap wants root" >&2; exit 1; }

step() { printf '%(%T)T  %s\n' -1 "$*"; }
fail() { echo "FAIL: $*" >&2; exit 1; }

# inside ROOT COMMAND...: in the root, with /proc and /dev of its own, and no process of it left afterwards.
inside() {
  # shellcheck disable=SC2016
  unshare --mount --pid --fork --kill-child --mount-proc="$1/proc" sh -c 'mount --bind /dev "$1/dev"; shift; exec chroot "$@"' \
    sh "$1" "$1" /usr/bin/env -i HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive PATH=/usr/sbin:/usr/bin:/sbin:/bin "${@:2}"
}

# Packages come from where this machine's do.
make_root() {
  local sources=/etc/apt/sources.list.d/debian.sources mirror
  [ -e $sources ] || sources=/etc/apt/sources.list
  mirror=$(awk '/^URIs:/ { print $2; exit } $1 == "deb" { print $2; exit }' $sources)
  debootstrap --variant=minbase bookworm "$roots/user" "$mirror" >"$out/debootstrap.log" 2>&1 || fail "debootstrap: $out/debootstrap.log"
  rm -f "$roots/user/etc/apt/sources.list"
  cp $sources "$roots/user/etc/apt/${sources#/etc/apt/}"
  inside "$roots/user" apt-get update -qq >>"$out/debootstrap.log" 2>&1
  cp -a "$roots/user" "$roots/builder"
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
      [[ $each != *vionet* ]] || dpkg-deb -f "$out/${each%%=*}_"*.deb Installed-Size
    done
    inside "$roots/user" apt-cache show "${others[@]}" | sed -n 's/^Installed-Size: //p'
  } | awk -v packages=${#found[@]} '{ n += $1 } END { printf "%d packages, %.1f MB\n", packages, n / 1024 }'
}

measure() {
  local compiler=(gcc libc6-dev pkg-config)
  mkdir "$roots/user/packages" && cp "$out"/*.deb "$roots/user/packages"
  echo "    to run a program:      vionet $(footprint '/packages/libvionet0_*.deb'); DPDK $(footprint librte-net-virtio23)"
  echo "    to compile a program:  vionet $(footprint '/packages/lib*.deb' "${compiler[@]}"); DPDK" \
    "$(footprint libdpdk-dev "${compiler[@]}"); the compiler alone $(footprint "${compiler[@]}")"
}

use_packages() {
  local user=$roots/user test
  inside "$user" sh -c 'apt-get install -qq -y --no-install-recommends /packages/libvionet*.deb /packages/vionet-tools_*.deb \
    /packages/vionet-doc_*.deb gcc libc6-dev pkg-config cmake make man-db && useradd -m -d /new new' >"$out/install.log" 2>&1 ||
    fail "installing: $out/install.log"
  cp -r debian/tests README.md "$user/new"
  for test in readme cmake manual tools; do
    inside "$user" su new -c "mkdir -p /new/$test && cd /new &&
      AUTOPKGTEST_TMP=/new/$test tests/$test" >"$out/$test.log" 2>&1 || { cat "$out/$test.log"; fail "debian/tests/$test"; }
    sed 's/^/    /' "$out/$test.log"
  done
  inside "$user" ldd /new/readme/forward | grep -c '=>' | sed 's/^/    shared libraries of the README'\''s program: /'
}

step "a fresh Debian 12, twice"; make_root
step "the packages are built there"; build_packages
step "their code is compared"; compare_code
step "what they bring to a fresh Debian"; measure
step "a new user"; use_packages
step "done: $out"
