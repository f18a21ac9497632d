// SPDX-License-Identifier: BSD-2-Clause

//! Forwards packets between two devices, sleeps while none come, and prints what passed.
//!
//!     rustc -O forward.rs $(pkg-config --libs-only-L vionet) -o forward
//!     forward DEVICE_A DEVICE_B [SECONDS]
//!
//! It ends after that time, or when a device is gone. vionet.rs beside this file declares the library; no crate is
//! needed.

mod vionet;

use std::ffi::CString;
use std::io;
use std::os::raw::{c_int, c_ulong};
use std::ptr;
use std::time::{Duration, Instant};

const BURST: usize = 32;
const POLLIN: i16 = 1;

/// struct pollfd of poll(2), so that no crate has to declare it.
#[repr(C)]
struct Poll {
    descriptor: c_int,
    wanted: i16,
    found: i16,
}

extern "C" {
    fn poll(descriptors: *mut Poll, count: c_ulong, milliseconds: c_int) -> c_int;
}

/// One device and its first queue pair. The port closes with it.
struct Side {
    name: String,
    port: u16,
    /// Packets dropped because its ring was full.
    refused: u64,
}

impl Side {
    fn open(device: &str) -> io::Result<Side> {
        let name = CString::new(device)?;
        let mut port = vionet::PORT_NONE;
        vionet::check(unsafe { vionet::open(name.as_ptr(), &mut port) })?;
        Ok(Side { name: device.to_string(), port, refused: 0 })
    }

    /// Receives a burst here and sends it to the other side. Returns how many packets came.
    fn forward_to(&self, target: &mut Side) -> u16 {
        let mut packets = [ptr::null_mut(); BURST];
        let first = packets.as_mut_ptr();
        // Safety: the array has room for BURST packets, and those that are not sent stay ours to free.
        unsafe {
            let received = vionet::rx_burst(self.port, 0, first, BURST as u16);
            let sent = vionet::tx_burst(target.port, 0, first, received);
            vionet::packet_free_bulk(first.add(sent as usize), received - sent);
            target.refused += u64::from(received - sent);
            received
        }
    }

    /// Asks for a wake-up. True if packets came meanwhile.
    fn arm(&self) -> io::Result<bool> {
        Ok(vionet::check(unsafe { vionet::rx_arm(self.port, 0) })? == 1)
    }

    fn descriptor(&self) -> io::Result<Poll> {
        let descriptor = vionet::check(unsafe { vionet::rx_fd(self.port, 0) })?;
        Ok(Poll { descriptor, wanted: POLLIN, found: 0 })
    }

    fn stats(&self) -> io::Result<vionet::Stats> {
        let mut stats = vionet::Stats::sized();
        vionet::check(unsafe { vionet::stats(self.port, &mut stats) })?;
        Ok(stats)
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        unsafe { vionet::close(self.port) }
    }
}

fn run(a: &mut Side, b: &mut Side, end: Option<Instant>) -> io::Result<()> {
    let mut waiting = [a.descriptor()?, b.descriptor()?];
    loop {
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) {
            return Ok(());
        }
        if a.forward_to(b) + b.forward_to(a) > 0 || a.arm()? | b.arm()? {
            continue;
        }
        let milliseconds = left.map_or(-1, |left| left.as_millis().min(1000) as c_int + 1);
        unsafe { poll(waiting.as_mut_ptr(), waiting.len() as c_ulong, milliseconds) };
    }
}

fn forward(arguments: &[String]) -> io::Result<()> {
    let (mut a, mut b) = (Side::open(&arguments[1])?, Side::open(&arguments[2])?);
    let seconds = arguments.get(3).and_then(|text| text.parse().ok());
    eprintln!("forwarding");
    let result = run(&mut a, &mut b, seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds)));
    for (from, to) in [(&a, &b), (&b, &a)] {
        let sent = to.stats()?.tx;
        let (packets, bytes) = (sent.packets, sent.bytes);
        println!("{} -> {}: {} packets, {} bytes, {} refused", from.name, to.name, packets, bytes, to.refused);
    }
    result
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.len() < 3 || arguments.len() > 4 {
        eprintln!("usage: forward DEVICE_A DEVICE_B [SECONDS]");
        std::process::exit(2);
    }
    if let Err(failure) = forward(&arguments) {
        eprintln!("forward: {}", failure);
        std::process::exit(1);
    }
}
