#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The races of Tests/abi/receive_wakeups.c and transmit_wakeups.c in full length: wakeups.sh ROUNDS
set -eu
cd "$(dirname "$0")/../.."
# shellcheck source-path=SCRIPTDIR source=compile.sh
. Tests/support/compile.sh
mkdir -p "$build/test-bin"
compile Tests/abi/receive_wakeups.c
compile Tests/abi/transmit_wakeups.c
export VIONET_TEST_DEADLINE=86400
"$build/test-bin/abi-receive_wakeups" "${1:?how many rounds?}"
exec "$build/test-bin/abi-transmit_wakeups" "$1"
