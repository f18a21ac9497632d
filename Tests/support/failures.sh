#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Tests/abi/failing_calls.c with every call, and Tests/abi/time_budgets.c again and again: failures.sh ROUNDS
set -eu
cd "$(dirname "$0")/../.."
# shellcheck source-path=SCRIPTDIR source=compile.sh
. Tests/support/compile.sh
compile Tests/abi/failing_calls.c
compile Tests/abi/time_budgets.c
export VIONET_TEST_DEADLINE=86400
"$build/test-bin/abi-failing_calls" 1
exec "$build/test-bin/abi-time_budgets" "${1:?how many rounds?}"
