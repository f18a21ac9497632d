#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# QEMU connects to our served devices, on the socket of which it is client or server, and has nothing to say about what
# they offer. The test sees that it would: it warns about a back-end that offers CONFIG to everybody.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need qemu-system-x86_64 qemu-system-x86
serve=$(program serve-devices) || exit 1
offers=$(program config-offering-device) || exit 1

# qemu SOCKET [option of the socket]: a machine that has no processor running, and a network device on that socket.
# QEMU asks a back-end for its features when that connects.
qemu() {
  rm -f "$work/commands"
  : >"$work/answers" # an earlier one greeted, too
  mkfifo "$work/commands"
  qemu-system-x86_64 -S -nodefaults -display none -machine q35 -m 64 -qmp stdio \
    -chardev "socket,id=socket,path=$1$2" -netdev vhost-user,id=network,chardev=socket \
    -device virtio-net-pci,netdev=network,romfile= \
    <>"$work/commands" >"$work/answers" 2>"$work/qemu.err" &
  children+=($!)
  echo '{"execute":"qmp_capabilities"}' >"$work/commands"
}
# QEMU greets once it has asked all that it asks.
ends() {
  until_true 20 grep -q '"QMP"' "$work/answers" || { cat "$work/qemu.err"; fail "QEMU does not start"; }
  echo '{"execute":"quit"}' >"$work/commands"
  until_true 20 gone "${children[-1]}" || fail "QEMU does not end"
  end_last
}
# complains: prints what QEMU says, but for what it always says as a server.
complains() { grep -v 'info: QEMU waiting for connection' "$work/qemu.err"; }
gone() { ! kill -0 "$1" 2>/dev/null; }

# silent WIRE: QEMU as client, twice, since the second connection is another one to the device.
silent() {
  local turn
  background device "$serve" "$work/s" "$1"
  for turn in 1 2; do
    qemu "$work/s" ""
    ends
    ! complains || fail "QEMU complains at connection $turn"
  done
  end_last
  cat "$work/device.out"
  [ "$(number_after connections "$work/device.out")" = 2 ] || fail "QEMU has not connected twice"
}

# silent_as_server WIRE: QEMU listens and the device connects.
silent_as_server() {
  background device "$serve" "$work/t" "$1,client=1"
  qemu "$work/t" ",server=on"
  ends
  end_last
  ! complains || fail "QEMU complains"
  [ "$(number_after connections "$work/device.out")" -ge 1 ] || fail "the device has not connected"
}

warned() {
  background device "$offers"
  qemu "$(sed -n 's/^ready //p' "$work/device.out")" ""
  ends
  grep -q 'warning.*CONFIG' "$work/qemu.err" || { cat "$work/qemu.err"; fail "QEMU does not warn about CONFIG"; }
}

run_case "QEMU says nothing about a served device" silent sink
run_case "nor about one with packed rings and several pairs" silent loopback,queues=4
run_case "nor about one without what can be left out" silent sink,packed_vq=0,in_order=0,mrg_rxbuf=0
run_case "nor about one that connects to it" silent_as_server sink
run_case "QEMU warns about a back-end that offers CONFIG" warned
