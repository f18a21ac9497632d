/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A TAP interface that was there before a port used it, and is there after it: offloads and the size of the header before
 * each frame are as they were, so that the next program reads what it expects.
 */
#include "../support/cases.h"

#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static const char *const name = "vt-kept";

/* A queue of the interface, as another program opens it. */
static int queue(void)
{
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
	int file = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	strcpy(request.ifr_name, name);
	yes(file >= 0);
	same(ioctl(file, TUNSETIFF, &request), 0);
	return file;
}

static int has(uint32_t command)
{
	struct ethtool_value value = {.cmd = command};
	struct ifreq request = {.ifr_data = (void *)&value};
	int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	strcpy(request.ifr_name, name);
	same(ioctl(s, SIOCETHTOOL, &request), 0);
	close(s);
	return value.data != 0;
}

static int header_bytes(void)
{
	int found = 0, file = queue();
	same(ioctl(file, TUNGETVNETHDRSZ, &found), 0);
	close(file);
	return found;
}

static const struct {
	const char *title;
	int header;
	unsigned long offloads;
} before[] = {
	{"a soft device gives back an interface without offloads", 10, 0},
	{"a soft device gives back an interface with a checksum offload", 12, TUN_F_CSUM},
	{"a soft device gives back an interface with all offloads", 20, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN},
};

static const char *title(unsigned int row)
{
	return before[row].title;
}

CASES(sizeof(before) / sizeof(before[0]), title)
{
	if (unshare(CLONE_NEWNET) < 0)
		skip("network namespaces want root");
	int header = before[row].header, file = queue(), has_segmentation = before[row].offloads > TUN_F_CSUM;
	same(ioctl(file, TUNSETPERSIST, 1), 0);
	same(ioctl(file, TUNSETVNETHDRSZ, &header), 0);
	same(ioctl(file, TUNSETOFFLOAD, before[row].offloads), 0);
	close(file);
	same(has(ETHTOOL_GTXCSUM), before[row].offloads != 0);
	same(has(ETHTOOL_GTSO), has_segmentation);
	for (int lro = 0; lro < 2; lro++) {
		uint16_t port = opened(lro ? "soft:tap=vt-kept,lro=1" : "soft:tap=vt-kept");
		ok(vionet_stop(port));
		ok(vionet_start(port));
		vionet_close(port);
		same(has(ETHTOOL_GTXCSUM), before[row].offloads != 0);
		same(has(ETHTOOL_GTSO), has_segmentation);
		same(header_bytes(), before[row].header);
	}
}
