#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Tests/abi/soak.c in full length: soak.sh FLAPS RESETS RECOVERIES
set -eu
cd "$(dirname "$0")/../.."
# shellcheck source-path=SCRIPTDIR source=compile.sh
. Tests/support/compile.sh
mkdir -p "$build/test-bin"
compile Tests/abi/soak.c
export VIONET_TEST_DEADLINE=86400
exec "$build/test-bin/abi-soak" "${1:?how many flaps of a link?}" "${2:?resets of queues?}" "${3:?recoveries?}"
