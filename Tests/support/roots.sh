#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The two commands of the README on new machines: a root of Debian 12 and one of Debian 13, as debootstrap makes them, with
# make, gcc, python3 and the Swift of this machine and nothing else. `make demo` runs there; then what the tests need is
# installed, and each program that one looks for is there.
#
#   Tests/support/roots.sh [whole] [RELEASE...]     whole: `make test`, too; bookworm and trixie
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=suites.sh
. "$(dirname "$0")/suites.sh"
need debootstrap debootstrap
[ "$(id -u)" -eq 0 ] || fail "debootstrap wants root"
swift=$(dirname "$(dirname "$(readlink -f "$(command -v swiftc)")")")
out=$build/roots
whole=''
if [ "${1-}" = whole ]; then whole=1; shift; fi
[ $# -gt 0 ] || set -- bookworm trixie
mkdir -p "$out"

# inside ROOT COMMAND...: in the root, with Swift, /proc, /dev and /sys, and no process of it left afterwards.
inside() {
  # `ip netns exec` wants the root to be a mount of its own.
  # shellcheck disable=SC2016
  unshare --mount --pid --fork --kill-child sh -c 'mount --bind "$1" "$1" && mount -t proc proc "$1/proc" &&
    mount --rbind /dev "$1/dev" && mount -t sysfs sysfs "$1/sys" && mount --bind "$2" "$1$2" && mount -o remount,bind,ro "$1$2" &&
    cd "$1" && root=$1 && shift 2 && exec chroot "$root" "$@"' sh "$1" "$swift" \
    /usr/bin/env -i HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
    PATH="$swift/bin:/usr/sbin:/usr/bin:/sbin:/bin" "${@:2}"
}

# make_root RELEASE: packages come from where this machine's do, and so does the key.
make_root() {
  local mirror place=$work/$1
  mirror=$(mirror_of_debian)
  debootstrap --variant=minbase "$1" "$place" "$mirror" /usr/share/debootstrap/scripts/sid || return
  echo "deb $mirror $1 main" >"$place/etc/apt/sources.list"
  cp /etc/resolv.conf "$place/etc/"
  cp -r /etc/apt/apt.conf.d/. "$place/etc/apt/apt.conf.d/"
  mkdir -p "$place$swift" "$place/vionet"
  git -C "$root" archive HEAD | tar -C "$place/vionet" -x || return
  inside "$place" apt-get update || return
  # The last ones are what Swift itself wants, by https://swift.org/install.
  inside "$place" apt-get install -y --no-install-recommends make gcc libc6-dev python3 \
    g++ libcurl4 libncurses6 libsqlite3-0 libuuid1 libxml2 tzdata
}

# Every program that a test looks for with `need` in a package of the table.
needed() {
  grep -rhoE '^ *need [a-z0-9_.+-]+ [a-z0-9.+-]+' "$root/Tests" | sort -u |
    while read -r _ program package; do
      awk -v package="$package" '$2 == package && / test( |$)/ { found = 1 } END { exit !found }' "$root/Tools/install-deps.sh" && echo "$program"
    done | sort -u
}

# demo RELEASE: on a machine that is new.
demo() {
  local log=$out/$1-demo.log
  make_root "$1" >"$out/$1-root.log" 2>&1 || { tail -n 5 "$out/$1-root.log"; fail "the root: $out/$1-root.log"; }
  inside "$work/$1" make -C /vionet demo >"$log" 2>&1 || { tail -n 20 "$log"; fail "make demo: $log"; }
  tail -n 12 "$log" | sed 's/^/# /'
}

# tools RELEASE: what `make test` installs has all that its tests look for.
tools() {
  local log=$out/$1-tools.log program missing=()
  inside "$work/$1" sh -c 'cd /vionet && Tools/install-deps.sh build && Tools/install-deps.sh vionetctl && Tools/install-deps.sh test' \
    >"$log" 2>&1 || { tail -n 5 "$log"; fail "what the tests need: $log"; }
  needed >"$work/needed"
  while read -r program; do
    inside "$work/$1" sh -c "command -v $program" >>"$log" </dev/null || missing+=("$program")
  done <"$work/needed"
  [ ${#missing[@]} -eq 0 ] || fail "not there: ${missing[*]}"
  echo "# $(wc -l <"$work/needed") programs"
}

all_tests() {
  inside "$work/$1" make -C /vionet test >"$out/$1-test.log" 2>&1 || { tail -n 30 "$out/$1-test.log"; fail "make test: $out/$1-test.log"; }
  tail -n 1 "$out/$1-test.log" | sed 's/^/# /'
}

for release; do
  run_case "make demo on a new machine with $release" demo "$release"
  run_case "what the tests need is in $release" tools "$release"
  [ -z "$whole" ] || run_case "make test on a new machine with $release" all_tests "$release"
  rm -rf --one-file-system "${work:?}/$release"
done
