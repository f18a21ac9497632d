/* SPDX-License-Identifier: BSD-2-Clause */
/* Versions, names of feature bits and drop reasons, and the sentence before any failure, on every thread. */
#include "../support/cases.h"

#include <linux/virtio_net.h>
#include <pthread.h>

static void *fresh_thread(void *unused)
{
	yes(strcmp(vionet_error(), "") == 0);
	err(vionet_start(7), -ENODEV);
	return unused;
}

CASE("the version is that of the header")
{
	char text[32];
	same(vionet_version_number(), VIONET_VERSION);
	snprintf(text, sizeof(text), "%d.%d.%d", VIONET_VERSION_MAJOR, VIONET_VERSION_MINOR, VIONET_VERSION_PATCH);
	yes(strcmp(vionet_version(), text) == 0);
	yes(vionet_version() == vionet_version());
}

CASE("the sentence of a failure belongs to its thread, and is empty before the first")
{
	pthread_t thread;
	yes(strcmp(vionet_error(), "") == 0);
	same(pthread_create(&thread, NULL, fresh_thread, NULL), 0);
	pthread_join(thread, NULL);
	yes(strcmp(vionet_error(), "") == 0);
}

CASE("feature bits have their names of the specification")
{
	yes(strcmp(vionet_feature_name(VIRTIO_NET_F_MAC), "VIRTIO_NET_F_MAC") == 0);
	yes(strcmp(vionet_feature_name(VIRTIO_NET_F_CSUM), "VIRTIO_NET_F_CSUM") == 0);
	yes(strcmp(vionet_feature_name(VIRTIO_NET_F_MRG_RXBUF), "VIRTIO_NET_F_MRG_RXBUF") == 0);
	yes(strcmp(vionet_feature_name(VIRTIO_NET_F_MTU), "VIRTIO_NET_F_MTU") == 0);
	yes(strcmp(vionet_feature_name(VIRTIO_NET_F_STATUS), "VIRTIO_NET_F_STATUS") == 0);
	yes(strcmp(vionet_feature_name(VIRTIO_NET_F_MQ), "VIRTIO_NET_F_MQ") == 0);
	yes(strcmp(vionet_feature_name(VIRTIO_NET_F_SPEED_DUPLEX), "VIRTIO_NET_F_SPEED_DUPLEX") == 0);
	yes(strcmp(vionet_feature_name(VIRTIO_F_VERSION_1), "VIRTIO_F_VERSION_1") == 0);
	yes(vionet_feature_name(128) == NULL);
	yes(vionet_feature_name(~0u) == NULL);
}

CASE("drop reasons have names")
{
	static const char *const reasons[] = {"short", "long", "segments", "foreign", "empty", "offload", "stopped"};
	for (unsigned int i = 0; i <= VIONET_DROP_STOPPED; i++)
		yes(strcmp(vionet_drop_name(i), reasons[i]) == 0);
	yes(vionet_drop_name(VIONET_DROP_REASONS) == NULL);
	yes(vionet_drop_name(~0u) == NULL);
}
