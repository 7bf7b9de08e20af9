//! TCP ports for daemons of a test.

use std::net::TcpListener;

/// TCP ports of loopback that were free a moment ago, all different.
pub fn free_ports<const N: usize>() -> [u16; N] {
    let held = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port is free"));
    held.map(|listener| listener.local_addr().expect("an address").port())
}
