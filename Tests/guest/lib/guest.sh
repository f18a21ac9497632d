# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: BSD-2-Clause
# Sourced by the scenarios: a QEMU guest with pairs of virtio NICs. The other ends of a pair are TAP interfaces in the
# namespaces a and b of this machine, and a forwarder in the guest carries frames between the two NICs of a pair.
#
#   pair NAME PROPERTIES     adds two NICs with these properties of virtio-net-pci          (machine.sh)
#   pair -t NAME PROPERTIES  puts both in one slot, as two functions of one IOMMU group
#   boot [iommu[=BITS]] [hugepages=N] [vionetctl] [iperf3] [vdpa] [noiommu] [cgroups]
#   guest COMMAND            runs it in the guest; its output is in $work/said              (serial.sh)
#   check NAME COMMAND...    runs one case and prints its result                            (results.sh)
#   done_here                is the last line of a scenario
#
# The command of a check says why it failed with `no`. VIONET_GUEST_FORWARDER names another forwarder than ours:
# "testpmd" is DPDK's, "kernel" is a bridge of the guest's kernel. They try this rig without our driver.
# shellcheck source-path=SCRIPTDIR source=../../support/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../support/lib.sh"
here=$root/Tests/guest
store=$build/guest${VIONET_GUEST_SUITE:+-$VIONET_GUEST_SUITE}
scenario=$(basename "$0" .sh)
forwarder=${VIONET_GUEST_FORWARDER:-ours}
seconds_of_iperf=${VIONET_GUEST_SECONDS:-3}
# How many seconds to wait for what has to come. A guest with an emulated processor on a busy machine is slow, and a test
# must not fail for that.
patience=60
# make test-guest runs scenarios in full length, make test some of them in a short form.
full=${VIONET_GUEST_FULL:-0}

# shellcheck source-path=SCRIPTDIR source=../lib/results.sh
. "$here/lib/results.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/machine.sh
. "$here/lib/machine.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/monitor.sh
. "$here/lib/monitor.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/serial.sh
. "$here/lib/serial.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/forwarder.sh
. "$here/lib/forwarder.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/traffic.sh
. "$here/lib/traffic.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/binding.sh
. "$here/lib/binding.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/sleeping.sh
. "$here/lib/sleeping.sh"
# shellcheck source-path=SCRIPTDIR source=../lib/tuner.sh
. "$here/lib/tuner.sh"

need_spaces
need qemu-system-x86_64 qemu-system-x86
need ping iputils-ping
need iperf3 iperf3
need python3 python3
with_testpmd=0
case $forwarder in
  ours | kernel) ;;
  testpmd) with_testpmd=1 ;;
  *) fail "VIONET_GUEST_FORWARDER is one of ours, testpmd, kernel" ;;
esac
# The trap ignores TERM first: `timeout` sends the signal twice, and to every process of this shell.
trap 'trap "" TERM; show_console; exit 143' TERM
ulimit -c 0
