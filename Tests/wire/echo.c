/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sends patterned frames of seven sizes to a device that echoes them and checks that each comes back once, in order,
 * with every byte as it was; with "swapped" the two addresses must have changed places.
 *
 *     echo DEVICE FRAMES [swapped]
 */
#include "../abi/frame.h"

enum { WINDOW = 96 };

static const uint32_t sizes[] = {60, 64, 128, 256, 512, 1024, 1514};
static uint16_t port;
static int swapped;

static uint32_t size_of(uint32_t number)
{
	return sizes[(number / 3) % 7];
}

static void check(const struct vionet_packet *p, uint32_t number)
{
	static const unsigned char to[6] = {2, 0, 0, 0, 0, 2}, from[6] = {2, 0, 0, 0, 0, 1};
	unsigned char *data = p->data;
	if (p->length != size_of(number) || frame_number(data) != number)
		FAILED("frame %u of %u bytes in place of %u of %u", frame_number(data), p->length, number, size_of(number));
	if (!frame_right(data, p->length, number))
		FAILED("frame %u came back changed", number);
	yes(memcmp(data, swapped ? from : to, 6) == 0);
	yes(memcmp(data + 6, swapped ? to : from, 6) == 0);
}

int main(int argc, char **argv)
{
	struct vionet_packet *packets[32];
	if (argc < 3)
		FAILED("usage: echo DEVICE FRAMES [swapped]");
	uint32_t frames = (uint32_t)atoi(argv[2]), sent = 0, back = 0;
	swapped = argc > 3;
	port = opened(argv[1]);
	uint64_t last = microseconds();
	while (back < frames) {
		uint16_t n = 0;
		while (n < 32 && sent + n < frames && sent + n - back < WINDOW) {
			packets[n] = frame_packet(0, size_of(sent + n), sent + n);
			yes(packets[n] != NULL);
			n++;
		}
		uint16_t taken = vionet_tx_burst(port, 0, packets, n);
		vionet_packet_free_bulk(packets + taken, (uint16_t)(n - taken));
		sent += taken;
		n = vionet_rx_burst(port, 0, packets, 32);
		for (uint16_t i = 0; i < n; i++)
			check(packets[i], back++);
		vionet_packet_free_bulk(packets, n);
		if (n > 0)
			last = microseconds();
		else if (microseconds() - last > 5000000)
			FAILED("%u frames sent, %u came back", sent, back);
	}
	usleep(100000);
	same(vionet_rx_burst(port, 0, packets, 32), 0); /* none twice */
	struct vionet_stats stats = stats_of(port);
	same(stats.tx.packets, frames);
	same(stats.rx.packets, frames);
	same(stats.rx.bytes, stats.tx.bytes);
	vionet_close(port);
	printf("%u frames there and back\n", frames);
	return 0;
}
