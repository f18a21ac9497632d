/* SPDX-License-Identifier: BSD-2-Clause */
/* Two threads send on one queue, which a program must not do: a tool that looks for races must see it. */
#include "frame.h"
#include "ok.h"

#include <pthread.h>

static uint16_t port;

static void *send_some(void *unused)
{
	for (int i = 0; i < 20000; i++) {
		struct vionet_packet *packet = frame_packet(0, 60, 0);
		if (packet != NULL && vionet_tx_burst(port, 0, &packet, 1) == 0)
			vionet_packet_free(packet);
	}
	return unused;
}

int main(void)
{
	pthread_t other;
	port = opened("soft:sink");
	same(pthread_create(&other, NULL, send_some, NULL), 0);
	send_some(NULL);
	pthread_join(other, NULL);
	vionet_close(port);
	return 0;
}
