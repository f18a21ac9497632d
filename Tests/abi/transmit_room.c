/* SPDX-License-Identifier: BSD-2-Clause */
/* When a sender on a full ring is woken, how often and by what. */
#include "../support/cases.h"
#include "../support/full_ring.h"

static const char *one_signal(unsigned int row) { return kind_name(row, "a sender is woken at a quarter of the ring"); }

CASES(KINDS, one_signal)
{
	int events = (kinds[row].features & BIT(F_EVENT_IDX)) != 0;
	start(&kinds[row], "");
	int fd = vionet_tx_fd(port, 0);
	yes(fd >= 0);
	same(vionet_tx_fd(port, 0), fd);
	same(vionet_tx_arm(port, 0), 1); /* an empty ring has room */
	for (int lap = 0; lap < 5; lap++) {
		fill();
		/* A program that does not arm is not signalled. */
		device_uses(3);
		same(signals(), 0);
		same(vionet_tx_done(port, 0), 3);
		make(3);
		same(vionet_tx_burst(port, 0, packets, 3), 3);
		device_takes();

		same(vionet_tx_arm(port, 0), 0);
		same(readable(fd, 0), 0);
		for (int used_now = 1; used_now < ROOM; used_now++) {
			device_uses(1);
			same(signals(), !events);
			same(readable(fd, 0), !events);
		}
		device_uses(1);
		same(signals(), 1);
		same(readable(fd, LONG_WAIT), 1);
		device_uses(3);
		same(signals(), events ? 0 : 3);
		same(vionet_tx_arm(port, 0), 1);
		device_uses(1); /* asked for nothing any more */
		same(signals(), 0);
		same(readable(fd, 0), 0);

		/* Less than a quarter: armed again, from where the ring is now. */
		make(SIZE);
		same(vionet_tx_burst(port, 0, packets, SIZE), ROOM + 4);
		vionet_packet_free_bulk(packets + ROOM + 4, SIZE - ROOM - 4);
		device_takes();
		device_uses(ROOM - 1);
		same(vionet_tx_arm(port, 0), 0);
		same(vionet_tx_arm(port, 0), 0);
		same(signals(), 0);
		device_uses(1);
		same(signals(), 1);
		same(readable(fd, LONG_WAIT), 1);
		/* A burst disarms. */
		make(1);
		same(vionet_tx_burst(port, 0, packets, 1), 1);
		device_takes();
		device_uses(5);
		same(signals(), 0);
		device_uses(taken_count - used_count);
		vionet_tx_done(port, 0);
	}
	end();
}

static const char *of_chains(unsigned int row) { return kind_name(row, "packets of several segments"); }

CASES(KINDS, of_chains)
{
	struct vionet_packet *chains[SIZE / 4], *large = NULL;
	int events = (kinds[row].features & BIT(F_EVENT_IDX)) != 0;
	start(&kinds[row], "");
	int fd = vionet_tx_fd(port, 0);
	for (int lap = 0; lap < 5; lap++) {
		taken_count = used_count = 0;
		for (int i = 0; i < SIZE / 4; i++)
			chains[i] = chain_of(4);
		same(vionet_tx_burst(port, 0, chains, SIZE / 4), SIZE / 4);
		device_takes();
		same(taken_count, SIZE / 4);
		/* Two of them make a quarter of the ring. */
		(void)signals();
		same(vionet_tx_arm(port, 0), 0);
		device_uses(1);
		same(signals(), !events);
		device_uses(1);
		same(signals(), 1);
		same(readable(fd, LONG_WAIT), 1);
		same(vionet_tx_arm(port, 0), 1);

		/* A packet that needs more waits for as much as it needs: for four more of the chains in the ring. */
		large = chain_of(21);
		same(vionet_tx_burst(port, 0, &large, 1), 0);
		same(vionet_tx_arm(port, 0), 0);
		for (int used_now = 1; used_now < 4; used_now++) {
			device_uses(1);
			same(vionet_tx_arm(port, 0), 0);
		}
		(void)signals();
		device_uses(1);
		same(signals(), 1);
		same(readable(fd, LONG_WAIT), 1);
		same(vionet_tx_arm(port, 0), 1);
		same(vionet_tx_burst(port, 0, &large, 1), 1);
		device_takes();
		same(taken[taken_count - 1].count, 21);
		device_uses(taken_count - used_count);
		same(vionet_tx_arm(port, 0), 1);
	}
	end();
}

static const char *broken(unsigned int row) { return kind_name(row, "a ring that breaks while a sender sleeps"); }

static int breaks;

static void count_breaks(uint16_t of, int event, void *user)
{
	(void)of, (void)user;
	breaks += event == VIONET_EVENT_BROKEN;
}

CASES(KINDS, broken)
{
	start(&kinds[row], "");
	ok(vionet_event_add(count_breaks, NULL));
	fill();
	same(vionet_tx_arm(port, 0), 0);
	/* An id that does not exist, or more entries than buffers: with IN_ORDER nobody reads ids of a split ring. */
	use_entry(&p, TX, 4711, 0, has(&p, F_PACKED) ? ROOM : SIZE + 1);
	same(readable(vionet_tx_fd(port, 0), LONG_WAIT), 1);
	err(vionet_tx_arm(port, 0), -ENOTCONN);
	says("broken");
	same(breaks, 1);
	err(vionet_tx_wait(port, 0, -1), -ENOTCONN);
	make(1);
	same(vionet_tx_burst(port, 0, packets, 1), 0);
	vionet_packet_free(packets[0]);
	same(breaks, 1);
	same(info_of(port).state, VIONET_STATE_BROKEN);
	end();
}

static const char *waits(unsigned int row) { return kind_name(row, "vionet_tx_wait sleeps until there is room"); }

CASES(KINDS, waits)
{
	pthread_t thread;
	start(&kinds[row], "");
	same(vionet_tx_wait(port, 0, -1), 1);
	for (int lap = 0; lap < 5; lap++) {
		fill();
		same(vionet_tx_wait(port, 0, 0), 0);
		same(vionet_tx_wait(port, 0, 20), 0);
		used_late(&thread, ROOM - 1);
		same(vionet_tx_wait(port, 0, 200), 0); /* one descriptor is missing */
		same(pthread_join(thread, NULL), 0);
		used_late(&thread, 1);
		same(vionet_tx_wait(port, 0, LONG_WAIT), 1);
		same(pthread_join(thread, NULL), 0);
		make(ROOM);
		same(vionet_tx_burst(port, 0, packets, ROOM), ROOM);
		device_takes();
		device_uses(taken_count - used_count);
		vionet_tx_done(port, 0);
	}
	end();
}
