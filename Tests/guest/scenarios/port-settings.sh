#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 1800
# Settings of a running port, seen from the device: QEMU's receive filter, which frames pass, on which queue they come and
# with which hash, what the TAP is asked to do for them. Modern devices, with packed rings, and legacy.
# shellcheck source-path=SCRIPTDIR source=../lib/guest.sh
. "$(dirname "$0")/../lib/guest.sh"
modern=disable-legacy=on,iommu_platform=on
pair plain $modern
pair packed $modern,packed=on
pair old disable-modern=on,ctrl_mac_addr=off
queues=4
pair spread $modern,mq=on,vectors=10,rss=on,hash=on
boot iommu hugepages=64

# denies NAME COMMAND...: the command fails because that feature is missing.
denies() {
  local name=$1
  shift
  tell "$@"
  { [ "$result" = -95 ] && grep -q "$name" "$work/said"; } || no "$* should fail because $name is missing: $(last_said)"
}

# filter PAIR: QEMU's receive filter, as "key=value" in one line.
filter() {
  qmp '{"execute": "query-rx-filter", "arguments": {"name": "nic-'"$1"'-a"}}' | python3 -c 'import json, sys
for key, value in sorted(json.load(sys.stdin)[0].items()):
    if isinstance(value, list):
        value = ",".join(str(v) for v in sorted(value)) if len(value) < 100 else "all"
    print(f"{key}={value}" if isinstance(value, str) else f"{key}={str(value).lower()}", end=" ")'
}

# shows PAIR key=value...: QEMU's filter has these values.
shows() {
  local name=$1 said wanted
  shift
  said=" $(filter "$name") "
  for wanted; do
    case $said in *" $wanted "*) ;; *) no "QEMU does not show $wanted:$said"; return ;; esac
  done
}

broadcast=ff:ff:ff:ff:ff:ff other=02:00:00:00:00:77 station=02:00:00:00:01:00 last=02:00:00:00:01:63
group=03:00:00:00:01:00 other_group=03:00:00:00:00:77

modes() {
  local name=$1 all
  all="1=$(own "$name") 2=$broadcast 3=$other 4=$station 5=$group 6=$other_group"
  launch_tuner "$name" || return
  # The state of a device after its reset.
  passes "$name" "$all" "1:5 2:5 3:5 4:5 5:5 6:5" || return
  obeys promiscuous 0 && shows "$name" promiscuous=false multicast=normal "main-mac=$(own "$name")" &&
    passes "$name" "$all" "1:5 2:5" || return
  obeys list 1 1 && shows "$name" unicast-table=$station multicast-table=$group unicast-overflow=false &&
    passes "$name" "$all" "1:5 2:5 4:5 5:5" || return
  obeys all-multicast 1 && shows "$name" multicast=all && passes "$name" "$all" "1:5 2:5 4:5 5:5 6:5" || return
  # This version of QEMU shows the contrary of what it does for broadcast.
  obeys all-multicast 0 && shows "$name" broadcast-allowed=false && obeys filter 32 &&
    shows "$name" broadcast-allowed=true &&
    passes "$name" "$all" "1:5 4:5 5:5" || return
  obeys filter 8 && shows "$name" multicast=none broadcast-allowed=false && passes "$name" "$all" "1:5 2:5 4:5" || return
  obeys filter 16 && shows "$name" unicast=none && passes "$name" "$all" "2:5 5:5" || return
  obeys filter 4 && shows "$name" unicast=all && passes "$name" "$all" "1:5 2:5 3:5 4:5 5:5" || return
  obeys filter 0 || return
  # With more addresses than it has room for, the device passes all.
  obeys list 100 0 && shows "$name" unicast-overflow=true && passes "$name" "$all 7=$last" "1:5 2:5 3:5 4:5 7:5" || return
  obeys list 1 1 && obeys mac "$other" && shows "$name" "main-mac=$other" &&
    passes "$name" "$all" "2:5 3:5 4:5 5:5" || return
  denies VIRTIO_NET_F_CTRL_VLAN vlan 5 1 && denies VIRTIO_NET_F_RSS rss 2 0 1 &&
    denies VIRTIO_NET_F_NOTF_COAL coalesce 65535 1 1 || return
  # A restart of the port resets the device and then restores all settings.
  local before after
  before=$(filter "$name")
  obeys restart || return
  after=$(filter "$name")
  [ "$before" = "$after" ] || { no "after a restart QEMU shows $after, before it showed $before"; return; }
  passes "$name" "$all" "2:5 3:5 4:5 5:5"
}

vlans() {
  local name=$1 all="1=$broadcast 2=$broadcast,5 3=$broadcast,6 4=$broadcast,4000"
  launch_tuner "$name" || return
  passes "$name" "$all" "1:5 2:5 3:5 4:5" || return
  guest 'put_away forwarder'
  launch_tuner "$name" ,vlan_filter=1 || return
  obeys promiscuous 0 && passes "$name" "$all" "1:5" || return
  obeys vlan 5 1 && obeys vlan 4000 1 && shows "$name" vlan=normal vlan-table=5,4000 &&
    passes "$name" "$all" "1:5 2:5 4:5" || return
  obeys vlan 4000 0 && obeys vlan 6 1 && obeys restart && shows "$name" vlan-table=5,6 &&
    passes "$name" "$all" "1:5 2:5 3:5"
}

# A legacy device without the command has its configuration written.
written_address() {
  launch_tuner old || return
  shows old "main-mac=$(own old)" && obeys mac "$other" && shows old "main-mac=$other" && obeys promiscuous 0 &&
    passes old "1=$(own old) 2=$other" "2:5" && denies VIRTIO_F_RING_RESET restart-queues 1 && obeys restart && shows old "main-mac=$other" promiscuous=false
}

# hashed PAIR COUNTS QUEUES: 200 flows of TCP and UDP come with these counts of the tuner, on so many queues.
hashed() {
  local wanted=$2 used
  obeys forget && send_flows "$1" 200 || return
  until_true "$patience" received_flows 400 || { no "of 400 packets: $(first_said)"; return; }
  sleep 0.2
  tell flows
  case $(head -n 1 "$work/said") in "$wanted"*) ;; *) no "of 400 packets: $(head -n 1 "$work/said")"; return ;; esac
  used=$(sed -n '1 s/.*queues//p' "$work/said" | tr ' ' '\n' | grep -c '[1-9]')
  [ "$used" -eq "$3" ] || no "they came by $used queues, not $3: $(head -n 1 "$work/said")"
}

hashing() {
  local sound="good 400 bad-hash 0 bad-queue 0 without 0"
  launch_tuner spread ,queues=4,rss=1,rx_hash=1 || return
  # Both kinds of packets are hashed over addresses and ports with the port's own key.
  hashed spread "$sound" 4 || return
  obeys rss 0 6 5 && hashed spread "$sound" 4 || return
  obeys rss 64 6 0 && hashed spread "$sound" 4 || return
  obeys rss 2 6 9 && hashed spread "$sound" 2 || return
  obeys restart && hashed spread "$sound" 2 || return
  obeys rss 0 0 0 && obeys pairs 2 && obeys read-rss && hashed spread "$sound" 2 || return
  obeys pairs 4 && obeys read-rss && hashed spread "$sound" 4 || return
  # Only TCP is hashed, all of it to one queue: UDP has no hash and comes on the queue for such packets.
  obeys rss 1 2 0 3 && hashed spread "good 200 bad-hash 0 bad-queue 0 without 200" 2
}

# dealt PAIRS: without RSS the TAP spreads flows over as many queues as the driver has set; its sysfs folder shows them.
dealt() {
  local has
  has=$(in_space a ls /sys/class/net/spread-a/queues | grep -c ^tx-)
  [ "$has" -eq "$1" ] || { no "the TAP has $has queues, not $1"; return; }
  hashed spread "good 0 bad-hash 0 bad-queue 0 without 400" "$1"
}

pairs_in_use() {
  launch_tuner spread ,queues=4 && dealt 4 && obeys pairs 2 && dealt 2 && obeys restart && dealt 2 &&
    obeys pairs 1 && dealt 1 && obeys pairs 4 && dealt 4
}

# spoilt PAIR: QEMU finds invalid descriptors in the first ring of a port and asks for a reset. The port gets the event,
# resets the device, and works again. The frames that lead to this have the mark 255, which nothing else counts.
spoilt() {
  local ring
  ring=$(qmp '{"execute": "x-query-virtio-queue-status", "arguments": {"path": "/machine/peripheral/nic-'"$1"'-a/virtio-backend",
    "queue": 0}}' | sed -n 's/.*"vring-desc": \([0-9]*\).*/\1/p')
  [ -n "$ring" ] || { no "QEMU does not say where the ring is"; return; }
  obeys spoil "$ring" || return
  in_space a "$here/tools/frames.py" "$1-a" marks 255=$broadcast || { no "cannot send"; return; }
  obeys wait-event $((patience * 1000)) || return
  tell events
  [[ $(head -n 1 "$work/said") == "events 7 8 link 1 "* ]] || { no "not the need of a reset and the recovery: $(head -n 1 "$work/said")"; return; }
  grep -q 'zero sized buffers' "$work/qemu.out" || { no "QEMU has not found the ring spoilt"; return; }
  : >"$work/qemu.out"
}

# The port recovers three times, and all settings are as before.
recovers() {
  local name=$1 all before after
  all="1=$(own "$name") 2=$broadcast,5 3=$other 4=$station 5=$group 6=$other_group"
  launch_tuner "$name" ,recover=auto,vlan_filter=1 || return
  obeys promiscuous 0 && obeys list 1 1 && obeys vlan 5 1 && obeys mac "$other" && passes "$name" "$all" "2:5 3:5 4:5 5:5" || return
  before=$(filter "$name")
  for _ in 1 2 3; do
    spoilt "$name" || return
    after=$(filter "$name")
    [ "$before" = "$after" ] || { no "after a recovery QEMU shows $after, before it showed $before"; return; }
    passes "$name" "$all" "2:5 3:5 4:5 5:5" || return
  done
  obeys pool-complete
}

recovers_hashing() {
  launch_tuner spread ,recover=auto,queues=4,rss=1,rx_hash=1 || return
  obeys rss 2 6 9 && spoilt spread && hashed spread "good 400 bad-hash 0 bad-queue 0 without 0" 2
}

# restarts PAIR KEYS QUEUES: queues are restarted one at a time under traffic; the pool loses nothing, and all queues work
# as before. Without RSS: QEMU's RSS in software stops reading a TAP queue whose packets found another ring empty.
restarts() {
  local sound="good 0 bad-hash 0 bad-queue 0 without 400" traffic said
  launch_tuner "$1" "$2" || return
  in_space a "$here/tools/frames.py" "$1-a" flows "$(own "$1")" 8000 &
  traffic=$!
  obeys restart-queues 200
  said=$?
  wait "$traffic" || { no "cannot send"; return; }
  [ "$said" -eq 0 ] || return
  until_true "$patience" received_flows 1000 || { no "few packets came: $(first_said)"; return; }
  echo "  over 200 restarts: $(head -n 1 "$work/said")"
  hashed "$1" "$sound" "$3" && obeys pool-complete && hashed "$1" "$sound" "$3"
}

# A port can have the hash alone, without spreading by it.
reported() {
  launch_tuner spread ,rx_hash=1 || return
  obeys read-rss && hashed spread "good 400 bad-hash 0 bad-queue 0 without 0" 1 || return
  obeys rss 0 6 3 && hashed spread "good 400 bad-hash 0 bad-queue 0 without 0" 1
}

# offloaded PAIR CHECKSUM TSO: what the TAP may leave to the other side, as ethtool's ioctl shows it.
offloaded() {
  in_space a python3 - "$1-a" "$2 $3" <<'END' || no "the TAP $1-a does not have $2 for checksums and $3 for TSO"
import fcntl, socket, struct, sys
def has(command):
    value = bytearray(struct.pack("II", command, 2))
    import ctypes
    room = (ctypes.c_char * 8).from_buffer(value)
    request = struct.pack("16sP16x", sys.argv[1].encode(), ctypes.addressof(room))
    fcntl.ioctl(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0x8946, request)
    return struct.unpack_from("I", value, 4)[0]
said = f"{has(0x16)} {has(0x1e)}"
print(f"  {sys.argv[1]}: checksum and TSO {said}")
sys.exit(said != sys.argv[2])
END
}

offloads() {
  launch_tuner "$1" ,lro=1,rx_csum=1,mrg_rxbuf=1 || return
  offloaded "$1" 1 1 && obeys offloads 1 && offloaded "$1" 1 0 && obeys offloads 0 && offloaded "$1" 0 0 &&
    obeys restart && offloaded "$1" 0 0 && obeys offloads 3 && offloaded "$1" 1 1
}

for name in "${pairs[@]}"; do check "$name-bind" bound "$name" vfio-pci; done
for name in plain packed; do
  check "$name-modes" modes "$name"
  check "$name-vlans" vlans "$name"
  check "$name-offloads" offloads "$name"
done
for name in plain packed; do check "$name-recovers" recovers "$name"; done
check old-address written_address
check hashing hashing
check pairs-in-use pairs_in_use
check spread-recovers recovers_hashing
check plain-restarts restarts plain "" 1
check packed-restarts restarts packed "" 1
check spread-restarts restarts spread ,queues=4 4
check reported reported
done_here
