//! TCP ports for daemons of a test.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

/// Below those that the kernel gives to who asks for any port or connects (from 32,768 on): nobody
/// takes one of these between the question and the daemon's start.
const FIRST: u32 = 10_000;
const PORTS: u32 = 22_000;

/// TCP ports of loopback that are free, each given to one test of the process.
pub fn free_ports<const N: usize>() -> [u16; N] {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    [(); N].map(|()| {
        // Another process begins elsewhere.
        let begin = std::process::id().wrapping_mul(64);
        let mut ports = (0..PORTS).map(|_| {
            let n = begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % PORTS;
            u16::try_from(FIRST + n).expect("a port")
        });
        let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
        ports.find(free).expect("a port is free")
    })
}
