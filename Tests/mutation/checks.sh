#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 1800
# Checks against devices, peers and front-ends are left out, one at a time, and a test must notice: two that a seed
# chooses, or `checks.sh all`.
exec python3 "$(dirname "$0")/checks.py" "${1:-2}" ${2:+"$2"}
