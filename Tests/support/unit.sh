#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The Swift tests: `unit.sh debug`, and `unit.sh asan` under AddressSanitizer, each in a build folder of its own.
# One test at a time, since some compare the open files of the whole process.
# deadline: 1800
set -eu
cd "$(dirname "$0")/../.."
# Swift leaves folders and locks there.
export TMPDIR=$PWD/.build/tmp
rm -rf "$TMPDIR"
mkdir -p "$TMPDIR"
case ${1:-debug} in
  debug) exec swift test --disable-xctest --no-parallel --scratch-path .build ;;
  asan) exec swift test --disable-xctest --no-parallel --sanitize=address --scratch-path .build-asan ;;
  *) echo "usage: unit.sh debug|asan" >&2; exit 2 ;;
esac
