# shellcheck shell=bash disable=SC2034,SC2154
# SPDX-License-Identifier: BSD-2-Clause
# Sourced by guest.sh: the virtual machine, its NICs and their TAP interfaces on this machine, from `pair` to power-off.
pairs=() nics=() taps=() together='' qemu=''

# ---- NICs ------------------------------------------------------------------------------------------------------------

index_of() {
  local i
  for i in "${!pairs[@]}"; do
    [ "${pairs[i]}" != "$1" ] || echo "$i"
  done
}

# address PAIR a|b: the PCI address of a NIC in the guest.
address() {
  local slot=$((4 + 2 * $(index_of "$1"))) function=0
  case "$2 $together " in
    "b "*" $1 "*) function=1 ;;
    b*) slot=$((slot + 1)) ;;
  esac
  printf '0000:00:%02x.%d' $slot $function
}

# network PAIR: the first three bytes of the pair's IP addresses.
network() { echo "10.9.$((1 + $(index_of "$1")))"; }

# port_on PAIR END: the device address of our port there. That is the NIC, unless instead[PAIR-END] names another device.
declare -A instead
port_on() { echo "${instead[$1-$2]-pci:$(address "$1" "$2")}"; }

# pair [-t] NAME [PROPERTIES]: its interfaces here are NAME-a and NAME-b, so NAME has up to 13 letters. Each interface has
# $queues queues, or one if that is not set.
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

plug_in() { # SPACE TAP ADDRESS
  ip -n "$tag-$1" address add "$3/24" dev "$2" || fail "cannot give $2 its address"
  ip -n "$tag-$1" link set "$2" up || fail "cannot bring up $2"
}

# ---- power -----------------------------------------------------------------------------------------------------------

# power_on SECONDS ACCELERATOR INITRD APPEND [QEMU options...]: returns when the guest listens on its serial line, or fails
# when it has not within that time.
power_on() {
  local limit=$1
  shift
  local accelerator=$1 initrd=$2 append=$3 irqchip=off
  shift 3
  # The emulated IOMMU needs the interrupt controller in QEMU; with KVM a part of it may stay in the kernel.
  [ "$accelerator" != kvm ] || irqchip="split"
  rm -f "$work"/{command.in,command.out,console,monitor,qmp,qemu.out}
  mkfifo "$work/command.in" "$work/command.out"
  exec {to_guest}<>"$work/command.in" {from_guest}<>"$work/command.out"
  "$here/tools/with-taps.py" "${taps[@]}" -- qemu-system-x86_64 -accel "$accelerator" \
    -machine q35,kernel-irqchip=$irqchip -cpu max \
    -smp 2 -nodefaults -display none -no-reboot -monitor "unix:$work/monitor,server=on,wait=off" \
    -qmp "unix:$work/qmp,server=on,wait=off" \
    -serial "file:$work/console" -chardev "pipe,id=command,path=$work/command" -serial chardev:command \
    -kernel "$store/vmlinuz" -initrd "$initrd" -append "console=ttyS0 panic=-1 no_timer_check ipv6.disable=1 $append" "$@" \
    >>"$work/qemu.out" 2>&1 &
  qemu=$!
  children+=("$qemu")
  answered "$limit" 'vionet-guest: ready'
}

# Asks the guest to power off, which ends QEMU.
switch_off() {
  [ -n "$qemu" ] || return 0
  hand_over 'poweroff -f'
  until_true 10 gone "$qemu"
  end "$qemu"
  unset 'children[-1]'
  qemu=
}
gone() { ! kill -0 "$1" 2>/dev/null; }

# choose_accelerator: sets "chosen". A /dev/kvm that can be opened may still run no guest, so this boots one, once for
# each start of this machine. Where KVM works that takes seconds.
choose_accelerator() {
  local known saved=("${taps[@]}")
  known=$store/kvm-$(cat /proc/sys/kernel/random/boot_id)
  chosen=${VIONET_GUEST_ACCEL:-tcg,thread=multi}
  [ -z "${VIONET_GUEST_ACCEL-}" ] && [ -r /dev/kvm ] && [ -w /dev/kvm ] || return 0
  if [ ! -e "$known" ]; then
    rm -f "$store"/kvm-*
    taps=()
    if power_on 45 kvm "$store/system.cpio" quiet -m 512; then echo yes >"$known"; else echo no >"$known"; fi
    switch_off 2>/dev/null
    taps=("${saved[@]}")
  fi
  [ "$(cat "$known")" = no ] || chosen=kvm
}

# boot [iommu[=BITS]] [hugepages=NUMBER] [vionetctl] [iperf3] [vdpa] [noiommu] [cgroups]: the IOMMU has addresses of 39
# or 48 bits; pages of 2 MB come on top of 1 GB of memory; the other words add a program to the guest.
boot() {
  local argument bits append=quiet options=() pages=0 parts=(system vionet) wanted=() name
  for argument; do
    case $argument in
      iommu | iommu=*)
        bits=${argument#iommu} bits=${bits#=}
        options+=(-device "intel-iommu,caching-mode=on,aw-bits=${bits:-39}")
        append+=" intel_iommu=on iommu=nopt"
        ;;
      hugepages=*) pages=${argument#*=} ;;
      vionetctl | iperf3 | vdpa | noiommu | cgroups) parts+=("$argument") wanted+=("--$argument") ;;
      *) fail "boot: unknown word $argument" ;;
    esac
  done
  if [ "$with_testpmd" -eq 1 ]; then
    # DPDK needs hugepages in any case.
    pages=$((pages + 160))
    parts+=(testpmd) wanted+=(--testpmd)
  fi
  "$here/build-guest.sh" "${wanted[@]}" >"$work/built" 2>&1 || { status=$?; cat "$work/built"; exit "$status"; }
  append+=" hugepages=$pages"
  for name in "${parts[@]}"; do cat "$store/$name.cpio" || fail "no $name.cpio"; done >"$work/initrd"
  choose_accelerator
  space a
  space b
  power_on $((3 * patience)) "$chosen" "$work/initrd" "$append" -m $((1024 + 2 * pages)) "${options[@]}" "${nics[@]}" ||
    { show_console; fail "the guest does not start"; }
  for name in "${pairs[@]}"; do
    plug_in a "$name-a" "$(network "$name").1"
    plug_in b "$name-b" "$(network "$name").2"
  done
  echo "a guest with ${#taps[@]} NICs, -accel $chosen, has started after $SECONDS s"
}
