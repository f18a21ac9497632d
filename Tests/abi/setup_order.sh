#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The messages that set up a vhost-user device come in the order of DPDK's virtio_init_device(), with named differences.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"

VIONET_LOG=debug "$examples/vionet-info" -s soft:loopback >"$work/log" 2>&1 || { cat "$work/log"; fail "vionet-info"; }
"$root/Tests/support/setup_order.py" vhost-user "$work/log" || fail "the log is not in the order of DPDK"
