#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# vionet-info: what it prints of soft devices, and how it ends when something is wrong.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
info=$examples/vionet-info

gives 0 "$info" soft:loopback
said soft:loopback
said 'VIRTIO_F_VERSION_1.*in use'
said 'split, 256'
said initialised
gives 0 "$info" -s soft:sink,queue_size=512,mac=02:00:00:00:00:07 soft:generate
said 'split, 512'
said 02:00:00:00:00:07
said 'rx-split'
said started
said soft:generate
for option in -h --help; do
  gives 0 "$info" $option
  said usage
done
gives 2 "$info"
said usage
gives 2 "$info" -x soft:sink
said usage
gives 1 "$info" soft:nothing
said nothing
gives 1 "$info" vhost-user:/nonexistent/socket
said /nonexistent/socket
gives 1 "$info" soft:sink,colour=red
said colour
# One of two is wrong: the other is shown all the same.
gives 1 "$info" soft:nothing soft:sink
said 'VIRTIO_F_VERSION_1'
exit 0
