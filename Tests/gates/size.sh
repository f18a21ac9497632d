#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The library, stripped, takes less than 580 kB, and that of the control socket less than 72 kB.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"

strip -o "$work/stripped" "$stage/lib/libvionet.so" || fail "strip"
bytes=$(stat -c %s "$work/stripped")
echo "stripped: $bytes bytes"
[ "$bytes" -lt 580000 ] || fail "that is 580 kB or more"
strip -o "$work/stripped" "$stage/lib/libvionet-control.so" || fail "strip"
bytes=$(stat -c %s "$work/stripped")
echo "stripped, the control socket: $bytes bytes"
[ "$bytes" -lt 72000 ] || fail "that is 72 kB or more"
