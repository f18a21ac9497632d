#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 1800
# Each queue has an interrupt of its own, which wakes its sleeper. Devices with fewer interrupts than queues wake sleepers
# all the same, by packets and by changes of the link.
# shellcheck source-path=SCRIPTDIR source=../lib/guest.sh
. "$(dirname "$0")/../lib/guest.sh"
modern=disable-legacy=on,iommu_platform=on
pair three $modern,vectors=3
pair two $modern,vectors=2
pair one $modern,vectors=1
pair line $modern,vectors=0
queues=4
pair each $modern,mq=on,vectors=10
pair few $modern,mq=on,vectors=3
boot iommu

# link_event PAIR: the event descriptor becomes readable when the link goes and when it comes, and not before.
link_event() {
  local way
  launch_tuner "$1" && tell events || return
  for way in off:0 on:1; do
    tell wait-event 0
    [ "$result" = -110 ] || { no "an event before the link has changed"; return; }
    monitor "set_link nic-$1-a ${way%:*}" >/dev/null && obeys wait-event $((patience * 1000)) && tell events || return
    [[ $(head -n 1 "$work/said") == "events 5 link ${way#*:} "* ]] || { no "the link went ${way%:*}: $(head -n 1 "$work/said")"; return; }
  done
}

# counts PAIR: how often each vector of NIC a has come, "0=2 1=17 ...".
counts() {
  guest "awk '\$NF ~ /^vfio-msix.*$(address "$1" a)/ { n = 0; for (i = 2; i < NF - 2; i++) n += \$i; split(\$NF, part, /[][]/);
    printf \"%s=%s \", part[2], n }' /proc/interrupts" && last_said
}

# by_queue PAIR: who sleeps until one queue of four has packets is woken by flows that come on all of them. Only that queue
# is armed, so with the pair "each" only its vector comes.
by_queue() {
  local queue before after vector changed
  launch_tuner "$1" ,queues=4 || return
  # The very first packet brings an interrupt although no queue is armed.
  send_flows "$1" 200 || return
  until_true "$patience" received_flows 400 || { no "flows were lost: $(first_said)"; return; }
  for queue in 0 1 2 3; do
    obeys forget
    before=$(counts "$1")
    begin wait $((patience * 1000)) $queue
    guest "await_lines forwarder ^waiting $queue $patience && until [ \$(times_asleep forwarder 3) -eq 3 ]; do :; done" ||
      { no "the tuner does not wait"; return; }
    send_flows "$1" 200 || return
    answer
    [ "$result" = 1 ] || { no "who waits for queue $queue is not woken: $(last_said)"; return; }
    until_true "$patience" received_flows 400 || { no "flows were lost: $(first_said)"; return; }
    after=$(counts "$1")
    changed=$(comm -13 <(tr ' ' '\n' <<<"$before" | sort) <(tr ' ' '\n' <<<"$after" | sort) | sed 's/=.*//' | xargs)
    echo "  $1: queue $queue by vector $changed"
    vector=$((2 * queue + 1))
    [ "$1" = few ] || [ "$changed" = $vector ] || { no "queue $queue woke by vector $changed, not $vector"; return; }
  done
}

# sends_asleep PAIR [KEYS]: who waits for room in a full transmit ring is woken, and by what the vectors leave for it.
sends_asleep() {
  launch_tuner "$1" ",queue_size=16${2-}" || return
  obeys flood 20000 0 $((patience * 1000))
  echo "  $1: $(first_said)"
  [ -z "${2-}" ] || { obeys flood 20000 3 $((patience * 1000)) && echo "  $1, queue 3: $(first_said)"; }
}

for name in three two one line; do check $name-bind bound $name vfio-pci; done
check three-config config_vector three
for name in three two one line; do
  check $name-asleep asleep $name
  check $name-link-event link_event $name
  check $name-sends-asleep sends_asleep $name
done
for name in each few; do
  check $name-bind bound $name vfio-pci
  check $name-by-queue by_queue $name
  check $name-sends-asleep sends_asleep $name ,queues=4
done
done_here
