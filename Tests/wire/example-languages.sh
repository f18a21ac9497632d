#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The forwarders in Python, Rust and C++: frames of a capture come out as they were, they sleep while none come, and they say
# what passed and what is wrong.
# shellcheck source-path=SCRIPTDIR source=../support/lib.sh
. "$(dirname "$0")/../support/lib.sh"
need python3 python3
need rustc rustc
export LD_LIBRARY_PATH=$stage/lib PYTHONDONTWRITEBYTECODE=1
rustc -O -D warnings "$root/examples/rust/forward.rs" -L "$stage/lib" -o "$work/forward" || fail "compiling forward.rs"
# shellcheck disable=SC2046
g++ -std=c++17 -O2 -Wall -Wextra -Werror "$root/examples/cpp/forward.cpp" -o "$work/forward++" \
  $(pkg-config --cflags --libs vionet) || fail "compiling forward.cpp"
in_python=(python3 "$root/examples/python/forward.py") in_rust=("$work/forward") in_cpp=("$work/forward++")

python3 - "$work/in.pcap" <<'END'
import os, struct, sys
with open(sys.argv[1], "wb") as out:
    out.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
    for number in range(100):
        frame = os.urandom(60 + 14 * number)
        out.write(struct.pack("<IIII", number, 0, len(frame), len(frame)) + frame)
END
# A recorded capture has the frames of the one that was replayed.
same_frames() {
  python3 - "$work/in.pcap" "$1" <<'END'
import struct, sys
def frames(path):
    data, at, found = open(path, "rb").read(), 24, []
    while at + 16 <= len(data):
        length = struct.unpack_from("<I", data, at + 8)[0]
        found.append(data[at + 16:at + 16 + length])
        at += 16 + length
    return found
sys.exit(frames(sys.argv[1]) != frames(sys.argv[2]))
END
}

carries() { # command...: until it ends by itself or is asked to
  rm -f "$work/out.pcap" # an earlier one made it
  "$@" >"$work/out" 2>"$work/err" &
  children+=($!)
  until_true 10 same_frames "$work/out.pcap" || { cat "$work/out" "$work/err"; fail "the frames did not come through"; }
  until_true 10 is_asleep "${children[-1]}" || fail "it does not sleep"
}
summary() { grep -q "^soft:pcap=$work/in.pcap -> .*: 100 packets, .* bytes, 0 refused$" "$work/out" || { cat "$work/out"; fail "no summary"; }; }

python_forwards() {
  carries "${in_python[@]}" -v "soft:pcap=$work/in.pcap" "soft:pcap=,out=$work/out.pcap"
  end_last || { cat "$work/err"; fail "it ended badly"; }
  summary
  [ "$(grep -c 'type [0-9a-f]*, [0-9]* bytes$' "$work/out")" -eq 100 ] || fail "it did not print each frame"
}
rust_forwards() {
  carries "${in_rust[@]}" "soft:pcap=$work/in.pcap" "soft:pcap=,out=$work/out.pcap" 3
  local child=${children[-1]}
  unset 'children[-1]'
  wait "$child" || { cat "$work/err"; fail "it ended badly"; }
  summary
}
cpp_forwards() {
  carries "${in_cpp[@]}" "soft:pcap=$work/in.pcap" "soft:pcap=,out=$work/out.pcap"
  end_last || { cat "$work/err"; fail "it ended badly"; }
  summary
}
# Packets and ports that go out of scope are given back, also when an exception passes; ports move.
cpp_gives_back() {
  cat >"$work/scopes.cpp" <<'END'
#include <cstdio>
#include <cstdlib>
#include "vionet.hpp"
static void same(long a, long b, int line)
{
	if (a != b)
		std::exit((std::printf("line %d: %ld is not %ld\n", line, a, b), 1));
}
#define SAME(a, b) same(static_cast<long>(a), static_cast<long>(b), __LINE__)
static std::uint32_t available()
{
	struct vionet_pool_info pool = VIONET_SIZED(struct vionet_pool_info);
	vionet::check(vionet_pool_info(0, &pool));
	return pool.available;
}
int main()
{
	int caught = 0;
	try {
		vionet::Port port("soft:nothing");
	} catch (const vionet::Error &failure) {
		caught = failure.code().value() == EINVAL && std::string(failure.what()).find("nothing") != std::string::npos;
	}
	SAME(caught, 1);
	vionet::Port kept("soft:sink");
	std::uint32_t before = available();
	try {
		vionet::Port a("soft:loopback"), b(std::move(a));
		SAME(a.number(), VIONET_PORT_NONE);
		SAME(b.info().state, VIONET_STATE_STARTED);
		vionet::Burst<4> burst;
		for (int i = 0; i < 5; i++) {
			vionet::Packet packet(vionet_packet_alloc(0));
			vionet_packet_append(packet.get(), 100);
			SAME(burst.add(packet), i < 4);
			SAME(packet == nullptr, i < 4);
		}
		SAME(b.send(burst), 4);
		SAME(burst.size(), 0);
		while (b.receive(burst) == 0)
			vionet::wait({&b}, 1000);
		SAME(b.stats().tx.packets, 4);
		vionet::check(-ENOMEM);
	} catch (const vionet::Error &failure) {
		caught += failure.code().value() == ENOMEM;
		std::printf("%d: %s\n", failure.code().value(), failure.what());
	}
	SAME(caught, 2);
	SAME(vionet_port_next(static_cast<std::uint16_t>(kept.number() + 1)), VIONET_PORT_NONE);
	SAME(available(), before);
	std::puts("given back");
}
END
  # shellcheck disable=SC2046
  g++ -std=c++17 -O1 -g -fsanitize=address,undefined -Wall -Wextra -Werror "-I$root/examples/cpp" "$work/scopes.cpp" \
    -o "$work/scopes" $(pkg-config --cflags --libs vionet) || fail "compiling"
  gives 0 "$work/scopes"
  said 'given back'
}
wrong() { # command...
  gives 1 "$@" soft:nothing soft:sink
  said nothing
  gives 1 "$@" soft:sink vhost-user:/nonexistent/socket
  said /nonexistent/socket
}
# The back-end goes while it sleeps: it ends with a sentence.
left_alone() { # command...
  background served "$(program serve-devices)" "$work/socket" generate,rate=100
  until_true 10 test -S "$work/socket" || fail "the back-end does not listen"
  : >"$work/out" # an earlier one said "forwarding", too
  "$@" "vhost-user:$work/socket" soft:sink >"$work/out" 2>&1 &
  local forwarder=$!
  until_true 10 grep -q forwarding "$work/out" || { cat "$work/out"; fail "it does not start"; }
  end_last
  wait "$forwarder" && fail "it did not notice that the back-end went"
  grep -qi 'gone\|closed\|disconnect' "$work/out" || { cat "$work/out"; fail "not a word about the back-end"; }
}
usage() {
  gives 1 "${in_python[@]}" soft:sink
  said 'forward.py \[-v\] DEVICE_A DEVICE_B'
  gives 2 "${in_rust[@]}" soft:sink
  said usage
  gives 2 "${in_cpp[@]}" soft:sink
  said usage
}

run_case "Python: frames come out as they were, and it sleeps" python_forwards
run_case "Rust: frames come out as they were, and it sleeps" rust_forwards
run_case "C++: frames come out as they were, and it sleeps" cpp_forwards
run_case "C++: what goes out of scope is given back" cpp_gives_back
run_case "C++: a wrong device is named" wrong "${in_cpp[@]}"
run_case "C++: a back-end that goes" left_alone "${in_cpp[@]}"
run_case "Python: a wrong device is named" wrong "${in_python[@]}"
run_case "Rust: a wrong device is named" wrong "${in_rust[@]}"
run_case "Python: a back-end that goes" left_alone "${in_python[@]}"
run_case "Rust: a back-end that goes" left_alone "${in_rust[@]}"
run_case "wrong arguments" usage
