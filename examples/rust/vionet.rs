// SPDX-License-Identifier: BSD-2-Clause
// Written by Tools/bindings.py from include/vionet.h: change the header, then run it again.

//! libvionet for Rust: every function, struct and constant of vionet.h. No crate is needed.
//!
//! vionet_rx_burst() is vionet::rx_burst(), struct vionet_info is vionet::Info, VIONET_PORT_NONE is vionet::PORT_NONE.
//! What each does, what it returns and who owns what is in vionet.h.
#![allow(dead_code)]

use std::ffi::CStr;
use std::io;
use std::os::raw::{c_char, c_int, c_uint, c_void};

/// The result of a call, or what a negative one means: the sentence of vionet_error().
pub fn check(result: c_int) -> io::Result<c_int> {
    if result >= 0 {
        return Ok(result);
    }
    let kind = io::Error::from_raw_os_error(-result).kind();
    let sentence = unsafe { CStr::from_ptr(error()) }.to_string_lossy().into_owned();
    Err(io::Error::new(kind, sentence))
}

pub const VERSION_MAJOR: u32 = 0;
pub const VERSION_MINOR: u32 = 1;
pub const VERSION_PATCH: u32 = 0;
pub const VERSION: u32 = 256;
pub const MAX_PORTS: u32 = 256;
pub const MAX_QUEUE_PAIRS: u32 = 128;
pub const MAX_POOLS: u32 = 64;
pub const MAX_SEGMENTS: u32 = 64;
pub const PORT_NONE: u16 = 0xffff;
pub const HEADROOM: u32 = 128;
pub const DEVICE_LENGTH: u32 = 512;
pub const SKIPPED: u32 = 1;
pub const ALL_QUEUES: u16 = 0xffff;
pub const XSTAT_NAME: u32 = 48;
pub const NOT_DROPPED: u32 = 0xff;

// enum vionet_log_level
pub const LOG_OFF: u32 = 0;
pub const LOG_ERROR: u32 = 1;
pub const LOG_INFO: u32 = 2;
pub const LOG_DEBUG: u32 = 3;

// enum vionet_device_kind
pub const DEVICE_TRANSITIONAL: u32 = 1;
pub const DEVICE_MODERN: u32 = 2;
pub const DEVICE_VDPA: u32 = 3;

// enum vionet_rx_offload
pub const RX_CHECKSUM: u32 = 1;
pub const RX_LRO: u32 = 2;
pub const RX_VLAN_STRIP: u32 = 4;
pub const RX_VLAN_FILTER: u32 = 8;
pub const RX_RSS: u32 = 16;
pub const RX_HASH: u32 = 32;
pub const RX_TUNNEL: u32 = 64;

// enum vionet_tx_offload
pub const TX_SOFTWARE: u32 = 1;
pub const TX_CHECKSUM: u32 = 2;
pub const TX_TCP4: u32 = 4;
pub const TX_TCP6: u32 = 8;
pub const TX_UDP: u32 = 16;
pub const TX_ECN: u32 = 32;
pub const TX_TUNNEL: u32 = 64;

// enum vionet_state
pub const STATE_ATTACHED: u32 = 1;
pub const STATE_INITIALISED: u32 = 2;
pub const STATE_STARTED: u32 = 3;
pub const STATE_STOPPED: u32 = 4;
pub const STATE_BROKEN: u32 = 5;
pub const STATE_WAITING: u32 = 6;

// enum vionet_ring
pub const RING_NONE: u32 = 0;
pub const RING_SPLIT: u32 = 1;
pub const RING_PACKED: u32 = 2;

// enum vionet_duplex
pub const DUPLEX_UNKNOWN: u32 = 0;
pub const DUPLEX_HALF: u32 = 1;
pub const DUPLEX_FULL: u32 = 2;

// enum vionet_feature
pub const F_CSUM: u32 = 0;
pub const F_GUEST_CSUM: u32 = 1;
pub const F_CTRL_GUEST_OFFLOADS: u32 = 2;
pub const F_MTU: u32 = 3;
pub const F_MAC: u32 = 5;
pub const F_GSO: u32 = 6;
pub const F_GUEST_TSO4: u32 = 7;
pub const F_GUEST_TSO6: u32 = 8;
pub const F_GUEST_ECN: u32 = 9;
pub const F_GUEST_UFO: u32 = 10;
pub const F_HOST_TSO4: u32 = 11;
pub const F_HOST_TSO6: u32 = 12;
pub const F_HOST_ECN: u32 = 13;
pub const F_HOST_UFO: u32 = 14;
pub const F_MRG_RXBUF: u32 = 15;
pub const F_STATUS: u32 = 16;
pub const F_CTRL_VQ: u32 = 17;
pub const F_CTRL_RX: u32 = 18;
pub const F_CTRL_VLAN: u32 = 19;
pub const F_CTRL_RX_EXTRA: u32 = 20;
pub const F_GUEST_ANNOUNCE: u32 = 21;
pub const F_MQ: u32 = 22;
pub const F_CTRL_MAC_ADDR: u32 = 23;
pub const F_NOTIFY_ON_EMPTY: u32 = 24;
pub const F_ANY_LAYOUT: u32 = 27;
pub const F_INDIRECT_DESC: u32 = 28;
pub const F_EVENT_IDX: u32 = 29;
pub const F_VERSION_1: u32 = 32;
pub const F_ACCESS_PLATFORM: u32 = 33;
pub const F_RING_PACKED: u32 = 34;
pub const F_IN_ORDER: u32 = 35;
pub const F_ORDER_PLATFORM: u32 = 36;
pub const F_SR_IOV: u32 = 37;
pub const F_NOTIFICATION_DATA: u32 = 38;
pub const F_NOTIF_CONFIG_DATA: u32 = 39;
pub const F_RING_RESET: u32 = 40;
pub const F_ADMIN_VQ: u32 = 41;
pub const F_SUSPEND: u32 = 43;
pub const F_DEVICE_STATS: u32 = 50;
pub const F_HASH_TUNNEL: u32 = 51;
pub const F_VQ_NOTF_COAL: u32 = 52;
pub const F_NOTF_COAL: u32 = 53;
pub const F_GUEST_USO4: u32 = 54;
pub const F_GUEST_USO6: u32 = 55;
pub const F_HOST_USO: u32 = 56;
pub const F_HASH_REPORT: u32 = 57;
pub const F_GUEST_HDRLEN: u32 = 59;
pub const F_RSS: u32 = 60;
pub const F_RSC_EXT: u32 = 61;
pub const F_STANDBY: u32 = 62;
pub const F_SPEED_DUPLEX: u32 = 63;
pub const F_RSS_CONTEXT: u32 = 64;
pub const F_GUEST_UDP_TUNNEL_GSO: u32 = 65;
pub const F_GUEST_UDP_TUNNEL_GSO_CSUM: u32 = 66;
pub const F_HOST_UDP_TUNNEL_GSO: u32 = 67;
pub const F_HOST_UDP_TUNNEL_GSO_CSUM: u32 = 68;
pub const F_OUT_NET_HEADER: u32 = 69;
pub const F_IPSEC: u32 = 70;

// enum vionet_packet_flag
pub const PACKET_CHECKSUM_PARTIAL: u32 = 1 << 0;
pub const PACKET_CHECKSUM_GOOD: u32 = 1 << 1;
pub const PACKET_TUNNEL_CHECKSUM: u32 = 1 << 3;
pub const PACKET_TCP4: u32 = 1 << 8;
pub const PACKET_TCP6: u32 = 4 << 8;
pub const PACKET_UDP: u32 = 5 << 8;
pub const PACKET_TUNNEL4: u32 = 0x20 << 8;
pub const PACKET_TUNNEL6: u32 = 0x40 << 8;
pub const PACKET_SEGMENTS: u32 = 0x7f << 8;
pub const PACKET_ECN: u32 = 0x80 << 8;
pub const PACKET_VLAN: u32 = 1 << 16;
pub const PACKET_HASH: u32 = 1 << 17;

// enum vionet_pool_flag
pub const POOL_NO_HUGEPAGES: u32 = 1;
pub const POOL_REGION: u32 = 2;

// enum vionet_wait_direction
pub const WAIT_RX: u32 = 1;
pub const WAIT_TX: u32 = 2;
pub const WAIT_EVENT: u32 = 3;

// enum vionet_filter
pub const FILTER_ALL_UNICAST: u32 = 1 << 2;
pub const FILTER_NO_MULTICAST: u32 = 1 << 3;
pub const FILTER_NO_UNICAST: u32 = 1 << 4;
pub const FILTER_NO_BROADCAST: u32 = 1 << 5;

// enum vionet_hash
pub const HASH_IPV4: u32 = 1 << 0;
pub const HASH_TCP4: u32 = 1 << 1;
pub const HASH_UDP4: u32 = 1 << 2;
pub const HASH_IPV6: u32 = 1 << 3;
pub const HASH_TCP6: u32 = 1 << 4;
pub const HASH_UDP6: u32 = 1 << 5;
pub const HASH_IPV6_EX: u32 = 1 << 6;
pub const HASH_TCP6_EX: u32 = 1 << 7;
pub const HASH_UDP6_EX: u32 = 1 << 8;

// enum vionet_event
pub const EVENT_NEW: u32 = 1;
pub const EVENT_BROKEN: u32 = 2;
pub const EVENT_GONE: u32 = 3;
pub const EVENT_CLOSED: u32 = 4;
pub const EVENT_LINK: u32 = 5;
pub const EVENT_ANNOUNCE: u32 = 6;
pub const EVENT_NEEDS_RESET: u32 = 7;
pub const EVENT_RECOVERED: u32 = 8;
pub const EVENT_CONNECTED: u32 = 9;

// enum vionet_drop
pub const DROP_SHORT: u32 = 0;
pub const DROP_LONG: u32 = 1;
pub const DROP_SEGMENTS: u32 = 2;
pub const DROP_FOREIGN: u32 = 3;
pub const DROP_EMPTY: u32 = 4;
pub const DROP_OFFLOAD: u32 = 5;
pub const DROP_STOPPED: u32 = 6;
pub const DROP_NO_BUFFER: u32 = 7;
pub const DROP_REASONS: u32 = 16;

// enum vionet_watch
pub const WATCH_RECEIVED: u32 = 1;
pub const WATCH_RX_DROPPED: u32 = 2;
pub const WATCH_OFFERED: u32 = 3;
pub const WATCH_TAKEN: u32 = 4;

pub type LogCallback = Option<unsafe extern "C" fn(level: c_int, line: *const c_char, user: *mut c_void)>;

pub type AttachedCallback = Option<unsafe extern "C" fn(data: *mut c_void, user: *mut c_void)>;

pub type EventCallback = Option<unsafe extern "C" fn(port: u16, event: c_int, user: *mut c_void)>;

pub type WatchCallback = Option<unsafe extern "C" fn(watched: *const Watched, user: *mut c_void)>;

/// struct vionet_device
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Device {
    pub size: usize,
    pub kind: u32,
    pub iommu_group: i32,
    pub ready: u8,
    pub reserved: [u8; 7],
    pub address: [c_char; 32],
    pub driver: [c_char; 32],
    pub interface: [c_char; 16],
    pub reason: [c_char; 256],
}

impl Device {
    /// VIONET_SIZED: all zero but for the size.
    pub fn sized() -> Self {
        Device {
            size: std::mem::size_of::<Device>(),
            ..unsafe { std::mem::zeroed() }
        }
    }
}

/// struct vionet_config
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Config {
    pub size: usize,
    pub queue_pairs: u16,
    pub rx_descriptors: u16,
    pub tx_descriptors: u16,
    pub pool: u16,
    pub features_off: u64,
    pub rx_offloads: u32,
    pub tx_offloads: u32,
    pub reserved: [u64; 3],
}

impl Config {
    /// VIONET_SIZED: all zero but for the size.
    pub fn sized() -> Self {
        Config {
            size: std::mem::size_of::<Config>(),
            ..unsafe { std::mem::zeroed() }
        }
    }
}

/// struct vionet_info
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Info {
    pub size: usize,
    pub offered: [u64; 2],
    pub negotiated: [u64; 2],
    pub state: u32,
    pub ring: u32,
    pub queue_pairs: u16,
    pub max_queue_pairs: u16,
    pub rx_descriptors: u16,
    pub tx_descriptors: u16,
    pub header_size: u16,
    pub mtu: u16,
    pub pool: u16,
    pub link_up: u8,
    pub mac_random: u8,
    pub mac: [u8; 6],
    pub duplex: u8,
    pub reserved: u8,
    pub start_microseconds: u32,
    pub device: [c_char; 512],
    pub rx_path: [c_char; 32],
    pub tx_path: [c_char; 32],
    pub speed: u32,
    pub rx_offloads: u32,
    pub tx_offloads: u32,
    pub max_rx_descriptors: u16,
    pub max_tx_descriptors: u16,
    pub reason: [c_char; 256],
}

impl Info {
    /// VIONET_SIZED: all zero but for the size.
    pub fn sized() -> Self {
        Info {
            size: std::mem::size_of::<Info>(),
            ..unsafe { std::mem::zeroed() }
        }
    }
}

/// struct vionet_packet
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Packet {
    pub data: *mut c_void,
    pub next: *mut Packet,
    pub length: u32,
    pub total_length: u32,
    pub flags: u32,
    pub hash: u32,
    pub port: u16,
    pub segments: u16,
    pub references: u16,
    pub pool: u8,
    pub owner: u8,
    pub header_length: u16,
    pub segment_size: u16,
    pub checksum_start: u16,
    pub checksum_offset: u16,
    pub reserved: u64,
    pub size: u32,
    pub vlan: u16,
    pub headroom: u16,
}

/// struct vionet_pool_config
#[repr(C)]
#[derive(Clone, Copy)]
pub struct PoolConfig {
    pub size: usize,
    pub packets: u32,
    pub data_size: u32,
    pub flags: u32,
    pub memory_fd: c_int,
    pub memory: *mut c_void,
    pub memory_length: usize,
    pub memory_offset: u64,
    pub private_size: u32,
    pub reserved32: u32,
    pub reserved: u64,
}

impl PoolConfig {
    /// VIONET_SIZED: all zero but for the size.
    pub fn sized() -> Self {
        PoolConfig {
            size: std::mem::size_of::<PoolConfig>(),
            ..unsafe { std::mem::zeroed() }
        }
    }
}

/// struct vionet_pool_info
#[repr(C)]
#[derive(Clone, Copy)]
pub struct PoolInfo {
    pub size: usize,
    pub packets: u32,
    pub available: u32,
    pub data_size: u32,
    pub hugepages: u32,
    pub refused: u64,
    pub memory: u64,
    pub private_size: u32,
    pub attached: u32,
}

impl PoolInfo {
    /// VIONET_SIZED: all zero but for the size.
    pub fn sized() -> Self {
        PoolInfo {
            size: std::mem::size_of::<PoolInfo>(),
            ..unsafe { std::mem::zeroed() }
        }
    }
}

/// struct vionet_tx_buffer
#[repr(C)]
pub struct TxBuffer {
    opaque: [u8; 0],
}

/// struct vionet_tx_buffer_config
#[repr(C)]
#[derive(Clone, Copy)]
pub struct TxBufferConfig {
    pub size: usize,
    pub port: u16,
    pub queue: u16,
    pub room: u32,
    pub burst: u32,
    pub deadline: u32,
    pub reserved: [u64; 2],
}

impl TxBufferConfig {
    /// VIONET_SIZED: all zero but for the size.
    pub fn sized() -> Self {
        TxBufferConfig {
            size: std::mem::size_of::<TxBufferConfig>(),
            ..unsafe { std::mem::zeroed() }
        }
    }
}

/// struct vionet_tx_buffer_stats
#[repr(C)]
#[derive(Clone, Copy)]
pub struct TxBufferStats {
    pub size: usize,
    pub put: u64,
    pub sent: u64,
    pub buffered: u64,
    pub refused: u64,
    pub by_burst: u64,
    pub by_deadline: u64,
    pub by_flush: u64,
}

impl TxBufferStats {
    /// VIONET_SIZED: all zero but for the size.
    pub fn sized() -> Self {
        TxBufferStats {
            size: std::mem::size_of::<TxBufferStats>(),
            ..unsafe { std::mem::zeroed() }
        }
    }
}

/// struct vionet_wait_queue
#[repr(C)]
#[derive(Clone, Copy)]
pub struct WaitQueue {
    pub port: u16,
    pub queue: u16,
    pub direction: u16,
    pub reserved: u16,
    pub ready: i32,
}

/// struct vionet_rss
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Rss {
    pub size: usize,
    pub key: *mut u8,
    pub table: *mut u16,
    pub hash_types: u32,
    pub table_length: u16,
    pub unclassified_queue: u16,
    pub key_length: u8,
    pub max_key_length: u8,
    pub max_table_length: u16,
    pub supported_hash_types: u32,
}

impl Rss {
    /// VIONET_SIZED: all zero but for the size.
    pub fn sized() -> Self {
        Rss {
            size: std::mem::size_of::<Rss>(),
            ..unsafe { std::mem::zeroed() }
        }
    }
}

/// struct vionet_queue_stats
#[repr(C)]
#[derive(Clone, Copy)]
pub struct QueueStats {
    pub size: usize,
    pub packets: u64,
    pub bytes: u64,
    pub dropped: [u64; 16],
    pub no_buffer: u64,
    pub ring_full: u64,
    pub kicks: u64,
    pub broken: u64,
}

impl QueueStats {
    /// VIONET_SIZED: all zero but for the size.
    pub fn sized() -> Self {
        QueueStats {
            size: std::mem::size_of::<QueueStats>(),
            ..unsafe { std::mem::zeroed() }
        }
    }
}

/// struct vionet_stats
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Stats {
    pub size: usize,
    pub rx: QueueStats,
    pub tx: QueueStats,
}

impl Stats {
    /// VIONET_SIZED: all zero but for the size.
    pub fn sized() -> Self {
        Stats {
            size: std::mem::size_of::<Stats>(),
            ..unsafe { std::mem::zeroed() }
        }
    }
}

/// struct vionet_watched
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Watched {
    pub size: usize,
    pub port: u16,
    pub queue: u16,
    pub what: u16,
    pub reason: u16,
    pub count: u32,
    pub packets: *mut *const Packet,
    pub drops: *const u8,
}

impl Watched {
    /// VIONET_SIZED: all zero but for the size.
    pub fn sized() -> Self {
        Watched {
            size: std::mem::size_of::<Watched>(),
            ..unsafe { std::mem::zeroed() }
        }
    }
}

/// struct vionet_soft_stats
#[repr(C)]
#[derive(Clone, Copy)]
pub struct SoftStats {
    pub size: usize,
    pub to_driver: u64,
    pub from_driver: u64,
    pub to_driver_drops: u64,
    pub from_driver_drops: u64,
    pub connections: u64,
    pub to_driver_short: u64,
    pub to_driver_long: u64,
    pub to_driver_offload: u64,
    pub to_driver_no_buffer: u64,
    pub to_driver_stopped: u64,
    pub to_driver_record: u64,
    pub from_driver_short: u64,
    pub from_driver_long: u64,
    pub from_driver_wire: u64,
    pub from_driver_stopped: u64,
    pub to_driver_filtered: u64,
    pub faults: u64,
    pub reason: [c_char; 256],
    pub fault: [c_char; 256],
}

impl SoftStats {
    /// VIONET_SIZED: all zero but for the size.
    pub fn sized() -> Self {
        SoftStats {
            size: std::mem::size_of::<SoftStats>(),
            ..unsafe { std::mem::zeroed() }
        }
    }
}

#[link(name = "vionet")]
extern "C" {
    /// Returns the running library's version, "0.1.0".
    #[link_name = "vionet_version"]
    pub fn version() -> *const c_char;

    /// Returns the running library's version, to compare with VIONET_VERSION.
    #[link_name = "vionet_version_number"]
    pub fn version_number() -> u32;

    /// Returns the sentence of this thread's last failed call, or "" before the first.
    #[link_name = "vionet_error"]
    pub fn error() -> *const c_char;

    /// Sends log lines of up to the given level to the callback.
    #[link_name = "vionet_log_set"]
    pub fn log_set(level: c_int, callback: LogCallback, user: *mut c_void);

    /// Lists the machine's virtio-net PCI functions in the order of their addresses, whatever driver they are bound to,
    /// then up to 64 vDPA devices that have a /dev/vhost-vdpa-N.
    #[link_name = "vionet_devices"]
    pub fn devices(list: *mut Device, count: usize) -> c_int;

    /// Finds the device, connects to it or maps it, and reads what it offers.
    #[link_name = "vionet_probe"]
    pub fn probe(device: *const c_char, port: *mut u16) -> c_int;

    /// Resets the device, negotiates features and builds the queues.
    #[link_name = "vionet_init"]
    pub fn init(port: u16, config: *const Config) -> c_int;

    /// Fills the receive rings and lets packets flow.
    #[link_name = "vionet_start"]
    pub fn start(port: u16) -> c_int;

    /// Stops the device and takes every buffer back.
    #[link_name = "vionet_stop"]
    pub fn stop(port: u16) -> c_int;

    /// Stops the port if it is started, delivers VIONET_EVENT_CLOSED and frees all that the port held.
    #[link_name = "vionet_close"]
    pub fn close(port: u16);

    /// Does what vionet_probe(), vionet_init() with defaults and vionet_start() do.
    #[link_name = "vionet_open"]
    pub fn open(device: *const c_char, port: *mut u16) -> c_int;

    /// Does what vionet_open() does, with settings
    #[link_name = "vionet_open_config"]
    pub fn open_config(device: *const c_char, config: *const Config, port: *mut u16) -> c_int;

    /// Returns the first open port whose number is from or above, VIONET_PORT_NONE if there is none.
    #[link_name = "vionet_port_next"]
    pub fn port_next(from: u16) -> u16;

    /// Fills *info with what a port is, what its device offers and what was negotiated.
    #[link_name = "vionet_info"]
    pub fn info(port: u16, info: *mut Info) -> c_int;

    /// Returns the name of a virtio-net feature bit, "VIRTIO_NET_F_MAC"; NULL if the bit has none.
    #[link_name = "vionet_feature_name"]
    pub fn feature_name(bit: c_uint) -> *const c_char;

    /// Makes a pool of packets and sets *pool to its number, which is never 0.
    #[link_name = "vionet_pool_create"]
    pub fn pool_create(config: *const PoolConfig, pool: *mut u16) -> c_int;

    /// Destroys a pool.
    #[link_name = "vionet_pool_destroy"]
    pub fn pool_destroy(pool: u16) -> c_int;

    /// Fills *info, whose size the caller sets, with the sizes and counters of a pool.
    #[link_name = "vionet_pool_info"]
    pub fn pool_info(pool: u16, info: *mut PoolInfo) -> c_int;

    /// Shares a pool's memory with a port's device, so that the port can send packets of the pool.
    #[link_name = "vionet_pool_share"]
    pub fn pool_share(pool: u16, port: u16) -> c_int;

    /// Lets the buffers of one receive queue come from a pool of their own, from the next vionet_init() or
    /// vionet_start() on; pool 0 means that of vionet_config again.
    #[link_name = "vionet_rx_pool_set"]
    pub fn rx_pool_set(port: u16, queue: u16, pool: u16) -> c_int;

    /// Returns one packet with VIONET_HEADROOM and no data, which is the caller's; NULL if the pool is empty.
    #[link_name = "vionet_packet_alloc"]
    pub fn packet_alloc(pool: u16) -> *mut Packet;

    /// Allocates count packets or none
    #[link_name = "vionet_packet_alloc_bulk"]
    pub fn packet_alloc_bulk(pool: u16, packets: *mut *mut Packet, count: u16) -> u16;

    /// Drops one reference of each segment.
    #[link_name = "vionet_packet_free"]
    pub fn packet_free(packet: *mut Packet);

    /// Does vionet_packet_free() for each of count packets.
    #[link_name = "vionet_packet_free_bulk"]
    pub fn packet_free_bulk(packets: *mut *mut Packet, count: u16);

    /// Adds one reference to every segment, so that the packet survives one more free.
    #[link_name = "vionet_packet_reference"]
    pub fn packet_reference(packet: *mut Packet) -> c_int;

    /// Returns the program's own bytes of a packet, as many as vionet_pool_config.private_size; NULL if its pool has
    /// none or there is no such packet.
    #[link_name = "vionet_packet_private"]
    pub fn packet_private(packet: *const Packet) -> *mut c_void;

    /// Reads where the headers of a packet lie whose flags have VIONET_PACKET_TUNNEL4 or _TUNNEL6
    #[link_name = "vionet_packet_tunnel"]
    pub fn packet_tunnel(packet: *const Packet, outer_transport: *mut u16, inner_network: *mut u16) -> c_int;

    /// Says where the headers of a packet lie that is to be sent with VIONET_PACKET_TUNNEL4 or _TUNNEL6.
    #[link_name = "vionet_packet_tunnel_set"]
    pub fn packet_tunnel_set(packet: *mut Packet, outer_transport: u16, inner_network: u16) -> c_int;

    /// Returns a packet that shows length bytes of another packet, from byte offset on, without copying them; NULL on
    /// failure, of which vionet_error() tells.
    #[link_name = "vionet_packet_view"]
    pub fn packet_view(packet: *mut Packet, offset: u32, length: u32) -> *mut Packet;

    /// Returns a packet of pool whose data is length bytes of the program's memory, not copied; NULL on failure, of
    /// which vionet_error() tells.
    #[link_name = "vionet_packet_attach"]
    pub fn packet_attach(
        pool: u16,
        data: *mut c_void,
        length: u32,
        done: AttachedCallback,
        user: *mut c_void,
    ) -> *mut Packet;

    /// Returns a packet of pool with the same bytes, flags, offloads, hash, tag and port, in as few buffers as hold
    /// them; NULL on failure.
    #[link_name = "vionet_packet_copy"]
    pub fn packet_copy(packet: *mut Packet, pool: u16) -> *mut Packet;

    /// Makes a packet one segment, in a buffer of its own, by copying what is elsewhere.
    #[link_name = "vionet_packet_linearise"]
    pub fn packet_linearise(packet: *mut Packet) -> c_int;

    /// Cuts a packet in two without copying
    #[link_name = "vionet_packet_split"]
    pub fn packet_split(packet: *mut Packet, offset: u32) -> *mut Packet;

    /// Makes packets that ask for nothing of one that asks for segments, a checksum or a VLAN tag, for a device that
    /// does none of it.
    #[link_name = "vionet_packet_segment"]
    pub fn packet_segment(packet: *mut Packet, segments: *mut *mut Packet, room: u16) -> c_int;

    /// Returns the free bytes behind the data of one segment.
    #[link_name = "vionet_packet_tailroom"]
    pub fn packet_tailroom(packet: *const Packet) -> u32;

    /// Moves the start of the data back by n bytes and returns it; NULL if there is no such headroom.
    #[link_name = "vionet_packet_prepend"]
    pub fn packet_prepend(packet: *mut Packet, n: u16) -> *mut c_void;

    /// Cuts n bytes off the first segment's start and returns the new start; NULL if it has fewer.
    #[link_name = "vionet_packet_adjust"]
    pub fn packet_adjust(packet: *mut Packet, n: u16) -> *mut c_void;

    /// Adds n bytes to a packet of one segment and returns where they start; NULL if there is no room.
    #[link_name = "vionet_packet_append"]
    pub fn packet_append(packet: *mut Packet, n: u32) -> *mut c_void;

    /// Takes n bytes off the end of a packet of one segment.
    #[link_name = "vionet_packet_trim"]
    pub fn packet_trim(packet: *mut Packet, n: u32) -> c_int;

    /// Appends the packet tail to the packet head, which owns it then.
    #[link_name = "vionet_packet_chain"]
    pub fn packet_chain(head: *mut Packet, tail: *mut Packet) -> c_int;

    /// Takes up to count received packets, which are the caller's from then on, and gives the device fresh buffers.
    #[link_name = "vionet_rx_burst"]
    pub fn rx_burst(port: u16, queue: u16, packets: *mut *mut Packet, count: u16) -> u16;

    /// Hands packets to the device, in order, and returns how many it took.
    #[link_name = "vionet_tx_burst"]
    pub fn tx_burst(port: u16, queue: u16, packets: *mut *mut Packet, count: u16) -> u16;

    /// Checks packets as vionet_tx_burst() does, so that what passes is not dropped there, and prepares them for the
    /// offloads that their flags ask for
    #[link_name = "vionet_tx_prepare"]
    pub fn tx_prepare(port: u16, queue: u16, packets: *mut *mut Packet, count: u16) -> u16;

    /// Frees all packets that the device has sent and returns how many descriptors they had.
    #[link_name = "vionet_tx_done"]
    pub fn tx_done(port: u16, queue: u16) -> u16;

    /// Makes a transmit buffer for a queue of a port and sets *buffer.
    #[link_name = "vionet_tx_buffer_create"]
    pub fn tx_buffer_create(config: *const TxBufferConfig, buffer: *mut *mut TxBuffer) -> c_int;

    /// Puts packets into the buffer, in order, and returns how many it took.
    #[link_name = "vionet_tx_buffer_put"]
    pub fn tx_buffer_put(buffer: *mut TxBuffer, packets: *mut *mut Packet, count: u16) -> u16;

    /// Sends what is in the buffer, however little.
    #[link_name = "vionet_tx_buffer_flush"]
    pub fn tx_buffer_flush(buffer: *mut TxBuffer) -> u32;

    /// Returns for how many microseconds a program may sleep before it has to call vionet_tx_buffer_flush() or
    /// vionet_tx_buffer_put()
    #[link_name = "vionet_tx_buffer_due"]
    pub fn tx_buffer_due(buffer: *mut TxBuffer) -> c_int;

    /// Fills *stats, whose size the caller sets, with the counters of a transmit buffer.
    #[link_name = "vionet_tx_buffer_stats"]
    pub fn tx_buffer_stats(buffer: *mut TxBuffer, stats: *mut TxBufferStats) -> c_int;

    /// Destroys a transmit buffer.
    #[link_name = "vionet_tx_buffer_destroy"]
    pub fn tx_buffer_destroy(buffer: *mut TxBuffer) -> u32;

    /// Returns a file descriptor for poll() or epoll.
    #[link_name = "vionet_rx_fd"]
    pub fn rx_fd(port: u16, queue: u16) -> c_int;

    /// Asks for one wake-up through vionet_rx_fd() and clears that descriptor.
    #[link_name = "vionet_rx_arm"]
    pub fn rx_arm(port: u16, queue: u16) -> c_int;

    /// Sleeps until packets wait in the queue, for at most the given milliseconds, or for ever if they are negative.
    #[link_name = "vionet_rx_wait"]
    pub fn rx_wait(port: u16, queue: u16, milliseconds: c_int) -> c_int;

    /// Returns a file descriptor for poll() or epoll.
    #[link_name = "vionet_tx_fd"]
    pub fn tx_fd(port: u16, queue: u16) -> c_int;

    /// Asks for one wake-up through vionet_tx_fd() when there is room in a transmit queue whose ring was full, and
    /// clears that descriptor.
    #[link_name = "vionet_tx_arm"]
    pub fn tx_arm(port: u16, queue: u16) -> c_int;

    /// Sleeps until there is room in the queue, for at most the given milliseconds, or for ever if they are negative.
    #[link_name = "vionet_tx_wait"]
    pub fn tx_wait(port: u16, queue: u16, milliseconds: c_int) -> c_int;

    /// Sleeps until one of several queues is ready, of any ports and in both directions, for at most the given
    /// milliseconds, or for ever if they are negative.
    #[link_name = "vionet_wait"]
    pub fn wait(queues: *mut WaitQueue, count: usize, milliseconds: c_int) -> c_int;

    /// Receives all frames, or only those to the port's address, to an address of vionet_mac_list_set() and to
    /// broadcast.
    #[link_name = "vionet_promiscuous_set"]
    pub fn promiscuous_set(port: u16, on: c_int) -> c_int;

    /// Receives every multicast frame, or only those of vionet_mac_list_set().
    #[link_name = "vionet_all_multicast_set"]
    pub fn all_multicast_set(port: u16, on: c_int) -> c_int;

    /// Sets all four filters
    #[link_name = "vionet_rx_filter_set"]
    pub fn rx_filter_set(port: u16, flags: u32) -> c_int;

    /// Gives the port another MAC address of 6 bytes
    #[link_name = "vionet_mac_set"]
    pub fn mac_set(port: u16, mac: *const u8) -> c_int;

    /// Replaces the list of further addresses whose frames the port receives
    #[link_name = "vionet_mac_list_set"]
    pub fn mac_list_set(port: u16, list: *const u8, count: usize) -> c_int;

    /// Lets frames of VLAN id, 0 to 4095, pass or not.
    #[link_name = "vionet_vlan_filter_set"]
    pub fn vlan_filter_set(port: u16, id: u16, on: c_int) -> c_int;

    /// Sets how many of the port's queue pairs are in use
    #[link_name = "vionet_queue_pairs_set"]
    pub fn queue_pairs_set(port: u16, pairs: u16) -> c_int;

    /// Sets the largest packet that is sent, in bytes after the Ethernet header.
    #[link_name = "vionet_mtu_set"]
    pub fn mtu_set(port: u16, mtu: u16) -> c_int;

    /// Returns the Toeplitz hash of length bytes under a key, as vionet_packet.hash has it of a packet's addresses and
    /// ports in the order in which they are sent
    #[link_name = "vionet_toeplitz"]
    pub fn toeplitz(key: *const u8, key_length: u32, data: *const c_void, length: u32) -> u32;

    /// Sets which received packets have a hash and how the hash chooses their queue.
    #[link_name = "vionet_rss_set"]
    pub fn rss_set(port: u16, rss: *const Rss) -> c_int;

    /// Fills *rss, whose size the caller sets, with what is in use.
    #[link_name = "vionet_rss_get"]
    pub fn rss_get(port: u16, rss: *mut Rss) -> c_int;

    /// Switches VIONET_RX_CHECKSUM and VIONET_RX_LRO off and on again, if vionet_init() got them.
    #[link_name = "vionet_rx_offloads_set"]
    pub fn rx_offloads_set(port: u16, offloads: u32) -> c_int;

    /// Takes one queue from the device, empties it and gives it back with the given number of descriptors
    #[link_name = "vionet_rx_queue_restart"]
    pub fn rx_queue_restart(port: u16, queue: u16, descriptors: u16) -> c_int;

    /// Does for a transmit queue what vionet_rx_queue_restart() does for a receive queue.
    #[link_name = "vionet_tx_queue_restart"]
    pub fn tx_queue_restart(port: u16, queue: u16, descriptors: u16) -> c_int;

    /// Lets the device delay interrupts of receive queues until the given number of packets have come or the given
    /// number of microseconds have passed since the first of them, whichever is earlier.
    #[link_name = "vionet_rx_coalesce_set"]
    pub fn rx_coalesce_set(port: u16, queue: u16, packets: u32, microseconds: u32) -> c_int;

    /// Does for transmit queues and sent packets what vionet_rx_coalesce_set() does.
    #[link_name = "vionet_tx_coalesce_set"]
    pub fn tx_coalesce_set(port: u16, queue: u16, packets: u32, microseconds: u32) -> c_int;

    /// Adds a callback for the events of all ports.
    #[link_name = "vionet_event_add"]
    pub fn event_add(callback: EventCallback, user: *mut c_void) -> c_int;

    /// Removes a callback that vionet_event_add() added with the same two arguments.
    #[link_name = "vionet_event_remove"]
    pub fn event_remove(callback: EventCallback, user: *mut c_void) -> c_int;

    /// Returns a file descriptor that becomes readable when something happens to a started port
    #[link_name = "vionet_event_fd"]
    pub fn event_fd(port: u16) -> c_int;

    /// Finds out what happened to a started port and delivers it to the callbacks, on this thread.
    #[link_name = "vionet_event_handle"]
    pub fn event_handle(port: u16) -> c_int;

    /// Tells the network where the port's address is.
    #[link_name = "vionet_announce"]
    pub fn announce(port: u16, queue: u16, addresses: *const u8, count: usize) -> c_int;

    /// Fills *stats, whose size the caller sets, with a port's totals since vionet_probe() or the last
    /// vionet_stats_reset().
    #[link_name = "vionet_stats"]
    pub fn stats(port: u16, stats: *mut Stats) -> c_int;

    /// Fills *stats, whose size the caller sets, with the counters of one receive queue.
    #[link_name = "vionet_rx_queue_stats"]
    pub fn rx_queue_stats(port: u16, queue: u16, stats: *mut QueueStats) -> c_int;

    /// Does for a transmit queue what vionet_rx_queue_stats() does.
    #[link_name = "vionet_tx_queue_stats"]
    pub fn tx_queue_stats(port: u16, queue: u16, stats: *mut QueueStats) -> c_int;

    /// Writes the values of the first count statistics and returns how many there are.
    #[link_name = "vionet_xstats"]
    pub fn xstats(port: u16, values: *mut u64, count: u32) -> c_int;

    /// Writes the name of statistic id, with its final zero, into room bytes.
    #[link_name = "vionet_xstat_name"]
    pub fn xstat_name(port: u16, id: u32, name: *mut c_char, room: usize) -> c_int;

    /// Returns the number of the statistic with this name.
    #[link_name = "vionet_xstat_id"]
    pub fn xstat_id(port: u16, name: *const c_char) -> c_int;

    /// Sets the port's counters to zero.
    #[link_name = "vionet_stats_reset"]
    pub fn stats_reset(port: u16) -> c_int;

    /// Returns the name of a drop reason, "short"; NULL if the reason has none.
    #[link_name = "vionet_drop_name"]
    pub fn drop_name(reason: c_uint) -> *const c_char;

    /// Sets the watcher of a port, in any state, or removes it if callback is NULL
    #[link_name = "vionet_watch_set"]
    pub fn watch_set(port: u16, callback: WatchCallback, user: *mut c_void) -> c_int;

    /// Serves a soft device on a vhost-user socket, for the front-end of another program (this library, DPDK, QEMU).
    #[link_name = "vionet_soft_serve"]
    pub fn soft_serve(path: *const c_char, wire: *const c_char, device: *mut u16) -> c_int;

    /// Fills *stats, whose size the caller sets, with the counters of a served device.
    #[link_name = "vionet_soft_stats"]
    pub fn soft_stats(device: u16, stats: *mut SoftStats) -> c_int;

    /// Disconnects a served device and forgets it.
    #[link_name = "vionet_soft_stop"]
    pub fn soft_stop(device: u16);
}
