#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# No burst takes more instructions per packet than instructions.txt allows, counted by callgrind on the release library
# with the bench's own loops and back-end; every path that the library names is counted in some row.
# deadline: 900
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
cd "$root" || exit 1
need valgrind valgrind

table=Tests/gates/instructions.txt
# valgrind cannot read the debug information of Swift.
objcopy --strip-debug "$stage/lib/libvionet.so" "$work/libvionet.so.0" || fail "objcopy"
# shellcheck disable=SC2046
gcc -std=gnu11 -O2 -g -pthread bench/harness/{main,measure,backend,worker,vionet}.c $(pkg-config --cflags --libs vionet) \
  -o "$work/measure" || fail "compiling the bench"

options() { # split-in-order-mergeable -> --in-order --mergeable
  local option=
  case $1 in packed-255*) option="--packed --in-order --ring 255" ;; packed*) option=--packed ;; esac
  case $1 in *in-order*) option="$option --in-order" ;; esac
  case $1 in *mergeable*) option="$option --mergeable" ;; esac
  case $1 in *event-idx*) option="$option --event-idx" ;; esac
  case $1 in *size-stats*) option="$option --size-stats" ;; esac
  case $1 in *joined*) option="$option --joined --ring 256 --packets 16384" ;; esac
  echo "$option"
}

# count KIND: $work/KIND.json is what the program said, $work/KIND.cost callgrind's table; fails if it does not start.
count() {
  # shellcheck disable=SC2046
  LD_LIBRARY_PATH=$work valgrind --tool=callgrind --callgrind-out-file="$work/$1.out" "$work/measure" --groups 4 \
    $(options "$1") inline/rx/32/64 inline/tx/32/64 >"$work/$1.json" 2>"$work/$1.err" || return 1
  callgrind_annotate --inclusive=yes --threshold=100 "$work/$1.out" >"$work/$1.cost" 2>&1
}

# per_packet KIND FUNCTION rx|tx: instructions of that function and all it calls, to two places.
per_packet() {
  local cost packets
  cost=$(sed -n "s/^ *\([0-9,]*\) .*:$2 \[.*/\1/p" "$work/$1.cost" | head -n 1 | tr -d ,)
  packets=$(sed -n "s/.*inline\/$3\/.*\"packets\":\([0-9]*\).*/\1/p" "$work/$1.json")
  awk -v cost="${cost:-0}" -v packets="${packets:-1}" 'BEGIN { printf "%.2f", cost / packets }'
}

# judge NAME COUNT CEILING
judge() {
  printf '  %-42s %7s instructions per packet, %s allowed\n' "$1" "$2" "$3"
  awk -v n="$2" 'BEGIN { exit !(n > 1) }' || fail "$1: $2 instructions cannot be"
  awk -v n="$2" -v most="$3" 'BEGIN { exit !(n <= most) }' || { echo "FAIL: $1 has grown"; bad=1; }
  awk -v n="$2" -v most="$3" 'BEGIN { exit !(n < most - 3) }' && echo "  (the ceiling could be lower)"
}

bits() { # KIND: the features it stands for, as the program prints them
  local sum=$((1 << 32))
  case $1 in packed*) sum=$((sum | 1 << 34)) ;; esac
  case $1 in *in-order* | packed-255) sum=$((sum | 1 << 35)) ;; esac
  case $1 in *mergeable*) sum=$((sum | 1 << 15)) ;; esac
  case $1 in *event-idx*) sum=$((sum | 1 << 29)) ;; esac
  case $1 in *joined*) sum=$((sum | 1 << 7)) ;; esac
  echo "$sum"
}

bad=0
while read -r kind receive transmit <&3; do
  case $kind in '#'* | '') continue ;; esac
  if [ "$kind" = pool ]; then
    judge "vionet_packet_free_bulk" "$(per_packet split-plain vionet_packet_free_bulk rx)" "$receive"
    judge "vionet_packet_alloc_bulk" "$(per_packet split-plain vionet_packet_alloc_bulk tx)" "$transmit"
    continue
  fi
  if ! count "$kind"; then
    grep -q '^measure: .*\(not served\|power of two\)' "$work/$kind.err" || { cat "$work/$kind.err"; fail "$kind"; }
    echo "$kind: $(sed -n 's/^measure: //p' "$work/$kind.err")"
    [ "$receive $transmit" = "absent absent" ] || fail "$kind has a ceiling and is not served"
    continue
  fi
  negotiated=$(sed -n 's/.*"negotiated":\([0-9]*\).*/\1/p' "$work/$kind.json")
  mask=$((1 << 32 | 1 << 34 | 1 << 35 | 1 << 15 | 1 << 29 | 1 << 7))
  if [ $((negotiated & mask)) -ne "$(bits "$kind")" ]; then
    echo "$kind: not negotiated, in use are the features $(printf %#x "$negotiated")"
    [ "$receive $transmit" = "absent absent" ] || fail "$kind has a ceiling and is not negotiated"
    continue
  fi
  paths=$(sed -n 's/.*"rx_path":"\([^"]*\)","tx_path":"\([^"]*\)".*/\1 \2/p' "$work/$kind.json")
  echo "$kind: $paths"
  echo "$paths" | tr ' ' '\n' >>"$work/seen"
  if [ "$receive" = absent ] || [ "$transmit" = absent ]; then
    echo "FAIL: $kind is served now: $table wants $(per_packet "$kind" vionet_rx_burst rx) and" \
      "$(per_packet "$kind" vionet_tx_burst tx), rounded up"
    bad=1
    continue
  fi
  judge "receive" "$(per_packet "$kind" vionet_rx_burst rx)" "$receive"
  judge "transmit" "$(per_packet "$kind" vionet_tx_burst tx)" "$transmit"
done 3<"$table"

# A path that no row leads to has no ceiling, whatever it costs.
strings -n 8 "$stage/lib/libvionet.so" | grep -xE '[rt]x-(split|packed)(-[a-z0-9]+)*' | sort -u >"$work/named"
[ -s "$work/named" ] || fail "the library names no path"
# The function of an -offload path is that of -mergeable.
sed -i '/-offload$/d' "$work/named"
unseen=$(sort -u "$work/seen" | comm -23 "$work/named" -)
[ -z "$unseen" ] || { echo "FAIL: no row leads to: $unseen"; bad=1; }
exit "$bad"
