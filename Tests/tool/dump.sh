#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# vionetctl dump: everything about a running program's ports, pools and last error, which agree with info and stats; as text
# and as JSON.
# shellcheck source-path=SCRIPTDIR source=../support/tool.sh
. "$(dirname "$0")/../support/tool.sh"
need python3 python3
cd "$work" || exit 1
cat >program.c <<'END'
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <vionet-control.h>

static volatile sig_atomic_t asked;
static void ask(int signal)
{
	(void)signal;
	asked = 1;
}

/* Ports of both kinds of rings, a pool of its own, 100 packets that come back, and an error at SIGUSR1. */
int main(void)
{
	struct vionet_pool_config settings = VIONET_SIZED(struct vionet_pool_config);
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	struct vionet_packet *packets[32];
	struct vionet_control *control;
	uint16_t pool, port[2];
	int received = 0, sent = 0;
	settings.packets = 2048, settings.private_size = 32, settings.memory_fd = -1;
	if (vionet_pool_create(&settings, &pool) != 0)
		return 1;
	config.pool = pool;
	if (vionet_open_config("soft:loopback,queues=2,mac=02:00:00:00:00:07", &config, &port[0]) != 0 ||
	    vionet_open("soft:sink,packed_vq=1,queue_size=64", &port[1]) != 0 || vionet_control_open("s", &control) != 0)
		return 1;
	while (received < 100) {
		if (sent < 100 && (packets[0] = vionet_packet_alloc(pool)) != NULL && vionet_packet_append(packets[0], 80) != NULL) {
			uint16_t taken = vionet_tx_burst(port[0], 1, packets, 1);
			sent += taken;
			if (taken == 0)
				vionet_packet_free(packets[0]);
		}
		for (uint16_t queue = 0; queue < 2; queue++) {
			uint16_t count = vionet_rx_burst(port[0], queue, packets, 32);
			received += count;
			vionet_packet_free_bulk(packets, count);
		}
	}
	signal(SIGUSR1, ask);
	puts("ready");
	fflush(stdout);
	for (;;) {
		struct pollfd watched = {.fd = vionet_control_fd(control), .events = POLLIN};
		poll(&watched, 1, -1);
		if (asked)
			vionet_mtu_set(port[0], 1);
		asked = 0;
		if (watched.revents != 0)
			vionet_control_process(control);
	}
}
END
# shellcheck disable=SC2046
gcc -std=gnu11 -Wall -Wextra -Werror $(pkg-config --cflags vionet-control) program.c -o program \
  $(pkg-config --libs vionet-control) -Wl,-rpath,"$stage/lib" || fail "compiling"
background program ./program
program=${children[-1]}

dumped() {
  "$vionetctl" dump --json s >dump.json || fail "dump --json"
  "$vionetctl" stats --json s >stats.json || fail "stats --json"
  gives 0 "$vionetctl" dump s
  python3 - <<'END' || { cat dump.json "$work/said"; fail "the dump is not what the program has"; }
import json
dump, stats, text = json.load(open("dump.json")), json.load(open("stats.json")), open("said").read()
assert sorted(dump) == ["last_error", "pools", "ports"] and dump["last_error"] is None, dump
loop, sink = dump["ports"]
assert loop["device"].startswith("soft:loopback") and loop["state"] == sink["state"] == "started"
assert loop["information"]["mac"] == "02:00:00:00:00:07" and loop["information"]["queue_pairs"] == 2
assert loop["information"]["header_size"] == 12 and loop["information"]["mac_random"] == 0
assert sink["information"]["ring"] == "packed" and sink["information"]["rx_descriptors"] == 64
assert {"checksum", "tcp4"} <= set(loop["tx_offloads"]) and loop["rx_offloads"] == [], loop
used = {each["name"] for each in sink["features"] if each["negotiated"]}
assert {"VIRTIO_F_RING_PACKED", "VIRTIO_F_VERSION_1"} <= used
assert "VIRTIO_F_RING_PACKED" not in {each["name"] for each in loop["features"] if each["negotiated"]}
for port, counted in zip(dump["ports"], stats):
    assert port["counters"] == {name: value for name, value in counted["counters"].items() if value}, port
assert loop["queues"][1]["tx"]["good_packets"] == 100 and loop["queues"][1]["tx"]["good_bytes"] == 8000
assert sum(each["rx"].get("good_packets", 0) for each in loop["queues"]) == 100
pools = {pool["pool"]: pool for pool in dump["pools"]}
own, shared = pools[loop["information"]["pool"]], pools[sink["information"]["pool"]]
assert (own["packets"], own["private_size"], own["data_size"]) == (2048, 32, 1984) and own["memory"] > 2048 * 1984, own
assert shared["packets"] >= 16384 and len(pools) == 2, shared
for line in (f"port 0: {loop['device']}, started", "  MAC          02:00:00:00:00:07", "  MTU          1500",
             "     34  VIRTIO_F_RING_PACKED", f"    tx_q1_good_packets 100", "last error: none",
             f"pool {own['pool']}: 2048 packets of 1984 bytes, {own['available']} free; "
             f"{own['memory'] >> 10} KiB in {'plain pages' if not own['hugepages'] else 'pages of 2048 KiB'}; "
             "32 private bytes each"):
    assert line in text.splitlines(), line
END
  gives 0 "$vionetctl" dump --port 1 s
  said '^port 1: soft:sink'
  if grep -q '^port 0' said; then fail "port 0 is shown"; fi
}

# The program's own error is told, and none that a request has made.
last_error() {
  "$vionetctl" set --port 0 s mtu 0 >said 2>&1 && fail "an MTU of 0 is set"
  "$vionetctl" dump s | grep -qx 'last error: none' || fail "a request's error counts as the program's"
  kill -USR1 "$program"
  until_true 10 has_error || { "$vionetctl" dump s; fail "the program's error is not told"; }
  "$vionetctl" set --port 1 s vlan add 1 >said 2>&1 && fail "a VLAN without a control queue"
  has_error || { "$vionetctl" dump s; fail "a request's error took the place of the program's"; }
}
has_error() { "$vionetctl" dump s | grep -q '^last error: .*mtu.*1'; }

refusals() {
  gives 1 "$vionetctl" dump nowhere
  said 'there is no socket "nowhere"'
  gives 1 "$vionetctl" dump --port 7 s
  said 'the program has no port 7 (0 is soft:loopback'
  gives 64 "$vionetctl" dump
}

run_case "ports, queues, features, counters and pools" dumped
run_case "the last error is the program's" last_error
run_case "what cannot be dumped" refusals
