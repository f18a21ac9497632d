/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A frame that needs more buffers than there are waits for them in a soft device, which sleeps meanwhile; the driver's
 * next buffers wake it, on every kind of ring and from every wire.
 */
#include "../support/cases.h"
#include "../support/frame.h"

/* A ring of 8 buffers of 1984 bytes holds one frame of this length, and 3 buffers that are too few for another. */
enum { LENGTH = 9000, FRAMES = 60 };

static const char *const rings[] = {"packed_vq=0", "packed_vq=0,in_order=0", "packed_vq=0,event_idx=0", "packed_vq=1",
                                    "packed_vq=1,in_order=0", "packed_vq=1,event_idx=0"};
static const char *const wires[] = {"generate,length=9000", "pipe=short", "loopback"};
enum { RINGS = 6, WIRES = 3 };

static const char *title(unsigned int row)
{
	static char text[80];
	snprintf(text, sizeof(text), "soft:%s,%s", wires[row / RINGS], rings[row % RINGS]);
	return text;
}

/* Whether every thread but this one sleeps. */
static int others_sleep(void)
{
	int asleep = 1;
	DIR *d = opendir("/proc/self/task");
	yes(d != NULL);
	for (struct dirent *each; (each = readdir(d)) != NULL;) {
		char path[300], line[300], state = 0;
		snprintf(path, sizeof(path), "/proc/self/task/%s/stat", each->d_name);
		FILE *f = each->d_name[0] == '.' || atoi(each->d_name) == getpid() ? NULL : fopen(path, "re");
		if (f == NULL)
			continue;
		if (fgets(line, sizeof(line), f) != NULL && strrchr(line, ')') != NULL)
			state = strrchr(line, ')')[2];
		fclose(f);
		asleep = asleep && state == 'S';
	}
	closedir(d);
	return asleep;
}

static void send_frames(uint16_t port)
{
	struct vionet_packet *p = frame_packet(0, 1984, 1);
	for (uint32_t length = 1984; length < LENGTH;) {
		uint32_t n = LENGTH - length < 1984 ? LENGTH - length : 1984;
		struct vionet_packet *more = vionet_packet_alloc(0);
		memset(vionet_packet_append(more, n), 1, n);
		same(vionet_packet_chain(p, more), 0);
		length += n;
	}
	for (int i = 0; i < FRAMES; i++) {
		struct vionet_packet *copy = vionet_packet_copy(p, 0);
		send_all(port, &copy, 1);
	}
	vionet_packet_free(p);
}

CASES(RINGS * WIRES, title)
{
	char address[200];
	snprintf(address, sizeof(address), "soft:%s,mtu=9000,mrg_rxbuf=1,%s", wires[row / RINGS], rings[row % RINGS]);
	struct vionet_config config = VIONET_SIZED(struct vionet_config);
	uint16_t port, other = VIONET_PORT_NONE;
	config.rx_descriptors = 8;
	ok(vionet_probe(address, &port));
	ok(vionet_init(port, &config));
	ok(vionet_start(port));
	if (row / RINGS == 1)
		other = opened(address);
	if (row / RINGS > 0)
		send_frames(row / RINGS == 1 ? other : port);
	for (int i = 0; i < FRAMES; i++) {
		struct vionet_packet *packet;
		soon(others_sleep());
		receive_all(port, &packet, 1);
		same(packet->total_length, LENGTH);
		vionet_packet_free(packet);
		(void)vionet_rx_burst(port, 0, &packet, 0); /* gives the device the buffers */
	}
	vionet_close(port);
	vionet_close(other);
}
