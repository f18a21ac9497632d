/* SPDX-License-Identifier: BSD-2-Clause */
/* One wait for several queues of any ports in both directions, and for events. */
#include "../support/cases.h"
#include "../support/full_ring.h"

static const char *waits_for_many(unsigned int row) { return kind_name(row, "one wait for both directions and for events"); }

CASES(KINDS, waits_for_many)
{
	static const unsigned char header[HEADER], frame[60] = {2};
	struct vionet_wait_queue list[] = {
		{.port = VIONET_PORT_NONE, .direction = VIONET_WAIT_RX, .ready = 5},
		{.port = 0, .direction = VIONET_WAIT_RX, .ready = 5},
		{.port = 0, .direction = VIONET_WAIT_TX, .ready = 5},
		{.port = 0, .direction = VIONET_WAIT_EVENT, .ready = 5},
	};
	pthread_t thread;
	start(&kinds[row], ",recover=auto");
	list[1].port = list[2].port = list[3].port = port;
	for (int lap = 0; lap < 5; lap++) {
		fill();
		same(vionet_wait(list, 4, 0), 0);
		same(vionet_wait(list, 4, 20), 0);
		for (int i = 0; i < 4; i++)
			same(list[i].ready, 0);
		used_late(&thread, ROOM);
		same(vionet_wait(list, 4, LONG_WAIT), 1);
		same(pthread_join(thread, NULL), 0);
		yes(list[1].ready == 0 && list[2].ready == 1 && list[3].ready == 0);
		same(vionet_wait(list, 4, -1), 1); /* as long as it is so */
		deliver_in(&p, RX, 1, header, frame, sizeof(frame));
		same(vionet_wait(list, 4, -1), 2);
		yes(list[1].ready == 1 && list[2].ready == 1 && list[3].ready == 0);
		make(ROOM);
		same(vionet_tx_burst(port, 0, packets, ROOM), ROOM);
		device_takes();
		same(vionet_wait(list, 4, -1), 1);
		yes(list[1].ready == 1 && list[2].ready == 0 && list[3].ready == 0);
		receive_all(port, packets, 1);
		vionet_packet_free(packets[0]);
		same(vionet_wait(list, 4, 20), 0);
		device_uses(taken_count - used_count);
		vionet_tx_done(port, 0);
	}
	/* A back-end that goes is an event; its queues say that nothing more will come. */
	fill();
	p.absent = p.leave = 1;
	soon(vionet_wait(list, 4, LONG_WAIT) == 3);
	yes(list[0].ready == 0 && list[1].ready == -ENOTCONN && list[2].ready == -ENOTCONN && list[3].ready == 1);
	ok(vionet_event_handle(port));
	same(info_of(port).state, VIONET_STATE_WAITING);
	same(vionet_wait(list, 3, -1), 2);
	yes(list[1].ready == -ENOTCONN && list[2].ready == -ENOTCONN);
	vionet_close(port);
	same(vionet_wait(list, 4, -1), 3);
	yes(list[1].ready == -ENODEV && list[2].ready == -ENODEV && list[3].ready == -ENODEV);
	soon(pool_of(pool).available == pool_of(pool).packets);
	peer_end(&p);
}

CASE("lists that cannot be waited for")
{
	struct vionet_wait_queue list[2] = {{.port = VIONET_PORT_NONE, .direction = VIONET_WAIT_RX},
	                                    {.port = VIONET_PORT_NONE, .direction = VIONET_WAIT_TX}};
	err(vionet_wait(NULL, 1, 0), -EINVAL);
	says("NULL");
	err(vionet_wait(list, 0, 0), -EINVAL);
	says("count");
	err(vionet_wait(list, 65537, 0), -EINVAL);
	err(vionet_wait(list, SIZE_MAX, 0), -EINVAL);
	same(vionet_wait(list, 2, 1), 0);
	err(vionet_wait(list, 2, -1), -EINVAL);
	says("VIONET_PORT_NONE");
	list[1].direction = 4;
	err(vionet_wait(list, 2, 0), -EINVAL);
	says("queue 1");
	list[1].direction = 0;
	err(vionet_wait(list, 2, 0), -EINVAL);
	list[1].direction = VIONET_WAIT_TX;
	list[1].port = 99;
	same(vionet_wait(list, 2, -1), 1);
	same(list[0].ready, 0);
	same(list[1].ready, -ENODEV);
}
