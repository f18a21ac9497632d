#!/usr/bin/env bash
# shellcheck disable=SC2016 # the new user's shell has the variables
# SPDX-License-Identifier: BSD-2-Clause
# What a new user types in a fresh Debian that has the packages in /packages: installs them, compiles the README's program and
# runs it, reads the manual, and fetches a file from vionet-httpd by a TAP interface while tshark reads a capture. Each command
# is typed as it is printed, by root (#) or by an ordinary user ($), and the seconds that it took are before it.
#
#   new-user.sh install    with a network; once
#   new-user.sh use        after it, in a network namespace of its own
#
# packages.sh runs it inside of a fresh root. /new/typed has the commands.
set -u
home=/new typed=/srv/typed said=/srv/said
pids=()

fail() { echo "FAIL: $*"; tail -n 20 "$home"/*.out "$home"/*.err 2>/dev/null; exit 1; }
as() { # WHO COMMAND
  if [ "$1" = root ]; then
    cd /packages && exec sh -c "$2"
  fi
  cd $home && exec setpriv --reuid new --regid new --init-groups env -i HOME=$home USER=new PATH=/usr/bin:/bin LC_ALL=C.UTF-8 bash -c "$2"
}
note() { # WHO SECONDS COMMAND
  printf '%s\t%s\t%s\n' "$1" "$2" "$3" >>$typed
  if [ "$1" = root ]; then printf '%7s s  # %s\n' "$2" "$3"; else printf '%7s s  $ %s\n' "$2" "$3"; fi
}

# types WHO COMMAND [STATUS]: runs it, with its output in /srv/said, and wants that exit status.
types() {
  local began=${EPOCHREALTIME/./} status
  (as "$1" "$2") >$said 2>&1
  status=$?
  note "$1" "$(awk -v us=$((${EPOCHREALTIME/./} - began)) 'BEGIN { printf "%.1f", us / 1e6 }')" "$2"
  [ "$status" -eq "${3:-0}" ] || { cat $said; fail "exit status $status: $2"; }
}
# starts NAME COMMAND: the same for what goes on in the background, with its output in /new/NAME.out.
starts() {
  (as new "exec $2") >"$home/$1.out" 2>"$home/$1.err" &
  pids+=($!)
  note new - "$2 &"
}
said() { grep -Eq -- "$1" "${2:-$said}" || { cat "${2:-$said}"; fail "nothing like $1 is said"; }; }
until_said() { # PATTERN FILE
  local tries=0
  until grep -Eq -- "$1" "$2" 2>/dev/null; do
    [ $((tries += 1)) -le 1200 ] || fail "nothing like $1 in $2"
    sleep 0.05
  done
}

install_packages() {
  types root 'apt-get install -y ./libvionet*.deb ./vionet*.deb'
  types root 'apt-get install -y --no-install-recommends gcc libc6-dev pkg-config man-db curl tshark iproute2'
  useradd -m -d $home new
}

compile_and_read() {
  types new 'pkg-config --libs vionet'
  said '^-lvionet *$'
  types new 'zcat -f /usr/share/doc/vionet-doc/README.md* | sed -n "/^\`\`\`c$/,/^\`\`\`$/{/^\`\`\`/!p}" >forward.c'
  types new 'cc forward.c $(pkg-config --cflags --libs vionet) -o forward'
  types new 'timeout 1 ./forward soft:generate,rate=1000 soft:pcap=,out=out.pcap' 124
  types new 'tshark -r out.pcap -c 1'
  said 'UDP'
  types new 'man vionet_rx_burst'
  said 'VIONET_RX_BURST\(3\)'
  types new 'man 7 vionet-address'
  types new 'vionetctl doctor'
  said '^soft: can work$'
}

serve_and_capture() {
  types root 'ip tuntap add tap0 mode tap user new'
  types root 'ip address add 192.0.2.1/24 dev tap0 && ip link set tap0 up'
  types new 'vionetctl doctor soft:tap=tap0'
  types new 'mkdir files && head -c 10000000 /dev/urandom >files/random'
  starts httpd 'env HTTPD_CONTROL=/new/httpd.sock vionet-httpd soft:tap=tap0 192.0.2.2/24 files'
  until_said '1 files' $home/httpd.out
  starts tshark 'vionetctl capture /new/httpd.sock "tcp port 80" | tshark -o tcp.desegment_tcp_streams:FALSE -l -i -'
  until_said 'Capturing on' $home/tshark.err
  types new 'curl -sS -o random http://192.0.2.2/random'
  types new 'cmp random files/random && sha256sum random files/random'
  [ "$(cut -d ' ' -f 1 $said | sort -u | wc -l)" -eq 1 ] || fail "another checksum"
  until_said 'HTTP/1.0 200 OK' $home/tshark.out
}

# What tshark has seen holds the file.
end_and_count() {
  kill "${pids[0]}"
  wait "${pids[0]}" || fail "vionet-httpd ended badly"
  wait "${pids[1]}" || fail "the capture ended badly"
  local seen
  seen=$(grep -c 'TCP\|HTTP' $home/tshark.out)
  echo "tshark saw $seen packets; $(sed -n 's/, copied:.*//p' $home/httpd.out)"
  [ "$seen" -ge 150 ] || fail "hardly any packet"
}

case ${1-} in
  install) : >$typed; install_packages ;;
  use)
    ip link set lo up
    trap 'kill "${pids[@]}" 2>/dev/null' EXIT
    compile_and_read
    serve_and_capture
    end_and_count
    awk -F '\t' '{ seconds += $2 } END { printf "%d commands, %.0f s\n", NR, seconds }' $typed
    ;;
  *) echo "usage: new-user.sh install|use" >&2; exit 2 ;;
esac
