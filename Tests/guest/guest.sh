# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# Sourced by the scenarios: a QEMU guest with pairs of virtio NICs, whose other ends are TAP interfaces in the namespaces
# a and b of this machine, and a forwarder in the guest, so that traffic from a to b goes through it.
#
#   pair NAME PROPERTIES     two more NICs with these properties of virtio-net-pci
#   pair -t NAME PROPERTIES  together in one slot, as two functions that no IOMMU can keep apart
#   boot [iommu[=BITS]] [hugepages=N] [vionetctl] [iperf3] [vdpa]
#   guest COMMAND            in the guest; what it says is in $work/said
#   check NAME COMMAND...    one line of the result
#   done_here                the last line of a scenario
#
# A check's command says why it fails with `no`. The forwarder is ours, or what VIONET_GUEST_FORWARDER says: "testpmd",
# DPDK's, or "kernel", a bridge of the guest's kernel. With these the rig can be tried without our driver.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/lib.sh"
here=$root/Tests/guest
store=$build/guest
scenario=$(basename "$0" .sh)
forwarder=${VIONET_GUEST_FORWARDER:-ours}
pairs=() nics=() taps=() together='' qemu='' reason='' failed=0 begun=0 ended=0
seconds_of_iperf=${VIONET_GUEST_SECONDS:-3}

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
# Ignored first, since "timeout" sends it twice, and to all that this shell starts.
trap 'trap "" TERM; show_console; exit 143' TERM
ulimit -c 0

# ---- results ---------------------------------------------------------------------------------------------------------

no() { reason=$*; return 1; }

# A check in which the IOMMU, the guest's kernel or QEMU complains has failed, too, whatever else it found.
check() { # NAME command...
  local name=$scenario/$1 began=$SECONDS status
  shift
  reason=
  begun=$((begun + 1))
  "$@"
  status=$?
  ended=$((ended + 1))
  # What a failed check left running would spoil the next.
  guest 'put_away forwarder'
  [ "$status" -ne 0 ] || no_faults || status=1
  if [ "$status" -eq 0 ]; then
    echo "vionet-guest: PASS $name ($((SECONDS - began)) s)"
  else
    failed=$((failed + 1))
    echo "vionet-guest: FAIL $name: ${reason:-$*}"
  fi
  guest 'dmesg -c >>/tmp/dmesg'
  : >"$work/qemu.out"
}

# no_faults: nobody has said since the last check that a device was had to read or write where it should not.
no_faults() {
  if guest "dmesg | grep -E 'DMAR:.*(fault addr|error)|BUG:|Oops|Call Trace|Bad page'"; then
    sed 's/^/  | /' "$work/said" | head -n 5
    no "the guest's kernel: $(head -n 1 "$work/said")"
  elif grep -qi -e virtio -e vtd_ "$work/qemu.out"; then
    sed 's/^/  | /' "$work/qemu.out"
    no "QEMU: $(grep -i -e virtio -e vtd_ "$work/qemu.out" | head -n 1)"
  fi
}

# skipped NAME REASON: a check that is not made this time.
skipped() { echo "vionet-guest: SKIP $scenario/$1: $2"; }

done_here() {
  switch_off
  # A mistake in an expression ends a check without a result.
  failed=$((failed + begun - ended))
  echo "$scenario: $SECONDS s in all, $failed failed"
  [ "$failed" -eq 0 ]
}

show_console() {
  local log
  for log in console qemu.out; do
    [ -s "$work/$log" ] || continue
    echo "---- the end of $log:"
    tail -n 25 "$work/$log" | tr -d '\r'
  done
  echo "----"
}

# ---- the machine -----------------------------------------------------------------------------------------------------

index_of() {
  local i
  for i in "${!pairs[@]}"; do
    [ "${pairs[i]}" != "$1" ] || echo "$i"
  done
}

# Where a NIC is in the guest: address PAIR a|b. And the first three bytes of the IP addresses: network PAIR.
address() {
  local slot=$((4 + 2 * $(index_of "$1"))) function=0
  case "$2 $together " in
    "b "*" $1 "*) function=1 ;;
    b*) slot=$((slot + 1)) ;;
  esac
  printf '0000:00:%02x.%d' $slot $function
}
network() { echo "10.9.$((1 + $(index_of "$1")))"; }

# The address of our port on it: of the NIC itself, unless instead[PAIR-END] names another device.
declare -A instead
port_on() { echo "${instead[$1-$2]-pci:$(address "$1" "$2")}"; }

# pair [-t] NAME [PROPERTIES]: its interfaces here are NAME-a and NAME-b, so a name has up to 13 letters. Each has
# $queues queues, one unless that is set.
pair() {
  local end slot fds queue more=
  if [ "$1" = -t ]; then
    shift
    together+=" $1"
    more=,multifunction=on
  fi
  pairs+=("$1")
  for end in a b; do
    slot=$(address "$1" $end)
    fds=fd=
    [ "${queues:-1}" -eq 1 ] || fds=fds=
    for ((queue = 0; queue < ${queues:-1}; queue++)); do
      [ "$queue" -eq 0 ] || fds+=:
      fds+=$((100 + ${#taps[@]}))
      taps+=("$tag-$end/$1-$end")
    done
    nics+=(-netdev "tap,id=$1-$end,$fds,vhost=off"
      -device "virtio-net-pci,netdev=$1-$end,id=nic-$1-$end,addr=${slot:8},romfile=,mac=52:54:00:00:${slot:8:2}:0$end${2:+,$2}$more")
  done
}

# power_on ACCELERATOR INITRD APPEND [QEMU options...]: returns when the guest listens, or fails after half a minute.
power_on() {
  local accelerator=$1 initrd=$2 append=$3 irqchip=off
  shift 3
  # The emulated IOMMU wants the interrupt controller in QEMU; with KVM some of it may stay in the kernel.
  [ "$accelerator" != kvm ] || irqchip="split"
  rm -f "$work"/{command.in,command.out,console,monitor,qmp,qemu.out}
  mkfifo "$work/command.in" "$work/command.out"
  exec {to_guest}<>"$work/command.in" {from_guest}<>"$work/command.out"
  "$here/taps.py" "${taps[@]}" -- qemu-system-x86_64 -accel "$accelerator" -machine q35,kernel-irqchip=$irqchip -cpu max \
    -smp 2 -nodefaults -display none -no-reboot -monitor "unix:$work/monitor,server=on,wait=off" \
    -qmp "unix:$work/qmp,server=on,wait=off" \
    -serial "file:$work/console" -chardev "pipe,id=command,path=$work/command" -serial chardev:command \
    -kernel "$store/vmlinuz" -initrd "$initrd" -append "console=ttyS0 panic=-1 no_timer_check ipv6.disable=1 $append" "$@" \
    >>"$work/qemu.out" 2>&1 &
  qemu=$!
  children+=("$qemu")
  answered 90 'vionet-guest: ready'
}

# Asks the guest to end, which is when QEMU ends.
switch_off() {
  [ -n "$qemu" ] || return 0
  hand_over 'poweroff -f'
  until_true 5 gone "$qemu"
  end "$qemu"
  unset 'children[-1]'
  qemu=
}
gone() { ! kill -0 "$1" 2>/dev/null; }

# Sets "chosen". A /dev/kvm that can be opened may still run no guest, so have it boot one, once for each start of this
# machine.
choose_accelerator() {
  local known saved=("${taps[@]}")
  known=$store/kvm-$(cat /proc/sys/kernel/random/boot_id)
  chosen=${VIONET_GUEST_ACCEL:-tcg,thread=multi}
  [ -z "${VIONET_GUEST_ACCEL-}" ] && [ -r /dev/kvm ] && [ -w /dev/kvm ] || return 0
  if [ ! -e "$known" ]; then
    rm -f "$store"/kvm-*
    taps=()
    if power_on kvm "$store/system.cpio" quiet -m 512; then echo yes >"$known"; else echo no >"$known"; fi
    switch_off 2>/dev/null
    taps=("${saved[@]}")
  fi
  [ "$(cat "$known")" = no ] || chosen=kvm
}

# boot [iommu[=BITS]] [hugepages=NUMBER] [vionetctl]: an IOMMU with addresses of 39 or 48 bits, pages of 2 MB beside the
# 1 GB of memory that the guest has in any case, and the tool.
boot() {
  local began argument bits append=quiet options=() pages=0 parts=(system vionet) wanted=() name
  began=$(date +%s%N)
  for argument; do
    case $argument in
      iommu | iommu=*)
        bits=${argument#iommu} bits=${bits#=}
        options+=(-device "intel-iommu,caching-mode=on,aw-bits=${bits:-39}")
        append+=" intel_iommu=on iommu=nopt"
        ;;
      hugepages=*) pages=${argument#*=} ;;
      vionetctl | iperf3 | vdpa) parts+=("$argument") wanted+=("--$argument") ;;
      *) fail "boot: what is $argument?" ;;
    esac
  done
  if [ "$with_testpmd" -eq 1 ]; then
    # DPDK wants them in any case.
    pages=$((pages + 160))
    parts+=(testpmd) wanted+=(--testpmd)
  fi
  "$here/build-guest.sh" "${wanted[@]}" >"$work/built" 2>&1 || { status=$?; cat "$work/built"; exit "$status"; }
  append+=" hugepages=$pages"
  for name in "${parts[@]}"; do cat "$store/$name.cpio" || fail "no $name.cpio"; done >"$work/initrd"
  choose_accelerator
  space a
  space b
  power_on "$chosen" "$work/initrd" "$append" -m $((1024 + 2 * pages)) "${options[@]}" "${nics[@]}" ||
    { show_console; fail "the guest does not come up"; }
  for name in "${pairs[@]}"; do
    plug_in a "$name-a" "$(network "$name").1"
    plug_in b "$name-b" "$(network "$name").2"
  done
  echo "a guest with ${#taps[@]} NICs, -accel $chosen, up after $((($(date +%s%N) - began) / 1000000)) ms"
}

plug_in() { # SPACE TAP ADDRESS
  ip -n "$tag-$1" address add "$3/24" dev "$2" || fail "cannot give $2 its address"
  ip -n "$tag-$1" link set "$2" up || fail "cannot bring up $2"
}

# monitor COMMAND: QEMU's own, such as "set_link nic-NAME-a off" or "device_del nic-NAME-a"; its answer is printed.
monitor() {
  python3 - "$work/monitor" "$1" <<'END'
import socket, sys
with socket.socket(socket.AF_UNIX) as s:
    s.settimeout(5)
    s.connect(sys.argv[1])
    said = b""
    for line in (b"", sys.argv[2].encode() + b"\n"):
        s.sendall(line)
        said = b""
        while not said.endswith(b"(qemu) "):
            said += s.recv(4096)
    print("\n".join(said.decode().replace("\r", "").split("\n")[1:-1]))
END
}

# qmp COMMAND: the same in QEMU's other tongue, such as '{"execute": "query-status"}'; what it returns is printed as JSON.
qmp() {
  python3 - "$work/qmp" "$1" <<'END'
import json, socket, sys
with socket.socket(socket.AF_UNIX) as s:
    s.settimeout(5)
    s.connect(sys.argv[1])
    lines = s.makefile("rw")
    for command in ('{"execute": "qmp_capabilities"}', sys.argv[2]):
        lines.write(command + "\n")
        lines.flush()
        # The greeting and events are none of ours.
        answer = {}
        while "return" not in answer and "error" not in answer:
            answer = json.loads(lines.readline())
    print(json.dumps(answer["return"]) if "return" in answer else answer["error"]["desc"])
END
}

# ---- talking to the guest --------------------------------------------------------------------------------------------

# next_line END: one line from the guest in "line", or fails at that value of $SECONDS, or when QEMU is gone. A read that
# runs out of time keeps what it has, the beginning of a line.
next_line() {
  local part
  line=
  until IFS= read -r -t 1 part <&"$from_guest"; do
    line+=$part
    [ "$SECONDS" -lt "$1" ] && ! gone "$qemu" || return 1
  done
  line+=$part
}

# answered SECONDS PATTERN: reads up to that line; what comes before is in $work/said, the line itself in "line".
answered() {
  local limit=$((SECONDS + $1))
  : >"$work/said"
  while next_line $limit; do
    # shellcheck disable=SC2053 # a pattern
    [[ $line != $2 ]] || return 0
    echo "$line" >>"$work/said"
  done
  return 1
}

# hand_over COMMAND: its length goes before it, because an emulated serial line may lose what lay in its FIFO.
hand_over() {
  local LC_ALL=C text=${1//$'\n'/ }
  echo "${#text} $text" >&"$to_guest"
}

# guest [-t SECONDS] COMMAND: its status is the result. A command that does not return is the end of the scenario.
guest() {
  local limit=20 tries=4
  if [ "$1" = -t ]; then
    limit=$2
    shift 2
  fi
  line=
  until [[ $line = 'vionet-guest: status '* ]]; do
    [ -z "$line" ] || echo "the serial line lost a part of \"$1\": $line"
    ((tries-- > 0)) || fail "the serial line loses a part of \"$1\" each time"
    hand_over "$1"
    answered "$limit" 'vionet-guest: @(status|lost)*' || {
      cat "$work/said"
      show_console
      fail "the guest did not answer in $limit s: $1"
    }
  done
  sed -i '$ { /^$/d }' "$work/said"
  return "${line##* }"
}
last_said() { tail -n 1 "$work/said"; }

# ---- the forwarder, in the guest ---------------------------------------------------------------------------------------

# launch_forwarder PAIR [options of vionet-fwd...]: returns when it has begun to forward. Both polling ones say that.
# Our device addresses end with $keys, and the program is $our_forwarder, vionet-fwd unless that is set.
launch_forwarder() {
  local name=$1 one two limit=$((SECONDS + 20)) ready='^->'
  shift
  one=$(address "$name" a) two=$(address "$name" b)
  case $forwarder in
    ours)
      guest "launch forwarder ${our_forwarder-vionet-fwd} $* $(port_on "$name" a)${keys-} $(port_on "$name" b)${keys-}"
      ;;
    testpmd)
      ready='^testpmd>'
      guest "launch forwarder testpmd -l 0,1 --in-memory -m 256 ${testpmd_options-} -a $one -a $two -- -i --nb-cores=1 \
--forward-mode=io --auto-start --no-flush-rx --total-num-mbufs=16384 --no-lsc-interrupt"
      ;;
    kernel) ready='' && guest "bridge $one $two" ;;
  esac || { no "not started: $(last_said)"; return; }
  until guest "grep -qe '$ready' /tmp/forwarder.out"; do
    guest 'running forwarder' || { forwarder_said "the forwarder ended"; return; }
    [ $SECONDS -lt $limit ] || { forwarder_said "the forwarder does not begin"; return; }
    sleep 0.1
  done
}

# start_forwarder PAIR [options of vionet-fwd...]: returns when a ping comes through.
start_forwarder() {
  launch_forwarder "$@" && answers "$1"
}

answers() {
  local limit=$((SECONDS + 10))
  until ping_through "$1" 1; do
    [ $SECONDS -lt $limit ] || { forwarder_said "no ping comes through"; return; }
  done
}

# A reason with its last line, and all of the last lines on their own.
forwarder_said() {
  guest 'tail -n 15 /tmp/forwarder.out'
  sed 's/^/  | /' "$work/said"
  no "$1: $(last_said)"
}

# stop_forwarder PAIR: sets carried_ab, dropped_ab, carried_ba, dropped_ba, which is what it says it did.
stop_forwarder() {
  local name=$1
  case $forwarder in
    ours) guest "kill -TERM \$(cat /tmp/forwarder.pid); finish forwarder 10" ;;
    testpmd) guest 'echo stop >/tmp/forwarder.in; echo quit >/tmp/forwarder.in; finish forwarder 10' ;;
    kernel) guest 'unbridge' ;;
  esac || no "the forwarder ended badly, status ${line##* }" || return
  guest 'cat /tmp/forwarder.out'
  read -r carried_ab dropped_ab < <(forwarded "$name" a b)
  read -r carried_ba dropped_ba < <(forwarded "$name" b a)
  if [ -z "$dropped_ab" ] || [ -z "$dropped_ba" ]; then no "no summary: $(last_said)"; fi
}

# forwarded PAIR FROM TO: packets and drops of one way, from the forwarder's last words.
forwarded() {
  local from=0 to=1
  [ "$2" = a ] || from=1 to=0
  case $forwarder in
    ours)
      sed -n "s|^$(port_on "$1" "$2")[^ ]* -> $(port_on "$1" "$3")[^ ]*: \([0-9]*\) packets, .* \([0-9]*\) drops$|\1 \2|p" \
        "$work/said"
      ;;
    testpmd) awk -v from=$from -v to=$to '
      /Forward statistics for port/ { port = $6 }
      port == from && /RX-packets:/ { dropped += $4 }
      port == to && /TX-packets:/ { carried = $2; dropped += $4; port = "" }
      /Accumulated/ { exit }
      END { print carried, dropped }' "$work/said" ;;
    kernel) sed -n "s/^bridge $2 //p" "$work/said" ;;
  esac
}

# ---- traffic, from a to b ----------------------------------------------------------------------------------------------

# ping_through PAIR COUNT
ping_through() {
  in_space a ping -q -c "$2" -i 0.05 -W 1 "$(network "$1").2" >"$work/ping.out" 2>&1
}

# iperf_through PAIR SECONDS: $flows connections, one unless that is set; sets gigabits, per second, as the receiver saw it.
iperf_through() {
  local server
  : >"$work/server.out"
  become b iperf3 -s -1 -B "$(network "$1").2" --forceflush >"$work/server.out" 2>&1 &
  server=$!
  children+=("$server")
  until_true 5 grep -q listening "$work/server.out" || { no "iperf3 does not listen"; return 1; }
  if ! in_space a timeout $(($2 + 20)) iperf3 -c "$(network "$1").2" -t "$2" -P "${flows:-1}" -J >"$work/iperf.json"; then
    end "$server"
    no "iperf3: $(sed -n 's/.*"error":[[:space:]]*"\(.*\)".*/\1/p' "$work/iperf.json")"
    return 1
  fi
  wait "$server"
  unset 'children[-1]'
  gigabits=$(python3 -c 'import json, sys
print("%.2f" % (json.load(open(sys.argv[1]))["end"]["sum_received"]["bits_per_second"] / 1e9))' "$work/iperf.json")
}

# The counters of both TAPs in one line: out of a, into b, out of b, into a. What an interface itself dropped is in none.
counters() {
  echo "$(counter a "$1-a" tx_packets) $(counter b "$1-b" rx_packets)" \
    "$(counter b "$1-b" tx_packets) $(counter a "$1-a" rx_packets)"
}

links() { # PAIR up|down
  in_space a ip link set "$1-a" "$2"
  in_space b ip link set "$1-b" "$2"
}

# ---- checks that several scenarios share -------------------------------------------------------------------------------

# carry PAIR [options of vionet-fwd...]: ping and iperf3 through the forwarder, then what it counted against the TAPs.
carry() {
  local name=$1 before after trip status
  # A frame that comes before the forwarder has begun may be lost in QEMU, when the driver resets the device.
  links "$name" down
  read -ra before < <(counters "$name")
  launch_forwarder "$@"
  status=$?
  links "$name" up
  [ $status -eq 0 ] && answers "$name" || return 1
  ping_through "$name" 20 || { no "pings were lost: $(grep loss "$work/ping.out")"; return; }
  trip=$(sed -n 's|^rtt.* = [0-9.]*/\([0-9.]*\)/.*|\1|p' "$work/ping.out")
  iperf_through "$name" "$seconds_of_iperf" || return
  # Nothing new from here on, and time for what is on its way.
  links "$name" down
  sleep 0.5
  read -ra after < <(counters "$name")
  links "$name" up
  stop_forwarder "$name" || return
  echo "  $name: ping $trip ms, iperf3 $gigabits Gbit/s"
  agree "from a to b" $((after[0] - before[0])) "$carried_ab" "$dropped_ab" $((after[1] - before[1])) &&
    agree "from b to a" $((after[2] - before[2])) "$carried_ba" "$dropped_ba" $((after[3] - before[3]))
}

agree() { # WAY SENT CARRIED DROPPED RECEIVED
  echo "  $1: kernel sent $2, forwarder carried $3 and dropped $4, kernel received $5"
  # The guest's kernel merges what it receives, so that it has fewer of them.
  [ "$forwarder" != kernel ] || return 0
  if [ "$3" -lt 100 ]; then
    no "next to nothing went $1"
  elif [ $(($3 + $4)) -ne "$2" ]; then
    no "$1, $(($2 - $3 - $4)) frames are not accounted for between the kernel and the forwarder"
  elif [ "$3" -ne "$5" ]; then
    no "$1, $(($3 - $5)) frames are not accounted for between the forwarder and the kernel"
  fi
}

# bound PAIR DRIVER: both NICs are given to it.
bound() {
  local more=
  # The kernel finds this by itself only when it is told to, by a rule for a program that is not here.
  [ "$2" != vfio-pci ] || more=vfio_iommu_type1
  guest "modprobe -a $2 $more && bind $2 $(address "$1" a) $(address "$1" b)" || no "$(last_said)"
}

# again PAIR: the devices can be taken at once after their last owner closed them, and after it was killed under traffic.
again() {
  local name=$1 flood
  start_forwarder "$name" && stop_forwarder "$name" && start_forwarder "$name" || return
  become a ping -q -f -w 3 "$(network "$name").2" >"$work/flood.out" 2>&1 &
  flood=$!
  children+=("$flood")
  sleep 0.5
  guest "kill -KILL \$(cat /tmp/forwarder.pid); finish forwarder 10"
  start_forwarder "$name" || { reason="after kill -9: $reason"; return 1; }
  # Its status is whether any of it came back.
  wait "$flood" || { no "there was no traffic to be killed under"; return; }
  unset 'children[-1]'
  ping_through "$name" 20 || { no "pings were lost after kill -9: $(grep loss "$work/ping.out")"; return; }
  stop_forwarder "$name"
}

# back_to_kernel PAIR END: the guest's own driver takes the NIC and pings this machine from it.
back_to_kernel() {
  local device name
  device=$(address "$1" "$2")
  guest "modprobe -a virtio_pci virtio_net && bind virtio-pci $device && interface_of $device" || { no "$(last_said)"; return; }
  name=$(last_said)
  guest "ifconfig $name $(network "$1").3 netmask 255.255.255.0 up &&
    ping -c 3 -W 2 $(network "$1").$([ "$2" = a ] && echo 1 || echo 2)" || no "no ping from the guest's kernel: $(last_said)"
}

# refused PAIR WORD: a device that our driver cannot have now is refused with a sentence in which this word is.
refused() {
  if guest "vionet-info pci:$(address "$1" a)"; then
    no "was not refused"
  else
    grep -qi -- "$2" "$work/said" || no "refused without a word of $2: $(last_said)"
  fi
}

# ---- the tuner, in the guest: a port that does as it is told -------------------------------------------------------------

# launch_tuner PAIR [keys]
launch_tuner() {
  dones=0
  # What the last one said is not taken for this one's word.
  guest "rm -f /tmp/forwarder.out; launch forwarder tuner pci:$(address "$1" a)${2-}; i=0;
    until grep -qs '^ready' /tmp/forwarder.out || [ \$i -gt 200 ]; do i=\$((i + 1)); usleep 50000; done;
    tail -n 1 /tmp/forwarder.out; grep -q '^ready' /tmp/forwarder.out" || no "the tuner does not start: $(last_said)"
}

# tell COMMAND: to the tuner; what it answers is in $work/said, the result of its call in "done".
tell() {
  guest "echo '$*' >/tmp/forwarder.in; i=0;
    until [ \$(grep -c 'done ' /tmp/forwarder.out) -gt $dones ] || [ \$i -gt 250 ]; do i=\$((i + 1)); usleep 20000; done;
    tail -n 2 /tmp/forwarder.out"
  dones=$((dones + 1))
  done=$(sed -n '$ s/.*done //p' "$work/said")
}
obeys() { { tell "$@" && [ "$done" = 0 ]; } || no "$*: $(last_said)"; }

# passes PAIR "MARK=ADDRESS..." "MARK:5 ...": of the frames sent, these come through.
passes() {
  # shellcheck disable=SC2086
  in_space a "$here/frames.py" "$1-a" marks $2 || { no "cannot send"; return; }
  sleep 0.2
  tell marks
  [ "$(sed -n '1 s/ *$//p' "$work/said")" = "$3" ] || no "of $2 came through: $(head -n 1 "$work/said"), not $3"
}

own() { echo "52:54:00:00:$(address "$1" a | cut -c9-10):0a"; }

# ---- more checks -------------------------------------------------------------------------------------------------------

# The whole row of a device and a binding. The names of the checks begin with "vfio" or "uio".
row() { # PAIR DRIVER
  local way=${2%%[-_]*}
  check "$way-bind" bound "$1" "$2"
  check "$way-forward" carry "$1"
  check "$way-asleep" asleep "$1"
  check "$way-again" again "$1"
  check "$way-kernel" back_to_kernel "$1" a
}

# asleep PAIR: a forwarder that waits for interrupts is woken by packets, and leaves the processor alone without them. One
# that nobody wakes looks once in a second, for the sake of its statistics.
asleep() {
  local before after trip
  [ "$forwarder" = ours ] || return 0
  start_forwarder "$1" -w || return
  ping_through "$1" 20 || { no "pings were lost: $(grep loss "$work/ping.out")"; return; }
  trip=$(sed -n 's|^rtt.* = [0-9.]*/\([0-9.]*\)/.*|\1|p' "$work/ping.out")
  echo "  $1: ping $trip ms, asleep in between"
  [ "${trip%.*}" -lt 50 ] || { no "pings took $trip ms: they did not wake it"; return; }
  guest 'ticks forwarder'
  before=$(last_said)
  sleep 2
  guest 'ticks forwarder'
  after=$(last_said)
  stop_forwarder "$1" || return
  [ $((after - before)) -le 20 ] || no "in 2 s without a packet it used $((after - before)) hundredths of a second of a processor"
}

# seed_order PAIR BUS: the log of a device's set-up is in the order of DPDK's.
seed_order() {
  [ "$forwarder" = ours ] || return 0
  guest "VIONET_LOG=debug vionet-info -s pci:$(address "$1" a) 2>&1" || { no "vionet-info: $(last_said)"; return; }
  if "$root/Tests/support/seed_order.py" "$2" "$work/said" >"$work/order"; then
    sed 's/^/  /' "$work/order"
  else
    sed 's/^/  | /' "$work/order"
    no "not in the seed's order"
  fi
}

# config_vector PAIR: while a port is open, a change of the link signals the first vector and, by it, one eventfd more.
# The forwarder, which would take the signal, is held meanwhile.
config_vector() {
  local name=$1 before after
  [ "$forwarder" = ours ] || return 0
  start_forwarder "$name" || return
  guest "kill -STOP \$(cat /tmp/forwarder.pid); sleep 0.2"
  signals "$(address "$name" a)" && before=("${signalled[@]}") || return
  monitor "set_link $name-a off" >/dev/null
  sleep 0.5
  signals "$(address "$name" a)" && after=("${signalled[@]}") || return
  monitor "set_link $name-a on" >/dev/null
  guest "kill -CONT \$(cat /tmp/forwarder.pid)"
  stop_forwarder "$name" || return
  [ $((after[0] - before[0])) -eq 1 ] || { no "one change of the link came as $((after[0] - before[0])) interrupts"; return; }
  [ $((after[1] - before[1])) -eq 1 ] || no "$((after[1] - before[1])) eventfds more were signalled, not one"
}

# signals DEVICE: sets "signalled" to how often its first vector came, and how many eventfds of the forwarder are
# signalled. Of a vector or eventfds that are not there at all it says so.
signals() {
  guest "awk '\$NF == \"vfio-msix[0]($1)\" { for (i = 2; i < NF - 2; i++) n += \$i; rows++ }
      END { print n + 0; exit rows != 1 }' /proc/interrupts &&
    cat /proc/\$(cat /tmp/forwarder.pid)/fdinfo/* >/tmp/fdinfo &&
    awk '/eventfd-count:/ { rows++; n += /: *[1-9a-f]/ } END { print n + 0; exit !rows }' /tmp/fdinfo" ||
    { no "signals cannot be counted: $(last_said)"; return 1; }
  mapfile -t signalled <"$work/said"
}
