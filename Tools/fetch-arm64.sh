#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Tools/fetch-arm64.sh FOLDER: unpacks what arm64 programs need besides the C library into FOLDER: Debian's libbsd and libmd
# for arm64. This machine's own list of architectures is not changed. apt checks the signatures.
set -eu
folder=$1
[ ! -e "$folder/usr/lib/aarch64-linux-gnu/libbsd.so" ] || exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/tree"
: >"$work/status"
apt() {
  apt-get -q -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State::Lists="$work/lists" \
    -o Dir::State::status="$work/status" -o Dir::Cache="$work/cache" -o APT::Sandbox::User=root "$@"
}
cd "$work"
if ! { apt update && apt download libbsd0 libbsd-dev libmd0 libmd-dev; } >"$work/log" 2>&1; then
  cat "$work/log"
  echo "Debian's packages libbsd0, libbsd-dev, libmd0 and libmd-dev for arm64 did not come" >&2
  exit 1
fi
for package in ./*.deb; do dpkg -x "$package" tree; done
cd - >/dev/null
rm -rf "$folder"
mkdir -p "${folder%/*}"
# Debian's link has the path of a running system.
ln -sf libbsd.so.0 "$work/tree/usr/lib/aarch64-linux-gnu/libbsd.so"
ln -sf libmd.so.0 "$work/tree/usr/lib/aarch64-linux-gnu/libmd.so"
mv "$work/tree" "$folder"
