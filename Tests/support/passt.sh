#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# passt, whose vhost-user mode is in Debian 13 and not in 12: its package is downloaded and runs by its own loader. It is the
# network of a TAP behind our forwarder (DHCP, ping, files both ways by TCP), and of a web server of ours on lwIP. It leaves
# checksums out and marks frames as checked: rx_csum=trust believes it, and without that the server's own counter says why
# nothing works. An upload of 10 MiB may be slow: passt throws away what its socket has no room for, and what comes behind
# that. Every frame has reached it, as its own capture shows.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source-path=SCRIPTDIR source=suites.sh
. "$(dirname "$0")/suites.sh"
need_spaces
need busybox busybox-static
need curl curl
need ping iputils-ping
need python3 python3
[ -x "$examples/vionet-httpd" ] || fail "vionet-httpd is not built: run make httpd first"
tree=$build/peers/passt

[ -x "$tree/usr/bin/passt" ] || skip "Tests/support/peers.sh passt downloads it"
libraries_of "$tree"
passt=("$loader" --library-path "$libraries" "$tree/usr/bin/passt")
echo "# passt $(version_in "$tree" passt)"
head -c $((1 << 20)) /dev/urandom >"$work/random"
want=$(sha256sum <"$work/random")
chmod 711 "$work"
mkdir -m 777 "$work/open"
socket=$work/open/passt

# network [passt options...]: passt in a space with a way to another, where a server has the file.
network() {
  space host; space far
  ip -n "$tag-host" link add outside type veth peer name inside netns "$tag-far" || fail "no veth"
  ip -n "$tag-host" address add 10.7.0.2/24 dev outside && ip -n "$tag-host" link set outside up
  ip -n "$tag-far" address add 10.7.0.1/24 dev inside && ip -n "$tag-far" link set inside up
  ip -n "$tag-host" route add default via 10.7.0.1
  in_space host sh -c 'echo 0 2147483647 >/proc/sys/net/ipv4/ping_group_range' || fail "no pings for users"
  mkdir -p "$work/served" && ln -f "$work/random" "$work/served/random"
  become far python3 -m http.server --directory "$work/served" --bind 10.7.0.1 8000 >"$work/far.out" 2>&1 &
  children+=($!)
  until_true 20 in_space far curl -s -o /dev/null http://10.7.0.1:8000/ || fail "no server"
  rm -f "$socket"
  become host "${passt[@]}" --foreground --ipv4-only --no-map-gw --vhost-user --socket "$socket" "$@" >"$work/passt.out" 2>&1 &
  children+=($!)
  until_true 20 test -S "$socket" || { cat "$work/passt.out"; fail "passt did not start"; }
}

is_right() { [ "$(sha256sum <"$1")" = "$want" ] || fail "$2: the file came changed"; }
told() { cat "$work/passt.out" "$work/"*.out; fail "$@"; }

# forwarder_to_guest KEYS: the forwarder's TAP is in the guest.
forwarder_to_guest() {
  space mid; space guest
  become mid "$examples/vionet-fwd-wait" -q "vhost-user:$socket$1" soft:tap=tap-g >"$work/fwd.out" 2>&1 &
  children+=($!)
  until_true 20 has_link mid tap-g || told "no interface"
  ip -n "$tag-mid" link set tap-g netns "$tag-guest" || fail "cannot move the TAP"
  ip -n "$tag-guest" link set tap-g up || fail "cannot bring up the TAP"
}

# serves_from_guest: what the guest serves, passt offers to the world.
serves_from_guest() {
  become guest python3 -m http.server --directory "$work/served" 8080 >"$work/guest.out" 2>&1 &
  children+=($!)
  until_true 20 in_space guest curl -s -o /dev/null http://127.0.0.1:8080/ || fail "no server in the guest"
}

# behind_forwarder KEYS: a TAP gets its address from passt, and has its network.
behind_forwarder() {
  network --tcp-ports 8080
  forwarder_to_guest "$1"
  cat >"$work/lease" <<'END'
#!/bin/sh
[ "$1" != bound ] || { ip address add "$ip/$mask" dev "$interface" && ip route add default via "$router" && echo "$ip $router" >"$(dirname "$0")/leased"; }
END
  chmod 755 "$work/lease"
  in_space guest timeout 100 busybox udhcpc -i tap-g -n -q -t 50 -T 1 -s "$work/lease" >"$work/dhcp.out" 2>&1 || told "no address"
  [ "$(cat "$work/leased")" = "10.7.0.2 10.7.0.1" ] || told "another address: $(cat "$work/leased")"
  in_space guest ping -q -c 5 -i 0.2 -W 20 10.7.0.1 >"$work/ping.out" 2>&1 || told "no ping"
  in_space guest timeout 200 curl -sS --fail -o "$work/in" http://10.7.0.1:8000/random || told "no file into the guest"
  is_right "$work/in" "into the guest"
  serves_from_guest
  in_space far timeout 200 curl -sS --fail -o "$work/out" http://10.7.0.2:8080/random || told "no file out of the guest"
  is_right "$work/out" "out of the guest"
}

# taken_by_passt MAC: prints how many frames of the guest are in passt's own capture, which it writes when it takes them from
# the ring, and how many of them carry what earlier ones had brought.
taken_by_passt() {
  python3 - "$work/open/passt.pcap" "$1" <<'END'
import struct, sys
data, mac, at, frames, again, seen = open(sys.argv[1], "rb").read(), bytes.fromhex(sys.argv[2].replace(":", "")), 24, 0, 0, set()
while at + 16 <= len(data):
    n = struct.unpack_from("<I", data, at + 8)[0]
    frame = data[at + 16:at + 16 + n]
    at += 16 + n
    if frame[6:12] != mac:
        continue
    frames += 1
    if frame[12:14] == b"\x08\0" and frame[23] == 6 and len(frame) > 100:
        again += frame[34:42] in seen
        seen.add(frame[34:42])  # ports and number
print(frames, again)
END
}
has_taken() { [ "$(taken_by_passt "$1" | cut -d ' ' -f 1)" -eq "$2" ]; }

# upload: the guest's kernel, the forwarder and passt count the same frames. How fast it is, and whether it ends, is passt's.
upload() {
  local mac sent end=slow
  network --tcp-ports 8080 --pcap "$work/open/passt.pcap"
  forwarder_to_guest ""
  ip -n "$tag-guest" address add 10.7.0.2/24 dev tap-g || fail "no address"
  in_space guest ping -q -c 1 -W 20 10.7.0.1 >"$work/ping.out" 2>&1 || told "no ping"
  serves_from_guest
  head -c $((10 << 20)) /dev/urandom >"$work/served/long"
  in_space far curl -sS --fail --max-time 60 -o "$work/out" http://10.7.0.2:8080/long >"$work/curl.out" 2>&1 && end=whole
  [ -s "$work/out" ] || told "nothing came out of the guest"
  [ $end = slow ] || cmp -s "$work/out" "$work/served/long" || fail "the file came changed"
  mac=$(in_space guest cat /sys/class/net/tap-g/address)
  ip -n "$tag-guest" address flush dev tap-g # the kernel sends no more
  sent=$(counter guest tap-g tx_packets)
  until_true 20 has_taken "$mac" "$sent" || told "passt has $(taken_by_passt "$mac") of $sent frames"
  end "${children[-2]}" || told "the forwarder ended badly"
  grep -q "^soft:tap.*: $sent packets, .* 0 drops" "$work/fwd.out" || told "the forwarder had not $sent frames"
  echo "# $end: $(taken_by_passt "$mac" | { read -r all again; echo "$all frames in passt's capture, of which it had $again before"; })"
}

# web_server KEYS: vionet-httpd at passt's socket, without a forwarder. passt drops frames of several buffers, which it sends
# unless it copies.
web_server() {
  network --tcp-ports 80
  space mid
  become mid env HTTPD_COPIES=1 "$examples/vionet-httpd" "vhost-user:$socket$1" 10.7.0.2/24 "$work/served" >"$work/httpd.out" 2>&1 &
  children+=($!)
  until_true 20 grep -q 'files, http' "$work/httpd.out" || told "no server"
}

# refused_checksums: sets "count" to how many frames the server has dropped for their checksums, which it says at its end.
refused_checksums() {
  end_last || told "the server ended badly"
  count=$(number_after "dropped for their checksums:" "$work/httpd.out")
}

trusted() {
  local count
  web_server ,rx_csum=trust
  in_space far timeout 200 curl -sS --fail -o "$work/got" http://10.7.0.2/random || told "no file"
  is_right "$work/got" "from the server"
  refused_checksums
  [ "$count" -eq 0 ] || told "$count frames were dropped for their checksums"
}

untrusted() {
  local count
  web_server ""
  ! in_space far timeout 200 curl -sS --max-time 5 -o "$work/got" http://10.7.0.2/random 2>"$work/curl.out" ||
    told "it worked: is the key of use?"
  refused_checksums
  echo "# $count frames were dropped for their checksums"
  [ "$count" -gt 0 ] || told "and nothing says why"
}

run_case "passt: DHCP, ping, and files by TCP both ways through a forwarder" behind_forwarder ""
run_case "passt: the same with rx_csum=trust" behind_forwarder ,rx_csum=trust
run_case "passt: every frame of a long upload reaches it" upload
run_case "passt: a file from a server on lwIP with rx_csum=trust" trusted
run_case "passt: without that key its counter says why nothing comes" untrusted
