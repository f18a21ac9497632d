/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Offers every feature bit there is and prints the names of those that the library accepts when it is asked for all it
 * can do, one a line.
 */
#include "../support/peer.h"

int main(void)
{
	struct peer p;
	char address[240];
	uint16_t port;

	peer_start(&p);
	p.features = ~0ull;
	memcpy(p.config + 17, "\x28\x80\x00\x3f", 4); /* it hashes as well as it must */
	snprintf(address, sizeof(address), "vhost-user:%s,packed_vq=1,mrg_rxbuf=1,lro=1,cq=1,vlan_filter=1,rss=1,rx_hash=1", p.path);
	ok(vionet_probe(address, &port));
	/* This peer has one pair of queues, which is found out after the features were agreed. */
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	config.queue_pairs = 2;
	err(vionet_init(port, &config), -EINVAL);
	for (unsigned int bit = 0; bit < 64; bit++)
		if (p.negotiated >> bit & 1 && bit != F_PROTOCOL) {
			yes(vionet_feature_name(bit) != NULL);
			printf("%s\n", vionet_feature_name(bit));
		}
	vionet_close(port);
	peer_end(&p);
	return 0;
}
