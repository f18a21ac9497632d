/* SPDX-License-Identifier: BSD-2-Clause */
/* soft:pcap with FIFOs and with a file that grows: no call waits for the other side, and what that does not take is counted. */
#include "../support/cases.h"
#include "../support/frame.h"
#include "../support/xstats.h"

#include <fcntl.h>
#include <sys/stat.h>

static char folder[] = "/tmp/vionet-test-XXXXXX", path[64], address[128];
static uint16_t port;
static int link_events;
static const uint32_t head[6] = {0xa1b2c3d4, 2 | 4 << 16, 0, 0, 262144, 1};

static void noted(uint16_t number, int event, void *user)
{
	(void)user;
	link_events += number == port && event == VIONET_EVENT_LINK;
}

BEFORE_EACH
{
	yes(mkdtemp(folder) != NULL);
	snprintf(path, sizeof(path), "%s/f", folder);
	ok(vionet_event_add(noted, NULL));
}
AFTER_EACH
{
	unlink(path);
	same(rmdir(folder), 0);
}

static uint16_t opened_on(const char *form)
{
	snprintf(address, sizeof(address), form, path);
	port = opened(address);
	return port;
}

static void send(uint32_t count, uint32_t from)
{
	for (uint32_t i = 0; i < count; i++) {
		struct vionet_packet *packet = frame_packet(0, 1000, from + i);
		send_all(port, &packet, 1);
	}
}

static void receive(uint32_t from, uint32_t count)
{
	for (uint32_t i = from; i < from + count; i++) {
		struct vionet_packet *packet;
		receive_all(port, &packet, 1);
		same(packet->length, 60 + i);
		yes(frame_right(packet->data, packet->length, i));
		vionet_packet_free(packet);
	}
}

static void link_becomes(int up)
{
	soon((vionet_event_handle(port), info_of(port).link_up == up));
	yes(link_events > 0);
	link_events = 0;
}

static void reason_becomes(const char *text) { soon(strstr(info_of(port).reason, text) != NULL); }

/* Reads exactly that many bytes. */
static void get(int fd, void *bytes, size_t count)
{
	for (size_t have = 0; have < count;) {
		ssize_t n = read(fd, (char *)bytes + have, count - have);
		if (n <= 0 && (n == 0 || errno != EAGAIN))
			FAILED("%zu of %zu bytes, then %s", have, count, n == 0 ? "the end" : strerror(errno));
		have += n > 0 ? (size_t)n : 0;
		if (n < 0)
			usleep(200);
	}
}

/* Reads the file's header, then records of 1000 bytes from that number on. */
static void get_capture(int fd, uint32_t from, uint32_t count, int with_header)
{
	uint32_t begin[6], record[4];
	unsigned char data[1000];
	if (with_header) {
		get(fd, begin, 24);
		same(memcmp(begin, head, 24), 0);
	}
	for (uint32_t i = from; i < from + count; i++) {
		get(fd, record, 16);
		same(record[2], 1000);
		same(record[3], 1000);
		get(fd, data, 1000);
		yes(frame_right(data, 1000, i));
	}
}

CASE("a FIFO that nobody reads keeps no call waiting, and each reader gets a capture of its own")
{
	same(mkfifo(path, 0600), 0);
	opened_on("soft:pcap=,out=%s");
	same(info_of(port).link_up, 0);
	reason_becomes("is a FIFO that nobody reads");
	send(100, 0);
	soon(xstat(port, "tx_device_drop_wire") == 100);
	for (uint32_t life = 1; life <= 3; life++) {
		int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		yes(fd >= 0);
		link_becomes(1);
		same(info_of(port).reason[0], 0);
		send(20, life * 100);
		get_capture(fd, life * 100, 20, 1);
		close(fd);
		link_becomes(0);
		same(xstat(port, "tx_device_drop_wire"), 100);
	}
	vionet_close(port);
}

CASE("a reader that leaves in the middle ends nothing but its capture")
{
	char some[100];
	same(mkfifo(path, 0600), 0);
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	opened_on("soft:pcap=,out=%s");
	send(50, 0);
	get(fd, some, sizeof(some));
	close(fd);
	link_becomes(0);
	send(50, 50);
	soon(xstat(port, "tx_device_packets") == 100);
	yes(xstat(port, "tx_device_drop_wire") >= 50);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	link_becomes(1);
	send(10, 200);
	soon(xstat(port, "tx_device_packets") == 110);
	vionet_close(port); /* writes the rest */
	get_capture(fd, 200, 10, 1);
	same(read(fd, some, 1), 0);
	close(fd);
}

CASE("what a FIFO has no room for is counted, and closing does not wait for its reader")
{
	struct stat s;
	same(mkfifo(path, 0600), 0);
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	opened_on("soft:pcap=,out=%s");
	send(5000, 0);
	soon(xstat(port, "tx_device_packets") == 5000);
	uint64_t lost = xstat(port, "tx_device_drop_wire");
	yes(lost > 0 && lost < 5000);
	same(info_of(port).link_up, 1);
	/* What was taken comes, in order, when it is read. */
	get_capture(fd, 0, 5000 - (uint32_t)lost, 1);
	same(xstat(port, "tx_device_drop_wire"), lost);
	send(3, 5000);
	get_capture(fd, 5000, 3, 0);
	send(5000, 0);
	soon(xstat(port, "tx_device_packets") == 10003);
	vionet_close(port);
	same(fstat(fd, &s), 0);
	close(fd);
}

/* ---- captures that come ------------------------------------------------------------------------------------------- */

/* Writes the records of frames of 60 bytes and more, in pieces. */
static void put_records(int fd, uint32_t from, uint32_t count, size_t piece)
{
	unsigned char all[16 + 1000];
	for (uint32_t i = from; i < from + count; i++) {
		uint32_t record[4] = {1, 2, 60 + i, 60 + i};
		memcpy(all, record, 16);
		frame_fill(all + 16, 60 + i, i);
		for (size_t done = 0; done < 76 + i; done += piece) {
			size_t part = 76 + i - done < piece ? 76 + i - done : piece;
			same(write(fd, all + done, part), part);
			if (piece < 100)
				usleep(100);
		}
	}
}

static void put_head(int fd, size_t piece)
{
	for (size_t done = 0; done < 24; done += piece)
		same(write(fd, (const char *)head + done, piece), piece);
}

CASE("a FIFO is replayed as it is written, and nothing waits for its writer")
{
	struct vionet_packet *packet;
	same(mkfifo(path, 0600), 0);
	vionet_close(opened_on("soft:pcap=%s")); /* while nobody writes */
	opened_on("soft:pcap=%s");
	same(vionet_rx_wait(port, 0, 50), 0);
	same(info_of(port).link_up, 1);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	put_head(fd, 1);
	put_records(fd, 0, 5, 7);
	receive(0, 5);
	same(vionet_rx_arm(port, 0), 0);
	put_records(fd, 5, 1, 1000);
	same(vionet_rx_wait(port, 0, LONG_WAIT), 1);
	receive(5, 1);
	put_records(fd, 6, 20, 1000);
	close(fd);
	receive(6, 20);
	reason_becomes("ended after 26 frames");
	same(vionet_rx_burst(port, 0, &packet, 1), 0);
	vionet_close(port);
}

CASE("with follow=1 each writer of a FIFO brings a capture of its own")
{
	same(mkfifo(path, 0600), 0);
	opened_on("soft:pcap=%s,follow=1");
	for (uint32_t life = 0; life < 4; life++) {
		int fd = open(path, O_WRONLY | O_CLOEXEC);
		put_head(fd, 24);
		put_records(fd, life * 10, 10, 1000);
		if (life % 2 == 1)
			same(write(fd, "cut", 3), 3);
		receive(life * 10, 10);
		close(fd);
		soon(xstat(port, "rx_device_drop_record") == (life + 1) / 2);
	}
	same(info_of(port).link_up, 1);
	same(info_of(port).reason[0], 0);
	vionet_close(port);
}

CASE("what is no capture ends a FIFO with an event and a reason")
{
	same(mkfifo(path, 0600), 0);
	opened_on("soft:pcap=%s");
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	same(write(fd, "GET / HTTP/1.1\r\n\r\n        ", 24), 24);
	link_becomes(0);
	reason_becomes("is not a pcap or pcapng file");
	close(fd);
	vionet_close(port);
}

CASE("with follow=1 a file that grows is replayed as it grows, from nothing on")
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	uint16_t none;
	snprintf(address, sizeof(address), "soft:pcap=%s", path);
	err(vionet_open(address, &none), -EINVAL);
	says("is not a pcap or pcapng file");
	opened_on("soft:pcap=%s,follow=1");
	put_head(fd, 12);
	put_records(fd, 0, 5, 9);
	receive(0, 5);
	same(vionet_rx_arm(port, 0), 0);
	put_records(fd, 5, 30, 1000);
	same(vionet_rx_wait(port, 0, LONG_WAIT), 1);
	receive(5, 30);
	same(xstat(port, "rx_device_drop_record"), 0);
	same(info_of(port).reason[0], 0);
	same(ftruncate(fd, 100), 0);
	link_becomes(0);
	reason_becomes("was shortened");
	close(fd);
	vionet_close(port);
}
