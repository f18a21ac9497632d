#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The race of Tests/abi/sleeping.c in full length: wakeups.sh ROUNDS
set -eu
cd "$(dirname "$0")/../.."
# shellcheck source-path=SCRIPTDIR source=compile.sh
. Tests/support/compile.sh
mkdir -p "$build/test-bin"
compile Tests/abi/sleeping.c
exec "$build/test-bin/abi-sleeping" "${1:?how many rounds?}"
