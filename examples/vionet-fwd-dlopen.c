/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vionet-fwd-dlopen - forward packets between two devices, with the library loaded while the program runs
 *
 * For a program that must start where vionet is not installed, or that loads its drivers as plugins. It needs the
 * header to compile and nothing to link.
 *
 *     cc vionet-fwd-dlopen.c $(pkg-config --cflags vionet) -o vionet-fwd-dlopen
 *     VIONET_LIBRARY=build/libvionet.so.0 vionet-fwd-dlopen soft:generate soft:sink
 *
 * Without VIONET_LIBRARY the library is looked for where the system keeps libraries.
 */
#include <dlfcn.h>
#include <err.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vionet.h>

#define BURST 32

/* The functions that are called, with the types that the header declares. */
static struct {
	__typeof__(vionet_open) *open;
	__typeof__(vionet_close) *close;
	__typeof__(vionet_error) *error;
	__typeof__(vionet_rx_burst) *rx_burst;
	__typeof__(vionet_tx_burst) *tx_burst;
	__typeof__(vionet_packet_free_bulk) *packet_free_bulk;
	__typeof__(vionet_stats) *stats;
} vionet;

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	stopped = signal;
}

/* Copied as bytes: C has no cast from an object pointer to a function pointer. */
static void look_up(void *library, const char *name, void *function)
{
	void *address = dlsym(library, name);
	if (address == NULL)
		errx(1, "%s", dlerror());
	memcpy(function, &address, sizeof(address));
}

/* The number in the file's name says that its calls and structs are those of this header. */
static void *load(void)
{
	const char *name = getenv("VIONET_LIBRARY");
	void *library = dlopen(name != NULL ? name : "libvionet.so.0", RTLD_NOW | RTLD_LOCAL);
	if (library == NULL)
		errx(1, "%s (VIONET_LIBRARY names another place)", dlerror());
	look_up(library, "vionet_open", &vionet.open);
	look_up(library, "vionet_close", &vionet.close);
	look_up(library, "vionet_error", &vionet.error);
	look_up(library, "vionet_rx_burst", &vionet.rx_burst);
	look_up(library, "vionet_tx_burst", &vionet.tx_burst);
	look_up(library, "vionet_packet_free_bulk", &vionet.packet_free_bulk);
	look_up(library, "vionet_stats", &vionet.stats);
	return library;
}

/*
 * Forwards one burst of the first queue, and drops what the other port refuses. The transmit burst, even an empty one,
 * returns packets that were sent to their pool.
 */
static bool forward(uint16_t in, uint16_t out, uint64_t *refused)
{
	struct vionet_packet *packets[BURST];
	uint16_t received = vionet.rx_burst(in, 0, packets, BURST);
	uint16_t sent = vionet.tx_burst(out, 0, packets, received);
	if (sent < received)
		vionet.packet_free_bulk(packets + sent, received - sent);
	*refused += received - sent;
	return received > 0;
}

static void report(const char *from, const char *to, uint16_t in, uint16_t out, uint64_t refused)
{
	struct vionet_stats rx = VIONET_SIZED(struct vionet_stats), tx = rx;
	vionet.stats(in, &rx);
	vionet.stats(out, &tx);
	for (int reason = 0; reason < VIONET_DROP_REASONS; reason++)
		refused += rx.rx.dropped[reason] + tx.tx.dropped[reason];
	printf("%s -> %s: %" PRIu64 " packets, %" PRIu64 " bytes, %" PRIu64 " drops\n", from, to, tx.tx.packets, tx.tx.bytes,
	       refused);
}

int main(int argc, char **argv)
{
	uint16_t port[2];
	uint64_t refused[2] = {0, 0};
	if (argc != 3)
		errx(2, "usage: vionet-fwd-dlopen DEVICE_A DEVICE_B");
	void *library = load();
	for (int i = 0; i < 2; i++)
		if (vionet.open(argv[1 + i], &port[i]) != 0)
			errx(1, "%s", vionet.error());
	signal(SIGINT, stop);
	signal(SIGTERM, stop);
	while (!stopped) {
		bool moved = forward(port[0], port[1], &refused[0]);
		if (!forward(port[1], port[0], &refused[1]) && !moved)
			sched_yield(); /* the thread of a soft: device may need this core */
	}
	report(argv[1], argv[2], port[0], port[1], refused[0]);
	report(argv[2], argv[1], port[1], port[0], refused[1]);
	for (int i = 0; i < 2; i++)
		vionet.close(port[i]);
	dlclose(library);
	return 0;
}
