/* SPDX-License-Identifier: BSD-2-Clause */
/* A device of our own on a socket: served, connected to again and again, counted, refused where it must be. */
#include "../support/cases.h"
#include "../support/frame.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static char folder[] = "/tmp/vionet-test-XXXXXX", path[64], address[128];
static uint16_t device;

static struct vionet_soft_stats counted(void)
{
	struct vionet_soft_stats stats = VIONET_SIZED(struct vionet_soft_stats);
	ok(vionet_soft_stats(device, &stats));
	return stats;
}

CASE("a device that cannot be served is refused, and other files are left alone")
{
	uint16_t other;
	char longest[300];

	err(vionet_soft_serve(path, "nothing", &other), -EINVAL);
	says("nothing");
	err(vionet_soft_serve(path, "loopback,colour=red", &other), -EINVAL);
	says("colour");
	err(vionet_soft_serve("/nonexistent/folder/s", "sink", &other), -ENOENT);
	says("/nonexistent/folder/s");
	memset(longest, 'x', sizeof(longest));
	longest[0] = '/';
	longest[299] = 0;
	yes(vionet_soft_serve(longest, "sink", &other) < 0);
	same(access(path, F_OK), -1);

	/* A file that exists, of any kind, is left alone. */
	fclose(fopen(path, "we"));
	err(vionet_soft_serve(path, "sink", &other), -EADDRINUSE);
	says(path);
	same(access(path, F_OK), 0);
	unlink(path);
	ok(vionet_soft_serve(path, "sink", &device));
	err(vionet_soft_serve(path, "sink", &other), -EADDRINUSE);
	vionet_soft_stop(device);
	same(access(path, F_OK), -1);
	vionet_soft_stop(device);
}

static void traffic(uint16_t port, uint32_t number)
{
	struct vionet_packet *packets[32];
	for (uint32_t i = 0; i < 32; i++)
		packets[i] = frame_packet(0, 60 + i * 46, number + i);
	send_all(port, packets, 32);
	receive_all(port, packets, 32);
	for (uint32_t i = 0; i < 32; i++)
		yes(frame_right(packets[i]->data, 60 + i * 46, number + i));
	vionet_packet_free_bulk(packets, 32);
}

static void end(void) { same(rmdir(folder), 0); }

BEFORE_EACH
{
	yes(mkdtemp(folder) != NULL);
	snprintf(path, sizeof(path), "%s/s", folder);
	snprintf(address, sizeof(address), "vhost-user:%s", path);
}

AFTER_EACH { end(); }

CASE("a served device is used by one port after the other, and counts")
{
	struct stat s;
	ok(vionet_soft_serve(path, "loopback", &device));
	same(stat(path, &s), 0);
	yes(S_ISSOCK(s.st_mode));
	same(counted().connections, 0);
	for (uint32_t life = 0; life < 20; life++) {
		uint16_t port = opened(address);
		for (uint32_t i = 0; i < 10; i++)
			traffic(port, life * 1000 + i * 32);
		soon(counted().from_driver == (life + 1) * 320);
		same(counted().to_driver, (life + 1) * 320);
		same(counted().to_driver_drops, 0);
		same(counted().from_driver_drops, 0);
		same(counted().connections, life + 1);
		vionet_close(port);
	}
	vionet_soft_stop(device);
}

CASE("a port whose device is stopped is broken")
{
	ok(vionet_soft_serve(path, "loopback", &device));
	uint16_t port = opened(address);
	traffic(port, 1);
	vionet_soft_stop(device);
	soon(info_of(port).state == VIONET_STATE_BROKEN);
	vionet_close(port);
	same(access(path, F_OK), -1);
	err(vionet_open(address, &port), -ENOENT);
}

/* A front-end of three words for each message. */
static int connected(void)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
	same(connect(s, (struct sockaddr *)&to, sizeof(to)), 0);
	return s;
}

/* The device disconnects the front-end after that message, and says why before the front-end can see it. */
static void ends_with(uint32_t request, uint32_t flags, const char *sentence)
{
	uint32_t message[3] = {request, flags, 0}, nothing;
	uint64_t before = counted().faults;
	int s = connected();
	same(write(s, message, sizeof(message)), sizeof(message));
	same(read(s, &nothing, sizeof(nothing)), 0);
	same(counted().faults, before + 1);
	same(strcmp(counted().fault, sentence), 0);
	close(s);
}

CASE("a device says why it disconnected a front-end; one that leaves by itself is no fault")
{
	enum { VERSION = 1, GET_FEATURES = 1, SET_FEATURES = 2, UNKNOWN = 999 };
	uint64_t connections = 0;
	ok(vionet_soft_serve(path, "loopback", &device));
	same(counted().faults, 0);
	same(counted().fault[0], 0);
	for (int i = 0; i < 3; i++) {
		ends_with(UNKNOWN, VERSION, "the front-end sent request 999, which was refused: unknown request");
		ends_with(GET_FEATURES, 0, "the front-end sent a malformed message");
		ends_with(SET_FEATURES, VERSION, "the front-end sent request 2, which was refused: wrong size");
		connections += 4;
		close(connected());
		soon(counted().connections == connections);
		uint16_t port = opened(address);
		traffic(port, 1);
		vionet_close(port);
		connections++;
		same(counted().faults, (uint64_t)i * 3 + 3);
		yes(strstr(counted().fault, "request 2") != NULL);
	}
	struct vionet_soft_stats older = {.size = offsetof(struct vionet_soft_stats, to_driver_short), .to_driver_short = 77};
	ok(vionet_soft_stats(device, &older));
	same(older.to_driver_short, 77);
	same(older.connections, connections);
	vionet_soft_stop(device);
}

static uint64_t lost_to(const struct vionet_soft_stats *s)
{
	return s->to_driver_short + s->to_driver_long + s->to_driver_offload + s->to_driver_no_buffer + s->to_driver_stopped +
	       s->to_driver_record;
}

static uint64_t lost_from(const struct vionet_soft_stats *s)
{
	return s->from_driver_short + s->from_driver_long + s->from_driver_wire + s->from_driver_stopped;
}

static void send_frames(uint16_t port, uint32_t count, uint32_t length)
{
	struct vionet_packet *packet;
	for (uint32_t i = 0; i < count; i++) {
		packet = vionet_packet_alloc(0);
		for (uint32_t at = 0; at < length; at += 1000) {
			struct vionet_packet *piece = at == 0 ? packet : vionet_packet_alloc(0);
			memset(vionet_packet_append(piece, 1000), 2, 1000);
			packet->total_length = at == 0 ? 1000 : packet->total_length;
			if (at > 0)
				same(vionet_packet_chain(packet, piece), 0);
		}
		send_all(port, &packet, 1);
	}
}

CASE("a device counts what it loses by reason, and says why its wire carries nothing")
{
	ok(vionet_soft_serve(path, "pipe=reasons", &device));
	uint16_t port = opened(address);
	send_frames(port, 10, 1000);
	soon(counted().from_driver == 10);
	struct vionet_soft_stats s = counted();
	same(s.from_driver_wire, 10);
	same(s.from_driver_drops, 10);
	same(lost_from(&s), 10);
	yes(strstr(s.reason, "has no other end") != NULL);

	uint16_t other = opened("soft:pipe=reasons,mtu=9000");
	soon(counted().reason[0] == 0);
	soon((vionet_event_handle(other), info_of(other).link_up == 1));
	send_frames(other, 7, 3000);
	soon(counted().to_driver_drops == 7);
	s = counted();
	same(s.to_driver_long, 7);
	same(lost_to(&s), 7);
	same(lost_from(&s), 10);
	same(s.faults, 0);
	vionet_close(other);
	vionet_close(port);
	vionet_soft_stop(device);
}
