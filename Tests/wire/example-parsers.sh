#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# What vionet-gateway and vionet-responder do with 300000 made-up frames each, under sanitizers that see each byte beyond a
# frame: good ones, cut ones, some whose bytes changed, and checksum fields that lie. Every way through the program is taken.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"

build() { # NAME compiler arguments...
  # shellcheck disable=SC2046
  gcc -std=gnu11 -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -Wno-unused-function "${@:2}" \
    "$root/Tests/wire/example-parsers.c" -o "$work/$1" $(pkg-config --cflags --libs vionet) -Wl,-rpath,"$stage/lib" ||
    fail "compiling $1"
}
frames() { # HOW MANY fates no frame has, NAME compiler arguments...
  local unreached=$1
  shift
  build "$@"
  "$work/$1" 300000 >"$work/said" 2>&1 || { tail -n 40 "$work/said"; fail "$1"; }
  sed 's/^/# /' "$work/said"
  [ "$(grep -c ': 0$' "$work/said")" -le "$unreached" ] || fail "a way through $1 was not taken"
}
# A parser that looks one byte too far is seen.
planted() {
  mkdir -p "$work/Tests/wire" "$work/examples"
  cp "$root/Tests/wire/example-parsers.c" "$work/Tests/wire"
  cp "$root"/examples/*.[ch] "$work/examples"
  sed -i 's/first < 20 ? 0/first < 1 ? 0/' "$work/examples/ipv4.h"
  root=$work build planted -DGATEWAY
  if "$work/planted" 300000 >"$work/said" 2>&1; then fail "a planted fault went unseen"; fi
  grep -q heap-buffer-overflow "$work/said" || { cat "$work/said"; fail "it ended otherwise"; }
}

run_case "vionet-gateway" frames 1 gateway -DGATEWAY # the router is known
run_case "vionet-responder" frames 1 responder # a packet is always free
run_case "a planted fault is seen" planted
