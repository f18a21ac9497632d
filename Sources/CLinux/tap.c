/* SPDX-License-Identifier: BSD-2-Clause */
/* What a TAP interface is like before it is used, to be given back to the next program that opens it. */
#include "CLinux.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>

enum { MOST_FEATURES = 512 };

/* The names of features that mean what TUNSETOFFLOAD sets. */
static const struct {
	const char *name;
	int offload;
} features[] = {
	{"tx-checksum-ip-generic", TUN_F_CSUM}, {"tx-tcp-segmentation", TUN_F_TSO4}, {"tx-tcp6-segmentation", TUN_F_TSO6},
	{"tx-tcp-ecn-segmentation", TUN_F_TSO_ECN}, {"tx-udp-segmentation", TUN_USO},
	{"tx-udp_tnl-segmentation", TUN_TUNNEL}, {"tx-udp_tnl-csum-segmentation", TUN_TUNNEL_CHECKSUM},
};

static int ask(int socket, struct ifreq *interface, void *command)
{
	interface->ifr_data = command;
	return ioctl(socket, SIOCETHTOOL, interface);
}

/* The offloads by the numbers that this kernel gives its features, or -1. */
static int active_offloads(int socket, struct ifreq *interface, struct ethtool_gstrings *names,
                           struct ethtool_gfeatures *state)
{
	int offloads = 0;
	if (ask(socket, interface, names) < 0 || ask(socket, interface, state) < 0)
		return -1;
	for (uint32_t bit = 0; bit < names->len && bit < state->size * 32; bit++)
		for (size_t n = 0; n < sizeof(features) / sizeof(features[0]); n++)
			if (strncmp((const char *)names->data + bit * ETH_GSTRING_LEN, features[n].name, ETH_GSTRING_LEN) == 0 &&
			    state->features[bit / 32].active >> bit % 32 & 1)
				offloads |= features[n].offload;
	return offloads;
}

static int offloads_of(int file)
{
	union { struct ethtool_sset_info info; uint32_t words[sizeof(struct ethtool_sset_info) / 4 + 1]; } set = {
		.info = {.cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1ull << ETH_SS_FEATURES}};
	uint32_t *count = &set.words[sizeof(struct ethtool_sset_info) / 4];
	struct ifreq interface;
	int offloads = -1, socket = sys_unix_socket();
	memset(&interface, 0, sizeof(interface));
	if (socket >= 0 && ioctl(file, TUNGETIFF, &interface) >= 0 && ask(socket, &interface, &set) >= 0 && *count != 0 &&
	    *count <= MOST_FEATURES) {
		uint32_t words = (*count + 31) / 32;
		struct ethtool_gstrings *names = calloc(1, sizeof(*names) + (size_t)*count * ETH_GSTRING_LEN);
		struct ethtool_gfeatures *state = calloc(1, sizeof(*state) + words * sizeof(state->features[0]));
		if (names != NULL && state != NULL) {
			*names = (struct ethtool_gstrings){.cmd = ETHTOOL_GSTRINGS, .string_set = ETH_SS_FEATURES, .len = *count};
			*state = (struct ethtool_gfeatures){.cmd = ETHTOOL_GFEATURES, .size = words};
			offloads = active_offloads(socket, &interface, names, state);
		}
		free(names);
		free(state);
	}
	if (socket >= 0)
		(void)sys_close(socket);
	return offloads;
}

void tap_keep(int file, struct tap_settings *kept)
{
	*kept = (struct tap_settings){.offloads = offloads_of(file)};
	if (ioctl(file, TUNGETVNETHDRSZ, &kept->header_bytes) < 0)
		kept->header_bytes = 0;
}

void tap_give_back(int file, const struct tap_settings *kept)
{
	if (kept->offloads >= 0)
		(void)ioctl(file, TUNSETOFFLOAD, (unsigned long)kept->offloads);
	if (kept->header_bytes > 0)
		(void)ioctl(file, TUNSETVNETHDRSZ, &kept->header_bytes);
}

int tap_has_carrier(const char *name)
{
	struct ethtool_value link = {.cmd = ETHTOOL_GLINK};
	struct ifreq interface;
	int has, socket = sys_unix_socket();
	if (socket < 0)
		return 0;
	tap_request(&interface, name, 0);
	has = ask(socket, &interface, &link) >= 0 && link.data != 0;
	(void)sys_close(socket);
	return has;
}
