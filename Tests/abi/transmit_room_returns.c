/* SPDX-License-Identifier: BSD-2-Clause */
/* The descriptor of a sender that sleeps while its queue is restarted, its back-end goes and returns, or its device is reset. */
#include "../support/cases.h"
#include "../support/full_ring.h"

static const char *restarts(unsigned int row) { return kind_name(row, "a queue that is restarted under a sleeper"); }

CASES(KINDS, restarts)
{
	start(&kinds[row], "");
	int fd = vionet_tx_fd(port, 0);
	for (int lap = 0; lap < 3; lap++) {
		fill();
		same(vionet_tx_arm(port, 0), 0);
		same(readable(fd, 0), 0);
		ok(vionet_tx_queue_restart(port, 0, 0));
		same(vionet_tx_fd(port, 0), fd);
		same(readable(fd, LONG_WAIT), 1);
		same(vionet_tx_arm(port, 0), 1);
		same(readable(fd, 0), 0);
	}
	end();
}

static const char *returns(unsigned int row) { return kind_name(row, "a back-end that returns under a sleeper"); }

CASES(KINDS, returns)
{
	start(&kinds[row], ",recover=auto");
	int fd = vionet_tx_fd(port, 0);
	for (int lap = 0; lap < 3; lap++) {
		fill();
		same(vionet_tx_arm(port, 0), 0);
		same(readable(fd, 0), 0);
		int gone = p.gone;
		p.absent = p.leave = 1;
		soon(p.gone > gone);
		same(readable(fd, LONG_WAIT), 1); /* the end of the back-end wakes */
		err(vionet_tx_arm(port, 0), -ENOTCONN);
		says("gone");
		soon(vionet_event_handle(port) >= 0 && info_of(port).state == VIONET_STATE_WAITING);
		same(vionet_tx_fd(port, 0), fd);
		err(vionet_tx_arm(port, 0), -ENOTCONN);
		says("waits for its back-end");
		err(vionet_tx_wait(port, 0, -1), -ENOTCONN);
		p.absent = 0;
		soon(vionet_event_handle(port) >= 0 && info_of(port).state == VIONET_STATE_STARTED);
		same(vionet_tx_fd(port, 0), fd);
		/* The packets that the last one did not send are in the new ring, and whoever slept looks again. */
		same(readable(fd, LONG_WAIT), 1);
		same(vionet_tx_arm(port, 0), 0);
		same(readable(fd, 0), 0);
		taken_count = used_count = 0;
		device_takes();
		same(taken_count, SIZE);
		(void)signals();
		device_uses(ROOM);
		yes(signals() > 0);
		same(readable(fd, LONG_WAIT), 1);
		same(vionet_tx_arm(port, 0), 1);
		device_uses(SIZE - ROOM);
		vionet_tx_done(port, 0);
	}
	end();
}

CASE("a descriptor asked for while the back-end is away is the one it has later")
{
	start(&kinds[0], ",recover=auto");
	int gone = p.gone;
	p.absent = p.leave = 1;
	soon(p.gone > gone);
	soon(vionet_event_handle(port) >= 0 && info_of(port).state == VIONET_STATE_WAITING);
	int fd = vionet_tx_fd(port, 0);
	yes(fd >= 0);
	same(readable(fd, 0), 0);
	err(vionet_tx_fd(port, 1), -EINVAL);
	p.absent = 0;
	soon(vionet_event_handle(port) >= 0 && info_of(port).state == VIONET_STATE_STARTED);
	same(vionet_tx_fd(port, 0), fd);
	fill();
	same(vionet_tx_arm(port, 0), 0);
	device_uses(ROOM);
	same(readable(fd, LONG_WAIT), 1);
	end();
}

/* A device that stays, and is reset under sleepers in both directions. */
CASE("a recovered device wakes those who sleep on its old rings")
{
	start(&kinds[1], ",recover=auto");
	struct pollfd both[] = {{.fd = vionet_rx_fd(port, 0), .events = POLLIN}, {.fd = vionet_tx_fd(port, 0), .events = POLLIN}};
	fill();
	same(vionet_rx_arm(port, 0), 0);
	same(vionet_tx_arm(port, 0), 0);
	same(poll(both, 2, 0), 0);
	p.status |= 64; /* DEVICE_NEEDS_RESET */
	soon(vionet_event_handle(port) > 0);
	same(info_of(port).state, VIONET_STATE_STARTED);
	same(poll(both, 2, LONG_WAIT), 2);
	same(vionet_rx_arm(port, 0), 0);
	same(vionet_tx_arm(port, 0), 0); /* what was not sent is in the new ring */
	same(poll(both, 2, 0), 0);
	end();
}

CASE("a descriptor is made only for those who ask for it")
{
	start(&kinds[0], "");
	int files = entries("/proc/self/fd");
	fill();
	same(entries("/proc/self/fd"), files);
	same(vionet_tx_arm(port, 0), 0);
	ok(vionet_tx_fd(port, 0));
	same(entries("/proc/self/fd"), files + 1);
	ok(vionet_stop(port));
	err(vionet_tx_fd(port, 0), -EINVAL);
	err(vionet_tx_arm(port, 0), -EINVAL);
	says("not started");
	err(vionet_tx_wait(port, 0, 0), -EINVAL);
	end();
}

CASE("a sender on a queue that is taken out of use is woken, and told so")
{
	struct vionet_packet *packet;
	port = opened("soft:loopback,queues=2,queue_size=32");
	int fd = vionet_tx_fd(port, 1);
	/* Nobody receives, so that the device sends no more than it has receive buffers for. */
	do {
		packet = frame_packet(0, 60, 0);
		yes(packet != NULL);
	} while (vionet_tx_burst(port, 1, &packet, 1) == 1 ||
	         (vionet_packet_free(packet), vionet_tx_wait(port, 1, 100) == 1));
	same(vionet_tx_arm(port, 1), 0);
	same(readable(fd, 0), 0);
	ok(vionet_queue_pairs_set(port, 1));
	same(readable(fd, LONG_WAIT), 1);
	err(vionet_tx_arm(port, 1), -EINVAL);
	says("not in use");
	same(vionet_tx_fd(port, 1), fd);
	ok(vionet_queue_pairs_set(port, 2));
	same(vionet_tx_fd(port, 1), fd);
	soon(vionet_tx_arm(port, 1) == 1);
	vionet_close(port);
}
