#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Tools/fetch-lwip.sh FOLDER: puts the sources of lwIP, as Debian has them, into FOLDER. Debian's library liblwip is built so
# that it copies all that it sends, and finishes all checksums itself. apt checks the signature; its own lists of packages
# are not changed.
set -eu
folder=$1
[ -e "$folder/src/core/tcp.c" ] && exit
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/parts" "$work/lists/partial" "$work/cache/archives/partial" "$work/tree"
# The same sources as for packages, in both of the ways in which they are written.
for list in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
  case $list in
    *.list) [ ! -e "$list" ] || sed -n 's/^deb /deb-src /p' "$list" >"$work/parts/${list##*/}" ;;
    *.sources) sed 's/^Types:.*/Types: deb-src/' "$list" >"$work/parts/${list##*/}" ;;
  esac
done
# Lists that have no sources make apt-get update fail after it has got the others.
apt() {
  apt-get -q -o Dir::Etc::SourceList=/dev/null -o Dir::Etc::SourceParts="$work/parts" -o Dir::State::Lists="$work/lists" \
    -o Dir::Cache="$work/cache" "$@"
}
cd "$work"
apt update >"$work/log" 2>&1 || :
apt source --download-only lwip >>"$work/log" 2>&1 || { cat "$work/log"; echo "the sources of Debian's package lwip did not come"; exit 1; }
tar xf lwip_*.orig.tar.* -C tree --strip-components=1
cd - >/dev/null
rm -rf "$folder"
mkdir -p "$folder"
cp -r "$work/tree/src" "$work/tree/COPYING" "$folder"
