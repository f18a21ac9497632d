#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# mTCP, a TCP stack in user space that is made for DPDK, on examples/vionet_dpdk.h, as root: its sources are fetched, its DPDK
# module is changed by the lines below and compiled against the header, and its web server gives 10 MB to curl by a TAP
# interface. The file has its checksum. `make test-mtcp` runs it.
#
#   Tests/support/mtcp.sh [REPOSITORY]    https://github.com/mtcp-stack/mtcp
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
from=${1:-https://github.com/mtcp-stack/mtcp} commit=0463aad5ecb6b5bca85903156ce1e314a58efc19
fail() { echo "FAIL: $*" >&2; exit 1; }

git clone -q "$from" "$work/mtcp" || fail "no mTCP from $from"
git -C "$work/mtcp" checkout -q $commit || fail "$from has no $commit"
cd "$work/mtcp/mtcp/src"

# Offloads, RSS, thresholds, flow control, secondary processes and statistics in the kernel go; packets, pools and queues stay.
sed '3c #if 1
13c #include <vionet_dpdk.h>
15d; 17,18d; 29d; 33d; 36d; 38d
19i #define RTE_VERSION_NUM(a, b, c, d) ((a) << 24 | (b) << 16 | (c) << 8 | (d))
19i #define RTE_VERSION RTE_VERSION_NUM(22, 11, 0, 0)
19i #define RTE_ETHER_CRC_LEN 4
19i #define RTE_MEMPOOL_NAMESIZE 32
19c #define RTE_MBUF_PREFETCH_TO_FREE(m) ((void)0)
110c static struct rte_eth_conf port_conf;
111c static const struct rte_eth_rxconf rx_conf;
112c static const struct rte_eth_txconf tx_conf;
113,182d
424c m->total_length = m->length = pktsize;
425,426d
530c *len = m->total_length;
536,542d
611c (link.link_duplex == 1) ?
646,660d
685c rte_pktmbuf_pool_create(name, nb_mbuf, MEMPOOL_CACHE_SIZE,
686c 0, BUF_SIZE + RTE_PKTMBUF_HEADROOM, rte_socket_id());
687,691d
695c errno);
706,709d; 713,715d; 757,769d; 783,801d; 808,812d; 814,818d; 824,926d' dpdk_module.c >module.c
cat >>module.c <<'END'
#include <arpa/inet.h>
void vionet_attach(void)
{
	char *args[] = {"mtcp", getenv("VIONET_DEVICE"), NULL};
	struct rte_ether_addr mac;
	if (rte_eal_init(2, args) < 0 || rte_eth_dev_configure(0, 1, 1, &port_conf) < 0)
		rte_exit(EXIT_FAILURE, "%s\n", vionet_error());
	rte_eth_macaddr_get(0, &mac);
	strcpy(CONFIG.eths[0].dev_name, "vionet0");
	CONFIG.eths_num = 1;
	CONFIG.eths[0].ip_addr = inet_addr(getenv("VIONET_ADDRESS"));
	CONFIG.eths[0].netmask = htonl(0xffffff00);
	memcpy(CONFIG.eths[0].haddr, mac.addr_bytes, 6);
	num_devices = num_devices_attached = 1;
	num_queues = CONFIG.num_cores;
	CONFIG.multi_process_is_master = 1;
}
END
sed -i '0,/else if (current_iomodule_func == &dpdk_module_func) {/s//&\nvoid vionet_attach(void); vionet_attach();/' io_module.c
echo "dpdk_module.c has $(wc -l <dpdk_module.c) lines: $(diff dpdk_module.c module.c | grep -c '^<') go," \
  "$(diff dpdk_module.c module.c | grep -c '^>') come"
mv module.c dpdk_module.c

export PKG_CONFIG_PATH=$root/build/stage/lib/pkgconfig
flags=(-O2 -w -fgnu89-inline -fcommon -DNDEBUG -DDISABLE_PSIO -DDISABLE_NETMAP -DDISABLE_DPDK -DDISABLE_HWCSUM -D_GNU_SOURCE)
flags+=(-Iinclude -I../../io_engine/include -I../../util/include "-I$root/examples")
sources=(../../apps/example/epserver.c ../../util/{http_parsing,tdate_parse,netlib}.c)
for each in *.c; do
  case $each in ccp.c | clock.c | pacing.c) ;; *) sources+=("$each") ;; esac
done
# shellcheck disable=SC2046
gcc "${flags[@]}" $(pkg-config --cflags vionet) "${sources[@]}" -o "$work/epserver" $(pkg-config --libs vionet) \
  "-Wl,-rpath,$root/build/stage/lib" -pthread -lnuma -lm || fail "compiling mTCP"

mkdir "$work/files" && head -c 10000000 /dev/urandom >"$work/files/random"
cat >"$work/settings" <<'END'
io = dpdk
num_mem_ch = 4
num_cores = 1
port = vionet0
max_concurrency = 10000
max_num_buffers = 10000
rcvbuf = 65536
sndbuf = 65536
tcp_timeout = 30
tcp_timewait = 0
END
cat >"$work/serve" <<'END'
cd "$1" && ip link set lo up
VIONET_DEVICE=soft:tap=tap0,cq=1 VIONET_ADDRESS=192.0.2.2 ./epserver -p files -f settings -N 1 >said 2>&1 &
for ((i = 0; i < 600; i++)); do ! ip link show tap0 >/dev/null 2>&1 || break; sleep 0.1; done
ip address add 192.0.2.1/24 dev tap0 && ip link set tap0 up
for ((i = 0; i < 60; i++)); do ! ping -q -c 1 -W 1 192.0.2.2 >/dev/null || break; done
[ $i -lt 60 ] &&
  curl -sS --fail --retry 60 --retry-connrefused --retry-delay 1 --max-time 120 -o got http://192.0.2.2/random
status=$?
kill -KILL $!
exit $status
END
unshare --net bash "$work/serve" "$work" || { cat "$work/said"; fail "no file came"; }
[ "$(sha256sum <"$work/got")" = "$(sha256sum <"$work/files/random")" ] || fail "the file came changed"
echo "mTCP's server answered ping and gave curl $(stat -c %s "$work/got") bytes, unchanged"
