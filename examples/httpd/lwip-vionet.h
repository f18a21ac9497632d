/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A port as a network interface of lwIP. Nothing is copied on the way in, and on the way out only headers: each packet is a
 * small one with the headers, and in front of memory that the device reads where it is.
 */
#ifndef LWIP_VIONET_H
#define LWIP_VIONET_H

#include <lwip/netif.h>
#include <stdbool.h>
#include <vionet.h>

enum { LINK_BURST = 32 };

struct link {
	struct netif netif;
	uint16_t port;
	uint16_t pool;               /* of received packets, and of headers to be sent */
	const char *shared;          /* memory that the device may read, a pool with VIONET_POOL_REGION */
	size_t shared_length;
	bool copies;                 /* copy all that is sent, to compare */
	struct vionet_packet *packets[LINK_BURST]; /* to be sent */
	uint16_t waiting;            /* how many these are */
	bool refused_since;          /* lwIP has something to send again when there is room */
	uint64_t frames, bytes;      /* given to the port, with Ethernet headers */
	uint64_t headers, copied;    /* bytes of them that were copied: a packet's first pbuf, and all others */
	uint64_t refused;            /* frames that lwIP has to send again because the ring or the pool had no room */
};

/*
 * Opens a device and adds it to lwIP with that address. What is sent out of the given memory, which is that of a file, is
 * not copied. Ends the program if that fails.
 */
void link_open(struct link *link, const char *device, const char *address, unsigned prefix, char *shared, size_t length,
               int fd);

/* Gives lwIP what has come. Returns how many packets that were. */
unsigned link_receive(struct link *link);

/* Sends what lwIP has left. */
void link_send(struct link *link);

/* Closes the port and destroys its pools. Ends the program if a packet is missing. */
void link_close(struct link *link);

#endif
