#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# deadline: 900
# vionet-httpd, a web server on lwIP, and curl on the kernel's TCP: a file of 10 MiB, one after the other and eight at a time,
# has the right bytes; the server has copied none of them, and has every packet back when it ends. The same through a device
# without offloads, and with copies to compare: what each costs is printed and decides nothing. ApacheBench asks 5000 times, with a
# connection for each.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need_spaces
need curl curl
need ab apache2-utils
make -s -C "$root" httpd || fail "building vionet-httpd"
mkdir "$work/files"
head -c $((10 << 20)) /dev/urandom >"$work/files/random"
head -c 1000 /dev/urandom >"$work/files/small"
want=$(sha256sum <"$work/files/random")
url=http://10.9.8.2/random

fetch() { in_space client timeout 300 curl -sS --fail -o "$work/got$1" "$url"; }
is_right() { [ "$(sha256sum <"$work/got$1")" = "$want" ] || fail "a file came changed"; }

# milliseconds: how long the server's own thread, which has lwIP and the port, has had a processor.
milliseconds() { awk '{ printf "%d\n", $1 / 1000000 }' "/proc/$server/task/$server/schedstat"; }

# serve KEYS [NAME=VALUE]: starts the server on a TAP.
serve() {
  space server; space client
  become server env "${@:2}" "$examples/vionet-httpd" "soft:tap=tap-s$1" 10.9.8.2/24 "$work/files" >"$work/httpd.out" 2>&1 &
  server=$!
  children+=("$server")
  tap_into server client tap-s 10.9.8.1/24
}

# downloads KEYS SHARE [NAME=VALUE]: the share of what was sent that the server copied is matched by that expression.
downloads() {
  local turn busy began=$SECONDS pids=()
  serve "$1" "${@:3}"
  for turn in 1 2 3 4 5; do
    fetch 0 || { cat "$work/httpd.out"; fail "one download"; }
    is_right 0
  done
  busy=$(milliseconds)
  echo "# 5 downloads of 10 MiB: the server worked for $busy ms"
  for turn in 1 2 3 4 5 6 7 8; do fetch "$turn" & pids+=($!); done
  for turn in "${pids[@]}"; do wait "$turn" || { cat "$work/httpd.out"; fail "one of eight downloads"; }; done
  for turn in 1 2 3 4 5 6 7 8; do is_right "$turn"; done
  [ "$(in_space client curl -s -o "$work/missing" -w '%{http_code}' http://10.9.8.2/missing)" = 404 ] || fail "no 404"
  echo "# 8 more at a time: $(($(milliseconds) - busy)) ms, $((SECONDS - began)) s in all"
  end_last || { cat "$work/httpd.out"; fail "the server ended badly"; }
  sed -n 's/^\([0-9]* frames\)/# \1/p' "$work/httpd.out"
  grep -Eq " of data \($2 %\)" "$work/httpd.out" || fail "it copied more, or less"
}

# The client reads nothing for longer than the four times 2 s after which lwIP's server closes a connection by itself.
pause() {
  serve ""
  in_space client timeout 300 curl -sS --fail "$url" 2>"$work/said" | { sleep 12; cat; } >"$work/got0" ||
    { cat "$work/said" "$work/httpd.out"; fail "the download"; }
  is_right 0
  end_last || { cat "$work/httpd.out"; fail "the server ended badly"; }
}

# A server that ran out of connections or buffers would fail some, or stop.
load() {
  serve ""
  in_space client timeout 300 ab -q -r -s 120 -n 5000 -c 32 http://10.9.8.2/small >"$work/said" 2>&1 ||
    { cat "$work/said" "$work/httpd.out"; fail "ab"; }
  said 'Complete requests: *5000$'
  said 'Failed requests: *0$'
  ! grep -q 'Non-2xx' "$work/said" || { cat "$work/said"; fail "answers that are no answers"; }
  said 'Document Length: *1000 bytes'
  sed -n 's/^\(Requests per second\)/# \1/p' "$work/said"
  end_last || { cat "$work/httpd.out"; fail "the server ended badly"; }
  grep -q 'of data (0.0 %)' "$work/httpd.out" || fail "it copied data"
}

none=0x100000000007801 # CSUM, HOST_TSO4, HOST_TSO6, HOST_ECN, HOST_UFO and HOST_USO
run_case "downloads, and no byte of a file is copied" downloads "" 0.0
run_case "the same through a device without offloads" downloads ",features_off=$none,tx_software=1" 0.0
run_case "the same with copies, to compare" downloads "" '9[0-9]\.[0-9]' HTTPD_COPIES=1
run_case "a client that pauses for 12 s has the whole file" pause
run_case "5000 connections, 32 at a time" load
