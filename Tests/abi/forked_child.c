/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fork() and daemon() in a program with open ports. A child may exit or exec. Whatever it does with its parent's ports,
 * pools, packets and devices is refused, and the parent goes on. Ports that it opens itself are like any other.
 */
#include "../support/cases.h"
#include "../support/forked.h"
#include "../support/frame.h"
#include "../support/peer.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <sys/syscall.h>

/* The library's calls come here first. */
static _Atomic int requests_begun;

long syscall(long number, ...)
{
	static long (*real)(long, ...);
	long a[6];
	va_list list;
	va_start(list, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "syscall");
	long result = real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	requests_begun += number == SYS_io_setup && result == 0;
	return result;
}

static char folder[] = "/tmp/vionet-test-XXXXXX", path[64], address[128];

static void in_folder(void)
{
	yes(mkdtemp(folder) != NULL);
	snprintf(path, sizeof(path), "%s/s", folder);
	snprintf(address, sizeof(address), "vhost-user:%s", path);
}

CASE("a child leaves a soft device's port alone")
{
	int files = entries("/proc/self/fd");
	uint16_t port = opened("soft:loopback,cq=1");
	back_and_forth(port);
	child_leaves(port, files);
	back_and_forth(port);
	ok(vionet_promiscuous_set(port, 1));
	vionet_close(port);
}

CASE("a child leaves a back-end's port alone, and the connection ends with the parent's close")
{
	struct peer p;
	peer_start(&p);
	snprintf(address, sizeof(address), "vhost-user:%s,recover=auto", p.path);
	int pipes[2];
	uint16_t port = opened(address);
	in_child({
		same(shared_mappings(), (int)p.regions); /* the back-end's own */
		port_is_of_parent(port);
	});
	in_child(vionet_close(port));
	same(vionet_event_handle(port), 0);
	same(info_of(port).state, VIONET_STATE_STARTED);

	/* The back-end sees the end though a child lives. */
	same(pipe2(pipes, O_CLOEXEC), 0);
	pid_t child = fork();
	if (child == 0) {
		char byte;
		close(pipes[1]);
		_exit(read(pipes[0], &byte, 1) != 0);
	}
	int connections = p.gone;
	vionet_close(port);
	soon(p.gone > connections);
	close(pipes[1]);
	child_ends_well(child);
	peer_end(&p);
}

CASE("a child's calls with its parent's pools and packets do nothing")
{
	uint16_t port = opened("soft:loopback"), pool = pool_made(64), made;
	struct vionet_packet *packet = frame_packet(pool, 100, 7), *shared = frame_packet(0, 100, 8), *parts[4];
	struct vionet_tx_buffer_config with = VIONET_SIZED(struct vionet_tx_buffer_config);
	struct vionet_pool_info info = VIONET_SIZED(struct vionet_pool_info);
	struct vionet_tx_buffer *buffer;
	with.port = port;
	with.burst = 4;
	ok(vionet_tx_buffer_create(&with, &buffer));
	in_child({
		yes(vionet_packet_alloc(pool) == NULL);
		is_of_parent(vionet_pool_info(pool, &info));
		is_of_parent(vionet_pool_destroy(pool));
		err(vionet_packet_reference(packet), -EINVAL);
		err(vionet_packet_linearise(packet), -EINVAL);
		err(vionet_packet_segment(packet, parts, 4), -EINVAL);
		yes(vionet_packet_copy(packet, 0) == NULL);
		yes(vionet_packet_view(packet, 0, 10) == NULL);
		yes(vionet_packet_split(packet, 10) == NULL);
		yes(vionet_packet_private(packet) == NULL);
		same(vionet_tx_prepare(port, 0, &packet, 1), 0);
		says("was forked");
		same(vionet_tx_buffer_put(buffer, &packet, 1), 1);
		same(vionet_tx_buffer_flush(buffer), 1);
		same(vionet_tx_buffer_destroy(buffer), 1);
		is_of_parent(vionet_tx_buffer_create(&with, &buffer));
		vionet_packet_free(packet);
		vionet_packet_free(shared);
		made = pool_made(64);
		yes(made != pool);
		ok(vionet_pool_destroy(made));
	});
	same(pool_of(pool).available, 63);
	vionet_packet_free(packet);
	vionet_packet_free(shared);
	same(vionet_tx_buffer_destroy(buffer), 0);
	back_and_forth(port);
	vionet_close(port);
	ok(vionet_pool_destroy(pool));
}

CASE("a child opens ports of its own, and so does its child")
{
	uint16_t port = opened("soft:loopback");
	back_and_forth(port);
	in_child({
		uint16_t own = opened("soft:loopback");
		yes(own != port);
		back_and_forth(own);
		in_child({
			port_is_of_parent(own);
			uint16_t again = opened("soft:loopback");
			yes(again != port);
			back_and_forth(again);
			vionet_close(again);
		});
		back_and_forth(own);
		vionet_close(own);
	});
	back_and_forth(port);
	vionet_close(port);
}

/* Moves frames through a back-end behind a socket, for which the kernel is asked so often for a place for requests. */
static void drives(const char *name, int begun)
{
	uint16_t device;
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	snprintf(address, sizeof(address), "vhost-user:%s", path);
	requests_begun = 0;
	ok(vionet_soft_serve(path, "loopback", &device));
	uint16_t port = opened(address);
	back_and_forth(port);
	same(requests_begun, begun);
	vionet_close(port);
	vionet_soft_stop(device);
}

/* A back-end in another process is signalled through requests to the kernel, which a child does not inherit. */
CASE("a child signals its back-end by requests of its own")
{
	in_folder();
	drives("a", 1);
	in_child(drives("b", 1));
	drives("c", 0);
	same(rmdir(folder), 0);
}

CASE("numbers are enough for a chain of children, each with every port there can be")
{
	for (int n = 0; n < VIONET_MAX_PORTS; n++) {
		uint16_t port;
		ok(vionet_probe("soft:sink", &port));
	}
	in_child({
		uint16_t port;
		for (int n = 0; n < VIONET_MAX_PORTS; n++)
			ok(vionet_probe("soft:sink", &port));
		err(vionet_probe("soft:sink", &port), -ENFILE);
		VIONET_FOREACH_PORT(p)
			vionet_close(p);
	});
	VIONET_FOREACH_PORT(p)
		vionet_close(p);
}

/* The parent of daemon() ends at once, so the process that is left reports through a pipe. */
static void as_daemon(int report)
{
	uint16_t port = opened(address);
	back_and_forth(port);
	alarm(LONG_WAIT_SECONDS); /* nobody waits for this process */
	yes(daemon(1, 1) == 0);
	port_is_of_parent(port);
	/* The device serves one front-end at a time, and the first one's connection has ended. */
	port = opened(address);
	back_and_forth(port);
	vionet_close(port);
	yes(write(report, "good", 4) == 4);
	_exit(0);
}

CASE("daemon() leaves a port that says whose it was, and opens it anew")
{
	int pipes[2];
	char text[8] = "";
	uint16_t device;
	in_folder();
	ok(vionet_soft_serve(path, "loopback", &device));
	same(pipe2(pipes, O_CLOEXEC), 0);
	in_child(as_daemon(pipes[1]));
	close(pipes[1]);
	same(read(pipes[0], text, sizeof(text) - 1), 4);
	yes(strcmp(text, "good") == 0);
	vionet_soft_stop(device);
	rmdir(folder);
}

CASE("a child leaves a served device alone")
{
	struct vionet_soft_stats stats = VIONET_SIZED(struct vionet_soft_stats);
	uint16_t device;
	in_folder();
	ok(vionet_soft_serve(path, "loopback", &device));
	in_child({
		is_of_parent(vionet_soft_stats(device, &stats));
		vionet_soft_stop(device);
		err(vionet_soft_stats(device, &stats), -ENODEV);
		vionet_soft_stop(device);
	});
	same(access(path, F_OK), 0);
	uint16_t port = opened(address);
	back_and_forth(port);
	vionet_close(port);
	ok(vionet_soft_stats(device, &stats));
	same(stats.connections, 1);
	vionet_soft_stop(device);
	same(access(path, F_OK), -1);
	rmdir(folder);
}

/* ---- a fork while other threads are inside the library ----------------------------------------------------------------- */

static _Atomic int end;
static uint16_t busy;

static void *calls(void *number)
{
	struct vionet_stats stats = VIONET_SIZED(struct vionet_stats);
	struct vionet_packet *packets[32];
	uint16_t other;
	while (!end)
		switch ((int)(intptr_t)number) {
		case 0: (void)vionet_stats(busy, &stats); break;
		case 1: vionet_packet_free_bulk(packets, vionet_packet_alloc_bulk(0, packets, 32)); break;
		case 2: (void)vionet_start(9999); break; /* a sentence */
		case 3: vionet_packet_free_bulk(packets, vionet_rx_burst(busy, 0, packets, 32)); break;
		default:
			if (vionet_open("soft:sink,queue_size=16", &other) == 0)
				vionet_close(other);
		}
	return NULL;
}

CASE("no lock of another thread's keeps a child waiting")
{
	enum { THREADS = 5 };
	pthread_t threads[THREADS];
	int forks = (int)case_argument(0, 200);
	busy = opened("soft:generate");
	for (int n = 0; n < THREADS; n++)
		same(pthread_create(&threads[n], NULL, calls, (void *)(intptr_t)n), 0);
	for (int n = 0; n < forks; n++)
		in_child({
			struct vionet_stats stats = VIONET_SIZED(struct vionet_stats);
			is_of_parent(vionet_stats(busy, &stats));
			uint16_t own = opened("soft:loopback,queue_size=16,pool_packets=2048");
			back_and_forth(own);
			vionet_close(own);
			vionet_close(busy);
		});
	end = 1;
	for (int n = 0; n < THREADS; n++)
		pthread_join(threads[n], NULL);
	vionet_close(busy);
}
