#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# What debian/ says is so: versions, symbols, the files of each package; what is installed is in exactly one of them. The tests
# of the packages pass on what make install installs. `make test-packages` builds and installs the packages.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
cd "$root" || exit 1
export LC_ALL=C

# same_symbols MAP SYMBOLS: the names of a version script and of a package's list are the same.
same_symbols() {
  diff <(sed -n 's/^[[:space:]]*\(vionet_[a-z0-9_]*\);.*/\1/p' "$1" | sort) <(sed -n 's/^ \(vionet_[a-z0-9_]*\)@VIONET_.*/\1/p' "$2" | sort)
}

# unpacked TREE: files of an installation that debian/*.install puts into no package, or into two.
unpacked() {
  local file pattern count
  (cd "$1" && find . ! -type d | sed 's|^\./||') | while IFS= read -r file; do
    count=0
    while read -r pattern _; do
      # shellcheck disable=SC2254 # the patterns are meant as such
      case $file in $pattern | $pattern/*) count=$((count + 1)) ;; esac
    done < <(cat debian/*.install)
    [ "$count" -eq 1 ] || echo "$file: in $count packages"
  done
}

symbols() {
  for library in vionet vionet-control; do
    same_symbols $library.map "debian/lib${library}0.symbols" || fail "$library.map (<) and debian/lib${library}0.symbols (>) differ"
  done
  grep -v vionet_stop debian/libvionet0.symbols >"$work/symbols"
  same_symbols vionet.map "$work/symbols" >"$work/log" && fail "a symbol that is missing went unseen"
  return 0
}

versions() {
  local version
  version=$(sed -n 's/^VERSION := //p' Makefile)
  head -n 1 debian/changelog | grep -qF "vionet ($version-" || fail "debian/changelog has another version than $version"
}

files() {
  make -s install DESTDIR="$work/tree" PREFIX=/usr LIBDIR=/usr/lib/machine >"$work/log" 2>&1 || { cat "$work/log"; fail "make install"; }
  [ -z "$(unpacked "$work/tree")" ] || fail "$(unpacked "$work/tree")"
  touch "$work/tree/usr/bin/other"
  [ "$(unpacked "$work/tree")" = "usr/bin/other: in 0 packages" ] || fail "a file of no package went unseen"
}

# What an installed package has where the system looks for it is found here by variables.
installed() { # test
  local prefix=$work/installed
  [ -d "$prefix" ] || make -s install PREFIX="$prefix" >"$work/log" 2>&1 || { cat "$work/log"; fail "make install"; }
  mkdir -p "$work/$1"
  AUTOPKGTEST_TMP=$work/$1 PATH=$prefix/bin:$PATH PKG_CONFIG_PATH=$prefix/lib/pkgconfig LD_LIBRARY_PATH=$prefix/lib \
    "debian/tests/$1" || fail "debian/tests/$1"
}

# typed PAGE: the commands in it are those of the new user's session, in their order.
typed() {
  sed -n "s/^  types \(root\|new\) '\(.*\)'\( [0-9]*\)\?$/\1 \2/p; s/^  starts [a-z]* '\(.*\)'$/new \1 \&/p" \
    Tests/support/new-user.sh >"$work/wanted"
  # shellcheck disable=SC2016 # back-quotes, in the page
  sed -n 's/^| \(root\|new\) | `` \(.*\) `` |.*/\1 \2/p' "$1" | sed 's/\\|/|/g' >"$work/written"
  [ "$(wc -l <"$work/wanted")" -gt 15 ] || fail "hardly any command"
  diff "$work/wanted" "$work/written" || fail "$1 (>) has other commands than Tests/support/new-user.sh (<): make test-packages"
}
session() {
  typed docs/packages.md
  sed 's/vionetctl doctor/vionetctl docter/' docs/packages.md >"$work/page"
  sees docter typed "$work/page"
}

run_case "symbols of the libraries and of debian/*.symbols" symbols
run_case "the version" versions
run_case "each file is in one package" files
for test in readme tools; do run_case "debian/tests/$test" installed "$test"; done
run_case "the commands of docs/packages.md are those that a new user types" session
