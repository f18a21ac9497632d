/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vionet.h - drive virtio-net devices from user space
 *
 * A port is one virtio-net device, named by a small integer. Its life:
 *
 *     vionet_probe  find the device, connect or map it, read what it offers
 *     vionet_init   reset it, negotiate features, build its queues
 *     vionet_start  give it receive buffers, let packets flow
 *     vionet_rx_burst, vionet_tx_burst
 *     vionet_stop   take every buffer back
 *     vionet_close  forget the device; legal in every state, cannot fail
 *
 * vionet_open() does the first three with defaults.
 *
 * Errors: every call that returns int returns 0 or more, or a negative errno; vionet_error() then holds a sentence that
 * names the thing at fault. Bursts return counts only, and count what they drop by reason (vionet_queue_stats).
 * The library never prints, never aborts, installs no signal handler and starts a thread only for soft: devices.
 *
 * Threads: a queue is used by one thread at a time in each direction; different queues, and the receive and transmit
 * sides of one port, need no lock. Control calls on a port take that port's lock. Where a function differs, its
 * comment says so.
 *
 * Options structs start with their size: set it with VIONET_SIZED(struct type), leave the rest zero for defaults.
 * A longer struct from a newer header is accepted while the part unknown here is zero, refused with -E2BIG otherwise.
 */
#ifndef VIONET_H
#define VIONET_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VIONET_VERSION_MAJOR 0
#define VIONET_VERSION_MINOR 1
#define VIONET_VERSION_PATCH 0
/* 0xMMmmpp, as vionet_version_number() returns it. */
#define VIONET_VERSION ((VIONET_VERSION_MAJOR << 16) | (VIONET_VERSION_MINOR << 8) | VIONET_VERSION_PATCH)

/* Pointer marks for the Swift importer; nothing to a C or C++ compiler that lacks them. */
#ifdef __clang__
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wnullability-extension"
#define VIONET_NULLABLE _Nullable
#define VIONET_NONNULL _Nonnull
#else
#define VIONET_NULLABLE
#define VIONET_NONNULL
#endif

#ifdef __cplusplus
#define VIONET_SIZED(type) []{ type value_ = {}; value_.size = sizeof(type); return value_; }()
#else
/* An options struct that is zero but for its size: struct vionet_config c = VIONET_SIZED(struct vionet_config); */
#define VIONET_SIZED(type) ((type){.size = sizeof(type)})
#endif

#define VIONET_MAX_PORTS 256       /* ports open at one time */
#define VIONET_MAX_QUEUE_PAIRS 128 /* queue pairs of one port */
#define VIONET_MAX_POOLS 64        /* packet pools at one time */
#define VIONET_MAX_SEGMENTS 64     /* segments of one packet */
#define VIONET_PORT_NONE 0xffff    /* no port */
#define VIONET_HEADROOM 128        /* bytes before the data of a fresh packet; see vionet_info.header_size */
#define VIONET_DEVICE_LENGTH 512   /* longest device address, its final zero included */
#define VIONET_SKIPPED 1           /* vionet_probe, vionet_open: a device that its address leaves to others, no error */

/* ---- version, errors, log ---------------------------------------------------------------------------------------- */

/* The running library's version, "0.1.0". The string lives as long as the library. Any thread. Since 0.1. */
const char *VIONET_NONNULL vionet_version(void);

/* The running library's version as a number, to compare with VIONET_VERSION. Any thread. Since 0.1. */
uint32_t vionet_version_number(void);

/*
 * The sentence of this thread's last failed call, "" before the first. It stays valid until the same thread's next
 * failing call. Bursts never change it. Since 0.1.
 */
const char *VIONET_NONNULL vionet_error(void);

enum vionet_log_level {
	VIONET_LOG_OFF = 0,
	VIONET_LOG_ERROR = 1,
	VIONET_LOG_INFO = 2,
	VIONET_LOG_DEBUG = 3, /* every step of initialisation, every message to a back-end */
};

/*
 * Receives one line without its newline; the line is valid during the call only. May be called from any thread, and
 * must not call the library.
 */
typedef void (*vionet_log_callback)(int level, const char *VIONET_NONNULL line, void *VIONET_NULLABLE user);

/*
 * Sends log lines up to level to callback; NULL or VIONET_LOG_OFF silences the library, which is the default. With
 * VIONET_LOG=error, info or debug in the environment and no callback set, lines go to standard error.
 * Call it while no other call is running. Since 0.1.
 */
void vionet_log_set(int level, vionet_log_callback VIONET_NULLABLE callback, void *VIONET_NULLABLE user);

/* ---- a port's life ----------------------------------------------------------------------------------------------- */

/*
 * device addresses, "scheme:target,key=value,...":
 *
 *     pci:0000:00:05.0           a PCI function bound to vfio-pci or uio_pci_generic; the domain may be left out
 *     vhost-user:/run/x.sock     a vhost-user back-end that listens there (DPDK, Open vSwitch, vionet_soft_serve), or with
 *                                server=1 goes there
 *     vhost-net:NAME             the kernel's vhost (/dev/vhost-net) on the TAP interface of that name, made here and removed
 *                                at close, or there before and left there
 *     vhost-vdpa:/dev/vhost-vdpa-0   a vDPA device
 *     soft:loopback              a device in this process that gives back what it is sent
 *     soft:generate              ... that makes frames: length=64..9000, rate=packets/s (0 = all it can), flows=1..65536
 *     soft:sink                  ... that counts and forgets
 *     soft:tap=NAME              ... on a kernel TAP interface, made here and removed at close
 *     soft:pcap=IN,out=OUT       ... that replays one capture file and records another; either may be left out
 *     soft:pipe=NAME             ... joined to the other soft:pipe of that name
 *
 * keys of every scheme:
 *
 *     mac=02:00:00:00:00:01      this port's address, in place of the device's
 *     queue_size=256             descriptors per ring: 2 to 32768, a power of two unless packed_vq=1; a PCI device may
 *                                have fewer
 *     queues=1                   queue pairs, up to what the device has; of vhost-net: what the interface is to have
 *     packed_vq=0|1              packed rings if offered; without the key only on PCI
 *     in_order=0|1               buffers used in order if offered; without the key yes
 *     event_idx=0|1              each side says at which entry it wants a signal, if offered; without the key yes
 *     mrg_rxbuf=0|1              frames in several buffers if offered; without the key if they do not fit into one.
 *                                Where a device does not merge, such frames take several buffers of every descriptor:
 *                                with lro=1 34 of 1984 bytes, if the pool has as many
 *     rx_csum, lro, vlan_strip, vlan_filter=0|1   as VIONET_RX_CHECKSUM, _LRO, _VLAN_STRIP, _VLAN_FILTER of
 *                                vionet_config
 *     rss, rx_hash=0|1           as VIONET_RX_RSS, _HASH
 *     cq=0|1                     a back-end has a control queue that answers; without the key only on PCI and vhost-vdpa
 *     size_stats=0|1             1: vionet_xstats() tells of each queue's frames by size, too, for which bursts look at
 *                                every frame
 *     recover=auto|0             vionet_event_handle() restarts a port that broke, and meets the next back-end when one
 *                                is gone
 *     speed=Mbit/s               this port's speed, full duplex, in place of the device's: 1 to 2147483647
 *
 * of vhost-user: besides:
 *
 *     server=0|1                 1: listens on the socket, which is made here and removed by vionet_close(), for one
 *                                back-end after another. Nobody waits for it: see vionet_start()
 *
 * Of vhost-net: mac= is also the address of an interface that is made here. Of vhost-vdpa: a device is one port's, and is
 * reset by opening it.
 *
 * of pci: besides:
 *
 *     vdpa=0|1                   1: the device is meant for a vDPA driver, so vionet_probe() passes it over
 *
 * A key that is unknown, out of range or not served by this version is an error that names it.
 */

/*
 * Finds the device and reads what it offers. On success *port is its new number, the event VIONET_EVENT_NEW has been
 * delivered and the port is attached. Waits at most 5 s for each answer of a back-end.
 *
 * VIONET_SKIPPED the address has vdpa=1: the device exists and was left alone, *port is VIONET_PORT_NONE.
 * -EINVAL the address, a key or a value is wrong; -ENOTSUP this version does not serve the scheme, key or device;
 * -ENOENT, -ECONNREFUSED, -EACCES, -ENOTSOCK, -ENAMETOOLONG, -EMFILE the socket or interface cannot be opened;
 * -ETIMEDOUT, -EPROTO, -ECONNRESET the back-end is silent, talks nonsense, or left; -ENFILE no port is free; -ENOMEM;
 * -ENODEV no such PCI function, or none for us; -EBUSY another driver, process or port has it; -EACCES, -EPERM this user
 * may not have it. Any thread. Since 0.1.
 */
int vionet_probe(const char *VIONET_NULLABLE device, uint16_t *VIONET_NULLABLE port);

struct vionet_config {
	size_t size;
	uint16_t queue_pairs;    /* 0: as the address says, else 1 */
	uint16_t rx_descriptors; /* receive ring: 2 to 32768, a power of two unless packed; 0: as the address says, else 256 */
	uint16_t tx_descriptors; /* transmit ring, likewise */
	uint16_t pool;           /* receive buffers come from this pool; 0: a pool shared by all ports that say 0 */
	uint64_t features_off;   /* feature bits 0..63 not to accept though offered; a required one is -EINVAL */
	uint32_t rx_offloads;    /* enum vionet_rx_offload: what received packets may be like, where the device can */
	uint32_t reserved32;     /* zero */
	uint64_t reserved[3];    /* zero */
};

enum vionet_rx_offload {
	VIONET_RX_CHECKSUM = 1,   /* checksums checked by the device, or left for us to complete; see the packet's flags */
	VIONET_RX_LRO = 2,        /* packets of one flow joined to one of up to 64 KiB; brings VIONET_RX_CHECKSUM with it */
	VIONET_RX_VLAN_STRIP = 4, /* the tag taken out of the frame, in software */
	VIONET_RX_VLAN_FILTER = 8, /* without promiscuous mode no tagged frames but of vionet_vlan_filter_set()'s VLANs */
	VIONET_RX_RSS = 16,       /* the queue of a packet follows from a hash over its addresses: vionet_rss_set() */
	VIONET_RX_HASH = 32,      /* that hash in vionet_packet.hash */
};

/*
 * Resets the device, negotiates features and builds the queues. config may be NULL for defaults. May be called again
 * on a stopped port, with other settings. After any failure but -EBUSY the port is as after vionet_probe().
 *
 * -EINVAL config is wrong or the device refused what was agreed; -E2BIG config is newer than the library; -ENOTSUP the
 * device lacks a required feature (the sentence names the bit); -EBUSY the port is started, or the device refuses an
 * interrupt; -ENOBUFS the pool is too small for the rings of all ports that use it; -ENOMEM, also for a limit of locked
 * memory; -ERANGE memory out of the IOMMU's reach; -EBADF no such pool; -ENOSPC more pools are shared than a back-end
 * takes; -EIO the device asks for a reset, shows none (see vionet_stop), or contradicts itself; -ENODEV no such port, or
 * its device is gone; or as vionet_probe(). Since 0.1.
 */
int vionet_init(uint16_t port, const struct vionet_config *VIONET_NULLABLE config);

/*
 * Fills the receive rings and lets packets flow. Legal after vionet_init() and, again, after vionet_stop(), which
 * brings the device up anew with the settings of vionet_init().
 *
 * With server=1, and with recover=auto when a back-end was there before, it succeeds without a back-end too: the port is
 * in VIONET_STATE_WAITING, bursts return 0, and vionet_event_handle() goes on when one has come. What vionet_init() would
 * refuse for want of something of the device's is refused there.
 *
 * -EINVAL the port is not initialised; -EALREADY it is started; -ENODEV; -ENOBUFS; or as vionet_init(). Since 0.1.
 */
int vionet_start(uint16_t port);

/*
 * Stops the device and takes every buffer back, those still unsent included (they go to their pools). Bursts on other
 * threads return 0 from then on. Statistics stay. A port that is not started is left as it is, which is no error.
 *
 * -ENODEV no such port; -ETIMEDOUT a thread stayed inside a burst for 3 s and nothing was changed; -EIO a PCI device
 * shows no reset, by its own registers or by way of the bus: the port is stopped, and what the device has of it is kept
 * from everybody until vionet_init() or vionet_start() finds it reset, or vionet_close() takes the function away from it.
 * (Where no IOMMU guards its memory that stays for as long as the process does.) Since 0.1.
 */
int vionet_stop(uint16_t port);

/* Stops the port if need be and frees all it held. Any number is legal, closed ones included. Since 0.1. */
void vionet_close(uint16_t port);

/*
 * vionet_probe, vionet_init with defaults, vionet_start. After a failure no port is left. Errors and VIONET_SKIPPED as
 * theirs. Since 0.1.
 */
int vionet_open(const char *VIONET_NULLABLE device, uint16_t *VIONET_NULLABLE port);

/* The first open port numbered from or above, VIONET_PORT_NONE when there is none. Any thread. Since 0.1. */
uint16_t vionet_port_next(uint16_t from);

#define VIONET_FOREACH_PORT(p) \
	for (uint16_t p = vionet_port_next(0); p != VIONET_PORT_NONE; p = vionet_port_next((uint16_t)(p + 1)))

enum vionet_state {
	VIONET_STATE_ATTACHED = 1,    /* after vionet_probe */
	VIONET_STATE_INITIALISED = 2, /* after vionet_init */
	VIONET_STATE_STARTED = 3,
	VIONET_STATE_STOPPED = 4,
	VIONET_STATE_BROKEN = 5, /* the device broke the rules or is gone; vionet_stop and vionet_init may revive it */
	VIONET_STATE_WAITING = 6, /* started, and its back-end is not there yet or no more; vionet_event_handle() meets it */
};

enum vionet_ring {
	VIONET_RING_NONE = 0, /* not initialised */
	VIONET_RING_SPLIT = 1,
	VIONET_RING_PACKED = 2,
};

enum vionet_duplex {
	VIONET_DUPLEX_UNKNOWN = 0,
	VIONET_DUPLEX_HALF = 1,
	VIONET_DUPLEX_FULL = 2,
};

struct vionet_info {
	size_t size;
	uint64_t offered[2];    /* feature bits of the device, bit n in word n / 64 */
	uint64_t negotiated[2]; /* feature bits in use, 0 before vionet_init */
	uint32_t state;         /* enum vionet_state */
	uint32_t ring;          /* enum vionet_ring */
	uint16_t queue_pairs;
	uint16_t max_queue_pairs;
	uint16_t rx_descriptors;
	uint16_t tx_descriptors;
	uint16_t header_size; /* bytes of virtio-net header before each frame: headroom that a packet to be sent must have */
	uint16_t mtu;         /* largest packet after the Ethernet header */
	uint16_t pool;        /* pool of the receive buffers, 0 before vionet_init */
	uint8_t link_up;      /* 1 up or unknown, 0 down; as of the last bring-up or vionet_event_handle() */
	uint8_t mac_random;   /* 1: neither device nor address gave a MAC */
	uint8_t mac[6];
	uint8_t duplex;   /* enum vionet_duplex */
	uint8_t reserved;
	uint32_t start_microseconds; /* how long vionet_probe and the last vionet_init and _start took together */
	char device[VIONET_DEVICE_LENGTH];
	char rx_path[32]; /* burst function in use, "rx-split-plain"; "" before vionet_start */
	char tx_path[32];
	uint32_t speed; /* of the link in Mbit/s; 0: neither the device nor the address says, or the device does not know */
	uint32_t reserved32;
};

/*
 * Fills *info, whose size must be set: only that many bytes are written. -ENODEV, -EINVAL. Any thread. Since 0.1.
 */
int vionet_info(uint16_t port, struct vionet_info *VIONET_NULLABLE info);

/* The name of a feature bit of virtio-net, "VIRTIO_NET_F_MAC"; NULL if it has none. Any thread. Since 0.1. */
const char *VIONET_NULLABLE vionet_feature_name(unsigned int bit);

/* ---- devices of this machine ------------------------------------------------------------------------------------- */

enum vionet_device_kind {
	VIONET_DEVICE_TRANSITIONAL = 1, /* PCI 1af4:1000: has legacy registers, and as a rule modern ones too */
	VIONET_DEVICE_MODERN = 2,       /* PCI 1af4:1041 */
	VIONET_DEVICE_VDPA = 3,         /* a vDPA device, of whatever kind: that is not seen from outside */
};

struct vionet_device {
	size_t size;
	uint32_t kind;       /* enum vionet_device_kind */
	int32_t iommu_group; /* -1: in none */
	uint8_t ready;       /* 1: nothing that can be seen from outside keeps vionet_probe() from taking it */
	uint8_t reserved[7];
	char address[32];    /* for vionet_probe(): "pci:0000:00:05.0", "vhost-vdpa:/dev/vhost-vdpa-0" */
	char driver[32];     /* "virtio-pci", "vfio-pci", "uio_pci_generic", "vhost_vdpa" or another that has it; "" if none */
	char interface[16]; /* the kernel's, while its driver has it: "eth0"; "" if it has none */
	char reason[256];   /* why not ready, and which command mends it; "" if ready */
};

/*
 * Lists every virtio-net PCI function of the machine, in the order of their addresses, bound to whatever driver, then every
 * vDPA device that has a /dev/vhost-vdpa-N, up to 64, and returns how many there are, which may be more than count. Set the size of the first element: it is how far apart the
 * elements are, and is put into each that is filled. list may be NULL when count is 0.
 *
 *     struct vionet_device list[64] = {VIONET_SIZED(struct vionet_device)};
 *     int found = vionet_devices(list, 64);
 *
 * Looks at sysfs and at permissions only: no device is opened or changed, so that one which another process has taken
 * hold of counts as ready. -EINVAL list is NULL or its size is wrong; -ENOENT, -EACCES sysfs is not to be read;
 * -ENOMEM. Any thread. Since 0.1.
 */
int vionet_devices(struct vionet_device *VIONET_NULLABLE list, size_t count);

/* ---- events ------------------------------------------------------------------------------------------------------ */

enum vionet_event {
	VIONET_EVENT_NEW = 1,    /* a port was probed; its state becomes attached after the callbacks return */
	VIONET_EVENT_BROKEN = 2, /* the device broke the rules on a queue, which moves nothing from now on */
	VIONET_EVENT_GONE = 3,   /* the back-end closed its connection, or the function is unplugged, as some call or vionet_event_handle() noticed */
	VIONET_EVENT_CLOSED = 4, /* the port is about to be forgotten */
	/* The following are noticed by vionet_event_handle() only. */
	VIONET_EVENT_LINK = 5,        /* the link went up or down: vionet_info.link_up */
	VIONET_EVENT_ANNOUNCE = 6,    /* the network should hear of us anew: vionet_announce() */
	VIONET_EVENT_NEEDS_RESET = 7, /* the device, or one of its rings, cannot go on: vionet_stop and vionet_start */
	VIONET_EVENT_RECOVERED = 8,   /* recover=auto: that was done */
	VIONET_EVENT_CONNECTED = 9,   /* a port that waited has a back-end, the first one or the next: packets flow */
};

/*
 * Called on the thread that caused or noticed the event; it may read the port but not change it. One that is being
 * removed by another thread may be called once more.
 */
typedef void (*vionet_event_callback)(uint16_t port, int event, void *VIONET_NULLABLE user);

/* Adds a callback for the events of all ports; 8 at most. -EINVAL NULL; -ENOSPC. Any thread. Since 0.1. */
int vionet_event_add(vionet_event_callback VIONET_NULLABLE callback, void *VIONET_NULLABLE user);

/* Removes what vionet_event_add() added with the same two arguments. -ENOENT. Any thread. Since 0.1. */
int vionet_event_remove(vionet_event_callback VIONET_NULLABLE callback, void *VIONET_NULLABLE user);

/*
 * A file descriptor that becomes readable when something is new about a started port: its configuration changed, the
 * back-end went away or another has come, a queue broke. Then call vionet_event_handle(). The library owns it; it stays the same from
 * vionet_start() to vionet_stop(). -ENODEV, -EINVAL not started. Any thread. Since 0.1.
 */
int vionet_event_fd(uint16_t port);

/*
 * Looks what is new about a started port and delivers it to the callbacks, on this thread; also where the device cannot
 * tell by itself and somebody has to look now and then. The wish for an announcement is acknowledged after the callbacks.
 * With recover=auto in the address a broken queue or a device that needs a reset is stopped and started again, while
 * bursts on other threads return 0.
 *
 * With recover=auto or server=1 a back-end that is gone is let go, VIONET_EVENT_GONE is delivered, and the port waits for
 * the next one: VIONET_STATE_WAITING. vionet_event_fd() says when to look for it, and VIONET_EVENT_CONNECTED that it is
 * there. No call waits for a back-end that does not listen or says nothing. Meanwhile vionet_rx_burst() returns what had
 * been received, then 0; vionet_tx_burst() returns 0. Every restart keeps what the rings had: packets not shown as sent
 * go to the next device, in order (those that the one before had taken up without saying so go out twice), received ones
 * are fetched once. The descriptors of vionet_event_fd() and vionet_rx_fd() stay. The device must offer again what was
 * negotiated at the start, but for what only rings have (packed, in order, EVENT_IDX, INDIRECT_DESC, MRG_RXBUF).
 *
 * A PCI function that is about to be unplugged, or was, is gone (VFIO alone tells of it beforehand): VIONET_EVENT_GONE
 * comes, and other calls that would ask it return -ENODEV. With vfio-pci the system waits with the removal until
 * vionet_close(); with uio_pci_generic for nobody.
 *
 * Returns how many events there were. -ENODEV no such port, or its PCI function was already known to be gone; -EINVAL not started; -ETIMEDOUT the device does not answer, or a thread
 * stayed inside a burst for 3 s; -EPROTO it came back without a feature, which the sentence names (a port that waits goes
 * on waiting, for one that has it); or as vionet_start(). Any thread. Since 0.1.
 */
int vionet_event_handle(uint16_t port);

/*
 * Tells the network where the port's address is now: sends a RARP request from it, by which switches learn, and a
 * gratuitous ARP request for each of count IPv4 addresses of 4 bytes in network order, by which hosts do; addresses may be
 * NULL if count is 0. To be called when VIONET_EVENT_ANNOUNCE comes, also from its callback if that runs on the right
 * thread, or after the link came back or the address was set. (A back-end that is told by a message, as one met anew is,
 * needs none.)
 *
 * The frames go through that transmit queue, so that this is for its sending thread only. -ENODEV; -EINVAL not started, no
 * such queue in use, addresses is NULL; -ENOTCONN no back-end is there; -ENOBUFS pool or ring had no room for all of them.
 * Since 0.1.
 */
int vionet_announce(uint16_t port, uint16_t queue, const uint8_t *VIONET_NULLABLE addresses, size_t count);

/* ---- packets ----------------------------------------------------------------------------------------------------- */

/*
 * vionet_packet.flags. What is set on a received packet can be sent as it is, if that port's device offers the same:
 * then a forwarder need not look at it. Bits 8 to 15 are one number, the kind of packet that is to be cut, or was joined,
 * and VIONET_PACKET_ECN beside it. Bits 24 to 31 are the hash's report type (virtio 1.4, 5.1.9.4.5).
 */
enum vionet_packet_flag {
	/*
	 * The transport checksum is to be completed: over everything from checksum_start on, stored checksum_offset behind
	 * it, where the pseudo-header's sum stands. On a sent packet with checksum_start 0 vionet_tx_prepare() finds both.
	 */
	VIONET_PACKET_CHECKSUM_PARTIAL = 1 << 0,
	VIONET_PACKET_CHECKSUM_GOOD = 1 << 1, /* rx: the device vouches for it */
	VIONET_PACKET_TCP4 = 1 << 8,          /* TCP over IPv4, in segments of segment_size; needs CHECKSUM_PARTIAL */
	VIONET_PACKET_TCP6 = 4 << 8,          /* TCP over IPv6 */
	VIONET_PACKET_UDP = 5 << 8,           /* UDP */
	VIONET_PACKET_SEGMENTS = 0x7f << 8,   /* mask of these three */
	VIONET_PACKET_ECN = 0x80 << 8,        /* TCP with the CWR bit in its first segment only */
	VIONET_PACKET_VLAN = 1 << 16,         /* rx: the tag was taken out; tx: the tag in vlan is to be put in */
	VIONET_PACKET_HASH = 1 << 17,         /* rx: hash is valid */
};

/*
 * One buffer of a packet: 64 bytes, one cache line, in private memory; its data is in memory shared with the device.
 * A packet of several buffers is a list through next; the head counts the whole of it. Change data, length and
 * headroom with the helpers below, which keep them true to one another.
 */
struct vionet_packet {
	void *VIONET_NONNULL data;                   /*  0: first byte of this segment's data */
	struct vionet_packet *VIONET_NULLABLE next;  /*  8: next segment, NULL in the last */
	uint32_t length;                             /* 16: bytes of data in this segment */
	uint32_t total_length;                       /* 20: bytes in all segments; in the head only */
	uint32_t flags;                              /* 24: enum vionet_packet_flag; in the head only */
	uint32_t hash;                               /* 28: receive hash, 0 when there is none */
	uint16_t port;                               /* 32: port it was received on */
	uint16_t segments;                           /* 34: segments from this one on; in the head only */
	uint16_t references;                         /* 36: library's own: see vionet_packet_reference */
	uint8_t pool;                                /* 38: pool it belongs to; read only */
	uint8_t owner;                               /* 39: library's own: who holds it */
	uint16_t header_length;                      /* 40: bytes of all headers, for segmentation offload; rx: a hint */
	uint16_t segment_size;                       /* 42: bytes of payload per segment of segmentation offload */
	uint16_t checksum_start;                     /* 44: where the checksum to complete starts, from data */
	uint16_t checksum_offset;                    /* 46: where it is stored, from checksum_start */
	uint64_t device_address;                     /* 48: library's own: where the device sees the buffer */
	uint32_t size;                               /* 56: bytes of the whole buffer, headroom included; read only */
	uint16_t vlan;                               /* 60: VLAN tag control information */
	uint16_t headroom;                           /* 62: bytes before data that may be used */
};

#if defined(__cplusplus)
static_assert(sizeof(struct vionet_packet) == 64, "a packet is one cache line");
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
_Static_assert(sizeof(struct vionet_packet) == 64, "a packet is one cache line");
_Static_assert(offsetof(struct vionet_packet, port) == 32, "the second half starts with the port");
_Static_assert(offsetof(struct vionet_packet, headroom) == 62, "headroom comes last");
#endif

struct vionet_pool_config {
	size_t size;
	/* 16 to 16777216; 0: 16384, or as many as fit into memory. A queue pair takes its receive ring and up to 768. */
	uint32_t packets;
	uint32_t data_size; /* bytes after VIONET_HEADROOM, 64 to 65536; 0: 1984 */
	uint32_t flags;     /* enum vionet_pool_flag */
	int memory_fd;      /* the file behind memory; -1 for a pool that no other process may see: for PCI devices alone */
	/*
	 * The caller's own memory, page-aligned and shared; NULL: the library makes it. Seal its file against shrinking
	 * (F_SEAL_SHRINK): a back-end that cuts it short would end the process with SIGBUS.
	 */
	void *VIONET_NULLABLE memory;
	size_t memory_length;         /* bytes of it; the caller keeps it mapped until the pool is destroyed */
	uint64_t memory_offset;       /* where in the file it starts */
	uint64_t reserved[2];         /* zero */
};

enum vionet_pool_flag {
	VIONET_POOL_NO_HUGEPAGES = 1, /* plain pages even if hugepages are free */
};

/*
 * Makes a pool of packets in a sealed memfd, on hugepages if the system has some to spare, or in the caller's memory,
 * whose file descriptor is duplicated. *pool is its number, never 0.
 * -EINVAL, -E2BIG a wrong setting, named; -ENOMEM; -ENFILE no pool is free. Any thread. Since 0.1.
 */
int vionet_pool_create(const struct vionet_pool_config *VIONET_NULLABLE config, uint16_t *VIONET_NULLABLE pool);

/* -EBUSY a port uses the pool or packets of it are not back; -EBADF no such pool. Any thread. Since 0.1. */
int vionet_pool_destroy(uint16_t pool);

struct vionet_pool_info {
	size_t size;
	uint32_t packets;   /* in all */
	uint32_t available; /* in the pool now; what queues keep in their caches is not counted */
	uint32_t data_size; /* bytes after VIONET_HEADROOM */
	uint32_t hugepages; /* bytes of one page of its memory if larger than the system's plain ones, else 0 */
	uint64_t refused;   /* frees refused: double, foreign, of a packet in a ring */
	uint64_t memory;    /* bytes of shared memory */
};

/* Fills *info, whose size must be set. -EBADF, -EINVAL. Any thread. Since 0.1. */
int vionet_pool_info(uint16_t pool, struct vionet_pool_info *VIONET_NULLABLE info);

/*
 * Shares a pool's memory with a port's device, so that packets of it can be sent there. The pool named in
 * vionet_config needs no such call. Before vionet_start() only. -ENODEV, -EBADF, -EBUSY, -ENOSPC. Since 0.1.
 */
int vionet_pool_share(uint16_t pool, uint16_t port);

/* One packet with VIONET_HEADROOM and no data, or NULL when the pool is empty. Pool 0 is the shared one. Any thread. */
struct vionet_packet *VIONET_NULLABLE vionet_packet_alloc(uint16_t pool); /* Since 0.1. */

/* count packets or none: returns count or 0. Any thread. Since 0.1. */
uint16_t vionet_packet_alloc_bulk(uint16_t pool, struct vionet_packet *VIONET_NULLABLE *VIONET_NULLABLE packets,
                                  uint16_t count);

/*
 * Drops one reference of each segment; a segment with none left goes back to its pool. NULL is ignored. What is not
 * a packet of the caller's (a stranger, already free, in a ring) is refused and counted (vionet_pool_info.refused,
 * pool 0 counts the strangers). Any thread. Since 0.1.
 */
void vionet_packet_free(struct vionet_packet *VIONET_NULLABLE packet);

/* vionet_packet_free of each. Any thread. Since 0.1. */
void vionet_packet_free_bulk(struct vionet_packet *VIONET_NULLABLE *VIONET_NULLABLE packets, uint16_t count);

/*
 * One more reference to every segment, so that the packet outlives one more free. A packet with more than one may be
 * sent, but its data must not be changed. -EINVAL not a packet of the caller's; -EOVERFLOW. Any thread. Since 0.1.
 */
int vionet_packet_reference(struct vionet_packet *VIONET_NULLABLE packet);

/* Bytes free behind the data of one segment. Since 0.1. */
static inline uint32_t vionet_packet_tailroom(const struct vionet_packet *VIONET_NONNULL packet)
{
	return packet->size - packet->headroom - packet->length;
}

/* Moves the data's start n bytes back and returns it; NULL if there is no such headroom. Since 0.1. */
static inline void *VIONET_NULLABLE vionet_packet_prepend(struct vionet_packet *VIONET_NONNULL packet, uint16_t n)
{
	if (n > packet->headroom)
		return NULL;
	packet->data = (char *)packet->data - n;
	packet->headroom = (uint16_t)(packet->headroom - n);
	packet->length += n;
	packet->total_length += n;
	return packet->data;
}

/* Cuts n bytes off the first segment's start and returns the new start; NULL if it has not so many. Since 0.1. */
static inline void *VIONET_NULLABLE vionet_packet_adjust(struct vionet_packet *VIONET_NONNULL packet, uint16_t n)
{
	if (n > packet->length || (uint32_t)packet->headroom + n > 0xffff)
		return NULL;
	packet->data = (char *)packet->data + n;
	packet->headroom = (uint16_t)(packet->headroom + n);
	packet->length -= n;
	packet->total_length -= n;
	return packet->data;
}

/* Lengthens a packet of one segment by n bytes and returns where they start; NULL if there is no room. Since 0.1. */
static inline void *VIONET_NULLABLE vionet_packet_append(struct vionet_packet *VIONET_NONNULL packet, uint32_t n)
{
	char *tail = (char *)packet->data + packet->length;
	if (packet->next != NULL || n > vionet_packet_tailroom(packet))
		return NULL;
	packet->length += n;
	packet->total_length += n;
	return tail;
}

/* Shortens a packet of one segment by n bytes. 0, or -1 if it has not so many. Since 0.1. */
static inline int vionet_packet_trim(struct vionet_packet *VIONET_NONNULL packet, uint32_t n)
{
	if (packet->next != NULL || n > packet->length)
		return -1;
	packet->length -= n;
	packet->total_length -= n;
	return 0;
}

/* Hangs packet tail behind packet head; head owns it then. 0, or -1 if that makes too many segments. Since 0.1. */
static inline int vionet_packet_chain(struct vionet_packet *VIONET_NONNULL head,
                                      struct vionet_packet *VIONET_NONNULL tail)
{
	struct vionet_packet *last = head;
	if ((uint32_t)head->segments + tail->segments > VIONET_MAX_SEGMENTS)
		return -1;
	while (last->next != NULL)
		last = last->next;
	last->next = tail;
	head->segments = (uint16_t)(head->segments + tail->segments);
	head->total_length += tail->total_length;
	return 0;
}

/* ---- bursts ------------------------------------------------------------------------------------------------------ */

/*
 * Takes up to count received packets, which are the caller's from then on, and gives the device fresh buffers.
 * Returns how many; 0 also for a port that is closed or stopped, and of a queue that is broken. A burst does not look
 * whether the device is still there: of one that is gone it returns what that had received. One thread per queue.
 * Since 0.1.
 */
uint16_t vionet_rx_burst(uint16_t port, uint16_t queue, struct vionet_packet *VIONET_NULLABLE *VIONET_NULLABLE packets,
                         uint16_t count);

/*
 * Hands packets to the device, in order, and returns how many it took: those are the library's, which frees them once
 * they are sent, in later bursts on the same queue: up to 128 sent ones may stay in the ring until then, and a burst of
 * count 0 (packets may be NULL then) collects those too. The rest stay the caller's. A packet that cannot be sent at all
 * is taken too, dropped and counted by reason (vionet_queue_stats). The ring of a device that is gone takes what it has
 * room for. The 20 bytes before a packet's data may be cleared, for the header. One thread per queue. Since 0.1.
 */
uint16_t vionet_tx_burst(uint16_t port, uint16_t queue, struct vionet_packet *VIONET_NULLABLE *VIONET_NULLABLE packets,
                         uint16_t count);

/*
 * Makes packets ready for what their flags ask: finds checksum_start and checksum_offset where they are 0, puts the
 * pseudo-header's sum in place, finds header_length. Needed before vionet_tx_burst() only for packets that ask and were
 * not received that way. Returns how many of them, from the first on, can be sent; if not all, vionet_error() says what
 * is wrong with the next. The packets stay the caller's. One thread per queue. Since 0.1.
 */
uint16_t vionet_tx_prepare(uint16_t port, uint16_t queue,
                           struct vionet_packet *VIONET_NULLABLE *VIONET_NULLABLE packets, uint16_t count);

/*
 * Frees the packets that the device has sent, all of them, and returns how many descriptors that were. Bursts do so by
 * themselves; this is for a pool that runs short while nothing is sent. The queue's sending thread only. Since 0.1.
 */
uint16_t vionet_tx_done(uint16_t port, uint16_t queue);

/*
 * A file descriptor that becomes readable when packets arrive on an armed queue or the back-end goes away, for poll or
 * epoll. The library owns it; it stays the same from vionet_start() to vionet_stop(). -ENODEV no such port, -EINVAL no
 * such queue or not started, -ENOTSUP the device signals no interrupts. Since 0.1.
 */
int vionet_rx_fd(uint16_t port, uint16_t queue);

/*
 * Asks for one wake-up through vionet_rx_fd(). Returns 0 when armed, or 1 if packets already wait: then call
 * vionet_rx_burst() and do not sleep. Clears the descriptor. A burst that finds packets disarms. The queue's
 * receiving thread only; with an empty pool nothing may come until packets are freed, so sleep with a time-out.
 * -ENODEV also: the PCI function is gone, whatever waits; -EINVAL, -ENOTSUP as vionet_rx_fd(); -ENOTCONN the back-end is
 * gone and nothing waits, or the queue is broken: nothing more will come before a new vionet_start(), or
 * vionet_event_handle() where that sees to it. Since 0.1.
 */
int vionet_rx_arm(uint16_t port, uint16_t queue);

/*
 * Sleeps until packets wait in the queue, at most so many milliseconds, for ever if negative: vionet_rx_arm() and poll()
 * in one, and as a rule in one system call. 1 when packets wait, or something else woke it twice; 0 when the time is over or
 * a signal came. The queue's receiving thread only. Errors as vionet_rx_arm(), also of what happened meanwhile. Since 0.1.
 */
int vionet_rx_wait(uint16_t port, uint16_t queue, int milliseconds);

/* ---- statistics -------------------------------------------------------------------------------------------------- */

enum vionet_drop {
	VIONET_DROP_SHORT = 0,    /* rx: the device used less than a header and an Ethernet header */
	VIONET_DROP_LONG = 1,     /* rx: more than the buffer; tx: more than MTU and headers, or not inside its buffer */
	VIONET_DROP_SEGMENTS = 2, /* tx: more segments than the ring or VIONET_MAX_SEGMENTS, or a count that is not true */
	VIONET_DROP_FOREIGN = 3,  /* tx: not a packet of the caller's, or of a pool not shared with this port */
	VIONET_DROP_EMPTY = 4,    /* tx: less than an Ethernet header, or a segment without data */
	VIONET_DROP_OFFLOAD = 5,  /* tx: asks for what was not negotiated; rx: a header that makes no sense */
	VIONET_DROP_STOPPED = 6,  /* at vionet_stop; rx: not fetched; tx: not known to be sent, though counted so */
	VIONET_DROP_REASONS = 8,
};

struct vionet_queue_stats {
	size_t size;
	uint64_t packets;
	uint64_t bytes; /* of frames, without virtio-net headers */
	uint64_t dropped[VIONET_DROP_REASONS];
	uint64_t no_buffer;  /* rx: times a buffer could not be replaced because the pool was empty */
	uint64_t ring_full;  /* tx: packets given back to the caller for want of room */
	uint64_t kicks;      /* notifications sent to the device */
	uint64_t broken;     /* 1 if the device broke the rules on this queue */
};

struct vionet_stats {
	size_t size;
	struct vionet_queue_stats rx, tx; /* all queues added up; their size fields are not used */
};

/* Totals of a port since vionet_probe() or the last reset. -ENODEV, -EINVAL. Any thread. Since 0.1. */
int vionet_stats(uint16_t port, struct vionet_stats *VIONET_NULLABLE stats);

/* One receive queue. -ENODEV no such port, -EINVAL no such queue. Any thread. Since 0.1. */
int vionet_rx_queue_stats(uint16_t port, uint16_t queue, struct vionet_queue_stats *VIONET_NULLABLE stats);

/* One transmit queue. -ENODEV no such port, -EINVAL no such queue. Any thread. Since 0.1. */
int vionet_tx_queue_stats(uint16_t port, uint16_t queue, struct vionet_queue_stats *VIONET_NULLABLE stats);

/*
 * Extended statistics, each with a number from 0 on and a name, which stay as they are from one vionet_init() to the
 * next: of the port, such as rx_good_packets; of each queue, such as tx_q0_ring_full, rx_q1_drop_short (enum
 * vionet_drop), rx_q0_interrupts, rx_q0_wakeups; and of the device where it negotiated VIRTIO_NET_F_DEVICE_STATS, such as
 * rx_q0_device_drops. With size_stats=1 in the address there are for each queue, as DPDK names them, undersize_packets
 * (of less than 64 bytes), size_64_packets, size_65_127_packets, size_128_255_packets, size_256_511_packets,
 * size_512_1023_packets, size_1024_1518_packets, size_1519_max_packets, and by destination multicast_packets and
 * broadcast_packets, of which the first has not the second. Interrupts and wake-ups are taken note of by the next vionet_rx_arm(), or
 * vionet_rx_wait() that sleeps; interrupts that came between two of these are one.
 */
#define VIONET_XSTAT_NAME 48 /* bytes of the longest name, its end included */

/*
 * Writes the values of the first count of them and returns how many there are: values may be NULL if count is 0. The
 * device's own are fetched by a command for each queue, are 0 while there is none to ask, and know no reset.
 * -ENODEV, -EINVAL; of that command -EIO, -ETIMEDOUT, -ENOTCONN. Any thread. Since 0.1.
 */
int vionet_xstats(uint16_t port, uint64_t *VIONET_NULLABLE values, uint32_t count);

/* Writes the name of one of them. -ENODEV; -EINVAL no such number, name is NULL; -ENOSPC. Any thread. Since 0.1. */
int vionet_xstat_name(uint16_t port, uint32_t id, char *VIONET_NULLABLE name, size_t room);

/* The number of a name. -ENODEV; -EINVAL name is NULL; -ENOENT no such name. Any thread. Since 0.1. */
int vionet_xstat_id(uint16_t port, const char *VIONET_NULLABLE name);

/* Starts counting from zero again. -ENODEV. Any thread. Since 0.1. */
int vionet_stats_reset(uint16_t port);

/* The name of a drop reason, "short"; NULL if it has none. Any thread. Since 0.1. */
const char *VIONET_NULLABLE vionet_drop_name(unsigned int reason);

/* ---- settings of a port ------------------------------------------------------------------------------------------ */

/*
 * Settings may be changed while packets flow. While a started port's device is asked, bursts are not held up, nor are
 * vionet_rx_fd(), _rx_arm(), _rx_wait(), _event_fd(), _info() and the calls for statistics, but those that ask the device
 * too (vionet_xstats and its two others); all other calls wait. All of them are of the device's making, and go to it as commands on its control queue, for
 * whose answer each call waits at most 3 s. They are legal from vionet_init()
 * on. vionet_stop() and a lost connection do not undo them: each vionet_start() tells the device anew, and fails if it
 * does not take them. On a stopped port they are noted for the next vionet_start(). vionet_init() forgets them.
 *
 * All return, besides what their own comments say: -ENODEV no such port, or its PCI function is gone; -EINVAL the port
 * is not initialised, or an argument is wrong; -ENOTSUP the device lacks a feature, which the sentence names, or it was
 * not asked for; -EIO the device refused the command; -ETIMEDOUT it does not answer, and will be told nothing more
 * before the next vionet_start(); -ENOTCONN the back-end is gone. After a failure the setting is what it was.
 * Any thread, and one call at a time on a port: others wait.
 */

/*
 * Receives all frames, or only those for us: to the port's address, to those of vionet_mac_list_set(), broadcast. Until the
 * first call a device does as it likes, which for most is to pass everything. VIRTIO_NET_F_CTRL_RX. Since 0.1.
 */
int vionet_promiscuous_set(uint16_t port, int on);

/* Receives every multicast frame, or only those listed. VIRTIO_NET_F_CTRL_RX. Since 0.1. */
int vionet_all_multicast_set(uint16_t port, int on);

enum vionet_filter {
	VIONET_FILTER_ALL_UNICAST = 1 << 2,  /* every unicast frame passes */
	VIONET_FILTER_NO_MULTICAST = 1 << 3, /* no multicast frame passes */
	VIONET_FILTER_NO_UNICAST = 1 << 4,
	VIONET_FILTER_NO_BROADCAST = 1 << 5,
};

/* Sets these four, flags being those that are on, of enum vionet_filter. VIRTIO_NET_F_CTRL_RX_EXTRA. Since 0.1. */
int vionet_rx_filter_set(uint16_t port, uint32_t flags);

/*
 * Gives the port another address of 6 bytes: no group's, not all zero. VIRTIO_NET_F_CTRL_MAC_ADDR; a legacy PCI device
 * does without. Since 0.1.
 */
int vionet_mac_set(uint16_t port, const uint8_t *VIONET_NULLABLE mac);

/*
 * Sets the addresses besides the port's own whose frames it receives, in place of the last list: count of them, 6 bytes
 * each and nothing in between, unicast and multicast in any order, at most 65535; 0 and NULL for none. Where the device
 * has no room for them, all unicast frames are let pass, or all multicast ones, or both, which the log tells.
 * VIRTIO_NET_F_CTRL_RX. -ENOMEM. Since 0.1.
 */
int vionet_mac_list_set(uint16_t port, const uint8_t *VIONET_NULLABLE list, size_t count);

/*
 * Lets frames of VLAN id (0 to 4095) pass, or no more. VIRTIO_NET_F_CTRL_VLAN, which is negotiated only with
 * VIONET_RX_VLAN_FILTER, since with it a device passes no tagged frame that it was not told of; as a rule it passes all
 * in promiscuous mode. Since 0.1.
 */
int vionet_vlan_filter_set(uint16_t port, uint16_t id, int on);

/*
 * How many of the port's queue pairs are in use: 1 to as many as it was initialised with. With fewer than before
 * nothing new is received on the last ones, though what is there can still be fetched, and vionet_tx_burst() on them
 * takes no packets; it first waits up to 100 ms for those it took to be sent. -ETIMEDOUT also: a thread stayed inside a
 * burst for 3 s. Since 0.1.
 */
int vionet_queue_pairs_set(uint16_t port, uint16_t pairs);

/*
 * The largest packet that is sent, after the Ethernet header: 68 to what the device gives with VIRTIO_NET_F_MTU, or else
 * to what receive buffers hold. vionet_info.mtu is the one in force. Since 0.1.
 */
int vionet_mtu_set(uint16_t port, uint16_t mtu);

enum vionet_hash {
	VIONET_HASH_IPV4 = 1 << 0, /* addresses of IPv4 packets without one of the next two */
	VIONET_HASH_TCP4 = 1 << 1, /* addresses and ports */
	VIONET_HASH_UDP4 = 1 << 2,
	VIONET_HASH_IPV6 = 1 << 3,
	VIONET_HASH_TCP6 = 1 << 4,
	VIONET_HASH_UDP6 = 1 << 5,
	VIONET_HASH_IPV6_EX = 1 << 6, /* the three of IPv6 with its extension headers looked into */
	VIONET_HASH_TCP6_EX = 1 << 7,
	VIONET_HASH_UDP6_EX = 1 << 8,
};

struct vionet_rss {
	size_t size;
	uint8_t *VIONET_NULLABLE key;    /* of the Toeplitz hash; only read by vionet_rss_set() */
	uint16_t *VIONET_NULLABLE table; /* receive queues, by the lowest bits of the hash; likewise */
	uint32_t hash_types;           /* enum vionet_hash; set: 0 for all that the device knows */
	uint16_t table_length;         /* entries, a power of two; set: 0 for the queues in use in turns */
	uint16_t unclassified_queue;   /* for packets that have no hash */
	uint8_t key_length;            /* bytes; set: 0 to keep the key there is, a random one at first */
	uint8_t max_key_length;        /* these three are what the device knows, filled by vionet_rss_get() */
	uint16_t max_table_length;
	uint32_t supported_hash_types;
};

/*
 * Sets which received packets have a hash and how it chooses their queue. VIRTIO_NET_F_RSS, which is negotiated with
 * VIONET_RX_RSS; for key and hash_types VIRTIO_NET_F_HASH_REPORT is enough, negotiated with VIONET_RX_HASH. From the
 * start all that the device knows is hashed. A table names queues in use only: set another before vionet_queue_pairs_set()
 * leaves one of them out. -E2BIG *rss is newer than the library; -ENOMEM. Since 0.1.
 */
int vionet_rss_set(uint16_t port, const struct vionet_rss *VIONET_NULLABLE rss);

/*
 * Fills *rss, whose size must be set, with what is in use. key_length and table_length say beforehand how much room key
 * and table have, which may be 0, and afterwards how much there is: more than was copied if the room is less. Since 0.1.
 */
int vionet_rss_get(uint16_t port, struct vionet_rss *VIONET_NULLABLE rss);

/*
 * Switches VIONET_RX_CHECKSUM and VIONET_RX_LRO, as far as vionet_init() got them, off and on again; the other bits as
 * in vionet_config. Packets that are already on their way come as before. VIRTIO_NET_F_CTRL_GUEST_OFFLOADS. Since 0.1.
 */
int vionet_rx_offloads_set(uint16_t port, uint32_t offloads);

#define VIONET_ALL_QUEUES 0xffff

/*
 * Takes a queue from the device, empties it and gives it back with so many descriptors, 0 for as many as it has: 2 to
 * what vionet_init() gave it, a power of two unless rings are packed. The others run on. What the queue holds is freed
 * and counted as VIONET_DROP_STOPPED; one that broke works again; what vionet_rx_fd() returned stays good. Lasts until
 * vionet_stop(). On PCI it takes VIRTIO_F_RING_RESET. -EINVAL also: the port is not started; -ETIMEDOUT also: the device
 * keeps the queue, which is broken then, or a thread stayed inside its burst for 3 s, and nothing has changed. Since 0.1.
 */
int vionet_rx_queue_restart(uint16_t port, uint16_t queue, uint16_t descriptors);
int vionet_tx_queue_restart(uint16_t port, uint16_t queue, uint16_t descriptors); /* since 0.1 */

/*
 * Lets the device delay interrupts of receive queues until so many packets have come or so many microseconds have
 * passed since the first of them, whichever is earlier; 0 and 0 for none. queue is a number, for which it takes
 * VIRTIO_NET_F_VQ_NOTF_COAL, or VIONET_ALL_QUEUES, which undoes what was set for single ones: VIRTIO_NET_F_NOTF_COAL.
 * Since 0.1.
 */
int vionet_rx_coalesce_set(uint16_t port, uint16_t queue, uint32_t packets, uint32_t microseconds);

/* The same for transmit queues and packets sent. Since 0.1. */
int vionet_tx_coalesce_set(uint16_t port, uint16_t queue, uint32_t packets, uint32_t microseconds);

/* ---- a device of our own ----------------------------------------------------------------------------------------- */

/*
 * Serves a soft device on a vhost-user socket, for another program's front-end (this library, DPDK, QEMU). wire is
 * what stands after "soft:", keys included, and besides:
 *
 *     queues=1..128              queue pairs; a tap has as many queues
 *     mac=, mtu=68..65535        what the device says of itself; without the keys a random address, and 1500
 *     packed_vq, in_order, mrg_rxbuf=0   not offered
 *     features_off=0x...         the same for any feature bits
 *     client=1                   connect to a front-end that listens at path, and again when it has gone
 *     checksum=partial|valid     of generate: for a driver that takes them, UDP checksums that are left to do, or
 *                                frames that are said to have been checked
 *
 * *device is its number, for vionet_soft_stop(). The socket file is made here and removed by vionet_soft_stop().
 * -EINVAL, -ENOTSUP, -EADDRINUSE, -EACCES, -ENFILE, -ENOMEM. Since 0.1.
 */
int vionet_soft_serve(const char *VIONET_NULLABLE path, const char *VIONET_NULLABLE wire,
                        uint16_t *VIONET_NULLABLE device);

struct vionet_soft_stats {
	size_t size;
	uint64_t to_driver;         /* frames delivered into the driver's receive ring */
	uint64_t from_driver;       /* frames taken from its transmit ring */
	uint64_t to_driver_drops;   /* frames lost: no buffer, one too small, or the driver gone that they waited for */
	uint64_t from_driver_drops; /* frames the wire could not take */
	uint64_t connections;       /* front-ends that have connected so far */
};

/* -ENODEV no such device. Any thread. Since 0.1. */
int vionet_soft_stats(uint16_t device, struct vionet_soft_stats *VIONET_NULLABLE stats);

/* Disconnects and forgets a served device. Any number is legal. Since 0.1. */
void vionet_soft_stop(uint16_t device);

#ifdef __clang__
#pragma clang diagnostic pop
#endif

#ifdef __cplusplus
}
#endif

#endif
