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
 * The chapters of this file: Library, Devices, Life, Information, Packets, Bursts, Buffering,
 * Sleeping, Settings, Events, Statistics, SoftDevices.
 *
 * Errors. A call that returns int returns 0 or more on success and a negative errno on failure.
 * After a failure vionet_error() holds a sentence that names what is wrong. The comment of each
 * function lists its errors. Bursts return counts only; they count what they drop, by reason
 * (vionet_queue_stats). The library never prints, never aborts and installs no signal handler but
 * one for SIGBUS, which vionet_soft_serve() and a pool in hugepages that a back-end shares may
 * need. It starts a thread only for a soft device, and stays loaded as long as that runs.
 *
 * Time. A call waits for devices no longer than this, all of its waits together: vionet_probe(),
 * vionet_init(), vionet_start(), vionet_open(), vionet_open_config() and vionet_event_handle() for
 * 5 s, every other call but those of the chapter Sleeping for 3.5 s. After a failure the last half
 * second is for taking the device back. The time begins when the call has its turn, since calls on
 * one port wait for each other; callbacks have time of their own. A back-end that has not answered
 * by then is disconnected.
 *
 * Threads. One thread at a time may use a queue in one direction. Different queues need no lock,
 * and neither do the receive and the transmit side of one queue pair. "Any thread", said of a
 * function, means that the call takes the locks it needs. A call that changes a port returns
 * -EBUSY from inside the port's own VIONET_EVENT_NEW. Two threads in bursts of one queue spoil it:
 * packets are lost until the last port of the pool is closed, and the queue may count as broken.
 * The key check_threads=1 finds them.
 *
 * Memory. A packet is the caller's from vionet_rx_burst() or vionet_packet_alloc() on, and the
 * library's once vionet_tx_burst() has taken it; vionet_packet_free() gives it back to its pool.
 * All else that a call is given stays the caller's, and is used during the call only, but for user
 * pointers and a pool's own memory. Strings and descriptors that a call returns are the library's.
 * A device sees rings and the data of the pools that its port uses, and no other memory of the
 * process.
 *
 * Processes. Ports, pools, packets and served devices belong to the process that made them. A
 * child made by fork() may exit or exec; to it the library is as newly loaded, but for the log
 * callback. The library's descriptors are closed there, and the data of packets, which is not
 * mapped there, must not be touched. Bursts on a port of the parent's return 0, vionet_close() and
 * vionet_soft_stop() forget the number and do nothing else, and other calls that name something of
 * the parent's return -EPERM. The child may open ports of its own: call daemon() first and open
 * ports then, or open them anew. A child made in another way (vfork, posix_spawn, clone) may exec
 * only.
 *
 * Options. A struct that starts with size is set up with VIONET_SIZED(struct type); a field that
 * stays zero means the default. A longer struct of a newer header is accepted while the part that
 * this library does not know is zero, and refused with -E2BIG otherwise.
 *
 * C++. vionet_info, vionet_pool_info, vionet_soft_stats, vionet_stats and vionet_tx_buffer_stats
 * are functions and structs. Such a struct is named with the word struct in C++ too:
 * struct vionet_info info.
 *
 * Other languages. Every function is a symbol of the library, and every struct has C's layout.
 * examples/python/vionet.py and examples/rust/vionet.rs declare all of vionet.h.
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

/*
 * A zeroed options struct with its size set. VIONET_SIZED is a value, to initialise a variable of a
 * function or to assign; VIONET_SIZED_INIT initialises any object, a static one too, which in C
 * takes constants alone.
 *
 *     struct vionet_config config = VIONET_SIZED(struct vionet_config);
 *     static struct vionet_config config = VIONET_SIZED_INIT(struct vionet_config);
 */
#ifdef __cplusplus
#define VIONET_SIZED(type) []{ type value_ = {}; value_.size = sizeof(type); return value_; }()
#define VIONET_SIZED_INIT(type) VIONET_SIZED(type)
#else
#define VIONET_SIZED(type) ((type){.size = sizeof(type)})
#define VIONET_SIZED_INIT(type) {.size = sizeof(type)}
#endif

/*
 * What stands before a function whose body is in this file. The library exports each of them too,
 * for languages that cannot read C.
 */
#ifndef VIONET_INLINE
#define VIONET_INLINE static inline
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
 * valid until the same thread's next failing call. Bursts do not change it. Any
 * thread. Since 0.1.
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
	int32_t iommu_group; /* -1: in no group, or without an IOMMU */
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
 *     pci:0000:00:05.0              a PCI function that is bound to vfio-pci or uio_pci_generic
 *     vhost-user:/run/x.sock        a vhost-user back-end that listens on this socket
 *     vhost-net:NAME                a kernel TAP interface, through /dev/vhost-net
 *     vhost-vdpa:/dev/vhost-vdpa-0  a vDPA device
 *     soft:loopback                 a device in this process that returns every frame
 *     soft:generate                 a device in this process that makes frames
 *     soft:sink                     a device in this process that counts frames and drops them
 *     soft:tap=NAME                 a device in this process on a kernel TAP interface
 *     soft:pcap=IN                  a device in this process that replays a capture file
 *     soft:pipe=NAME                a device in this process, joined to the other pipe of that name
 *
 * Keys:
 *
 *     every scheme   mac queue_size queues packed_vq in_order event_idx mrg_rxbuf rx_csum lro
 *                    vlan_strip vlan_filter rss rx_hash tunnel tx_software cq size_stats recover
 *                    speed pool_packets check_threads
 *     vhost-user:    server
 *     pci:           vdpa iova vf_token
 *     soft:          mtu features_off
 *     soft:generate  length rate flows checksum
 *     soft:pcap      out format snaplen follow
 *
 * A key that is unknown, or whose value is out of range, is an error that names the key.
 */

/*
 * Finds the device, connects to it or maps it, and reads what it offers. On success *port is the
 * number of the new port, the callbacks have received VIONET_EVENT_NEW, and the port is attached.
 * All answers of a back-end together may take up to 5 s.
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
	/*
	 * 2 to 32768, a power of two unless packed, whatever the address says. 0: as its key
	 * queue_size, else 256, but 2048 to send to a TAP interface.
	 */
	uint16_t rx_descriptors;
	uint16_t tx_descriptors;
	uint16_t pool;           /* of the receive buffers; 0: the one that all ports share */
	uint64_t features_off;   /* feature bits 0 to 63 not to accept; a required one is -EINVAL */
	uint32_t rx_offloads;    /* enum vionet_rx_offload: to be had, or vionet_init() fails */
	uint32_t tx_offloads;    /* enum vionet_tx_offload: likewise */
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
	VIONET_RX_TUNNEL = 64,     /* packets in a UDP tunnel joined too; implies LRO */
};

/* What packets to be sent may ask of a port. */
enum vionet_tx_offload {
	/*
	 * vionet_tx_burst() finishes checksums and cuts packets into segments where the device does
	 * not do what their flags ask for, so that whatever was received with LRO can be sent. The
	 * headers of segments are in packets of the pool that the packet came from; the payload is
	 * not copied. A packet is sent whole: if the ring has no room for all its segments, it is
	 * given back unchanged. With this bit all others but TUNNEL are to be had.
	 */
	VIONET_TX_SOFTWARE = 1,
	VIONET_TX_CHECKSUM = 2, /* VIONET_PACKET_CHECKSUM_PARTIAL */
	VIONET_TX_TCP4 = 4,     /* VIONET_PACKET_TCP4 */
	VIONET_TX_TCP6 = 8,     /* VIONET_PACKET_TCP6 */
	VIONET_TX_UDP = 16,     /* VIONET_PACKET_UDP */
	VIONET_TX_ECN = 32,     /* VIONET_PACKET_ECN */
	VIONET_TX_TUNNEL = 64,  /* VIONET_PACKET_TUNNEL4 and _TUNNEL6; never in software */
};

/*
 * Resets the device, negotiates features and builds the queues. NULL for config means defaults. A
 * stopped port may be initialised again, with other settings. After any failure but -EBUSY the
 * port is as vionet_probe() left it.
 *
 * Errors:
 *   -EINVAL     config is wrong, the device has fewer queue pairs than were asked for or, for
 *               several, does not offer VIRTIO_NET_F_MQ, or it refused the negotiated features
 *   -E2BIG      config is longer than this library knows, and the rest is not zero
 *   -ENOTSUP    the device lacks a required feature, or one that rx_offloads asks for, which the
 *               sentence names
 *   -EBUSY      the port is started, or the device refuses an interrupt vector
 *   -ENOBUFS    the pool is too small for the rings of all ports that use it
 *   -ENOMEM     no memory on the machine or in the process's memory cgroup, or the limit of locked
 *               memory is reached
 *   -EFBIG      the limit of ulimit -f forbids that much shared memory
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
 * Stops the device and takes every buffer back. Bursts on other threads return 0 from then on. The
 * device gets time to send what it was given: 100 ms from each packet to the next, and 1 s in all.
 * Packets that it has not sent by then go back to their pools and count as VIONET_DROP_STOPPED.
 * Statistics stay. Stopping a port that is not started does nothing and is no error.
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
 * What was sent right before goes out, if the device goes on at all: see vionet_stop().
 * Every number is legal, a closed port's too. Any thread. Since 0.1.
 */
void vionet_close(uint16_t port);

/*
 * Does what vionet_probe(), vionet_init() with defaults and vionet_start() do. After a failure no
 * port is left. Errors and VIONET_SKIPPED are those of the three. Any thread. Since 0.1.
 */
int vionet_open(const char *VIONET_NULLABLE device, uint16_t *VIONET_NULLABLE port);

/*
 * Does what vionet_open() does, with settings: a pool of the program's own, offloads, ring sizes.
 * NULL for config means defaults. After a failure no port is left. Errors and VIONET_SKIPPED are
 * those of vionet_probe(), vionet_init() and vionet_start(). Any thread. Since 0.1.
 */
int vionet_open_config(const char *VIONET_NULLABLE device,
                       const struct vionet_config *VIONET_NULLABLE config,
                       uint16_t *VIONET_NULLABLE port);

/* Goes through the open ports: VIONET_FOREACH_PORT(port) vionet_stop(port); */
#define VIONET_FOREACH_PORT(p) \
	for (uint16_t p = vionet_port_next(0); p != VIONET_PORT_NONE; \
	     p = vionet_port_next((uint16_t)(p + 1)))

/*
 * Returns the first open port whose number is from or above, VIONET_PORT_NONE if there is none.
 * Any thread. Since 0.1.
 */
uint16_t vionet_port_next(uint16_t from);

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

/*
 * Numbers of feature bits, under their names in virtio 1.4, 5.1.3 and 6: VIONET_F_CSUM is
 * VIRTIO_NET_F_CSUM, VIONET_F_VERSION_1 is VIRTIO_F_VERSION_1.
 */
enum vionet_feature {
	VIONET_F_CSUM = 0,
	VIONET_F_GUEST_CSUM = 1,
	VIONET_F_CTRL_GUEST_OFFLOADS = 2,
	VIONET_F_MTU = 3,
	VIONET_F_MAC = 5,
	VIONET_F_GSO = 6,
	VIONET_F_GUEST_TSO4 = 7,
	VIONET_F_GUEST_TSO6 = 8,
	VIONET_F_GUEST_ECN = 9,
	VIONET_F_GUEST_UFO = 10,
	VIONET_F_HOST_TSO4 = 11,
	VIONET_F_HOST_TSO6 = 12,
	VIONET_F_HOST_ECN = 13,
	VIONET_F_HOST_UFO = 14,
	VIONET_F_MRG_RXBUF = 15,
	VIONET_F_STATUS = 16,
	VIONET_F_CTRL_VQ = 17,
	VIONET_F_CTRL_RX = 18,
	VIONET_F_CTRL_VLAN = 19,
	VIONET_F_CTRL_RX_EXTRA = 20,
	VIONET_F_GUEST_ANNOUNCE = 21,
	VIONET_F_MQ = 22,
	VIONET_F_CTRL_MAC_ADDR = 23,
	VIONET_F_NOTIFY_ON_EMPTY = 24,
	VIONET_F_ANY_LAYOUT = 27,
	VIONET_F_INDIRECT_DESC = 28,
	VIONET_F_EVENT_IDX = 29,
	VIONET_F_VERSION_1 = 32,
	VIONET_F_ACCESS_PLATFORM = 33,
	VIONET_F_RING_PACKED = 34,
	VIONET_F_IN_ORDER = 35,
	VIONET_F_ORDER_PLATFORM = 36,
	VIONET_F_SR_IOV = 37,
	VIONET_F_NOTIFICATION_DATA = 38,
	VIONET_F_NOTIF_CONFIG_DATA = 39,
	VIONET_F_RING_RESET = 40,
	VIONET_F_ADMIN_VQ = 41,
	VIONET_F_SUSPEND = 43,
	VIONET_F_DEVICE_STATS = 50,
	VIONET_F_HASH_TUNNEL = 51,
	VIONET_F_VQ_NOTF_COAL = 52,
	VIONET_F_NOTF_COAL = 53,
	VIONET_F_GUEST_USO4 = 54,
	VIONET_F_GUEST_USO6 = 55,
	VIONET_F_HOST_USO = 56,
	VIONET_F_HASH_REPORT = 57,
	VIONET_F_GUEST_HDRLEN = 59,
	VIONET_F_RSS = 60,
	VIONET_F_RSC_EXT = 61,
	VIONET_F_STANDBY = 62,
	VIONET_F_SPEED_DUPLEX = 63,
	VIONET_F_RSS_CONTEXT = 64,
	VIONET_F_GUEST_UDP_TUNNEL_GSO = 65,
	VIONET_F_GUEST_UDP_TUNNEL_GSO_CSUM = 66,
	VIONET_F_HOST_UDP_TUNNEL_GSO = 67,
	VIONET_F_HOST_UDP_TUNNEL_GSO_CSUM = 68,
	VIONET_F_OUT_NET_HEADER = 69,
	VIONET_F_IPSEC = 70,
};

/* Whether feature bit `bit` is in the two words of vionet_info.offered or negotiated. */
#define VIONET_HAS(words, bit) ((int)((words)[(bit) / 64] >> ((bit) % 64) & 1))

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
	uint32_t rx_offloads; /* enum vionet_rx_offload: in use; before vionet_init(): offered */
	uint32_t tx_offloads; /* enum vionet_tx_offload: likewise, and SOFTWARE if asked for */
	/* Most that rings may have, with PCI and vDPA those in use; 0 before vionet_init(). */
	uint16_t max_rx_descriptors;
	uint16_t max_tx_descriptors;
	/*
	 * soft: why the device's wire carries no frames, or no more: the interface is down, the
	 * disk is full, the capture has ended or is damaged. "" while it carries frames.
	 */
	char reason[256];
};

/*
 * Fills *info with what a port is, what its device offers and what was negotiated. The caller sets
 * its size; only that many bytes are written.
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
 * offers the same offloads or that port has VIONET_TX_SOFTWARE, so a forwarder need not look at
 * them. Bits 8 to 15 are one number: the kind of packet to be cut into segments, or that was
 * joined, with VIONET_PACKET_ECN and a tunnel beside it. Bits 24 to 31 are the hash report type
 * (virtio 1.4, 5.1.9.4.5).
 */
enum vionet_packet_flag {
	/*
	 * The transport checksum is incomplete. It covers everything from checksum_start on, and is
	 * stored checksum_offset bytes after that, where the sum of the pseudo-header is now. On a
	 * packet to be sent with checksum_start 0, vionet_tx_prepare() finds both.
	 */
	VIONET_PACKET_CHECKSUM_PARTIAL = 1 << 0,
	/*
	 * rx: the device has checked the outermost transport checksum of the frame, and with
	 * TUNNEL_CHECKSUM also the one of the packet inside the tunnel.
	 */
	VIONET_PACKET_CHECKSUM_GOOD = 1 << 1,
	/*
	 * With a tunnel below: the tunnel's UDP checksum is incomplete like the one inside, and
	 * stored where the sum of its pseudo-header is now. Without it that checksum is right or 0.
	 */
	VIONET_PACKET_TUNNEL_CHECKSUM = 1 << 3,
	VIONET_PACKET_TCP4 = 1 << 8,          /* TCP over IPv4; these three need CHECKSUM_PARTIAL */
	VIONET_PACKET_TCP6 = 4 << 8,          /* TCP over IPv6 */
	VIONET_PACKET_UDP = 5 << 8,           /* UDP */
	/*
	 * The packet to be cut lies in a UDP tunnel (VXLAN, Geneve) over IPv4 or IPv6: its TCP or
	 * UDP is what one of the three above says, checksum_start and header_length are those of
	 * the packet inside, and vionet_packet_tunnel() tells where it begins.
	 */
	VIONET_PACKET_TUNNEL4 = 0x20 << 8,
	VIONET_PACKET_TUNNEL6 = 0x40 << 8,
	VIONET_PACKET_SEGMENTS = 0x7f << 8,   /* mask of these five */
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
	uint64_t reserved;                          /* 48: for later use, 0 */
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
_Static_assert(offsetof(struct vionet_packet, reserved) == 48, "after the offloads");
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
	uint32_t private_size;  /* bytes of each packet for the program, 0 to 65536 */
	uint32_t reserved32;    /* zero */
	uint64_t reserved;      /* zero */
};

enum vionet_pool_flag {
	VIONET_POOL_NO_HUGEPAGES = 1, /* plain pages even if hugepages are free */
	/*
	 * memory is for vionet_packet_attach() only: the pool has no packets, and packets,
	 * data_size and private_size are 0. The devices of all ports that it is shared with see
	 * all of the memory.
	 */
	VIONET_POOL_REGION = 2,
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
	uint32_t private_size; /* bytes of each packet for the program, rounded up to 16 */
	uint32_t attached;     /* packets on memory of this pool: vionet_packet_attach() */
};

/*
 * Fills *info, whose size the caller sets, with the sizes and counters of a pool. Pool 0 is the one
 * that ports share by default.
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
 * Lets the buffers of one receive queue come from a pool of their own, from the next vionet_init()
 * or vionet_start() on; pool 0 means that of vionet_config again. Its buffers must not be smaller
 * than those of the port's pool. The pool is shared with the port as vionet_pool_share() does.
 * Legal while the port is not started. vionet_init() keeps the choice.
 *
 * Errors:
 *   -ENODEV   there is no such port
 *   -EINVAL   queue is VIONET_MAX_QUEUE_PAIRS or more
 *   -EBADF    there is no such pool
 *   -EBUSY    the port is started
 *   -ENOSPC   the back-end can map no more pools
 *   -ENOMEM
 *
 * Any thread. Since 0.1.
 */
int vionet_rx_pool_set(uint16_t port, uint16_t queue, uint16_t pool);

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

/*
 * Returns the program's own bytes of a packet, as many as vionet_pool_config.private_size; NULL if
 * its pool has none or there is no such packet. They are zero at first, and the library never
 * reads or writes them: a packet that was freed and allocated again has what was there. They are
 * aligned to 16 and in private memory. Any thread. Since 0.1.
 */
void *VIONET_NULLABLE vionet_packet_private(const struct vionet_packet *VIONET_NULLABLE packet);

/*
 * Reads where the headers of a packet lie whose flags have VIONET_PACKET_TUNNEL4 or _TUNNEL6: the
 * tunnel's UDP header and the IP header of the packet inside, counted in bytes from data. Either
 * pointer may be NULL. The offsets are kept beside the packet, for its first segment.
 *
 * Errors:
 *   -EINVAL   packet is not the caller's, or its flags have no tunnel
 *
 * Any thread. Since 0.1.
 */
int vionet_packet_tunnel(const struct vionet_packet *VIONET_NULLABLE packet,
                         uint16_t *VIONET_NULLABLE outer_transport,
                         uint16_t *VIONET_NULLABLE inner_network);

/*
 * Says where the headers of a packet lie that is to be sent with VIONET_PACKET_TUNNEL4 or _TUNNEL6.
 * vionet_tx_prepare() finds the rest. Whoever moves data later says it again.
 *
 * Errors:
 *   -EINVAL   packet is not the caller's, or there is no room for the headers of Ethernet and IP
 *             before outer_transport, or of UDP between the two
 *
 * Any thread. Since 0.1.
 */
int vionet_packet_tunnel_set(struct vionet_packet *VIONET_NULLABLE packet,
                             uint16_t outer_transport, uint16_t inner_network);

/*
 * Returns a packet that shows length bytes of another packet, from byte offset on, without copying
 * them; NULL on failure, of which vionet_error() tells. The view comes from the pool of what it
 * shows, with a segment for each segment that it shows a part of, and holds one reference of each:
 * the original may be freed first. The bytes must not change while there are views of them.
 *
 * A view asks for no offloads and has no headroom: headers of its own are a packet in front
 * (vionet_packet_alloc() and vionet_packet_chain()). As the first segment it takes one descriptor
 * more, for the virtio-net header.
 *
 * Errors:
 *   -EINVAL     packet is not the caller's, or has no such bytes
 *   -ENOBUFS    the pool has no free packet
 *   -EOVERFLOW  the packet has 65535 references
 *
 * Any thread. Since 0.1.
 */
struct vionet_packet *VIONET_NULLABLE vionet_packet_view(
	struct vionet_packet *VIONET_NULLABLE packet, uint32_t offset, uint32_t length);

/*
 * Receives back memory that was attached: no device and no packet uses it any more. It runs on the
 * thread that drops the last reference, often inside a burst, vionet_stop() or vionet_close(). It
 * may call no function of the library but those of packets.
 */
typedef void (*vionet_attached_callback)(void *VIONET_NULLABLE data, void *VIONET_NULLABLE user);

/*
 * Returns a packet of pool whose data is length bytes of the program's memory, not copied; NULL on
 * failure, of which vionet_error() tells. The memory lies in a pool made of the caller's memory,
 * best one with VIONET_POOL_REGION, which is shared with every port that is to send the packet.
 * The bytes must stay as they are until done has been called, once, with data and user; done may
 * be NULL. The packet is like a view: no headroom, and one descriptor more as a first segment.
 * Without an IOMMU a device can be given only what lies within one page.
 *
 * Errors:
 *   -EINVAL   data is NULL or length is 0
 *   -EFAULT   the memory is in no pool
 *   -EBADF    there is no such pool
 *   -ENOBUFS  the pool has no free packet
 *
 * Any thread. Since 0.1.
 */
struct vionet_packet *VIONET_NULLABLE vionet_packet_attach(
	uint16_t pool, void *VIONET_NULLABLE data, uint32_t length,
	vionet_attached_callback VIONET_NULLABLE done, void *VIONET_NULLABLE user);

/*
 * Returns a packet of pool with the same bytes, flags, offloads, hash, tag and port, in as few
 * buffers as hold them; NULL on failure.
 *
 * Errors:
 *   -EINVAL    packet is not the caller's, or its lengths are wrong
 *   -EBADF     there is no such pool
 *   -EMSGSIZE  it takes more than VIONET_MAX_SEGMENTS buffers
 *   -ENOBUFS   the pool has too few free packets
 *
 * Any thread. Since 0.1.
 */
struct vionet_packet *VIONET_NULLABLE vionet_packet_copy(
	struct vionet_packet *VIONET_NULLABLE packet, uint16_t pool);

/*
 * Makes a packet one segment, in a buffer of its own, by copying what is elsewhere. A packet that
 * is so already stays as it is.
 *
 * Errors:
 *   -EINVAL    packet is not the caller's, or its lengths are wrong
 *   -EBUSY     it has more than one reference
 *   -EMSGSIZE  it is longer than a buffer
 *
 * Any thread. Since 0.1.
 */
int vionet_packet_linearise(struct vionet_packet *VIONET_NULLABLE packet);

/*
 * Cuts a packet in two without copying: it keeps the bytes before offset, and the packet returned
 * has the rest, without offloads; NULL on failure, which changes nothing. If the cut is inside a
 * segment, the rest begins with a view of it. Both parts have one byte or more, and each segment
 * has the references that it had.
 *
 * Errors:
 *   -EINVAL     packet is not the caller's, its lengths are wrong, or there is no such byte
 *   -ENOBUFS    the pool has no free packet
 *   -EOVERFLOW  the packet has 65535 references
 *
 * Any thread. Since 0.1.
 */
struct vionet_packet *VIONET_NULLABLE vionet_packet_split(
	struct vionet_packet *VIONET_NULLABLE packet, uint32_t offset);

/*
 * Makes packets that ask for nothing of one that asks for segments, a checksum or a VLAN tag, for a
 * device that does none of it. Returns how many there are: 1 if the packet is not to be cut. Each
 * begins with a packet of its own that has a copy of the headers, and goes on with views of the
 * payload. They come from the pool of the packet and are the caller's. So is the packet, which may
 * be freed at once. On a port with VIONET_TX_SOFTWARE vionet_tx_burst() does the same.
 *
 * Errors:
 *   -EINVAL   packet is not the caller's, or its flags or offload fields do not fit its headers
 *   -ENOSPC   there are more than room; the sentence says how many
 *   -ENOBUFS  the pool has too few packets
 *   -ENOMEM
 *
 * Any thread. Since 0.1.
 */
int vionet_packet_segment(struct vionet_packet *VIONET_NULLABLE packet,
                          struct vionet_packet *VIONET_NULLABLE *VIONET_NULLABLE segments,
                          uint16_t room);

/* Returns the free bytes behind the data of one segment. The thread that has the packet.
 * Since 0.1. */
VIONET_INLINE uint32_t vionet_packet_tailroom(const struct vionet_packet *VIONET_NONNULL packet)
{
	return packet->size - packet->headroom - packet->length;
}

/* Moves the start of the data back by n bytes and returns it; NULL if there is no such headroom.
 * The thread that has the packet. Since 0.1. */
VIONET_INLINE void *VIONET_NULLABLE
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
 * The thread that has the packet. Since 0.1. */
VIONET_INLINE void *VIONET_NULLABLE
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
 * The thread that has the packet. Since 0.1. */
VIONET_INLINE void *VIONET_NULLABLE
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
 * The thread that has the packet. Since 0.1. */
VIONET_INLINE int vionet_packet_trim(struct vionet_packet *VIONET_NONNULL packet, uint32_t n)
{
	if (packet->next != NULL || n > packet->length)
		return -1;
	packet->length -= n;
	packet->total_length -= n;
	return 0;
}

/* Appends the packet tail to the packet head, which owns it then. Returns 0, or -1 if the packet
 * would have more than VIONET_MAX_SEGMENTS. The thread that has both packets. Since 0.1. */
VIONET_INLINE int vionet_packet_chain(struct vionet_packet *VIONET_NONNULL head,
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
 * fresh buffers. Returns how many packets it took, which is 0 for a closed or stopped port, for a
 * broken queue, and for a queue that the port does not have: the log tells of the first such burst
 * in either direction, as an error. A burst does not ask whether the device is still there: it
 * returns what a device had received before it went. One thread per queue. Since 0.1.
 */
uint16_t vionet_rx_burst(uint16_t port, uint16_t queue,
                         struct vionet_packet *VIONET_NULLABLE *VIONET_NULLABLE packets,
                         uint16_t count);

/*
 * Hands packets to the device, in order, and returns how many it took. Those are the library's; the
 * rest stay the caller's. vionet_tx_wait() sleeps until there is room for more.
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
 * Checks packets as vionet_tx_burst() does, so that what passes is not dropped there, and prepares
 * them for the offloads that their flags ask for: finds checksum_start and
 * checksum_offset where they are 0, stores the sum of the pseudo-header, finds header_length. If
 * the device has no VIRTIO_NET_F_CSUM, it writes the whole checksum instead and takes
 * VIONET_PACKET_CHECKSUM_PARTIAL away. It cuts nothing: packets to be cut into segments, which the
 * device does not do, are left for vionet_tx_burst() with VIONET_TX_SOFTWARE, and cannot be sent
 * without.
 *
 * Only packets that ask for offloads and were not received that way need it before
 * vionet_tx_burst(). Returns how many packets, from the first on, can be sent. If it is not all of
 * them, vionet_error() says what is wrong with the next. The packets stay the caller's. One thread
 * per queue, also with a transmit buffer. Since 0.1.
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

/* ---- Buffering: many threads, one transmit queue --------------------------------------------- */

/*
 * A transmit buffer collects packets of any number of threads and hands them to one transmit queue,
 * many at once. There is no thread behind it: packets are sent inside a call that finds a reason,
 * which is that there are enough of them, that one of them has waited too long, or a flush. The
 * call of one thread at a time sends, for all; the others put their packets in and return. No call
 * waits for another thread.
 *
 * While there is a transmit buffer for a queue, no thread may call vionet_tx_burst(),
 * vionet_tx_done(), vionet_tx_arm() or vionet_tx_wait() on that queue, and there is no second
 * buffer for it. The port may be stopped, started, wait or be closed at any time. What it does not
 * take stays in the buffer, in order, until it does or the buffer is destroyed. A closed port takes
 * nothing any more, and a later port of the same number gets nothing from this buffer.
 */
struct vionet_tx_buffer;

struct vionet_tx_buffer_config {
	size_t size;
	uint16_t port;
	uint16_t queue;
	uint32_t room;        /* packets that it holds, a power of two, 2 to 32768; 0: 512 */
	uint32_t burst;       /* packets that are worth sending, 1 to room; 0: 32, or room */
	uint32_t deadline;    /* microseconds that a packet may wait, up to 60000000; 0: no limit */
	uint64_t reserved[2]; /* zero */
};

/*
 * Makes a transmit buffer for a queue of a port and sets *buffer. The port need not be started, nor
 * have the queue already.
 *
 * Errors:
 *   -EINVAL   buffer or config is NULL, or a setting is wrong; the sentence names it
 *   -E2BIG    config is longer than this library knows, and the rest is not zero
 *   -ENODEV   there is no such port
 *   -ENOMEM
 *
 * Any thread. Since 0.1.
 */
int vionet_tx_buffer_create(const struct vionet_tx_buffer_config *VIONET_NULLABLE config,
                            struct vionet_tx_buffer *VIONET_NULLABLE *VIONET_NULLABLE buffer);

/*
 * Puts packets into the buffer, in order, and returns how many it took. Those are the library's;
 * the rest, for which there is no room, stay the caller's. Packets of one thread are sent in the
 * order in which it put them in.
 *
 * Sends if the buffer has burst packets then, or one that is older than the deadline. Some thread
 * notices in every case that there are burst packets: when all calls have returned there are fewer,
 * unless the port did not take them. Then a call tries again after each burst packets more, and
 * when the buffer is full. The deadline is looked at in calls only, and with a deadline each reads
 * the clock. A call with count 0, for which packets may be NULL, does only that and tries again.
 *
 * A call sends about as many packets as the buffer holds, then leaves the rest to the next thread
 * that comes. The callback for the event of a broken queue, and those of vionet_packet_attach(),
 * run on the thread that sends. Any thread. Since 0.1.
 */
uint16_t vionet_tx_buffer_put(struct vionet_tx_buffer *VIONET_NULLABLE buffer,
                              struct vionet_packet *VIONET_NULLABLE *VIONET_NULLABLE packets,
                              uint16_t count);

/*
 * Sends what is in the buffer, however little. If another thread is sending, that one sends these
 * packets too, perhaps after this call has returned. Returns how many packets are left. A call with
 * an empty buffer does what vionet_tx_done() does. Any thread. Since 0.1.
 */
uint32_t vionet_tx_buffer_flush(struct vionet_tx_buffer *VIONET_NULLABLE buffer);

/*
 * Returns for how many microseconds a program may sleep before it has to call
 * vionet_tx_buffer_flush() or vionet_tx_buffer_put(): until a packet's deadline, 0 if that has
 * come, and -1 if nothing is in the buffer or there is no deadline. After the port has not taken
 * all packets it is the deadline, or 1000 without one, to try again then.
 *
 *     int due = vionet_tx_buffer_due(buffer);
 *     poll(fds, count, due < 0 ? -1 : (due + 999) / 1000);
 *     if (vionet_tx_buffer_due(buffer) == 0)
 *             vionet_tx_buffer_flush(buffer);
 *
 * Any thread. Since 0.1.
 */
int vionet_tx_buffer_due(struct vionet_tx_buffer *VIONET_NULLABLE buffer);

struct vionet_tx_buffer_stats {
	size_t size;
	uint64_t put;         /* packets taken from callers: sent and buffered ones */
	uint64_t sent;        /* packets that the port took: see vionet_tx_queue_stats() */
	uint64_t buffered;    /* packets that are in the buffer now */
	uint64_t refused;     /* packets without room; one that is offered again counts again */
	uint64_t by_burst;    /* how often packets were sent because there were burst of them */
	uint64_t by_deadline; /* because one had waited too long */
	uint64_t by_flush;    /* for vionet_tx_buffer_flush() */
};

/*
 * Fills *stats, whose size the caller sets, with the counters of a transmit buffer.
 *
 * Errors:
 *   -EINVAL   buffer or stats is NULL, or its size is wrong
 *
 * Any thread. Since 0.1.
 */
int vionet_tx_buffer_stats(struct vionet_tx_buffer *VIONET_NULLABLE buffer,
                           struct vionet_tx_buffer_stats *VIONET_NULLABLE stats);

/*
 * Destroys a transmit buffer. Frees the packets that are in it, without sending them, and returns
 * how many. NULL is ignored. No other thread may be inside a call with the buffer, nor make one
 * later. Since 0.1.
 */
uint32_t vionet_tx_buffer_destroy(struct vionet_tx_buffer *VIONET_NULLABLE buffer);

/* ---- Sleeping: until packets come, or there is room ----------------------------------------- */

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

/*
 * Returns a file descriptor for poll() or epoll. It becomes readable when an armed transmit queue
 * has room, and when the back-end goes away. The library makes it at the first call that needs it,
 * and owns it. It stays the same until vionet_stop().
 *
 * Errors:
 *   -ENODEV   there is no such port
 *   -EINVAL   the port is not started, or has no such queue
 *   -ENOTSUP  the device signals no interrupts
 *   -EMFILE   the process may open no more files
 *
 * Any thread. Since 0.1.
 */
int vionet_tx_fd(uint16_t port, uint16_t queue);

/*
 * Asks for one wake-up through vionet_tx_fd() when there is room in a transmit queue whose ring was
 * full, and clears that descriptor. Frees sent packets first, as vionet_tx_done() does. Returns 0
 * when the queue is armed, 1 when there is room already: call vionet_tx_burst() then and do not
 * sleep. A burst disarms the queue.
 *
 * There is room when a quarter of the ring's descriptors are free, so that a sender wakes once for
 * many packets, and early enough to keep the device busy. If vionet_tx_burst() gave back a packet
 * of several segments that needs more, as many. With VIRTIO_F_EVENT_IDX the device signals once, at
 * about that place. Without it the device signals whenever it has sent something, and
 * vionet_tx_wait() goes on sleeping until there is room. The queue's sending thread only.
 *
 * Errors:
 *   -ENODEV    there is no such port, or its PCI function is gone
 *   -EINVAL    the port is not started, or has no such queue, or the queue is not in use
 *   -ENOTSUP   the device signals no interrupts
 *   -ENOTCONN  nothing more is sent: the back-end is gone and there is no room, or the queue is
 *              broken. vionet_start() brings the queue back, or vionet_event_handle() with
 *              recover=auto or server=1.
 *   -EMFILE    the process may open no more files
 *
 * Since 0.1.
 */
int vionet_tx_arm(uint16_t port, uint16_t queue);

/*
 * Sleeps until there is room in the queue, for at most the given milliseconds, or for ever if they
 * are negative. It is vionet_tx_arm() and poll() in one call. Returns 1 when there is room or
 * something else woke it twice, 0 when the time is over or a signal came. The queue's sending
 * thread only. Errors are those of vionet_tx_arm(), including what happened during the sleep.
 * Since 0.1.
 */
int vionet_tx_wait(uint16_t port, uint16_t queue, int milliseconds);

enum vionet_wait_direction {
	VIONET_WAIT_RX = 1,    /* until packets wait in a receive queue, as vionet_rx_wait() */
	VIONET_WAIT_TX = 2,    /* until there is room in a transmit queue, as vionet_tx_wait() */
	VIONET_WAIT_EVENT = 3, /* until vionet_event_fd() is readable; queue is not used */
};

struct vionet_wait_queue {
	uint16_t port; /* VIONET_PORT_NONE: this element is left out */
	uint16_t queue;
	uint16_t direction; /* enum vionet_wait_direction */
	uint16_t reserved;  /* zero */
	int32_t ready;      /* out: 1: ready; 0: not; -errno: this cannot be waited for */
};

/*
 * Sleeps until one of several queues is ready, of any ports and in both directions, for at most the
 * given milliseconds, or for ever if they are negative. Fills in ready of each element, and returns
 * for how many it is not 0. 0 means that the time is over or a signal came. An element in error
 * counts and ends the call at once, so leave it out of the next: what it says is what
 * vionet_rx_arm(), vionet_tx_arm() or vionet_event_fd() returned for it.
 *
 * A program that forwards from port a to port b waits for packets on a while it holds none, and for
 * room on b while it holds packets that b gave back:
 *
 *     struct vionet_wait_queue list[] = {{.port = a, .direction = VIONET_WAIT_RX},
 *                                        {.port = b, .direction = VIONET_WAIT_EVENT}};
 *     if (held > 0)
 *             list[0] = (struct vionet_wait_queue){.port = b, .direction = VIONET_WAIT_TX};
 *     vionet_wait(list, 2, -1);
 *
 * Errors:
 *   -EINVAL   queues is NULL, count is not 1 to 65536, a direction is wrong, or all elements are
 *             left out and milliseconds is negative
 *   -ENOMEM
 *
 * The thread of each queue in the list. Since 0.1.
 */
int vionet_wait(struct vionet_wait_queue *VIONET_NULLABLE queues, size_t count, int milliseconds);

/* ---- Settings: of a running port ------------------------------------------------------------ */

/*
 * A setting is a command on the device's control queue, or several, and waits at most 3 s for the
 * answers.
 * Settings may change while packets flow. While the device takes its time to answer, bursts go on,
 * and so do the calls of the chapter Sleeping, vionet_event_fd(), vionet_info() and the statistics
 * that do not ask the device (all but vionet_xstats(), vionet_xstat_name() and
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
 *   -ETIMEDOUT  the device has not answered yet, or not an earlier command; it may still do what it
 *               was asked for. It gets no other command before it has answered or the port was
 *               started again: settings fail at once until then
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

/*
 * Returns the Toeplitz hash of length bytes under a key, as vionet_packet.hash has it of a packet's
 * addresses and ports in the order in which they are sent: both addresses, then both ports. A key
 * of fewer than length + 4 bytes goes on with zeroes. 0 if key or data is NULL. Any thread.
 * Since 0.1.
 */
uint32_t vionet_toeplitz(const uint8_t *VIONET_NULLABLE key, uint32_t key_length,
                         const void *VIONET_NULLABLE data, uint32_t length);

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

/*
 * Takes one queue from the device, empties it and gives it back with the given number of
 * descriptors: 2 to what vionet_init() gave it, a power of two unless the rings are packed, 0 for
 * as many as it has. The other queues run on. What the queue held is freed and counted as
 * VIONET_DROP_STOPPED. A broken queue works again. The descriptor to sleep on stays valid.
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

#define VIONET_ALL_QUEUES 0xffff /* every queue of that direction */

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
	/* The link went up or down: vionet_info.link_up; why a soft: port has none: its reason. */
	VIONET_EVENT_LINK = 5,
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
 * those. A request for an announcement is acknowledged after the callbacks.
 *
 * The call waits for no back-end that is silent. One that listens to nobody costs nothing. One that
 * was asked how it is and has not answered within 100 ms is asked no more: vionet_event_fd() tells
 * when its answer is there, and a later call takes it. After 5 s it counts as gone. Only one that
 * has just answered is stopped or started again, and may take up to 5 s for all of that.
 *
 * With recover=auto a broken queue, or a device that needs a reset, is stopped and started again.
 * Bursts on other threads return 0 meanwhile.
 *
 * With recover=auto or server=1 a port whose back-end is gone delivers VIONET_EVENT_GONE and waits
 * for the next back-end in VIONET_STATE_WAITING. vionet_event_fd() says when to look for it, and
 * VIONET_EVENT_CONNECTED says that it is there. Meanwhile vionet_rx_burst() returns what had been
 * received, then 0, and vionet_tx_burst() returns 0. The descriptors of vionet_event_fd(),
 * vionet_rx_fd() and vionet_tx_fd() stay the same.
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
 *   -ETIMEDOUT  a device that is started again does not answer, or a thread stayed inside a burst
 *               for 3 s
 *   -EPROTO     the device came back without a feature that the port uses; the sentence names it. A
 *               waiting port goes on waiting for a back-end that has the feature.
 *   -EMFILE     a back-end connects, and there is no descriptor for it; the port goes on waiting
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
 * The frames go through the given transmit queue. The queue's sending thread only.
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
	VIONET_DROP_SHORT = 0,     /* rx: shorter than the two headers, virtio-net and Ethernet */
	VIONET_DROP_LONG = 1,      /* rx: longer than the buffer; tx: than the MTU, or outside it */
	VIONET_DROP_SEGMENTS = 2,  /* tx: too many segments, or their number is wrong */
	VIONET_DROP_FOREIGN = 3,   /* tx: not the caller's packet, or of a pool not shared */
	VIONET_DROP_EMPTY = 4,     /* tx: shorter than an Ethernet header, or an empty segment */
	VIONET_DROP_OFFLOAD = 5,   /* tx: an offload not negotiated; rx: an invalid header */
	VIONET_DROP_STOPPED = 6,   /* at a stop; rx: not fetched; tx: perhaps not sent */
	VIONET_DROP_NO_BUFFER = 7, /* tx: the pool had too few packets for headers and segments */
	VIONET_DROP_REASONS = 16,  /* room in the struct; further reasons may come */
};

struct vionet_queue_stats {
	size_t size;
	uint64_t packets;
	uint64_t bytes; /* of frames, without virtio-net headers */
	uint64_t dropped[VIONET_DROP_REASONS];
	uint64_t no_buffer; /* rx: how often the pool was empty when a buffer was to be replaced */
	uint64_t ring_full; /* tx: packets given back because the ring was full; see below */
	uint64_t kicks;     /* notifications sent to the device */
	uint64_t broken;    /* 1: the device broke the rules on this queue */
	/*
	 * ring_full counts a packet once, however often it is offered again: if a burst begins with
	 * the packet that the burst before it gave back first, it is taken to offer all of those
	 * again, in order. A packet that was dropped instead, or is never sent, counts as well.
	 */
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

#define VIONET_XSTAT_NAME 48 /* bytes of the longest name, its final zero included */

/*
 * Extended statistics have a number, counted from 0, and a name. Both stay the same from one
 * vionet_init() to the next. There are
 *
 *     of the port     rx_good_packets and others
 *     of each queue   tx_q0_ring_full, rx_q1_drop_short (enum vionet_drop), rx_q0_interrupts,
 *                     rx_q0_wakeups and others
 *     of the device   rx_q0_device_drops and others, with VIRTIO_NET_F_DEVICE_STATS
 *     of the device of a soft: port, what it did with frames:
 *                     rx_device_packets (delivered), rx_device_drop_short (less than a header),
 *                     rx_device_drop_long (more than the MTU), rx_device_drop_offload,
 *                     rx_device_drop_no_buffer, rx_device_drop_stopped (the port was not
 *                     started), rx_device_drop_record (of a capture), rx_device_filtered,
 *                     tx_device_packets (taken, lost ones included), tx_device_drop_short,
 *                     tx_device_drop_long, tx_device_drop_wire (interface down, disk full, no
 *                     reader), tx_device_drop_stopped
 *     with size_stats=1 in the address, of each queue, under the names that DPDK gives them:
 *                     undersize_packets (less than 64 bytes), size_64_packets,
 *                     size_65_127_packets, size_128_255_packets, size_256_511_packets,
 *                     size_512_1023_packets, size_1024_1518_packets, size_1519_max_packets,
 *                     multicast_packets (broadcast not included), broadcast_packets
 *
 * Interrupts and wake-ups are counted by the next vionet_rx_arm(), and by a vionet_rx_wait() that
 * sleeps. Interrupts between two such calls count as one.
 */

/*
 * Writes the values of the first count statistics and returns how many there are. values may be
 * NULL if count is 0. The counters of VIRTIO_NET_F_DEVICE_STATS are fetched by one command per
 * queue. They are 0 while there is no device to ask, and vionet_stats_reset() does not reset them.
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

#define VIONET_NOT_DROPPED 0xff /* in vionet_watched.drops: a packet that was not dropped */

/* What a watcher is told of, in vionet_watched.what. Further values may come. */
enum vionet_watch {
	VIONET_WATCH_RECEIVED = 1,   /* packets that a receive burst is about to return */
	VIONET_WATCH_RX_DROPPED = 2, /* frames that a receive burst dropped, for one reason */
	VIONET_WATCH_OFFERED = 3,    /* up to 64 packets that a transmit burst is given */
	VIONET_WATCH_TAKEN = 4,      /* how many of those it took, from the first on */
};

struct vionet_watched {
	size_t size;     /* as the library knows it */
	uint16_t port;   /* the port's number */
	uint16_t queue;  /* of the receive or the transmit queues */
	uint16_t what;   /* enum vionet_watch */
	uint16_t reason; /* VIONET_WATCH_RX_DROPPED: enum vionet_drop */
	uint32_t count;  /* of packets or frames */
	/*
	 * RECEIVED and OFFERED: count packets, to be read during the call only. NULL stands for an
	 * offered one that is no packet of the caller's, or whose data is not where it may be.
	 */
	const struct vionet_packet *VIONET_NULLABLE const *VIONET_NULLABLE packets;
	/*
	 * TAKEN: for each of count packets VIONET_NOT_DROPPED, or why it was dropped
	 * (enum vionet_drop).
	 */
	const uint8_t *VIONET_NULLABLE drops;
};

/*
 * Receives what a burst moves or drops, in the burst's thread. Bursts of several queues may call it
 * at the same time. It must not change packets and makes no call on the port but those that read.
 */
typedef void (*vionet_watch_callback)(const struct vionet_watched *VIONET_NONNULL watched,
                                      void *VIONET_NULLABLE user);

/*
 * Sets the watcher of a port, in any state, or removes it if callback is NULL: any watcher if user
 * is NULL, else only one that was set with this user. From then on bursts call it for every packet
 * that they receive, send or drop; while there is none, bursts cost what they always do. Bursts in
 * other threads return 0 for a moment. When the call returns, the former watcher is not called any
 * more. The watcher stays through vionet_stop(), vionet_init() and vionet_start(), and goes with
 * vionet_close(). What a stop drops is counted only.
 *
 * Errors:
 *   -ENODEV      there is no such port
 *   -EBUSY       the port has a watcher; to be removed was one with another user
 *   -ETIMEDOUT   a thread stayed inside a burst, which may still call the watcher with this user;
 *                also if the port was closed around that thread
 *   -ENOMEM      no memory
 *
 * Any thread, but not inside the watcher. Since 0.1.
 */
int vionet_watch_set(uint16_t port, vionet_watch_callback VIONET_NULLABLE callback,
                     void *VIONET_NULLABLE user);

/* ---- SoftDevices: served to other programs -------------------------------------------------- */

/*
 * Serves a soft device on a vhost-user socket, for the front-end of another program (this library,
 * DPDK, QEMU). wire is what follows "soft:" in a device address, with its keys. These keys apply
 * to a served device; docs/addresses.md explains them:
 *
 *     every wire   queues mac mtu speed packed_vq in_order mrg_rxbuf features_off client sealed
 *     generate     length rate flows checksum
 *     pcap         out format snaplen follow
 *
 * *device becomes the number of the device, for vionet_soft_stop(). The library makes the socket's
 * file and vionet_soft_stop() removes it.
 *
 * A front-end can take away memory that it has given: it shortens a file, or the file has no room
 * for its pages. The device then ends that session, with a line in the log. For this the library
 * installs a handler for SIGBUS when a front-end first gives a file that is not sealed with
 * F_SEAL_SHRINK, or is on hugepages. What concerns no such file goes to the handler that was there
 * before. A program that sets one of its own later passes on what it does not know. With sealed=1
 * the device takes sealed files only, and needs the handler only for hugepages.
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
	/* Why frames were lost: the parts of to_driver_drops, then those of from_driver_drops. */
	uint64_t to_driver_short;     /* shorter than an Ethernet header */
	uint64_t to_driver_long;      /* longer than the driver takes */
	uint64_t to_driver_offload;   /* with work left to do that the driver has not agreed to */
	uint64_t to_driver_no_buffer; /* the driver had posted none */
	uint64_t to_driver_stopped;   /* the driver had gone, or had stopped */
	uint64_t to_driver_record;    /* a capture's record is no such frame */
	uint64_t from_driver_short;   /* shorter than an Ethernet header */
	uint64_t from_driver_long;    /* longer than the wire takes */
	uint64_t from_driver_wire;    /* the wire was down or full */
	uint64_t from_driver_stopped; /* of a queue that the driver has disabled */
	uint64_t to_driver_filtered;  /* kept out by the driver's own filters: not lost */
	uint64_t faults;              /* front-ends that the device has disconnected */
	/* Why the wire carries no frames, as in vionet_info: "" while it does. */
	char reason[256];
	/*
	 * Why it disconnected the last of these: the front-end broke a rule of vhost-user or of the
	 * rings, its memory is gone, or this process has no descriptor left. "" if there was none.
	 */
	char fault[256];
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
