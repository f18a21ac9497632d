#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# vionet-info prints soft devices, and names what is wrong with others.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
info=$examples/vionet-info

shown() {
  gives 0 "$info" soft:loopback
  said soft:loopback
  said 'VIRTIO_F_VERSION_1.*in use'
  said 'split, 256'
  said initialised
}
started() {
  gives 0 "$info" -s soft:sink,queue_size=512,mac=02:00:00:00:00:07 soft:generate
  said 'split, 512'
  said 02:00:00:00:00:07
  said 'rx-split'
  said started
  said soft:generate
}
usage_asked() {
  local option
  for option in -h --help; do
    gives 0 "$info" $option
    said usage
  done
}
bad_arguments() {
  gives 2 "$info"
  said usage
  gives 2 "$info" -x soft:sink
  said usage
}
bad_devices() {
  gives 1 "$info" soft:nothing
  said nothing
  gives 1 "$info" vhost-user:/nonexistent/socket
  said /nonexistent/socket
  gives 1 "$info" soft:sink,colour=red
  said colour
}
one_bad_device() {
  gives 1 "$info" soft:nothing soft:sink
  said 'VIRTIO_F_VERSION_1'
}

run_case "a device" shown
run_case "-s starts the ports" started
run_case "--help" usage_asked
run_case "bad arguments" bad_arguments
run_case "bad devices" bad_devices
run_case "if one of two devices is bad, the other is shown" one_bad_device
