// SPDX-License-Identifier: BSD-2-Clause

//! Calls every function of vionet.h through examples/rust/vionet.rs, on soft: devices, and requires the right results.
//!
//! Prints the names of the functions that it called. Tests/abi/bindings.sh compares them with vionet.map: a new function
//! needs a call here, in the chapter of the header that declares it.

#[path = "../../examples/rust/vionet.rs"]
mod vionet;

use std::collections::BTreeSet;
use std::ffi::{CStr, CString};
use std::os::raw::{c_char, c_int, c_void};
use std::path::Path;
use std::ptr::{null, null_mut};
use std::sync::Mutex;
use std::time::Duration;

const POOL_PACKETS: u32 = 2048;
const LENGTH: u32 = 100;
const COUNT: u16 = 8;
const ENOENT: c_int = 2;
const EINVAL: c_int = 22;
const ENOTSUP: c_int = 95;

static EVENTS: Mutex<Vec<c_int>> = Mutex::new(Vec::new());
static LINES: Mutex<usize> = Mutex::new(0);
static CALLED: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

/// Calls a function of the library and notes its name.
macro_rules! call {
    ($name:ident($($argument:expr),* $(,)?)) => {{
        CALLED.lock().unwrap().insert(stringify!($name));
        unsafe { vionet::$name($($argument),*) }
    }};
}

fn sentence() -> String {
    text(call!(error())).unwrap().to_string()
}

fn check(result: c_int) -> c_int {
    vionet::check(result).unwrap()
}

fn text(pointer: *const c_char) -> Option<&'static str> {
    if pointer.is_null() {
        return None;
    }
    Some(unsafe { CStr::from_ptr(pointer) }.to_str().unwrap())
}

extern "C" fn log_line(_level: c_int, line: *const c_char, _user: *mut c_void) {
    assert!(!text(line).unwrap().is_empty());
    *LINES.lock().unwrap() += 1;
}

extern "C" fn note_event(_port: u16, event: c_int, _user: *mut c_void) {
    EVENTS.lock().unwrap().push(event);
}

fn library() {
    let mut port = 7;
    let version = format!("{}.{}.{}", vionet::VERSION_MAJOR, vionet::VERSION_MINOR, vionet::VERSION_PATCH);
    assert_eq!(text(call!(version())), Some(version.as_str()));
    assert_eq!(call!(version_number()), vionet::VERSION);
    call!(log_set(vionet::LOG_DEBUG as c_int, Some(log_line), null_mut()));
    let (wrong, right) = (CString::new("soft:nothing").unwrap(), CString::new("soft:sink").unwrap());
    assert_eq!(call!(probe(wrong.as_ptr(), &mut port)), -EINVAL);
    assert!(sentence().contains("nothing"));
    check(call!(open(right.as_ptr(), &mut port)));
    call!(close(port));
    check(call!(open_config(right.as_ptr(), &vionet::Config::sized(), &mut port)));
    call!(close(port));
    call!(log_set(vionet::LOG_OFF as c_int, None, null_mut()));
    assert!(*LINES.lock().unwrap() > 5);
}

fn devices() {
    let found = call!(devices(null_mut(), 0));
    assert!(found >= 0 || found == -ENOENT);
}

fn made_pool() -> u16 {
    let mut config = vionet::PoolConfig::sized();
    let mut pool = 0;
    config.packets = POOL_PACKETS;
    config.private_size = 16;
    check(call!(pool_create(&config, &mut pool)));
    pool
}

fn free_in(pool: u16) -> u32 {
    let mut info = vionet::PoolInfo::sized();
    check(call!(pool_info(pool, &mut info)));
    assert_eq!(info.packets, POOL_PACKETS);
    info.available
}

fn life(pool: u16, other_pool: u16) -> u16 {
    let device = CString::new("soft:loopback,queues=2,cq=1,rx_csum=1,vlan_filter=1").unwrap();
    let mut config = vionet::Config::sized();
    let mut port = 0;
    config.pool = pool;
    config.queue_pairs = 2;
    check(call!(probe(device.as_ptr(), &mut port)));
    check(call!(rx_pool_set(port, 1, pool)));
    check(call!(init(port, &config)));
    check(call!(pool_share(other_pool, port)));
    check(call!(start(port)));
    check(call!(stop(port)));
    check(call!(start(port)));
    assert_eq!(call!(port_next(0)), port);
    port
}

fn information(port: u16, pool: u16) {
    let mut info = vionet::Info::sized();
    check(call!(info(port, &mut info)));
    assert!(text(info.device.as_ptr()).unwrap().starts_with("soft:loopback"));
    assert_eq!((info.state, info.queue_pairs, info.pool), (vionet::STATE_STARTED, 2, pool));
    assert_eq!(text(call!(feature_name(5))), Some("VIRTIO_NET_F_MAC"));
    assert_eq!(text(call!(feature_name(127))), None);
}

fn made_packet(pool: u16, length: u32) -> *mut vionet::Packet {
    let packet = call!(packet_alloc(pool));
    let data = call!(packet_append(packet, length));
    unsafe { data.cast::<u8>().write_bytes(2, length as usize) };
    packet
}

fn packets(pool: u16) {
    let (head, tail) = (made_packet(pool, LENGTH), made_packet(pool, 20));
    let of_head = || unsafe { *head };
    assert_eq!(call!(packet_tailroom(head)), of_head().size - vionet::HEADROOM - LENGTH);
    assert_eq!(call!(packet_prepend(head, 4)), of_head().data);
    assert!(call!(packet_prepend(head, 1000)).is_null());
    assert_eq!(call!(packet_adjust(head, 4)), of_head().data);
    assert_eq!((call!(packet_trim(head, 10)), of_head().length), (0, LENGTH - 10));
    assert_eq!(call!(packet_chain(head, tail)), 0);
    assert_eq!((of_head().segments, of_head().total_length), (2, LENGTH + 10));
    assert!(call!(packet_append(head, 1)).is_null());
    check(call!(packet_reference(head)));
    call!(packet_free(head));
    assert_eq!(of_head().references, 1);
    call!(packet_free(head));
}

/// Packets made of others.
fn parts(pool: u16) {
    let packet = made_packet(pool, LENGTH);
    let own = call!(packet_private(packet)).cast::<u8>();
    unsafe {
        own.write_bytes(7, 16);
        assert_eq!(*own.add(15), 7);
    }
    unsafe { (*packet).flags = vionet::PACKET_TUNNEL4 | vionet::PACKET_TCP4 };
    check(call!(packet_tunnel_set(packet, 34, 64)));
    let (mut outer, mut inner) = (0u16, 0u16);
    check(call!(packet_tunnel(packet, &mut outer, &mut inner)));
    assert_eq!((outer, inner), (34, 64));
    unsafe { (*packet).flags = 0 };
    let view = call!(packet_view(packet, 20, 30));
    unsafe { assert_eq!(((*view).data as usize, (*view).length), ((*packet).data as usize + 20, 30)) };
    check(call!(packet_linearise(view)));
    call!(packet_free(view));
    let copy = call!(packet_copy(packet, pool));
    let rest = call!(packet_split(copy, 60));
    unsafe { assert_eq!(((*copy).total_length, (*rest).total_length), (60, LENGTH - 60)) };
    let mut segments = [std::ptr::null_mut(); 1];
    assert_eq!(call!(packet_segment(packet, segments.as_mut_ptr(), 1)), 1);
    unsafe { assert_eq!((*segments[0]).total_length, LENGTH) };
    for part in [packet, copy, rest, segments[0]] {
        call!(packet_free(part));
    }
}

extern "C" fn taken_back(data: *mut c_void, user: *mut c_void) {
    unsafe { *user.cast::<usize>() = data as usize };
}

/// A packet on the program's own memory.
fn attached(pool: u16) {
    #[repr(align(4096))]
    struct Pages([u8; 65536]);
    let memory = Box::new(Pages([0; 65536]));
    let start = memory.0.as_ptr() as *mut c_void;
    let data = unsafe { start.cast::<u8>().add(64) }.cast::<c_void>();
    let mut given_back = 0usize;
    let mut config = vionet::PoolConfig::sized();
    let mut region = 0;
    config.flags = vionet::POOL_REGION;
    config.memory = start;
    config.memory_length = memory.0.len();
    config.memory_fd = -1;
    check(call!(pool_create(&config, &mut region)));
    let user = (&mut given_back as *mut usize).cast::<c_void>();
    let packet = call!(packet_attach(pool, data, LENGTH, Some(taken_back), user));
    unsafe { assert_eq!(((*packet).data, (*packet).length), (data, LENGTH)) };
    call!(packet_free(packet));
    assert_eq!(given_back, data as usize);
    check(call!(pool_destroy(region)));
}

fn bursts(port: u16, pool: u16) {
    let mut room = [null_mut(); COUNT as usize];
    let first = room.as_mut_ptr();
    assert_eq!(call!(packet_alloc_bulk(pool, first, COUNT)), COUNT);
    for packet in &room {
        let data = call!(packet_append(*packet, LENGTH));
        unsafe { data.cast::<u8>().write_bytes(2, LENGTH as usize) };
    }
    assert_eq!(call!(tx_prepare(port, 0, first, COUNT)), COUNT);
    assert_eq!(call!(rx_arm(port, 0)), 0);
    assert_eq!(call!(tx_burst(port, 0, first, COUNT)), COUNT);
    let mut got = 0;
    for _ in 0..1000 {
        check(call!(rx_wait(port, 0, 1000)));
        got += call!(rx_burst(port, 0, first.add(usize::from(got)), COUNT - got));
        if got == COUNT {
            break;
        }
    }
    assert_eq!(got, COUNT);
    for packet in &room {
        let packet = unsafe { **packet };
        assert_eq!((packet.total_length, unsafe { *packet.data.cast::<u8>() }), (LENGTH, 2));
    }
    call!(packet_free_bulk(first, COUNT));
    call!(tx_done(port, 0));
    assert!(call!(rx_fd(port, 0)) >= 0);
}

/// An idle port has room to send at once, and receives nothing.
fn waiting(port: u16) {
    assert!(call!(tx_fd(port, 0)) >= 0);
    assert_eq!((call!(tx_arm(port, 0)), call!(tx_wait(port, 0, 1000))), (1, 1));
    let receiving = vionet::WaitQueue { port, queue: 0, direction: vionet::WAIT_RX as u16, reserved: 0, ready: 7 };
    let mut queues = [receiving, vionet::WaitQueue { direction: vionet::WAIT_TX as u16, ..receiving }];
    let first = queues.as_mut_ptr();
    assert_eq!(call!(wait(first, 2, 1000)), 1);
    assert_eq!((queues[0].ready, queues[1].ready), (0, 1));
    assert_eq!(call!(wait(queues.as_mut_ptr(), 1, 0)), 0);
}

/// A transmit buffer of two packets.
fn buffered(port: u16, pool: u16) {
    let mut config = vionet::TxBufferConfig::sized();
    let mut stats = vionet::TxBufferStats::sized();
    let mut buffer = null_mut();
    let mut room = [null_mut(); 2];
    let first = room.as_mut_ptr();
    (config.port, config.room, config.deadline) = (port, 2, 60000000);
    check(call!(tx_buffer_create(&config, &mut buffer)));
    assert_eq!(call!(packet_alloc_bulk(pool, first, 2)), 2);
    for packet in &room {
        call!(packet_append(*packet, LENGTH));
    }
    assert_eq!(call!(tx_buffer_put(buffer, first, 1)), 1);
    let due = call!(tx_buffer_due(buffer));
    assert!(due > 0 && due <= 60000000);
    assert_eq!(call!(tx_buffer_flush(buffer)), 0);
    assert_eq!(call!(tx_buffer_put(buffer, first.add(1), 1)), 1);
    check(call!(tx_buffer_stats(buffer, &mut stats)));
    assert_eq!((stats.put, stats.sent, stats.buffered, stats.by_flush), (2, 1, 1, 1));
    assert_eq!(call!(tx_buffer_destroy(buffer)), 1);
}

fn settings(port: u16) {
    let mac = [2, 0, 0, 0, 0, 9];
    check(call!(promiscuous_set(port, 1)));
    check(call!(all_multicast_set(port, 1)));
    check(call!(rx_filter_set(port, 0)));
    check(call!(mac_set(port, mac.as_ptr())));
    check(call!(mac_list_set(port, mac.as_ptr(), 1)));
    check(call!(vlan_filter_set(port, 5, 1)));
    check(call!(queue_pairs_set(port, 1)));
    check(call!(queue_pairs_set(port, 2)));
    check(call!(mtu_set(port, 1400)));
    let (hashed, bytes) = ([0x80u8; 40], [0x80u8]);
    assert_eq!(call!(toeplitz(hashed.as_ptr(), 40, bytes.as_ptr().cast(), 1)), 0x8080_8080);
    check(call!(rx_offloads_set(port, vionet::RX_VLAN_FILTER)));
    check(call!(rx_queue_restart(port, 1, 128)));
    check(call!(tx_queue_restart(port, 1, 128)));
    for limit in [100, 0] {
        check(call!(rx_coalesce_set(port, vionet::ALL_QUEUES, 8, limit)));
        check(call!(tx_coalesce_set(port, vionet::ALL_QUEUES, 8, limit)));
    }
    // What was not agreed on is refused with the name of the feature.
    let mut rss = vionet::Rss::sized();
    for result in [call!(rss_set(port, &rss)), call!(rss_get(port, &mut rss))] {
        assert_eq!(result, -ENOTSUP);
        assert!(sentence().contains("VIRTIO_NET_F_"));
    }
}

fn statistics(port: u16) {
    let mut totals = vionet::Stats::sized();
    let (mut rx, mut tx) = (vionet::QueueStats::sized(), vionet::QueueStats::sized());
    check(call!(stats(port, &mut totals)));
    check(call!(rx_queue_stats(port, 0, &mut rx)));
    check(call!(tx_queue_stats(port, 0, &mut tx)));
    assert_eq!((totals.rx.packets, totals.tx.packets), (rx.packets, tx.packets));
    assert!(totals.rx.packets >= u64::from(COUNT));
    let count = check(call!(xstats(port, null_mut(), 0)));
    let mut values = vec![0u64; count as usize];
    let mut name = [0 as c_char; vionet::XSTAT_NAME as usize];
    assert_eq!(call!(xstats(port, values.as_mut_ptr(), count as u32)), count);
    check(call!(xstat_name(port, 0, name.as_mut_ptr(), name.len())));
    assert_eq!(call!(xstat_id(port, name.as_ptr())), 0);
    let good = CString::new("rx_good_packets").unwrap();
    assert_eq!(values[check(call!(xstat_id(port, good.as_ptr()))) as usize], totals.rx.packets);
    check(call!(stats_reset(port)));
    check(call!(stats(port, &mut totals)));
    assert_eq!(totals.rx.packets, 0);
    assert_eq!(text(call!(drop_name(vionet::DROP_SHORT))), Some("short"));
    check(call!(watch_set(port, Some(watch), null_mut())));
    check(call!(watch_set(port, None, null_mut())));
}

/// A watcher, in whose time no packet moves.
unsafe extern "C" fn watch(_watched: *const vionet::Watched, _user: *mut c_void) {}

/// A device that is served on a socket at this path.
fn served(path: &str) {
    let (wire, socket) = (CString::new("sink").unwrap(), CString::new(path).unwrap());
    let address = CString::new(format!("vhost-user:{}", path)).unwrap();
    let (mut device, mut port) = (0, 0);
    let mut stats = vionet::SoftStats::sized();
    check(call!(soft_serve(socket.as_ptr(), wire.as_ptr(), &mut device)));
    check(call!(open(address.as_ptr(), &mut port)));
    for _ in 0..1000 {
        check(call!(soft_stats(device, &mut stats)));
        if stats.connections == 1 {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(stats.connections, 1);
    call!(close(port));
    call!(soft_stop(device));
    assert!(!Path::new(path).exists());
}

fn main() {
    library();
    devices();
    check(call!(event_add(Some(note_event), null_mut())));
    let (pool, other_pool) = (made_pool(), made_pool());
    let port = life(pool, other_pool);
    information(port, pool);
    packets(pool);
    parts(pool);
    attached(pool);
    bursts(port, other_pool);
    waiting(port);
    buffered(port, other_pool);
    settings(port);
    assert!(call!(event_fd(port)) >= 0);
    check(call!(event_handle(port)));
    check(call!(announce(port, 0, null(), 0)));
    statistics(port);
    call!(close(port));
    let events = EVENTS.lock().unwrap().clone();
    assert_eq!(events.first(), Some(&(vionet::EVENT_NEW as c_int)));
    assert_eq!(events.last(), Some(&(vionet::EVENT_CLOSED as c_int)));
    check(call!(event_remove(Some(note_event), null_mut())));
    for each in [pool, other_pool] {
        assert_eq!(free_in(each), POOL_PACKETS);
        check(call!(pool_destroy(each)));
    }
    served(&std::env::args().nth(1).expect("the path of a socket to serve"));
    for name in CALLED.lock().unwrap().iter() {
        println!("vionet_{}", name);
    }
}
