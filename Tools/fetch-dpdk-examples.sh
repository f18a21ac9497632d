#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Tools/fetch-dpdk-examples.sh FOLDER: puts the sources of DPDK's examples skeleton and l2fwd, as Debian has them, into FOLDER.
# They come out of the package dpdk-doc, which is not installed.
set -eu
folder=$1
[ -e "$folder/l2fwd/main.c" ] && exit
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
{ apt-get -q download dpdk-doc || { apt-get -q update && apt-get -q download dpdk-doc; }; } >log 2>&1 ||
  { cat log; echo "Debian's package dpdk-doc did not come"; exit 1; }
dpkg-deb --fsys-tarfile dpdk-doc_*.deb | tar x ./usr/share/dpdk/examples/skeleton ./usr/share/dpdk/examples/l2fwd
cd - >/dev/null
mkdir -p "$folder"
cp -r "$work"/usr/share/dpdk/examples/* "$folder"
