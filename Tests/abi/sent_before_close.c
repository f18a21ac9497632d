/* SPDX-License-Identifier: BSD-2-Clause */
/* A program may close or stop its port right behind its last burst: what was sent goes out, if the device goes on at all. */
#include "../support/cases.h"
#include "../support/device.h"
#include "../support/frame.h"

#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { FRAMES = 200, LENGTH = 60, LIVES = 20 };

static const char *const addresses[] = {
	"soft:pcap=,out=%s", "soft:pcap=,out=%s,packed_vq=1", "soft:pcap=,out=%s,queue_size=512,in_order=1",
};

static const char *address_at(unsigned int row) { return addresses[row]; }

static char file[64];
static struct peer p;

static void send_frames(uint16_t port, uint16_t pool, uint32_t count)
{
	struct vionet_packet *packets[FRAMES];
	for (uint32_t i = 0; i < count; i++)
		packets[i] = frame_packet(pool, LENGTH, i);
	same(vionet_tx_burst(port, 0, packets, (uint16_t)count), count);
}

/* On one processor the device's thread, which begins there too, does not run between the burst and the end. */
static void stay_on_one_processor(void)
{
	cpu_set_t one;
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	same(sched_setaffinity(0, sizeof(one), &one), 0);
}

CASES(sizeof(addresses) / sizeof(*addresses), address_at)
{
	char address[160];
	struct stat s;
	stay_on_one_processor();
	snprintf(file, sizeof(file), "/tmp/vionet-sent-%d", getpid());
	snprintf(address, sizeof(address), addresses[row], file); /* NOLINT(clang-diagnostic-format-nonliteral) */
	for (int i = 0; i < LIVES; i++) {
		uint16_t port = opened(address);
		send_frames(port, 0, FRAMES);
		if (i % 2 == 0) {
			ok(vionet_stop(port));
			same(stats_of(port).tx.packets, FRAMES);
			same(stats_of(port).tx.dropped[VIONET_DROP_STOPPED], 0);
		}
		vionet_close(port);
		same(stat(file, &s), 0);
		same(s.st_size, 24 + FRAMES * (16 + LENGTH));
	}
	unlink(file);
}

CASE("the device behind a socket is given the time to send")
{
	struct vionet_soft_stats stats = VIONET_SIZED(struct vionet_soft_stats);
	char path[64], address[80];
	uint16_t device;
	stay_on_one_processor();
	snprintf(path, sizeof(path), "/tmp/vionet-sent-%d.sock", getpid());
	snprintf(address, sizeof(address), "vhost-user:%s", path);
	ok(vionet_soft_serve(path, "sink", &device));
	for (uint32_t i = 0; i < LIVES; i++) {
		uint16_t port = opened(address);
		send_frames(port, 0, FRAMES);
		vionet_close(port);
		ok(vionet_soft_stats(device, &stats));
		same(stats.from_driver, (i + 1) * FRAMES);
		same(stats.from_driver_drops, 0);
	}
	vionet_soft_stop(device);
}

/*
 * The library's clock, for the calls of a thread that asks for it: it goes by what the device takes for a frame, and by each
 * sleep if the device takes no more.
 */
static _Atomic uint64_t now_made_up = 1000000000; /* nanoseconds */
static _Atomic int is_over;                       /* the device takes no more */
static _Atomic uint32_t looks;                    /* of the library, for what the device has taken */
static _Thread_local int is_made_up;

int clock_gettime(clockid_t clock, struct timespec *time)
{
	uint64_t now = now_made_up;
	if (!is_made_up || clock != CLOCK_MONOTONIC)
		return (int)syscall(SYS_clock_gettime, clock, time);
	*time = (struct timespec){(time_t)(now / 1000000000), (long)(now % 1000000000)};
	return 0;
}

int nanosleep(const struct timespec *time, struct timespec *left)
{
	if (is_made_up && is_over)
		now_made_up += (uint64_t)time->tv_nsec;
	looks += is_made_up != 0;
	return (int)syscall(SYS_nanosleep, time, left);
}

/* Takes a frame, a while after the library has seen that it took the one before. */
static void take_after(uint32_t milliseconds)
{
	unsigned char frame[2048];
	uint32_t before = looks;
	soon(looks - before >= 2);
	now_made_up += milliseconds * 1000000ull;
	same(collect(&p, frame, sizeof(frame)), LENGTH);
}

struct slow_device { uint32_t frames, milliseconds; };

static void *takes_slowly(void *context)
{
	const struct slow_device *d = context;
	for (uint32_t i = 0; i < d->frames; i++)
		take_after(d->milliseconds);
	is_over = 1;
	return NULL;
}

/* Stops, or only closes, a port that has sent 40 frames. Returns the milliseconds that the library saw go by. */
static uint64_t end_of_port(struct slow_device device, int stops)
{
	pthread_t thread;
	uint16_t pool = pool_made(1024);
	peer_start(&p);
	uint16_t port = peer_port(&p, pool, 0, "queue_size=64");
	send_frames(port, pool, 40);
	same(pthread_create(&thread, NULL, takes_slowly, &device), 0);
	uint64_t begin = now_made_up;
	is_made_up = 1;
	if (stops)
		ok(vionet_stop(port));
	else
		vionet_close(port);
	is_made_up = 0;
	uint64_t end = now_made_up;
	pthread_join(thread, NULL);
	if (stops)
		same(stats_of(port).tx.dropped[VIONET_DROP_STOPPED], 40 - device.frames);
	vionet_close(port);
	peer_end(&p);
	same(pool_of(pool).available, 1024);
	return (end - begin) / 1000000;
}

CASE("a device that takes a frame now and then gets to the last before a close")
{
	end_of_port((struct slow_device){40, 20}, 0);
}

CASE("a device that takes a frame now and then gets to the last before a stop")
{
	end_of_port((struct slow_device){40, 20}, 1);
}

CASE("a stop waits for a tenth of a second for a device that takes no more")
{
	uint64_t time = end_of_port((struct slow_device){10, 1}, 1);
	yes(time >= 100 && time < 200);
}

/* Without that limit it would be a tenth of a second behind the last frame. */
CASE("a stop waits for a second at most")
{
	uint64_t time = end_of_port((struct slow_device){11, 90}, 1);
	yes(time >= 1000 && time < 1050);
}
