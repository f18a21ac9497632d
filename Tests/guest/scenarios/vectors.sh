#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 240
# Each queue has an interrupt of its own, by which its sleeper is woken. And devices with fewer interrupts than there are
# things to announce: whoever sleeps is woken all the same, by packets and by news of the link.
# shellcheck source-path=SCRIPTDIR source=../guest.sh
. "$(dirname "$0")/../guest.sh"
modern=disable-legacy=on,iommu_platform=on
pair three $modern,vectors=3
pair two $modern,vectors=2
pair one $modern,vectors=1
pair line $modern,vectors=0
queues=4
pair each $modern,mq=on,vectors=10
pair few $modern,mq=on,vectors=3
boot iommu
# told PAIR: the descriptor for news is readable once the link goes, and once it comes; not before.
told() {
  local way
  launch_tuner "$1" && tell news || return
  for way in off:0 on:1; do
    tell told 0
    # shellcheck disable=SC2128,SC2154 # "done" is set by tell
    [ "$done" = -110 ] || { no "news before there are any"; return; }
    monitor "set_link nic-$1-a ${way%:*}" >/dev/null && obeys told 5000 && tell news || return
    [[ $(head -n 1 "$work/said") == "events 5 link ${way#*:} "* ]] || { no "the link went ${way%:*}: $(head -n 1 "$work/said")"; return; }
  done
}

# How often each vector of that device has come, "0=2 1=17 ...".
counts() {
  guest "awk '\$NF ~ /^vfio-msix.*$(address "$1" a)/ { n = 0; for (i = 2; i < NF - 2; i++) n += \$i; split(\$NF, part, /[][]/);
    printf \"%s=%s \", part[2], n }' /proc/interrupts" && last_said
}

# by_queue PAIR: whoever sleeps until a queue of four has packets is woken by flows that come on all of them; none of the
# others is armed, so that of the pair "each" only that queue's vector comes.
by_queue() {
  local queue before after vector changed flows
  launch_tuner "$1" ,queues=4 || return
  # The first packet of all comes with an interrupt though nobody has asked for it.
  in_space a "$here/frames.py" "$1-a" flows "$(own "$1")" 200 || { no "cannot send"; return; }
  for queue in 0 1 2 3; do
    before=$(counts "$1")
    { sleep 0.5; become a "$here/frames.py" "$1-a" flows "$(own "$1")" 200; } &
    flows=$!
    tell wait 4000 $queue
    wait "$flows"
    after=$(counts "$1")
    # shellcheck disable=SC2128,SC2154 # "done" is set by tell
    [ "$done" = 1 ] || { no "who waits for queue $queue is not woken: $(last_said)"; return; }
    changed=$(comm -13 <(tr ' ' '\n' <<<"$before" | sort) <(tr ' ' '\n' <<<"$after" | sort) | sed 's/=.*//' | xargs)
    echo "  $1: queue $queue by vector $changed"
    vector=$((2 * queue + 1))
    [ "$1" = few ] || [ "$changed" = $vector ] || { no "queue $queue woke by vector $changed, not $vector"; return; }
  done
}

for name in three two one line; do check $name-bind bound $name vfio-pci; done
check three-config config_vector three
for name in three two one line; do
  check $name-asleep asleep $name
  check $name-told told $name
done
for name in each few; do
  check $name-bind bound $name vfio-pci
  check $name-by-queue by_queue $name
done
done_here
