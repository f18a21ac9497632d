// SPDX-License-Identifier: BSD-2-Clause
// The header in C++11 with every warning an error, and the library called through it.
#include "../support/cases.h"
#include "../support/frame.h"

CASE("the header serves C++11, and the library is called through it")
{
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	static struct vionet_info info = VIONET_SIZED_INIT(struct vionet_info); /* a function has this name, too */
	struct vionet_packet *packet, *back;
	uint16_t port = 0;

	same(config.size, sizeof(config));
	same(config.pool, 0);
	same(vionet_version_number(), VIONET_VERSION);
	err(vionet_probe("soft:nothing", &port), -EINVAL);
	ok(vionet_probe("soft:loopback", &port));
	ok(vionet_init(port, &config));
	ok(vionet_start(port));
	ok(vionet_info(port, &info));
	same(info.state, VIONET_STATE_STARTED);
	packet = frame_packet(0, 100, 1);
	send_all(port, &packet, 1);
	receive_all(port, &back, 1);
	yes(frame_right(static_cast<unsigned char *>(back->data), 100, 1));
	yes(vionet_packet_prepend(back, 4) != nullptr);
	vionet_packet_free(back);
	VIONET_FOREACH_PORT(each)
		same(each, port);
	vionet_close(port);
}
