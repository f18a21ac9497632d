# SPDX-License-Identifier: BSD-2-Clause
# Written by Tools/bindings.py from include/vionet.h: change the header, then run it again.
"""libvionet for Python: every function, struct and constant of vionet.h, by ctypes, so that nothing is compiled.

vionet_rx_burst() is vionet.rx_burst(), struct vionet_info is vionet.Info, VIONET_PORT_NONE is vionet.PORT_NONE. What
each does, what it returns and who owns what is in vionet.h. The library is the file that the variable VIONET_LIBRARY
names, else what the system finds.
"""
import os
from ctypes import (CDLL, CFUNCTYPE, POINTER, Structure, c_char, c_char_p, c_int, c_int32, c_size_t, c_uint, c_uint8,
                    c_uint16, c_uint32, c_uint64, c_void_p, sizeof)

library = CDLL(os.environ.get("VIONET_LIBRARY", "libvionet.so.0"))
functions = {}  # those of vionet.h, by their names in C


def _function(name, result, *parameters):
    function = getattr(library, name)
    function.restype, function.argtypes = result, parameters
    functions[name] = function
    return function


def sized(kind):
    """VIONET_SIZED: a zeroed struct with its size set."""
    return kind(size=sizeof(kind))


class Error(OSError):
    """A call that failed: errno, and the sentence of vionet_error()."""


def check(result):
    """Returns the result of a call, or raises what a negative one means."""
    if result < 0:
        raise Error(-result, error().decode())
    return result


VERSION_MAJOR = 0
VERSION_MINOR = 1
VERSION_PATCH = 0
VERSION = 256
MAX_PORTS = 256
MAX_QUEUE_PAIRS = 128
MAX_POOLS = 64
MAX_SEGMENTS = 64
PORT_NONE = 0xffff
HEADROOM = 128
DEVICE_LENGTH = 512
SKIPPED = 1
ALL_QUEUES = 0xffff
XSTAT_NAME = 48
NOT_DROPPED = 0xff

# enum vionet_log_level
LOG_OFF = 0
LOG_ERROR = 1
LOG_INFO = 2
LOG_DEBUG = 3

# enum vionet_device_kind
DEVICE_TRANSITIONAL = 1
DEVICE_MODERN = 2
DEVICE_VDPA = 3

# enum vionet_rx_offload
RX_CHECKSUM = 1
RX_LRO = 2
RX_VLAN_STRIP = 4
RX_VLAN_FILTER = 8
RX_RSS = 16
RX_HASH = 32
RX_TUNNEL = 64

# enum vionet_tx_offload
TX_SOFTWARE = 1
TX_CHECKSUM = 2
TX_TCP4 = 4
TX_TCP6 = 8
TX_UDP = 16
TX_ECN = 32
TX_TUNNEL = 64

# enum vionet_state
STATE_ATTACHED = 1
STATE_INITIALISED = 2
STATE_STARTED = 3
STATE_STOPPED = 4
STATE_BROKEN = 5
STATE_WAITING = 6

# enum vionet_ring
RING_NONE = 0
RING_SPLIT = 1
RING_PACKED = 2

# enum vionet_duplex
DUPLEX_UNKNOWN = 0
DUPLEX_HALF = 1
DUPLEX_FULL = 2

# enum vionet_feature
F_CSUM = 0
F_GUEST_CSUM = 1
F_CTRL_GUEST_OFFLOADS = 2
F_MTU = 3
F_MAC = 5
F_GSO = 6
F_GUEST_TSO4 = 7
F_GUEST_TSO6 = 8
F_GUEST_ECN = 9
F_GUEST_UFO = 10
F_HOST_TSO4 = 11
F_HOST_TSO6 = 12
F_HOST_ECN = 13
F_HOST_UFO = 14
F_MRG_RXBUF = 15
F_STATUS = 16
F_CTRL_VQ = 17
F_CTRL_RX = 18
F_CTRL_VLAN = 19
F_CTRL_RX_EXTRA = 20
F_GUEST_ANNOUNCE = 21
F_MQ = 22
F_CTRL_MAC_ADDR = 23
F_NOTIFY_ON_EMPTY = 24
F_ANY_LAYOUT = 27
F_INDIRECT_DESC = 28
F_EVENT_IDX = 29
F_VERSION_1 = 32
F_ACCESS_PLATFORM = 33
F_RING_PACKED = 34
F_IN_ORDER = 35
F_ORDER_PLATFORM = 36
F_SR_IOV = 37
F_NOTIFICATION_DATA = 38
F_NOTIF_CONFIG_DATA = 39
F_RING_RESET = 40
F_ADMIN_VQ = 41
F_SUSPEND = 43
F_DEVICE_STATS = 50
F_HASH_TUNNEL = 51
F_VQ_NOTF_COAL = 52
F_NOTF_COAL = 53
F_GUEST_USO4 = 54
F_GUEST_USO6 = 55
F_HOST_USO = 56
F_HASH_REPORT = 57
F_GUEST_HDRLEN = 59
F_RSS = 60
F_RSC_EXT = 61
F_STANDBY = 62
F_SPEED_DUPLEX = 63
F_RSS_CONTEXT = 64
F_GUEST_UDP_TUNNEL_GSO = 65
F_GUEST_UDP_TUNNEL_GSO_CSUM = 66
F_HOST_UDP_TUNNEL_GSO = 67
F_HOST_UDP_TUNNEL_GSO_CSUM = 68
F_OUT_NET_HEADER = 69
F_IPSEC = 70

# enum vionet_packet_flag
PACKET_CHECKSUM_PARTIAL = 1 << 0
PACKET_CHECKSUM_GOOD = 1 << 1
PACKET_TUNNEL_CHECKSUM = 1 << 3
PACKET_TCP4 = 1 << 8
PACKET_TCP6 = 4 << 8
PACKET_UDP = 5 << 8
PACKET_TUNNEL4 = 0x20 << 8
PACKET_TUNNEL6 = 0x40 << 8
PACKET_SEGMENTS = 0x7f << 8
PACKET_ECN = 0x80 << 8
PACKET_VLAN = 1 << 16
PACKET_HASH = 1 << 17

# enum vionet_pool_flag
POOL_NO_HUGEPAGES = 1
POOL_REGION = 2

# enum vionet_wait_direction
WAIT_RX = 1
WAIT_TX = 2
WAIT_EVENT = 3

# enum vionet_filter
FILTER_ALL_UNICAST = 1 << 2
FILTER_NO_MULTICAST = 1 << 3
FILTER_NO_UNICAST = 1 << 4
FILTER_NO_BROADCAST = 1 << 5

# enum vionet_hash
HASH_IPV4 = 1 << 0
HASH_TCP4 = 1 << 1
HASH_UDP4 = 1 << 2
HASH_IPV6 = 1 << 3
HASH_TCP6 = 1 << 4
HASH_UDP6 = 1 << 5
HASH_IPV6_EX = 1 << 6
HASH_TCP6_EX = 1 << 7
HASH_UDP6_EX = 1 << 8

# enum vionet_event
EVENT_NEW = 1
EVENT_BROKEN = 2
EVENT_GONE = 3
EVENT_CLOSED = 4
EVENT_LINK = 5
EVENT_ANNOUNCE = 6
EVENT_NEEDS_RESET = 7
EVENT_RECOVERED = 8
EVENT_CONNECTED = 9

# enum vionet_drop
DROP_SHORT = 0
DROP_LONG = 1
DROP_SEGMENTS = 2
DROP_FOREIGN = 3
DROP_EMPTY = 4
DROP_OFFLOAD = 5
DROP_STOPPED = 6
DROP_NO_BUFFER = 7
DROP_REASONS = 16

# enum vionet_watch
WATCH_RECEIVED = 1
WATCH_RX_DROPPED = 2
WATCH_OFFERED = 3
WATCH_TAKEN = 4

# void (*vionet_log_callback)(int level, const char *line, void *user)
LogCallback = CFUNCTYPE(None, c_int, c_char_p, c_void_p)

# void (*vionet_attached_callback)(void *data, void *user)
AttachedCallback = CFUNCTYPE(None, c_void_p, c_void_p)

# void (*vionet_event_callback)(uint16_t port, int event, void *user)
EventCallback = CFUNCTYPE(None, c_uint16, c_int, c_void_p)


class Device(Structure):
    """struct vionet_device"""
    _fields_ = [
        ("size", c_size_t), ("kind", c_uint32), ("iommu_group", c_int32), ("ready", c_uint8),
        ("reserved", c_uint8 * 7), ("address", c_char * 32), ("driver", c_char * 32), ("interface", c_char * 16),
        ("reason", c_char * 256)]


class Config(Structure):
    """struct vionet_config"""
    _fields_ = [
        ("size", c_size_t), ("queue_pairs", c_uint16), ("rx_descriptors", c_uint16), ("tx_descriptors", c_uint16),
        ("pool", c_uint16), ("features_off", c_uint64), ("rx_offloads", c_uint32), ("tx_offloads", c_uint32),
        ("reserved", c_uint64 * 3)]


class Info(Structure):
    """struct vionet_info"""
    _fields_ = [
        ("size", c_size_t), ("offered", c_uint64 * 2), ("negotiated", c_uint64 * 2), ("state", c_uint32),
        ("ring", c_uint32), ("queue_pairs", c_uint16), ("max_queue_pairs", c_uint16), ("rx_descriptors", c_uint16),
        ("tx_descriptors", c_uint16), ("header_size", c_uint16), ("mtu", c_uint16), ("pool", c_uint16),
        ("link_up", c_uint8), ("mac_random", c_uint8), ("mac", c_uint8 * 6), ("duplex", c_uint8),
        ("reserved", c_uint8), ("start_microseconds", c_uint32), ("device", c_char * 512), ("rx_path", c_char * 32),
        ("tx_path", c_char * 32), ("speed", c_uint32), ("rx_offloads", c_uint32), ("tx_offloads", c_uint32),
        ("max_rx_descriptors", c_uint16), ("max_tx_descriptors", c_uint16), ("reason", c_char * 256)]


class Packet(Structure):
    """struct vionet_packet"""


Packet._fields_ = [
    ("data", c_void_p), ("next", POINTER(Packet)), ("length", c_uint32), ("total_length", c_uint32),
    ("flags", c_uint32), ("hash", c_uint32), ("port", c_uint16), ("segments", c_uint16), ("references", c_uint16),
    ("pool", c_uint8), ("owner", c_uint8), ("header_length", c_uint16), ("segment_size", c_uint16),
    ("checksum_start", c_uint16), ("checksum_offset", c_uint16), ("reserved", c_uint64), ("size", c_uint32),
    ("vlan", c_uint16), ("headroom", c_uint16)]


class PoolConfig(Structure):
    """struct vionet_pool_config"""
    _fields_ = [
        ("size", c_size_t), ("packets", c_uint32), ("data_size", c_uint32), ("flags", c_uint32), ("memory_fd", c_int),
        ("memory", c_void_p), ("memory_length", c_size_t), ("memory_offset", c_uint64), ("private_size", c_uint32),
        ("reserved32", c_uint32), ("reserved", c_uint64)]


class PoolInfo(Structure):
    """struct vionet_pool_info"""
    _fields_ = [
        ("size", c_size_t), ("packets", c_uint32), ("available", c_uint32), ("data_size", c_uint32),
        ("hugepages", c_uint32), ("refused", c_uint64), ("memory", c_uint64), ("private_size", c_uint32),
        ("attached", c_uint32)]


class TxBuffer(Structure):
    """struct vionet_tx_buffer"""


class TxBufferConfig(Structure):
    """struct vionet_tx_buffer_config"""
    _fields_ = [
        ("size", c_size_t), ("port", c_uint16), ("queue", c_uint16), ("room", c_uint32), ("burst", c_uint32),
        ("deadline", c_uint32), ("reserved", c_uint64 * 2)]


class TxBufferStats(Structure):
    """struct vionet_tx_buffer_stats"""
    _fields_ = [
        ("size", c_size_t), ("put", c_uint64), ("sent", c_uint64), ("buffered", c_uint64), ("refused", c_uint64),
        ("by_burst", c_uint64), ("by_deadline", c_uint64), ("by_flush", c_uint64)]


class WaitQueue(Structure):
    """struct vionet_wait_queue"""
    _fields_ = [
        ("port", c_uint16), ("queue", c_uint16), ("direction", c_uint16), ("reserved", c_uint16), ("ready", c_int32)]


class Rss(Structure):
    """struct vionet_rss"""
    _fields_ = [
        ("size", c_size_t), ("key", POINTER(c_uint8)), ("table", POINTER(c_uint16)), ("hash_types", c_uint32),
        ("table_length", c_uint16), ("unclassified_queue", c_uint16), ("key_length", c_uint8),
        ("max_key_length", c_uint8), ("max_table_length", c_uint16), ("supported_hash_types", c_uint32)]


class QueueStats(Structure):
    """struct vionet_queue_stats"""
    _fields_ = [
        ("size", c_size_t), ("packets", c_uint64), ("bytes", c_uint64), ("dropped", c_uint64 * 16),
        ("no_buffer", c_uint64), ("ring_full", c_uint64), ("kicks", c_uint64), ("broken", c_uint64)]


class Stats(Structure):
    """struct vionet_stats"""
    _fields_ = [
        ("size", c_size_t), ("rx", QueueStats), ("tx", QueueStats)]


class Watched(Structure):
    """struct vionet_watched"""
    _fields_ = [
        ("size", c_size_t), ("port", c_uint16), ("queue", c_uint16), ("what", c_uint16), ("reason", c_uint16),
        ("count", c_uint32), ("packets", POINTER(POINTER(Packet))), ("drops", POINTER(c_uint8))]


class SoftStats(Structure):
    """struct vionet_soft_stats"""
    _fields_ = [
        ("size", c_size_t), ("to_driver", c_uint64), ("from_driver", c_uint64), ("to_driver_drops", c_uint64),
        ("from_driver_drops", c_uint64), ("connections", c_uint64), ("to_driver_short", c_uint64),
        ("to_driver_long", c_uint64), ("to_driver_offload", c_uint64), ("to_driver_no_buffer", c_uint64),
        ("to_driver_stopped", c_uint64), ("to_driver_record", c_uint64), ("from_driver_short", c_uint64),
        ("from_driver_long", c_uint64), ("from_driver_wire", c_uint64), ("from_driver_stopped", c_uint64),
        ("to_driver_filtered", c_uint64), ("faults", c_uint64), ("reason", c_char * 256), ("fault", c_char * 256)]


# void (*vionet_watch_callback)(const struct vionet_watched *watched, void *user)
WatchCallback = CFUNCTYPE(None, POINTER(Watched), c_void_p)


# const char *vionet_version(void)
#     Returns the running library's version, "0.1.0".
version = _function("vionet_version", c_char_p)

# uint32_t vionet_version_number(void)
#     Returns the running library's version, to compare with VIONET_VERSION.
version_number = _function("vionet_version_number", c_uint32)

# const char *vionet_error(void)
#     Returns the sentence of this thread's last failed call, or "" before the first.
error = _function("vionet_error", c_char_p)

# void vionet_log_set(int level, vionet_log_callback callback, void *user)
#     Sends log lines of up to the given level to the callback.
log_set = _function("vionet_log_set", None, c_int, LogCallback, c_void_p)

# int vionet_devices(struct vionet_device *list, size_t count)
#     Lists the machine's virtio-net PCI functions in the order of their addresses, whatever driver they are bound to,
#     then up to 64 vDPA devices that have a /dev/vhost-vdpa-N.
devices = _function("vionet_devices", c_int, POINTER(Device), c_size_t)

# int vionet_probe(const char *device, uint16_t *port)
#     Finds the device, connects to it or maps it, and reads what it offers.
probe = _function("vionet_probe", c_int, c_char_p, POINTER(c_uint16))

# int vionet_init(uint16_t port, const struct vionet_config *config)
#     Resets the device, negotiates features and builds the queues.
init = _function("vionet_init", c_int, c_uint16, POINTER(Config))

# int vionet_start(uint16_t port)
#     Fills the receive rings and lets packets flow.
start = _function("vionet_start", c_int, c_uint16)

# int vionet_stop(uint16_t port)
#     Stops the device and takes every buffer back.
stop = _function("vionet_stop", c_int, c_uint16)

# void vionet_close(uint16_t port)
#     Stops the port if it is started, delivers VIONET_EVENT_CLOSED and frees all that the port held.
close = _function("vionet_close", None, c_uint16)

# int vionet_open(const char *device, uint16_t *port)
#     Does what vionet_probe(), vionet_init() with defaults and vionet_start() do.
open = _function("vionet_open", c_int, c_char_p, POINTER(c_uint16))

# int vionet_open_config(const char *device, const struct vionet_config *config, uint16_t *port)
#     Does what vionet_open() does, with settings
open_config = _function("vionet_open_config", c_int, c_char_p, POINTER(Config), POINTER(c_uint16))

# uint16_t vionet_port_next(uint16_t from)
#     Returns the first open port whose number is from or above, VIONET_PORT_NONE if there is none.
port_next = _function("vionet_port_next", c_uint16, c_uint16)

# int vionet_info(uint16_t port, struct vionet_info *info)
#     Fills *info with what a port is, what its device offers and what was negotiated.
info = _function("vionet_info", c_int, c_uint16, POINTER(Info))

# const char *vionet_feature_name(unsigned int bit)
#     Returns the name of a virtio-net feature bit, "VIRTIO_NET_F_MAC"; NULL if the bit has none.
feature_name = _function("vionet_feature_name", c_char_p, c_uint)

# int vionet_pool_create(const struct vionet_pool_config *config, uint16_t *pool)
#     Makes a pool of packets and sets *pool to its number, which is never 0.
pool_create = _function("vionet_pool_create", c_int, POINTER(PoolConfig), POINTER(c_uint16))

# int vionet_pool_destroy(uint16_t pool)
#     Destroys a pool.
pool_destroy = _function("vionet_pool_destroy", c_int, c_uint16)

# int vionet_pool_info(uint16_t pool, struct vionet_pool_info *info)
#     Fills *info, whose size the caller sets, with the sizes and counters of a pool.
pool_info = _function("vionet_pool_info", c_int, c_uint16, POINTER(PoolInfo))

# int vionet_pool_share(uint16_t pool, uint16_t port)
#     Shares a pool's memory with a port's device, so that the port can send packets of the pool.
pool_share = _function("vionet_pool_share", c_int, c_uint16, c_uint16)

# int vionet_rx_pool_set(uint16_t port, uint16_t queue, uint16_t pool)
#     Lets the buffers of one receive queue come from a pool of their own, from the next vionet_init() or vionet_start()
#     on; pool 0 means that of vionet_config again.
rx_pool_set = _function("vionet_rx_pool_set", c_int, c_uint16, c_uint16, c_uint16)

# struct vionet_packet *vionet_packet_alloc(uint16_t pool)
#     Returns one packet with VIONET_HEADROOM and no data, which is the caller's; NULL if the pool is empty.
packet_alloc = _function("vionet_packet_alloc", POINTER(Packet), c_uint16)

# uint16_t vionet_packet_alloc_bulk(uint16_t pool, struct vionet_packet **packets, uint16_t count)
#     Allocates count packets or none
packet_alloc_bulk = _function("vionet_packet_alloc_bulk", c_uint16, c_uint16, POINTER(POINTER(Packet)), c_uint16)

# void vionet_packet_free(struct vionet_packet *packet)
#     Drops one reference of each segment.
packet_free = _function("vionet_packet_free", None, POINTER(Packet))

# void vionet_packet_free_bulk(struct vionet_packet **packets, uint16_t count)
#     Does vionet_packet_free() for each of count packets.
packet_free_bulk = _function("vionet_packet_free_bulk", None, POINTER(POINTER(Packet)), c_uint16)

# int vionet_packet_reference(struct vionet_packet *packet)
#     Adds one reference to every segment, so that the packet survives one more free.
packet_reference = _function("vionet_packet_reference", c_int, POINTER(Packet))

# void *vionet_packet_private(const struct vionet_packet *packet)
#     Returns the program's own bytes of a packet, as many as vionet_pool_config.private_size; NULL if its pool has none
#     or there is no such packet.
packet_private = _function("vionet_packet_private", c_void_p, POINTER(Packet))

# int vionet_packet_tunnel(const struct vionet_packet *packet, uint16_t *outer_transport, uint16_t *inner_network)
#     Reads where the headers of a packet lie whose flags have VIONET_PACKET_TUNNEL4 or _TUNNEL6
packet_tunnel = _function("vionet_packet_tunnel", c_int, POINTER(Packet), POINTER(c_uint16), POINTER(c_uint16))

# int vionet_packet_tunnel_set(struct vionet_packet *packet, uint16_t outer_transport, uint16_t inner_network)
#     Says where the headers of a packet lie that is to be sent with VIONET_PACKET_TUNNEL4 or _TUNNEL6.
packet_tunnel_set = _function("vionet_packet_tunnel_set", c_int, POINTER(Packet), c_uint16, c_uint16)

# struct vionet_packet *vionet_packet_view(struct vionet_packet *packet, uint32_t offset, uint32_t length)
#     Returns a packet that shows length bytes of another packet, from byte offset on, without copying them; NULL on
#     failure, of which vionet_error() tells.
packet_view = _function("vionet_packet_view", POINTER(Packet), POINTER(Packet), c_uint32, c_uint32)

# struct vionet_packet *vionet_packet_attach(uint16_t pool, void *data, uint32_t length, vionet_attached_callback done,
# void *user)
#     Returns a packet of pool whose data is length bytes of the program's memory, not copied; NULL on failure, of which
#     vionet_error() tells.
packet_attach = _function("vionet_packet_attach", POINTER(Packet), c_uint16, c_void_p, c_uint32, AttachedCallback,
    c_void_p)

# struct vionet_packet *vionet_packet_copy(struct vionet_packet *packet, uint16_t pool)
#     Returns a packet of pool with the same bytes, flags, offloads, hash, tag and port, in as few buffers as hold them;
#     NULL on failure.
packet_copy = _function("vionet_packet_copy", POINTER(Packet), POINTER(Packet), c_uint16)

# int vionet_packet_linearise(struct vionet_packet *packet)
#     Makes a packet one segment, in a buffer of its own, by copying what is elsewhere.
packet_linearise = _function("vionet_packet_linearise", c_int, POINTER(Packet))

# struct vionet_packet *vionet_packet_split(struct vionet_packet *packet, uint32_t offset)
#     Cuts a packet in two without copying
packet_split = _function("vionet_packet_split", POINTER(Packet), POINTER(Packet), c_uint32)

# int vionet_packet_segment(struct vionet_packet *packet, struct vionet_packet **segments, uint16_t room)
#     Makes packets that ask for nothing of one that asks for segments, a checksum or a VLAN tag, for a device that does
#     none of it.
packet_segment = _function("vionet_packet_segment", c_int, POINTER(Packet), POINTER(POINTER(Packet)), c_uint16)

# uint32_t vionet_packet_tailroom(const struct vionet_packet *packet)
#     Returns the free bytes behind the data of one segment.
packet_tailroom = _function("vionet_packet_tailroom", c_uint32, POINTER(Packet))

# void *vionet_packet_prepend(struct vionet_packet *packet, uint16_t n)
#     Moves the start of the data back by n bytes and returns it; NULL if there is no such headroom.
packet_prepend = _function("vionet_packet_prepend", c_void_p, POINTER(Packet), c_uint16)

# void *vionet_packet_adjust(struct vionet_packet *packet, uint16_t n)
#     Cuts n bytes off the first segment's start and returns the new start; NULL if it has fewer.
packet_adjust = _function("vionet_packet_adjust", c_void_p, POINTER(Packet), c_uint16)

# void *vionet_packet_append(struct vionet_packet *packet, uint32_t n)
#     Adds n bytes to a packet of one segment and returns where they start; NULL if there is no room.
packet_append = _function("vionet_packet_append", c_void_p, POINTER(Packet), c_uint32)

# int vionet_packet_trim(struct vionet_packet *packet, uint32_t n)
#     Takes n bytes off the end of a packet of one segment.
packet_trim = _function("vionet_packet_trim", c_int, POINTER(Packet), c_uint32)

# int vionet_packet_chain(struct vionet_packet *head, struct vionet_packet *tail)
#     Appends the packet tail to the packet head, which owns it then.
packet_chain = _function("vionet_packet_chain", c_int, POINTER(Packet), POINTER(Packet))

# uint16_t vionet_rx_burst(uint16_t port, uint16_t queue, struct vionet_packet **packets, uint16_t count)
#     Takes up to count received packets, which are the caller's from then on, and gives the device fresh buffers.
rx_burst = _function("vionet_rx_burst", c_uint16, c_uint16, c_uint16, POINTER(POINTER(Packet)), c_uint16)

# uint16_t vionet_tx_burst(uint16_t port, uint16_t queue, struct vionet_packet **packets, uint16_t count)
#     Hands packets to the device, in order, and returns how many it took.
tx_burst = _function("vionet_tx_burst", c_uint16, c_uint16, c_uint16, POINTER(POINTER(Packet)), c_uint16)

# uint16_t vionet_tx_prepare(uint16_t port, uint16_t queue, struct vionet_packet **packets, uint16_t count)
#     Checks packets as vionet_tx_burst() does, so that what passes is not dropped there, and prepares them for the
#     offloads that their flags ask for
tx_prepare = _function("vionet_tx_prepare", c_uint16, c_uint16, c_uint16, POINTER(POINTER(Packet)), c_uint16)

# uint16_t vionet_tx_done(uint16_t port, uint16_t queue)
#     Frees all packets that the device has sent and returns how many descriptors they had.
tx_done = _function("vionet_tx_done", c_uint16, c_uint16, c_uint16)

# int vionet_tx_buffer_create(const struct vionet_tx_buffer_config *config, struct vionet_tx_buffer **buffer)
#     Makes a transmit buffer for a queue of a port and sets *buffer.
tx_buffer_create = _function("vionet_tx_buffer_create", c_int, POINTER(TxBufferConfig), POINTER(POINTER(TxBuffer)))

# uint16_t vionet_tx_buffer_put(struct vionet_tx_buffer *buffer, struct vionet_packet **packets, uint16_t count)
#     Puts packets into the buffer, in order, and returns how many it took.
tx_buffer_put = _function("vionet_tx_buffer_put", c_uint16, POINTER(TxBuffer), POINTER(POINTER(Packet)), c_uint16)

# uint32_t vionet_tx_buffer_flush(struct vionet_tx_buffer *buffer)
#     Sends what is in the buffer, however little.
tx_buffer_flush = _function("vionet_tx_buffer_flush", c_uint32, POINTER(TxBuffer))

# int vionet_tx_buffer_due(struct vionet_tx_buffer *buffer)
#     Returns for how many microseconds a program may sleep before it has to call vionet_tx_buffer_flush() or
#     vionet_tx_buffer_put()
tx_buffer_due = _function("vionet_tx_buffer_due", c_int, POINTER(TxBuffer))

# int vionet_tx_buffer_stats(struct vionet_tx_buffer *buffer, struct vionet_tx_buffer_stats *stats)
#     Fills *stats, whose size the caller sets, with the counters of a transmit buffer.
tx_buffer_stats = _function("vionet_tx_buffer_stats", c_int, POINTER(TxBuffer), POINTER(TxBufferStats))

# uint32_t vionet_tx_buffer_destroy(struct vionet_tx_buffer *buffer)
#     Destroys a transmit buffer.
tx_buffer_destroy = _function("vionet_tx_buffer_destroy", c_uint32, POINTER(TxBuffer))

# int vionet_rx_fd(uint16_t port, uint16_t queue)
#     Returns a file descriptor for poll() or epoll.
rx_fd = _function("vionet_rx_fd", c_int, c_uint16, c_uint16)

# int vionet_rx_arm(uint16_t port, uint16_t queue)
#     Asks for one wake-up through vionet_rx_fd() and clears that descriptor.
rx_arm = _function("vionet_rx_arm", c_int, c_uint16, c_uint16)

# int vionet_rx_wait(uint16_t port, uint16_t queue, int milliseconds)
#     Sleeps until packets wait in the queue, for at most the given milliseconds, or for ever if they are negative.
rx_wait = _function("vionet_rx_wait", c_int, c_uint16, c_uint16, c_int)

# int vionet_tx_fd(uint16_t port, uint16_t queue)
#     Returns a file descriptor for poll() or epoll.
tx_fd = _function("vionet_tx_fd", c_int, c_uint16, c_uint16)

# int vionet_tx_arm(uint16_t port, uint16_t queue)
#     Asks for one wake-up through vionet_tx_fd() when there is room in a transmit queue whose ring was full, and clears
#     that descriptor.
tx_arm = _function("vionet_tx_arm", c_int, c_uint16, c_uint16)

# int vionet_tx_wait(uint16_t port, uint16_t queue, int milliseconds)
#     Sleeps until there is room in the queue, for at most the given milliseconds, or for ever if they are negative.
tx_wait = _function("vionet_tx_wait", c_int, c_uint16, c_uint16, c_int)

# int vionet_wait(struct vionet_wait_queue *queues, size_t count, int milliseconds)
#     Sleeps until one of several queues is ready, of any ports and in both directions, for at most the given
#     milliseconds, or for ever if they are negative.
wait = _function("vionet_wait", c_int, POINTER(WaitQueue), c_size_t, c_int)

# int vionet_promiscuous_set(uint16_t port, int on)
#     Receives all frames, or only those to the port's address, to an address of vionet_mac_list_set() and to broadcast.
promiscuous_set = _function("vionet_promiscuous_set", c_int, c_uint16, c_int)

# int vionet_all_multicast_set(uint16_t port, int on)
#     Receives every multicast frame, or only those of vionet_mac_list_set().
all_multicast_set = _function("vionet_all_multicast_set", c_int, c_uint16, c_int)

# int vionet_rx_filter_set(uint16_t port, uint32_t flags)
#     Sets all four filters
rx_filter_set = _function("vionet_rx_filter_set", c_int, c_uint16, c_uint32)

# int vionet_mac_set(uint16_t port, const uint8_t *mac)
#     Gives the port another MAC address of 6 bytes
mac_set = _function("vionet_mac_set", c_int, c_uint16, POINTER(c_uint8))

# int vionet_mac_list_set(uint16_t port, const uint8_t *list, size_t count)
#     Replaces the list of further addresses whose frames the port receives
mac_list_set = _function("vionet_mac_list_set", c_int, c_uint16, POINTER(c_uint8), c_size_t)

# int vionet_vlan_filter_set(uint16_t port, uint16_t id, int on)
#     Lets frames of VLAN id, 0 to 4095, pass or not.
vlan_filter_set = _function("vionet_vlan_filter_set", c_int, c_uint16, c_uint16, c_int)

# int vionet_queue_pairs_set(uint16_t port, uint16_t pairs)
#     Sets how many of the port's queue pairs are in use
queue_pairs_set = _function("vionet_queue_pairs_set", c_int, c_uint16, c_uint16)

# int vionet_mtu_set(uint16_t port, uint16_t mtu)
#     Sets the largest packet that is sent, in bytes after the Ethernet header.
mtu_set = _function("vionet_mtu_set", c_int, c_uint16, c_uint16)

# uint32_t vionet_toeplitz(const uint8_t *key, uint32_t key_length, const void *data, uint32_t length)
#     Returns the Toeplitz hash of length bytes under a key, as vionet_packet.hash has it of a packet's addresses and
#     ports in the order in which they are sent
toeplitz = _function("vionet_toeplitz", c_uint32, POINTER(c_uint8), c_uint32, c_void_p, c_uint32)

# int vionet_rss_set(uint16_t port, const struct vionet_rss *rss)
#     Sets which received packets have a hash and how the hash chooses their queue.
rss_set = _function("vionet_rss_set", c_int, c_uint16, POINTER(Rss))

# int vionet_rss_get(uint16_t port, struct vionet_rss *rss)
#     Fills *rss, whose size the caller sets, with what is in use.
rss_get = _function("vionet_rss_get", c_int, c_uint16, POINTER(Rss))

# int vionet_rx_offloads_set(uint16_t port, uint32_t offloads)
#     Switches VIONET_RX_CHECKSUM and VIONET_RX_LRO off and on again, if vionet_init() got them.
rx_offloads_set = _function("vionet_rx_offloads_set", c_int, c_uint16, c_uint32)

# int vionet_rx_queue_restart(uint16_t port, uint16_t queue, uint16_t descriptors)
#     Takes one queue from the device, empties it and gives it back with the given number of descriptors
rx_queue_restart = _function("vionet_rx_queue_restart", c_int, c_uint16, c_uint16, c_uint16)

# int vionet_tx_queue_restart(uint16_t port, uint16_t queue, uint16_t descriptors)
#     Does for a transmit queue what vionet_rx_queue_restart() does for a receive queue.
tx_queue_restart = _function("vionet_tx_queue_restart", c_int, c_uint16, c_uint16, c_uint16)

# int vionet_rx_coalesce_set(uint16_t port, uint16_t queue, uint32_t packets, uint32_t microseconds)
#     Lets the device delay interrupts of receive queues until the given number of packets have come or the given number
#     of microseconds have passed since the first of them, whichever is earlier.
rx_coalesce_set = _function("vionet_rx_coalesce_set", c_int, c_uint16, c_uint16, c_uint32, c_uint32)

# int vionet_tx_coalesce_set(uint16_t port, uint16_t queue, uint32_t packets, uint32_t microseconds)
#     Does for transmit queues and sent packets what vionet_rx_coalesce_set() does.
tx_coalesce_set = _function("vionet_tx_coalesce_set", c_int, c_uint16, c_uint16, c_uint32, c_uint32)

# int vionet_event_add(vionet_event_callback callback, void *user)
#     Adds a callback for the events of all ports.
event_add = _function("vionet_event_add", c_int, EventCallback, c_void_p)

# int vionet_event_remove(vionet_event_callback callback, void *user)
#     Removes a callback that vionet_event_add() added with the same two arguments.
event_remove = _function("vionet_event_remove", c_int, EventCallback, c_void_p)

# int vionet_event_fd(uint16_t port)
#     Returns a file descriptor that becomes readable when something happens to a started port
event_fd = _function("vionet_event_fd", c_int, c_uint16)

# int vionet_event_handle(uint16_t port)
#     Finds out what happened to a started port and delivers it to the callbacks, on this thread.
event_handle = _function("vionet_event_handle", c_int, c_uint16)

# int vionet_announce(uint16_t port, uint16_t queue, const uint8_t *addresses, size_t count)
#     Tells the network where the port's address is.
announce = _function("vionet_announce", c_int, c_uint16, c_uint16, POINTER(c_uint8), c_size_t)

# int vionet_stats(uint16_t port, struct vionet_stats *stats)
#     Fills *stats, whose size the caller sets, with a port's totals since vionet_probe() or the last
#     vionet_stats_reset().
stats = _function("vionet_stats", c_int, c_uint16, POINTER(Stats))

# int vionet_rx_queue_stats(uint16_t port, uint16_t queue, struct vionet_queue_stats *stats)
#     Fills *stats, whose size the caller sets, with the counters of one receive queue.
rx_queue_stats = _function("vionet_rx_queue_stats", c_int, c_uint16, c_uint16, POINTER(QueueStats))

# int vionet_tx_queue_stats(uint16_t port, uint16_t queue, struct vionet_queue_stats *stats)
#     Does for a transmit queue what vionet_rx_queue_stats() does.
tx_queue_stats = _function("vionet_tx_queue_stats", c_int, c_uint16, c_uint16, POINTER(QueueStats))

# int vionet_xstats(uint16_t port, uint64_t *values, uint32_t count)
#     Writes the values of the first count statistics and returns how many there are.
xstats = _function("vionet_xstats", c_int, c_uint16, POINTER(c_uint64), c_uint32)

# int vionet_xstat_name(uint16_t port, uint32_t id, char *name, size_t room)
#     Writes the name of statistic id, with its final zero, into room bytes.
xstat_name = _function("vionet_xstat_name", c_int, c_uint16, c_uint32, POINTER(c_char), c_size_t)

# int vionet_xstat_id(uint16_t port, const char *name)
#     Returns the number of the statistic with this name.
xstat_id = _function("vionet_xstat_id", c_int, c_uint16, c_char_p)

# int vionet_stats_reset(uint16_t port)
#     Sets the port's counters to zero.
stats_reset = _function("vionet_stats_reset", c_int, c_uint16)

# const char *vionet_drop_name(unsigned int reason)
#     Returns the name of a drop reason, "short"; NULL if the reason has none.
drop_name = _function("vionet_drop_name", c_char_p, c_uint)

# int vionet_watch_set(uint16_t port, vionet_watch_callback callback, void *user)
#     Sets the watcher of a port, in any state, or removes it if callback is NULL
watch_set = _function("vionet_watch_set", c_int, c_uint16, WatchCallback, c_void_p)

# int vionet_soft_serve(const char *path, const char *wire, uint16_t *device)
#     Serves a soft device on a vhost-user socket, for the front-end of another program (this library, DPDK, QEMU).
soft_serve = _function("vionet_soft_serve", c_int, c_char_p, c_char_p, POINTER(c_uint16))

# int vionet_soft_stats(uint16_t device, struct vionet_soft_stats *stats)
#     Fills *stats, whose size the caller sets, with the counters of a served device.
soft_stats = _function("vionet_soft_stats", c_int, c_uint16, POINTER(SoftStats))

# void vionet_soft_stop(uint16_t device)
#     Disconnects a served device and forgets it.
soft_stop = _function("vionet_soft_stop", None, c_uint16)
