/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * vionet.h - drive virtio-net devices from user space
 *
 * A port is one virtio-net device, known by a small number. Its life:
 *
 *     vionet_probe  find the device, connect to it or map it, read what it offers
 *     vionet_init   reset it, negotiate features, build its queues
 *     vionet_start  give it receive buffers and let packets flow
 *     vionet_rx_burst, vionet_tx_burst
 *     vionet_stop   take every buffer back
 *     vionet_close  forget the device; legal in every state, cannot fail
 *
 * vionet_open() does the first three with default settings.
 *
 * The chapters of this file: Library, Devices, Life, Information, Packets, Bursts, Sleeping,
 * Settings, Events, Statistics, SoftDevices.
 *
 * Errors. A call that returns int returns 0 or more on success and a negative errno on failure.
 * After a failure vionet_error() holds a sentence that names what is wrong. The comment of each
 * function lists its errors. Bursts return counts only; they count what they drop, by reason
 * (vionet_queue_stats). The library never prints, never aborts and installs no signal handler. It
 * starts a thread only for a soft device.
 *
 * Threads. One thread at a time may use a queue in one direction. Different queues need no lock,
 * and neither do the receive and the transmit side of one queue pair. "Any thread" in a comment
 * means that the call takes the locks it needs. A call that changes a port returns -EBUSY from
 * inside the port's own VIONET_EVENT_NEW.
 *
 * Options. A struct that starts with size is set up with VIONET_SIZED(struct type); a field that
 * stays zero means the default. A longer struct of a newer header is accepted while the part that
 * this library does not know is zero, and refused with -E2BIG otherwise.
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
#define VIONET_VERSION \
	((VIONET_VERSION_MAJOR << 16) | (VIONET_VERSION_MINOR << 8) | VIONET_VERSION_PATCH)

/* Whether a pointer may be NULL. The Swift importer reads these; other compilers see nothing. */
#ifdef __clang__
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wnullability-extension"
#define VIONET_NULLABLE _Nullable
#define VIONET_NONNULL _Nonnull
#else
#define VIONET_NULLABLE
#define VIONET_NONNULL
#endif

/* A zeroed options struct with its size set: struct vionet_config c = VIONET_SIZED(...); */
#ifdef __cplusplus
#define VIONET_SIZED(type) []{ type value_ = {}; value_.size = sizeof(type); return value_; }()
#else
#define VIONET_SIZED(type) ((type){.size = sizeof(type)})
#endif

#define VIONET_MAX_PORTS 256       /* ports open at one time */
#define VIONET_MAX_QUEUE_PAIRS 128 /* queue pairs of one port */
#define VIONET_MAX_POOLS 64        /* packet pools at one time */
#define VIONET_MAX_SEGMENTS 64     /* segments of one packet */
#define VIONET_PORT_NONE 0xffff    /* no port */
#define VIONET_HEADROOM 128        /* bytes before a fresh packet's data; see header_size */
#define VIONET_DEVICE_LENGTH 512   /* bytes of the longest device address and its final zero */
#define VIONET_SKIPPED 1           /* vionet_probe, vionet_open: the address has vdpa=1; no error */

/* ---- Library -------------------------------------------------------------------------------- */

/* Returns the running library's version, "0.1.0". The string is static. Any thread. Since 0.1. */
const char *VIONET_NONNULL vionet_version(void);

/* Returns the running library's version, to compare with VIONET_VERSION. Any thread. Since 0.1. */
uint32_t vionet_version_number(void);

/*
 * Returns the sentence of this thread's last failed call, or "" before the first. The string stays
 * valid until the same thread's next failing call. Bursts do not change it. Since 0.1.
 */
const char *VIONET_NONNULL vionet_error(void);

enum vionet_log_level {
	VIONET_LOG_OFF = 0,
	VIONET_LOG_ERROR = 1,
	VIONET_LOG_INFO = 2,
	VIONET_LOG_DEBUG = 3, /* every step of initialisation, every message to a back-end */
};

/*
 * Receives one log line without its newline. The line is valid during the call only. The callback
 * may run on any thread and must not call the library.
 */
typedef void (*vionet_log_callback)(int level, const char *VIONET_NONNULL line,
                                    void *VIONET_NULLABLE user);

/*
 * Sends log lines of up to the given level to the callback. NULL or VIONET_LOG_OFF silences the
 * library, which is the default. While no callback is set, VIONET_LOG=error, info or debug in the
 * environment sends the lines to standard error. No other call of the library may run meanwhile.
 * Since 0.1.
 */
void vionet_log_set(int level, vionet_log_callback VIONET_NULLABLE callback,
                    void *VIONET_NULLABLE user);

/* ---- Devices: of this machine --------------------------------------------------------------- */

enum vionet_device_kind {
	VIONET_DEVICE_TRANSITIONAL = 1, /* PCI 1af4:1000: has legacy registers, mostly modern too */
	VIONET_DEVICE_MODERN = 2,       /* PCI 1af4:1041 */
	VIONET_DEVICE_VDPA = 3,         /* a vDPA device; what kind cannot be seen from outside */
};

struct vionet_device {
	size_t size;
	uint32_t kind;       /* enum vionet_device_kind */
	int32_t iommu_group; /* -1: in no group */
	uint8_t ready;       /* 1: nothing seen from outside keeps vionet_probe() away */
	uint8_t reserved[7];
	char address[32];    /* for vionet_probe(): "pci:0000:00:05.0" */
	char driver[32];     /* "virtio-pci", "vfio-pci", "vhost_vdpa" and so on; "" if none */
	char interface[16];  /* "eth0" while the kernel's driver has it; "" if there is none */
	char reason[256];    /* why it is not ready, and the command that mends it; "" if ready */
};

/*
 * Lists the machine's virtio-net PCI functions in the order of their addresses, whatever driver
 * they are bound to, then up to 64 vDPA devices that have a /dev/vhost-vdpa-N. Returns how many
 * there are, which may be more than count.
 *
 * The caller sets the size of the first element: it is the distance between elements, and the
 * library puts it into each element that it fills. list may be NULL when count is 0.
 *
 *     struct vionet_device list[64] = {VIONET_SIZED(struct vionet_device)};
 *     int found = vionet_devices(list, 64);
 *
 * The call reads sysfs and permissions only. It opens and changes no device, so a device that
 * another process has opened counts as ready.
 *
 * Errors:
 *   -EINVAL   list is NULL, or its size is wrong
 *   -ENOENT   sysfs is not there
 *   -EACCES   this user may not read sysfs
 *   -ENOMEM
 *
 * Any thread. Since 0.1.
 */
int vionet_devices(struct vionet_device *VIONET_NULLABLE list, size_t count);

/* ---- Life: of a port ------------------------------------------------------------------------ */

/*
 * Device addresses have the form "scheme:target,key=value,...". docs/addresses.md explains every
 * target and key, with the values that a key takes and its default.
 *
 *     pci:0000:00:05.0             a PCI function that is bound to vfio-pci or uio_pci_generic
 *     vhost-user:/run/x.sock       a vhost-user back-end that listens on this socket
 *     vhost-net:NAME               a kernel TAP interface, through /dev/vhost-net
 *     vhost-vdpa:/dev/vhost-vdpa-0 a vDPA device
 *     soft:loopback                a device in this process that returns every frame
 *     soft:generate                a device in this process that makes frames
 *     soft:sink                    a device in this process that counts frames and drops them
 *     soft:tap=NAME                a device in this process on a kernel TAP interface
 *     soft:pcap=IN                 a device in this process that replays a capture file
 *     soft:pipe=NAME               a device in this process, joined to the other pipe of that name
 *
 * Keys:
 *
 *     every scheme   mac queue_size queues packed_vq in_order event_idx mrg_rxbuf rx_csum lro
 *                    vlan_strip vlan_filter rss rx_hash cq size_stats recover speed
 *     vhost-user:    server
 *     pci:           vdpa
 *     soft:          mtu features_off
 *     soft:generate  length rate flows checksum
 *     soft:pcap      out
 *
 * A key that is unknown, or whose value is out of range, is an error that names the key.
 */

/*
 * Finds the device, connects to it or maps it, and reads what it offers. On success *port is the
 * number of the new port, the callbacks have received VIONET_EVENT_NEW, and the port is attached.
 * Each answer of a back-end may take up to 5 s.
 *
 * VIONET_SKIPPED means that the address has vdpa=1: the device exists and was left alone. *port is
 * VIONET_PORT_NONE then.
 *
 * Errors:
 *   -EINVAL        the address, a key or a value is wrong
 *   -ENOTSUP       the device or the kernel lacks an interface, which the sentence names
 *   -ENOENT        there is no such socket or file
 *   -ECONNREFUSED  nobody listens on the socket
 *   -ENOTSOCK      the path is not a socket
 *   -ENAMETOOLONG  the path or the interface's name is too long for the kernel
 *   -EACCES        this user may not open it
 *   -EPERM         this user may not do what the device needs
 *   -ENODEV        there is no such device, or it is not a virtio-net device
 *   -EBUSY         another driver, process or port has the device
 *   -ETIMEDOUT     the back-end does not answer
 *   -EPROTO        the back-end sent something invalid
 *   -ECONNRESET    the back-end closed the connection
 *   -ENFILE        VIONET_MAX_PORTS ports are open
 *   -EMFILE        the process may open no more files
 *   -ENOMEM
 *
 * Any thread. Since 0.1.
 */
int vionet_probe(const char *VIONET_NULLABLE device, uint16_t *VIONET_NULLABLE port);

struct vionet_config {
	size_t size;
	uint16_t queue_pairs;    /* 0: as the address says, else 1 */
	uint16_t rx_descriptors; /* 2 to 32768, a power of two unless packed; 0: as queue_size */
	uint16_t tx_descriptors; /* likewise; queue_size is a key of the address, else 256 */
	uint16_t pool;           /* of the receive buffers; 0: the one that all ports share */
	uint64_t features_off;   /* feature bits 0 to 63 not to accept; a required one is -EINVAL */
	uint32_t rx_offloads;    /* enum vionet_rx_offload: added to those of the address */
	uint32_t reserved32;     /* zero */
	uint64_t reserved[3];    /* zero */
};

/* What received packets may be like, where the device can do it. */
enum vionet_rx_offload {
	VIONET_RX_CHECKSUM = 1,    /* checksums may be checked already, or incomplete: see flags */
	VIONET_RX_LRO = 2,         /* packets of one flow joined, up to 64 KiB; implies CHECKSUM */
	VIONET_RX_VLAN_STRIP = 4,  /* the VLAN tag is taken out of the frame, in software */
	VIONET_RX_VLAN_FILTER = 8, /* tagged frames only of vionet_vlan_filter_set()'s VLANs */
	VIONET_RX_RSS = 16,        /* a hash over a packet's addresses chooses its queue */
	VIONET_RX_HASH = 32,       /* that hash in vionet_packet.hash */
};

/*
 * Resets the device, negotiates features and builds the queues. NULL for config means defaults. A
 * stopped port may be initialised again, with other settings. After any failure but -EBUSY the
 * port is as vionet_probe() left it.
 *
 * Errors:
 *   -EINVAL     config is wrong, or the device refused the negotiated features
 *   -E2BIG      config is longer than this library knows, and the rest is not zero
 *   -ENOTSUP    the device lacks a required feature, which the sentence names
 *   -EBUSY      the port is started, or the device refuses an interrupt vector
 *   -ENOBUFS    the pool is too small for the rings of all ports that use it
 *   -ENOMEM     no memory, or the limit of locked memory is reached
 *   -ERANGE     memory lies outside the range that the IOMMU maps
 *   -EBADF      there is no such pool
 *   -ENOSPC     more pools are shared than the back-end can map
 *   -EIO        the device asks for a reset, does not complete one, or contradicts itself
 *   -ENODEV     there is no such port, or its device is gone
 *   or as vionet_probe()
 *
 * Any thread. Since 0.1.
 */
int vionet_init(uint16_t port, const struct vionet_config *VIONET_NULLABLE config);

/*
 * Fills the receive rings and lets packets flow. Legal after vionet_init() and after vionet_stop().
 * After vionet_stop() it brings the device up again with the settings of vionet_init().
 *
 * With server=1 it succeeds without a back-end, and so it does with recover=auto if a back-end was
 * there before. The port is then in VIONET_STATE_WAITING and bursts return 0 until a call of
 * vionet_event_handle() finds a back-end. Errors that vionet_init() would have reported about the
 * back-end come from vionet_event_handle() then.
 *
 * Errors:
 *   -EINVAL     the port is not initialised
 *   -EALREADY   the port is started
 *   -ENOBUFS    the pool has too few packets to fill the receive rings
 *   -ENODEV     there is no such port, or its device is gone
 *   or as vionet_init()
 *
 * Any thread. Since 0.1.
 */
int vionet_start(uint16_t port);

/*
 * Stops the device and takes every buffer back. Unsent packets go back to their pools. Bursts on
 * other threads return 0 from then on. Statistics stay. Stopping a port that is not started does
 * nothing and is no error.
 *
 * Errors:
 *   -ENODEV     there is no such port
 *   -ETIMEDOUT  a thread stayed inside a burst for 3 s; nothing was changed
 *   -EIO        the PCI device does not complete a reset, not even through the bus. The port is
 *               stopped. The memory that the device may still write to stays out of use until
 *               vionet_init() or vionet_start() finds the device reset, or vionet_close() gives up
 *               the function. Without an IOMMU it stays out of use until the process ends.
 *
 * Any thread. Since 0.1.
 */
int vionet_stop(uint16_t port);

/*
 * Stops the port if it is started, delivers VIONET_EVENT_CLOSED and frees all that the port held.
 * Every number is legal, a closed port's too. Any thread. Since 0.1.
 */
void vionet_close(uint16_t port);

/*
 * Does what vionet_probe(), vionet_init() with defaults and vionet_start() do. After a failure no
 * port is left. Errors and VIONET_SKIPPED are those of the three. Any thread. Since 0.1.
 */
int vionet_open(const char *VIONET_NULLABLE device, uint16_t *VIONET_NULLABLE port);

/*
 * Returns the first open port whose number is from or above, VIONET_PORT_NONE if there is none.
 * Any thread. Since 0.1.
 */
uint16_t vionet_port_next(uint16_t from);

#define VIONET_FOREACH_PORT(p) \
	for (uint16_t p = vionet_port_next(0); p != VIONET_PORT_NONE; \
	     p = vionet_port_next((uint16_t)(p + 1)))

/* ---- Information: about a port -------------------------------------------------------------- */

enum vionet_state {
	VIONET_STATE_ATTACHED = 1,    /* after vionet_probe() */
	VIONET_STATE_INITIALISED = 2, /* after vionet_init() */
	VIONET_STATE_STARTED = 3,
	VIONET_STATE_STOPPED = 4,
	VIONET_STATE_BROKEN = 5,  /* the device broke the rules or is gone; initialise again */
	VIONET_STATE_WAITING = 6, /* started without a back-end: see vionet_event_handle() */
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
	uint64_t offered[2];    /* feature bits that the device offers, bit n in word n / 64 */
	uint64_t negotiated[2]; /* feature bits in use; 0 before vionet_init() */
	uint32_t state;         /* enum vionet_state */
	uint32_t ring;          /* enum vionet_ring */
	uint16_t queue_pairs;
	uint16_t max_queue_pairs;
	uint16_t rx_descriptors;
	uint16_t tx_descriptors;
	uint16_t header_size; /* bytes of virtio-net header: headroom for sending */
	uint16_t mtu;         /* bytes of the largest packet after its Ethernet header */
	uint16_t pool;        /* pool of the receive buffers; 0 before vionet_init() */
	uint8_t link_up;      /* 1: up or unknown; as of the start or vionet_event_handle() */
	uint8_t mac_random;   /* 1: neither the device nor the address gave a MAC address */
	uint8_t mac[6];
	uint8_t duplex; /* enum vionet_duplex */
	uint8_t reserved;
	uint32_t start_microseconds; /* probe, and the last init and start, added up */
	char device[VIONET_DEVICE_LENGTH];
	char rx_path[32]; /* receive path, "rx-split-plain"; "" before vionet_start() */
	char tx_path[32]; /* transmit path */
	uint32_t speed;   /* Mbit/s; 0: neither the device nor the address says */
	uint32_t reserved32;
};

/*
 * Fills *info. The caller sets its size; only that many bytes are written.
 *
 * Errors:
 *   -ENODEV   there is no such port
 *   -EINVAL   info is NULL, or its size is wrong
 *
 * Any thread. Since 0.1.
 */
int vionet_info(uint16_t port, struct vionet_info *VIONET_NULLABLE info);

/*
 * Returns the name of a virtio-net feature bit, "VIRTIO_NET_F_MAC"; NULL if the bit has none. The
 * string is static. Any thread. Since 0.1.
 */
const char *VIONET_NULLABLE vionet_feature_name(unsigned int bit);

/* ---- Packets: and their pools --------------------------------------------------------------- */

/*
 * Bits of vionet_packet.flags. A received packet can be sent as it is if the other port's device
 * offers the same offloads, so a forwarder need not look at them. Bits 8 to 15 are one number: the
 * kind of packet to be cut into segments, or that was joined, with VIONET_PACKET_ECN beside it.
 * Bits 24 to 31 are the hash report type (virtio 1.4, 5.1.9.4.5).
 */
enum vionet_packet_flag {
	/*
	 * The transport checksum is incomplete. It covers everything from checksum_start on, and is
	 * stored checksum_offset bytes after that, where the sum of the pseudo-header is now. On a
	 * packet to be sent with checksum_start 0, vionet_tx_prepare() finds both.
	 */
	VIONET_PACKET_CHECKSUM_PARTIAL = 1 << 0,
	VIONET_PACKET_CHECKSUM_GOOD = 1 << 1, /* rx: the device has checked it */
	VIONET_PACKET_TCP4 = 1 << 8,          /* TCP over IPv4; these three need CHECKSUM_PARTIAL */
	VIONET_PACKET_TCP6 = 4 << 8,          /* TCP over IPv6 */
	VIONET_PACKET_UDP = 5 << 8,           /* UDP */
	VIONET_PACKET_SEGMENTS = 0x7f << 8,   /* mask of these three */
	VIONET_PACKET_ECN = 0x80 << 8,        /* TCP with the CWR bit in its first segment only */
	VIONET_PACKET_VLAN = 1 << 16,         /* rx: the tag was taken out; tx: put vlan's tag in */
	VIONET_PACKET_HASH = 1 << 17,         /* rx: hash is valid */
};

/*
 * One buffer of a packet: 64 bytes, one cache line, in private memory. Its data is in memory that
 * the device shares. A packet of several buffers is a list through next. Fields marked "head" are
 * valid in its first segment only; fields marked "library" belong to the library. The helpers below
 * change data, length and headroom and keep them consistent.
 */
struct vionet_packet {
	void *VIONET_NONNULL data;                  /*  0: first byte of this segment's data */
	struct vionet_packet *VIONET_NULLABLE next; /*  8: next segment, NULL in the last */
	uint32_t length;                            /* 16: bytes of data in this segment */
	uint32_t total_length;                      /* 20: head: bytes in all segments */
	uint32_t flags;                             /* 24: head: enum vionet_packet_flag */
	uint32_t hash;                              /* 28: receive hash, 0 if there is none */
	uint16_t port;                              /* 32: port that received it */
	uint16_t segments;                          /* 34: head: number of segments */
	uint16_t references;                        /* 36: library: references to this segment */
	uint8_t pool;                               /* 38: the pool that it belongs to; read only */
	uint8_t owner;                              /* 39: library: who has it now */
	uint16_t header_length;                     /* 40: bytes of all headers; rx: a hint */
	uint16_t segment_size;                      /* 42: bytes of payload in each segment */
	uint16_t checksum_start;                    /* 44: start of a checksum, from data */
	uint16_t checksum_offset;                   /* 46: where it is stored, from its start */
	uint64_t device_address;                    /* 48: library: the buffer, for the device */
	uint32_t size;                              /* 56: bytes of the whole buffer; read only */
	uint16_t vlan;                              /* 60: VLAN tag control information */
	uint16_t headroom;                          /* 62: free bytes before data */
};

#if defined(__cplusplus)
static_assert(sizeof(struct vionet_packet) == 64, "a packet is one cache line");
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
_Static_assert(sizeof(struct vionet_packet) == 64, "a packet is one cache line");
_Static_assert(offsetof(struct vionet_packet, next) == 8, "after data");
_Static_assert(offsetof(struct vionet_packet, length) == 16, "with total_length");
_Static_assert(offsetof(struct vionet_packet, flags) == 24, "after the lengths");
_Static_assert(offsetof(struct vionet_packet, port) == 32, "the second half starts with the port");
_Static_assert(offsetof(struct vionet_packet, segments) == 34, "before references");
_Static_assert(offsetof(struct vionet_packet, references) == 36, "before pool and owner");
_Static_assert(offsetof(struct vionet_packet, owner) == 39, "after pool");
_Static_assert(offsetof(struct vionet_packet, header_length) == 40, "as in a virtio-net header");
_Static_assert(offsetof(struct vionet_packet, device_address) == 48, "after the offloads");
_Static_assert(offsetof(struct vionet_packet, vlan) == 60, "before headroom");
_Static_assert(offsetof(struct vionet_packet, headroom) == 62, "headroom comes last");
#endif

struct vionet_pool_config {
	size_t size;
	/* 16 to 16777216; 0: 16384, or as many as memory holds. A queue pair takes as many as its
	 * receive ring has descriptors, and up to 768 more. */
	uint32_t packets;
	uint32_t data_size; /* bytes after VIONET_HEADROOM, 64 to 65536; 0: 1984 */
	uint32_t flags;     /* enum vionet_pool_flag */
	int memory_fd;      /* the file behind memory; -1: no other process sees it, for PCI only */
	/*
	 * The caller's own memory, page-aligned and shared; NULL: the library makes it. Seal its
	 * file with F_SEAL_SHRINK: a back-end that shortens it ends this process with SIGBUS.
	 */
	void *VIONET_NULLABLE memory;
	size_t memory_length;   /* bytes; the caller keeps it mapped until the pool is destroyed */
	uint64_t memory_offset; /* where it starts in the file */
	uint64_t reserved[2];   /* zero */
};

enum vionet_pool_flag {
	VIONET_POOL_NO_HUGEPAGES = 1, /* plain pages even if hugepages are free */
};

/*
 * Makes a pool of packets and sets *pool to its number, which is never 0. The packets' data is in a
 * sealed memfd, on hugepages if the system has free ones, or in the caller's memory, whose file
 * descriptor the library duplicates. NULL for config means defaults.
 *
 * Errors:
 *   -EINVAL   a setting is wrong; the sentence names it
 *   -E2BIG    config is longer than this library knows, and the rest is not zero
 *   -ENFILE   VIONET_MAX_POOLS pools exist
 *   -ENOMEM
 *
 * Any thread. Since 0.1.
 */
int vionet_pool_create(const struct vionet_pool_config *VIONET_NULLABLE config,
                       uint16_t *VIONET_NULLABLE pool);

/*
 * Destroys a pool.
 *
 * Errors:
 *   -EBUSY    a port uses the pool, or packets of it are not back
 *   -EBADF    there is no such pool
 *
 * Any thread. Since 0.1.
 */
int vionet_pool_destroy(uint16_t pool);

struct vionet_pool_info {
	size_t size;
	uint32_t packets;   /* in all */
	uint32_t available; /* in the pool now; not counted: what queues keep in their caches */
	uint32_t data_size; /* bytes after VIONET_HEADROOM */
	uint32_t hugepages; /* bytes of one page of its memory; 0 if that is a plain page */
	uint64_t refused;   /* frees refused: double, foreign, or of a packet in a ring */
	uint64_t memory;    /* bytes of shared memory */
};

/*
 * Fills *info. The caller sets its size. Pool 0 is the one that ports share by default.
 *
 * Errors:
 *   -EBADF    there is no such pool
 *   -EINVAL   info is NULL, or its size is wrong
 *
 * Any thread. Since 0.1.
 */
int vionet_pool_info(uint16_t pool, struct vionet_pool_info *VIONET_NULLABLE info);

/*
 * Shares a pool's memory with a port's device, so that the port can send packets of the pool. The
 * pool of vionet_config.pool is shared already. Legal while the port is not started.
 *
 * Errors:
 *   -ENODEV   there is no such port
 *   -EBADF    there is no such pool
 *   -EBUSY    the port is started
 *   -ENOSPC   the back-end can map no more pools
 *
 * Any thread. Since 0.1.
 */
int vionet_pool_share(uint16_t pool, uint16_t port);

/*
 * Returns one packet with VIONET_HEADROOM and no data, which is the caller's; NULL if the pool is
 * empty. Pool 0 is the one that ports share by default. Any thread. Since 0.1.
 */
struct vionet_packet *VIONET_NULLABLE vionet_packet_alloc(uint16_t pool);

/*
 * Allocates count packets or none: returns count or 0. The packets are the caller's. Any thread.
 * Since 0.1.
 */
uint16_t vionet_packet_alloc_bulk(uint16_t pool,
                                  struct vionet_packet *VIONET_NULLABLE *VIONET_NULLABLE packets,
                                  uint16_t count);

/*
 * Drops one reference of each segment. A segment without references goes back to its pool. NULL is
 * ignored. A packet that is not the caller's is refused and counted in vionet_pool_info.refused:
 * one that is free already or in a ring by its pool, a foreign pointer by pool 0. Any thread.
 * Since 0.1.
 */
void vionet_packet_free(struct vionet_packet *VIONET_NULLABLE packet);

/* Does vionet_packet_free() for each of count packets. Any thread. Since 0.1. */
void vionet_packet_free_bulk(struct vionet_packet *VIONET_NULLABLE *VIONET_NULLABLE packets,
                             uint16_t count);

/*
 * Adds one reference to every segment, so that the packet survives one more free. A packet with
 * several references may be sent, but its data must not change.
 *
 * Errors:
 *   -EINVAL     packet is not a packet of the caller's
 *   -EOVERFLOW  it has 65535 references
 *
 * Any thread. Since 0.1.
 */
int vionet_packet_reference(struct vionet_packet *VIONET_NULLABLE packet);

/* Returns the free bytes behind the data of one segment. Since 0.1. */
static inline uint32_t vionet_packet_tailroom(const struct vionet_packet *VIONET_NONNULL packet)
{
	return packet->size - packet->headroom - packet->length;
}

/* Moves the start of the data back by n bytes and returns it; NULL if there is no such headroom.
 * Since 0.1. */
static inline void *VIONET_NULLABLE
vionet_packet_prepend(struct vionet_packet *VIONET_NONNULL packet, uint16_t n)
{
	if (n > packet->headroom)
		return NULL;
	packet->data = (char *)packet->data - n;
	packet->headroom = (uint16_t)(packet->headroom - n);
	packet->length += n;
	packet->total_length += n;
	return packet->data;
}

/* Cuts n bytes off the first segment's start and returns the new start; NULL if it has fewer.
 * Since 0.1. */
static inline void *VIONET_NULLABLE
vionet_packet_adjust(struct vionet_packet *VIONET_NONNULL packet, uint16_t n)
{
	if (n > packet->length || (uint32_t)packet->headroom + n > 0xffff)
		return NULL;
	packet->data = (char *)packet->data + n;
	packet->headroom = (uint16_t)(packet->headroom + n);
	packet->length -= n;
	packet->total_length -= n;
	return packet->data;
}

/* Adds n bytes to a packet of one segment and returns where they start; NULL if there is no room.
 * Since 0.1. */
static inline void *VIONET_NULLABLE
vionet_packet_append(struct vionet_packet *VIONET_NONNULL packet, uint32_t n)
{
	char *tail = (char *)packet->data + packet->length;
	if (packet->next != NULL || n > vionet_packet_tailroom(packet))
		return NULL;
	packet->length += n;
	packet->total_length += n;
	return tail;
}

/* Takes n bytes off the end of a packet of one segment. Returns 0, or -1 if it has fewer.
 * Since 0.1. */
static inline int vionet_packet_trim(struct vionet_packet *VIONET_NONNULL packet, uint32_t n)
{
	if (packet->next != NULL || n > packet->length)
		return -1;
	packet->length -= n;
	packet->total_length -= n;
	return 0;
}

/* Appends the packet tail to the packet head, which owns it then. Returns 0, or -1 if the packet
 * would have more than VIONET_MAX_SEGMENTS. Since 0.1. */
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

/* ---- Bursts --------------------------------------------------------------------------------- */

/*
 * Takes up to count received packets, which are the caller's from then on, and gives the device
 * fresh buffers. Returns how many packets it took, which is 0 for a closed or stopped port and for
 * a broken queue. A burst does not ask whether the device is still there: it returns what a device
 * had received before it went. One thread per queue. Since 0.1.
 */
uint16_t vionet_rx_burst(uint16_t port, uint16_t queue,
                         struct vionet_packet *VIONET_NULLABLE *VIONET_NULLABLE packets,
                         uint16_t count);

/*
 * Hands packets to the device, in order, and returns how many it took. Those are the library's; the
 * rest stay the caller's.
 *
 * The library frees sent packets in later bursts on the same queue. Up to 128 of them may stay in
 * the ring until then. A burst with count 0, for which packets may be NULL, frees those too. A
 * packet that can never be sent is taken, dropped and counted by reason (vionet_queue_stats). The
 * ring of a device that is gone takes packets while it has room. The library may clear the 20 bytes
 * before a packet's data, for the header. One thread per queue. Since 0.1.
 */
uint16_t vionet_tx_burst(uint16_t port, uint16_t queue,
                         struct vionet_packet *VIONET_NULLABLE *VIONET_NULLABLE packets,
                         uint16_t count);

/*
 * Prepares packets for the offloads that their flags ask for: finds checksum_start and
 * checksum_offset where they are 0, stores the sum of the pseudo-header, finds header_length. Only
 * packets that ask for offloads and were not received that way need it before vionet_tx_burst().
 * Returns how many packets, from the first on, can be sent. If it is not all of them,
 * vionet_error() says what is wrong with the next. The packets stay the caller's. One thread per
 * queue. Since 0.1.
 */
uint16_t vionet_tx_prepare(uint16_t port, uint16_t queue,
                           struct vionet_packet *VIONET_NULLABLE *VIONET_NULLABLE packets,
                           uint16_t count);

/*
 * Frees all packets that the device has sent and returns how many descriptors they had. Bursts do
 * the same; this call is for a pool that runs short while nothing is sent. One thread per queue.
 * Since 0.1.
 */
uint16_t vionet_tx_done(uint16_t port, uint16_t queue);

/* ---- Sleeping: until packets come ----------------------------------------------------------- */

/*
 * Returns a file descriptor for poll() or epoll. It becomes readable when packets arrive on an
 * armed queue, and when the back-end goes away. The library owns the descriptor, which stays the
 * same from vionet_start() to vionet_stop().
 *
 * Errors:
 *   -ENODEV   there is no such port
 *   -EINVAL   the port is not started, or has no such queue
 *   -ENOTSUP  the device signals no interrupts
 *
 * Any thread. Since 0.1.
 */
int vionet_rx_fd(uint16_t port, uint16_t queue);

/*
 * Asks for one wake-up through vionet_rx_fd() and clears that descriptor. Returns 0 when the queue
 * is armed, 1 when packets wait already: call vionet_rx_burst() then and do not sleep. A burst that
 * finds packets disarms the queue. While the pool is empty nothing may arrive until packets are
 * freed, so sleep with a time-out then. The queue's receiving thread only.
 *
 * Errors:
 *   -ENODEV    there is no such port, or its PCI function is gone; packets may still wait
 *   -EINVAL    the port is not started, or has no such queue
 *   -ENOTSUP   the device signals no interrupts
 *   -ENOTCONN  nothing more will come: the back-end is gone and no packet waits, or the queue is
 *              broken. vionet_start() brings the queue back, or vionet_event_handle() with
 *              recover=auto or server=1.
 *
 * Since 0.1.
 */
int vionet_rx_arm(uint16_t port, uint16_t queue);

/*
 * Sleeps until packets wait in the queue, for at most the given milliseconds, or for ever if they
 * are negative. It is vionet_rx_arm() and poll() in one call, usually with one system call. Returns
 * 1 when packets wait or something else woke it twice, 0 when the time is over or a signal came.
 * The queue's receiving thread only. Errors are those of vionet_rx_arm(), including what happened
 * during the sleep. Since 0.1.
 */
int vionet_rx_wait(uint16_t port, uint16_t queue, int milliseconds);

/* ---- Settings: of a running port ------------------------------------------------------------ */

/*
 * Each setting is one command on the device's control queue, and waits at most 3 s for its answer.
 * Settings may change while packets flow. While the device takes its time to answer, bursts go on,
 * and so do vionet_rx_fd(), vionet_rx_arm(), vionet_rx_wait(), vionet_event_fd(), vionet_info() and
 * the statistics that do not ask the device (all but vionet_xstats(), vionet_xstat_name() and
 * vionet_xstat_id()). All other calls on the port wait.
 *
 * Settings are legal from vionet_init() on. On a stopped port a setting is noted for the next
 * vionet_start(). vionet_stop() and a lost connection keep the settings: each vionet_start() sends
 * them again, and fails if the device refuses one. vionet_init() forgets them. After a failure the
 * setting is what it was.
 *
 * Errors of every setting, beside those in its own comment:
 *   -ENODEV     there is no such port, or its PCI function is gone
 *   -EINVAL     the port is not initialised, or an argument is wrong
 *   -ENOTSUP    a feature is missing, which the sentence names: the device does not offer it, or it
 *               was not asked for
 *   -EIO        the device refused the command
 *   -ETIMEDOUT  the device does not answer; it gets no more commands before the next vionet_start()
 *   -ENOTCONN   the back-end is gone
 *
 * Any thread; calls on one port wait for each other.
 */

/*
 * Receives all frames, or only those to the port's address, to an address of
 * vionet_mac_list_set() and to broadcast. Before the first call the device decides; most pass
 * everything. Needs VIRTIO_NET_F_CTRL_RX. Since 0.1.
 */
int vionet_promiscuous_set(uint16_t port, int on);

/*
 * Receives every multicast frame, or only those of vionet_mac_list_set(). Needs
 * VIRTIO_NET_F_CTRL_RX. Since 0.1.
 */
int vionet_all_multicast_set(uint16_t port, int on);

enum vionet_filter {
	VIONET_FILTER_ALL_UNICAST = 1 << 2,  /* every unicast frame passes */
	VIONET_FILTER_NO_MULTICAST = 1 << 3, /* no multicast frame passes */
	VIONET_FILTER_NO_UNICAST = 1 << 4,
	VIONET_FILTER_NO_BROADCAST = 1 << 5,
};

/*
 * Sets all four filters: flags are the bits of enum vionet_filter that are on. Needs
 * VIRTIO_NET_F_CTRL_RX_EXTRA. Since 0.1.
 */
int vionet_rx_filter_set(uint16_t port, uint32_t flags);

/*
 * Gives the port another MAC address of 6 bytes: a unicast address that is not all zero. Needs
 * VIRTIO_NET_F_CTRL_MAC_ADDR; a legacy PCI device does without. Since 0.1.
 */
int vionet_mac_set(uint16_t port, const uint8_t *VIONET_NULLABLE mac);

/*
 * Replaces the list of further addresses whose frames the port receives: count addresses of 6 bytes
 * each, without gaps, unicast and multicast in any order, at most 65535. NULL and 0 clear the list.
 * If the device has too little room for the list, all unicast frames pass, or all multicast frames,
 * or both; the log says so. Needs VIRTIO_NET_F_CTRL_RX.
 *
 * Errors:
 *   -ENOMEM
 *
 * Since 0.1.
 */
int vionet_mac_list_set(uint16_t port, const uint8_t *VIONET_NULLABLE list, size_t count);

/*
 * Lets frames of VLAN id, 0 to 4095, pass or not. Needs VIRTIO_NET_F_CTRL_VLAN, which is negotiated
 * only with VIONET_RX_VLAN_FILTER: a device with that feature drops tagged frames of every VLAN
 * that it was not told to pass. Most devices pass all VLANs in promiscuous mode. Since 0.1.
 */
int vionet_vlan_filter_set(uint16_t port, uint16_t id, int on);

/*
 * Sets how many of the port's queue pairs are in use: 1 to the number it was initialised with. When
 * pairs are taken out of use, their receive queues get nothing new, but packets that are there can
 * still be fetched. vionet_tx_burst() takes no packets on them. The call first waits up to 100 ms
 * until the packets on them are sent.
 *
 * Errors:
 *   -ETIMEDOUT  also if a thread stayed inside a burst for 3 s
 *
 * Since 0.1.
 */
int vionet_queue_pairs_set(uint16_t port, uint16_t pairs);

/*
 * Sets the largest packet that is sent, in bytes after the Ethernet header. 68 is the smallest. The
 * device's MTU is the largest, with VIRTIO_NET_F_MTU; without it, what receive buffers hold.
 * vionet_info.mtu is the one in force. Since 0.1.
 */
int vionet_mtu_set(uint16_t port, uint16_t mtu);

enum vionet_hash {
	VIONET_HASH_IPV4 = 1 << 0, /* addresses of IPv4 packets that the next two leave */
	VIONET_HASH_TCP4 = 1 << 1, /* addresses and ports */
	VIONET_HASH_UDP4 = 1 << 2,
	VIONET_HASH_IPV6 = 1 << 3,
	VIONET_HASH_TCP6 = 1 << 4,
	VIONET_HASH_UDP6 = 1 << 5,
	VIONET_HASH_IPV6_EX = 1 << 6, /* these three read the extension headers of IPv6 */
	VIONET_HASH_TCP6_EX = 1 << 7,
	VIONET_HASH_UDP6_EX = 1 << 8,
};

struct vionet_rss {
	size_t size;
	uint8_t *VIONET_NULLABLE key;    /* of the Toeplitz hash; vionet_rss_set() only reads it */
	uint16_t *VIONET_NULLABLE table; /* receive queues by the hash's lowest bits; likewise */
	uint32_t hash_types;         /* enum vionet_hash; set: 0 for all that the device knows */
	uint16_t table_length;       /* entries, a power of two; set: 0 for queues in use in turn */
	uint16_t unclassified_queue; /* for packets without a hash */
	uint8_t key_length;          /* bytes; set: 0 keeps the key, which is random at first */
	uint8_t max_key_length;      /* the device's limits, which vionet_rss_get() fills in */
	uint16_t max_table_length;
	uint32_t supported_hash_types;
};

/*
 * Sets which received packets have a hash and how the hash chooses their queue. From the start on
 * every type is hashed that the device knows. A table may name queues in use only: set another one
 * before vionet_queue_pairs_set() takes one of them out of use. Needs VIRTIO_NET_F_RSS, which is
 * negotiated with VIONET_RX_RSS. For key and hash_types alone VIRTIO_NET_F_HASH_REPORT is enough,
 * which is negotiated with VIONET_RX_HASH.
 *
 * Errors:
 *   -E2BIG    rss is longer than this library knows, and the rest is not zero
 *   -ENOMEM
 *
 * Since 0.1.
 */
int vionet_rss_set(uint16_t port, const struct vionet_rss *VIONET_NULLABLE rss);

/*
 * Fills *rss, whose size the caller sets, with what is in use. Before the call key_length and
 * table_length say how much room key and table have, which may be 0. Afterwards they say how much
 * there is, which is more than was copied if the room was too small. Since 0.1.
 */
int vionet_rss_get(uint16_t port, struct vionet_rss *VIONET_NULLABLE rss);

/*
 * Switches VIONET_RX_CHECKSUM and VIONET_RX_LRO off and on again, if vionet_init() got them. The
 * other bits must be as in vionet_config. Packets on their way come as before. Needs
 * VIRTIO_NET_F_CTRL_GUEST_OFFLOADS. Since 0.1.
 */
int vionet_rx_offloads_set(uint16_t port, uint32_t offloads);

#define VIONET_ALL_QUEUES 0xffff

/*
 * Takes one queue from the device, empties it and gives it back with the given number of
 * descriptors: 2 to what vionet_init() gave it, a power of two unless the rings are packed, 0 for
 * as many as it has. The other queues run on. What the queue held is freed and counted as
 * VIONET_DROP_STOPPED. A broken queue works again. The descriptor of vionet_rx_fd() stays valid.
 * The size lasts until vionet_stop(). On PCI it needs VIRTIO_F_RING_RESET.
 *
 * Errors:
 *   -EINVAL     also if the port is not started
 *   -ETIMEDOUT  also if the device does not give the queue back, which is broken then, or if a
 *               thread stayed inside a burst for 3 s, and nothing has changed
 *
 * Since 0.1.
 */
int vionet_rx_queue_restart(uint16_t port, uint16_t queue, uint16_t descriptors);

/* Does for a transmit queue what vionet_rx_queue_restart() does for a receive queue. Since 0.1. */
int vionet_tx_queue_restart(uint16_t port, uint16_t queue, uint16_t descriptors);

/*
 * Lets the device delay interrupts of receive queues until the given number of packets have come or
 * the given number of microseconds have passed since the first of them, whichever is earlier. 0 and
 * 0 mean no delay. queue is the number of one queue, which needs VIRTIO_NET_F_VQ_NOTF_COAL, or
 * VIONET_ALL_QUEUES, which needs VIRTIO_NET_F_NOTF_COAL and replaces the delays of single queues.
 * Since 0.1.
 */
int vionet_rx_coalesce_set(uint16_t port, uint16_t queue, uint32_t packets, uint32_t microseconds);

/* Does for transmit queues and sent packets what vionet_rx_coalesce_set() does. Since 0.1. */
int vionet_tx_coalesce_set(uint16_t port, uint16_t queue, uint32_t packets, uint32_t microseconds);

/* ---- Events --------------------------------------------------------------------------------- */

enum vionet_event {
	VIONET_EVENT_NEW = 1,    /* a port was probed; it is attached after the callbacks return */
	VIONET_EVENT_BROKEN = 2, /* the device broke the rules on a queue, which is stopped */
	VIONET_EVENT_GONE = 3,   /* the back-end closed the connection, or the device left */
	VIONET_EVENT_CLOSED = 4, /* the port is about to be forgotten */
	/* Only vionet_event_handle() notices and delivers the following. */
	VIONET_EVENT_LINK = 5,        /* the link went up or down: vionet_info.link_up */
	VIONET_EVENT_ANNOUNCE = 6,    /* the network should learn our address: vionet_announce() */
	VIONET_EVENT_NEEDS_RESET = 7, /* the device cannot go on: stop the port and start it */
	VIONET_EVENT_RECOVERED = 8,   /* recover=auto has done that */
	VIONET_EVENT_CONNECTED = 9,   /* a waiting port has a back-end, the first or the next one */
};

/*
 * Receives one event, on the thread that caused or noticed it. The callback may read the port but
 * not change it. A callback that another thread is removing may be called once more.
 */
typedef void (*vionet_event_callback)(uint16_t port, int event, void *VIONET_NULLABLE user);

/*
 * Adds a callback for the events of all ports. There is room for 8.
 *
 * Errors:
 *   -EINVAL   callback is NULL
 *   -ENOSPC   there are 8 callbacks already
 *
 * Any thread. Since 0.1.
 */
int vionet_event_add(vionet_event_callback VIONET_NULLABLE callback, void *VIONET_NULLABLE user);

/*
 * Removes a callback that vionet_event_add() added with the same two arguments.
 *
 * Errors:
 *   -ENOENT   no such callback was added
 *
 * Any thread. Since 0.1.
 */
int vionet_event_remove(vionet_event_callback VIONET_NULLABLE callback, void *VIONET_NULLABLE user);

/*
 * Returns a file descriptor that becomes readable when something happens to a started port: its
 * configuration changed, the back-end went away or came, a queue broke. Call vionet_event_handle()
 * then. The library owns the descriptor, which stays the same from vionet_start() to vionet_stop().
 *
 * Errors:
 *   -ENODEV   there is no such port
 *   -EINVAL   the port is not started
 *
 * Any thread. Since 0.1.
 */
int vionet_event_fd(uint16_t port);

/*
 * Finds out what happened to a started port and delivers it to the callbacks, on this thread.
 * Returns how many events there were. Some devices cannot signal changes; call it now and then for
 * those. A request for an announcement is acknowledged after the callbacks. The call never waits
 * for a back-end that does not listen or does not answer.
 *
 * With recover=auto a broken queue, or a device that needs a reset, is stopped and started again.
 * Bursts on other threads return 0 meanwhile.
 *
 * With recover=auto or server=1 a port whose back-end is gone delivers VIONET_EVENT_GONE and waits
 * for the next back-end in VIONET_STATE_WAITING. vionet_event_fd() says when to look for it, and
 * VIONET_EVENT_CONNECTED says that it is there. Meanwhile vionet_rx_burst() returns what had been
 * received, then 0, and vionet_tx_burst() returns 0. The descriptors of vionet_event_fd() and
 * vionet_rx_fd() stay the same.
 *
 * Every restart keeps the packets that were in the rings. Received packets are fetched once. Those
 * that the device had not reported as sent go to the next device, in order; a device that sent one
 * without reporting it causes a duplicate. The next device must offer again what was negotiated at
 * the start, except for what concerns rings only (packed, IN_ORDER, EVENT_IDX, INDIRECT_DESC,
 * MRG_RXBUF).
 *
 * A PCI function that was unplugged, or with VFIO is about to be, is gone: VIONET_EVENT_GONE comes,
 * and calls that would ask the device return -ENODEV. With vfio-pci the kernel delays the removal
 * until vionet_close(); with uio_pci_generic it does not wait.
 *
 * Errors:
 *   -ENODEV     there is no such port, or its PCI function was known to be gone
 *   -EINVAL     the port is not started
 *   -ETIMEDOUT  the device does not answer, or a thread stayed inside a burst for 3 s
 *   -EPROTO     the device came back without a feature that the port uses; the sentence names it. A
 *               waiting port goes on waiting for a back-end that has the feature.
 *   or as vionet_start()
 *
 * Any thread. Since 0.1.
 */
int vionet_event_handle(uint16_t port);

/*
 * Tells the network where the port's address is. It sends a RARP request from that address, from
 * which switches learn, and a gratuitous ARP request for each of count IPv4 addresses, from which
 * hosts learn. Each has 4 bytes in network order; addresses may be NULL if count is 0. Call it on
 * VIONET_EVENT_ANNOUNCE, also from the callback if that runs on the right thread, and after the
 * link came up or the address changed. A newly connected back-end needs no call: the library sends
 * it a message instead.
 *
 * The frames go through the given transmit queue: call it on the queue's sending thread only.
 *
 * Errors:
 *   -ENODEV    there is no such port
 *   -EINVAL    the port is not started, the queue is not in use, or addresses is NULL
 *   -ENOTCONN  no back-end is there
 *   -ENOBUFS   the pool or the ring had no room for all of the frames
 *
 * Since 0.1.
 */
int vionet_announce(uint16_t port, uint16_t queue, const uint8_t *VIONET_NULLABLE addresses,
                    size_t count);

/* ---- Statistics ----------------------------------------------------------------------------- */

enum vionet_drop {
	VIONET_DROP_SHORT = 0,    /* rx: shorter than the two headers, virtio-net and Ethernet */
	VIONET_DROP_LONG = 1,     /* rx: longer than the buffer; tx: than the MTU, or outside it */
	VIONET_DROP_SEGMENTS = 2, /* tx: too many segments, or their number is wrong */
	VIONET_DROP_FOREIGN = 3,  /* tx: not the caller's packet, or of a pool that is not shared */
	VIONET_DROP_EMPTY = 4,    /* tx: shorter than an Ethernet header, or an empty segment */
	VIONET_DROP_OFFLOAD = 5,  /* tx: an offload not negotiated; rx: an invalid header */
	VIONET_DROP_STOPPED = 6,  /* at a stop; rx: not fetched; tx: perhaps not sent */
	VIONET_DROP_REASONS = 8,
};

struct vionet_queue_stats {
	size_t size;
	uint64_t packets;
	uint64_t bytes; /* of frames, without virtio-net headers */
	uint64_t dropped[VIONET_DROP_REASONS];
	uint64_t no_buffer; /* rx: how often the pool was empty when a buffer was to be replaced */
	uint64_t ring_full; /* tx: packets given back to the caller because the ring was full */
	uint64_t kicks;     /* notifications sent to the device */
	uint64_t broken;    /* 1: the device broke the rules on this queue */
};

struct vionet_stats {
	size_t size;
	struct vionet_queue_stats rx, tx; /* all queues added up; their size fields are not used */
};

/*
 * Fills *stats, whose size the caller sets, with a port's totals since vionet_probe() or the last
 * vionet_stats_reset().
 *
 * Errors:
 *   -ENODEV   there is no such port
 *   -EINVAL   stats is NULL, or its size is wrong
 *
 * Any thread. Since 0.1.
 */
int vionet_stats(uint16_t port, struct vionet_stats *VIONET_NULLABLE stats);

/*
 * Fills *stats, whose size the caller sets, with the counters of one receive queue.
 *
 * Errors:
 *   -ENODEV   there is no such port
 *   -EINVAL   there is no such queue, stats is NULL, or its size is wrong
 *
 * Any thread. Since 0.1.
 */
int vionet_rx_queue_stats(uint16_t port, uint16_t queue,
                          struct vionet_queue_stats *VIONET_NULLABLE stats);

/* Does for a transmit queue what vionet_rx_queue_stats() does. Any thread. Since 0.1. */
int vionet_tx_queue_stats(uint16_t port, uint16_t queue,
                          struct vionet_queue_stats *VIONET_NULLABLE stats);

/*
 * Extended statistics have a number, counted from 0, and a name. Both stay the same from one
 * vionet_init() to the next. There are
 *
 *     of the port     rx_good_packets and others
 *     of each queue   tx_q0_ring_full, rx_q1_drop_short (enum vionet_drop), rx_q0_interrupts,
 *                     rx_q0_wakeups and others
 *     of the device   rx_q0_device_drops and others, with VIRTIO_NET_F_DEVICE_STATS
 *     with size_stats=1 in the address, of each queue, under the names that DPDK gives them:
 *                     undersize_packets (less than 64 bytes), size_64_packets,
 *                     size_65_127_packets, size_128_255_packets, size_256_511_packets,
 *                     size_512_1023_packets, size_1024_1518_packets, size_1519_max_packets,
 *                     multicast_packets (broadcast not included), broadcast_packets
 *
 * Interrupts and wake-ups are counted by the next vionet_rx_arm(), and by a vionet_rx_wait() that
 * sleeps. Interrupts between two such calls count as one.
 */
#define VIONET_XSTAT_NAME 48 /* bytes of the longest name, its final zero included */

/*
 * Writes the values of the first count statistics and returns how many there are. values may be
 * NULL if count is 0. The device's own counters are fetched by one command per queue. They are 0
 * while there is no device to ask, and vionet_stats_reset() does not reset them.
 *
 * Errors:
 *   -ENODEV     there is no such port
 *   -EINVAL     values is NULL
 *   -EIO        the device refused the command
 *   -ETIMEDOUT  the device does not answer
 *   -ENOTCONN   the back-end is gone
 *
 * Any thread. Since 0.1.
 */
int vionet_xstats(uint16_t port, uint64_t *VIONET_NULLABLE values, uint32_t count);

/*
 * Writes the name of statistic id, with its final zero, into room bytes.
 *
 * Errors:
 *   -ENODEV   there is no such port
 *   -EINVAL   there is no such statistic, or name is NULL
 *   -ENOSPC   the name is longer than room
 *
 * Any thread. Since 0.1.
 */
int vionet_xstat_name(uint16_t port, uint32_t id, char *VIONET_NULLABLE name, size_t room);

/*
 * Returns the number of the statistic with this name.
 *
 * Errors:
 *   -ENODEV   there is no such port
 *   -EINVAL   name is NULL
 *   -ENOENT   there is no statistic of this name
 *
 * Any thread. Since 0.1.
 */
int vionet_xstat_id(uint16_t port, const char *VIONET_NULLABLE name);

/*
 * Sets the port's counters to zero.
 *
 * Errors:
 *   -ENODEV   there is no such port
 *
 * Any thread. Since 0.1.
 */
int vionet_stats_reset(uint16_t port);

/*
 * Returns the name of a drop reason, "short"; NULL if the reason has none. The string is static.
 * Any thread. Since 0.1.
 */
const char *VIONET_NULLABLE vionet_drop_name(unsigned int reason);

/* ---- SoftDevices: served to other programs -------------------------------------------------- */

/*
 * Serves a soft device on a vhost-user socket, for the front-end of another program (this library,
 * DPDK, QEMU). wire is what follows "soft:" in a device address, with its keys. These keys apply
 * to a served device; docs/addresses.md explains them:
 *
 *     every wire   queues mac mtu packed_vq in_order mrg_rxbuf features_off client
 *     generate     length rate flows checksum
 *     pcap         out
 *
 * *device becomes the number of the device, for vionet_soft_stop(). The library makes the socket's
 * file and vionet_soft_stop() removes it.
 *
 * Errors:
 *   -EINVAL      wire, a key or a value is wrong, or the path is too long
 *   -EADDRINUSE  another program listens on the socket, or the file is not a socket
 *   -EACCES      this user may not make the socket
 *   -ENFILE      64 devices are served already
 *   -ENOMEM
 *   or what the kernel says about the socket, the interface or the file
 *
 * Any thread. Since 0.1.
 */
int vionet_soft_serve(const char *VIONET_NULLABLE path, const char *VIONET_NULLABLE wire,
                      uint16_t *VIONET_NULLABLE device);

struct vionet_soft_stats {
	size_t size;
	uint64_t to_driver;         /* frames delivered into the driver's receive ring */
	uint64_t from_driver;       /* frames taken from its transmit ring */
	uint64_t to_driver_drops;   /* frames lost: no buffer, a small one, or no driver */
	uint64_t from_driver_drops; /* frames that the wire could not take */
	uint64_t connections;       /* front-ends that have connected so far */
};

/*
 * Fills *stats, whose size the caller sets, with the counters of a served device.
 *
 * Errors:
 *   -ENODEV   there is no such device
 *   -EINVAL   stats is NULL, or its size is wrong
 *
 * Any thread. Since 0.1.
 */
int vionet_soft_stats(uint16_t device, struct vionet_soft_stats *VIONET_NULLABLE stats);

/* Disconnects a served device and forgets it. Every number is legal. Any thread. Since 0.1. */
void vionet_soft_stop(uint16_t device);

#ifdef __clang__
#pragma clang diagnostic pop
#endif

#ifdef __cplusplus
}
#endif

#endif
