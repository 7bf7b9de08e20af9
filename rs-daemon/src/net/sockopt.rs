//! Socket options and interface names for which no safe binding exists: the only unsafe code of
//! the project.

use std::ffi::{CStr, CString};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};

use socket2::SockAddr;

use crate::config::{AoAlgorithm, TcpAo};

/// `TCP_MD5SIG_MAXKEYLEN` and `TCP_AO_MAXKEYLEN` of linux/tcp.h.
const MAX_KEY_OCTETS: usize = 80;

/// `struct tcp_md5sig` of linux/tcp.h.
#[repr(C)]
struct TcpMd5Sig {
    address: libc::sockaddr_storage,
    flags: u8,
    prefix_len: u8,
    key_len: u16,
    interface: i32,
    key: [u8; MAX_KEY_OCTETS],
}

/// Sets (or, with `None`, removes) the MD5 key for segments to and from `peer` (RFC 2385).
///
/// A link-local peer is named by its address alone: the kernel's scope for keys is the VRF, not
/// the interface. So one key holds for an address on all interfaces that a socket serves: one for
/// a socket on a link-local address, all for one on a global address.
pub(super) fn set_md5_key(
    socket: &impl AsFd,
    peer: SocketAddr,
    key: Option<&[u8]>,
) -> io::Result<()> {
    let key = key.unwrap_or_default();
    let mut option = TcpMd5Sig {
        address: without_port(peer),
        flags: 0,
        prefix_len: 0,
        key_len: 0,
        interface: 0,
        key: [0; MAX_KEY_OCTETS],
    };
    put_key(&mut option.key, key)?;
    option.key_len = u16::try_from(key.len()).unwrap_or_default();
    match set_option(socket, libc::IPPROTO_TCP, libc::TCP_MD5SIG, &option) {
        // Removing a key that is not there.
        Err(e) if key.is_empty() && e.raw_os_error() == Some(libc::ENOENT) => Ok(()),
        other => other,
    }
}

/// Whom a key is for: the kernel wants no port.
fn without_port(peer: SocketAddr) -> libc::sockaddr_storage {
    SockAddr::from(SocketAddr::new(peer.ip(), 0)).as_storage_value()
}

fn put_key(room: &mut [u8; MAX_KEY_OCTETS], key: &[u8]) -> io::Result<()> {
    let Some(room) = room.get_mut(..key.len()) else {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("the key has {} octets, {MAX_KEY_OCTETS} are possible", key.len()),
        ));
    };
    room.copy_from_slice(key);
    Ok(())
}

/// `TCP_AO_ADD_KEY` and `TCP_AO_DEL_KEY` of linux/tcp.h (Linux 6.7).
const TCP_AO_ADD_KEY: libc::c_int = 38;
const TCP_AO_DEL_KEY: libc::c_int = 39;

/// Both algorithms of RFC 5926 are cut to 96 bits.
const AO_MAC_OCTETS: u8 = 12;

/// `struct tcp_ao_add` of linux/tcp.h.
#[repr(C, align(8))]
struct TcpAoAdd {
    address: libc::sockaddr_storage,
    algorithm: [u8; 64],
    interface: i32,
    /// Bits: make it the current key, ask the peer for it. Neither is needed for the only one.
    flags: u32,
    reserved: u16,
    prefix_len: u8,
    send_id: u8,
    receive_id: u8,
    mac_len: u8,
    key_flags: u8,
    key_len: u8,
    key: [u8; MAX_KEY_OCTETS],
}

/// `struct tcp_ao_del` of linux/tcp.h.
#[repr(C, align(8))]
struct TcpAoDelete {
    address: libc::sockaddr_storage,
    interface: i32,
    flags: u32,
    reserved: u16,
    prefix_len: u8,
    send_id: u8,
    receive_id: u8,
    current_key: u8,
    next_key: u8,
    key_flags: u8,
}

const fn whole_address(peer: SocketAddr) -> u8 {
    if peer.is_ipv4() { 32 } else { 128 }
}

/// Adds a master key tuple for `peer` (RFC 5925 §3.1). TCP options are authenticated, too.
pub(super) fn add_ao_key(socket: &impl AsFd, peer: SocketAddr, key: &TcpAo) -> io::Result<()> {
    let name: &[u8] = match key.algorithm {
        AoAlgorithm::HmacSha1 => b"hmac(sha1)",
        AoAlgorithm::Aes128Cmac => b"cmac(aes128)",
    };
    let secret = key.key.expose().as_bytes();
    let mut option = TcpAoAdd {
        address: without_port(peer),
        algorithm: [0; 64],
        interface: 0,
        flags: 0,
        reserved: 0,
        prefix_len: whole_address(peer),
        send_id: key.send_id,
        receive_id: key.receive_id,
        mac_len: AO_MAC_OCTETS,
        key_flags: 0,
        key_len: u8::try_from(secret.len()).unwrap_or(u8::MAX),
        key: [0; MAX_KEY_OCTETS],
    };
    put_key(&mut option.key, secret)?;
    option.algorithm[..name.len()].copy_from_slice(name);
    set_option(socket, libc::IPPROTO_TCP, TCP_AO_ADD_KEY, &option)
}

/// Removes it.
pub(super) fn remove_ao_key(socket: &impl AsFd, peer: SocketAddr, key: &TcpAo) -> io::Result<()> {
    let option = TcpAoDelete {
        address: without_port(peer),
        interface: 0,
        flags: 0,
        reserved: 0,
        prefix_len: whole_address(peer),
        send_id: key.send_id,
        receive_id: key.receive_id,
        current_key: 0,
        next_key: 0,
        key_flags: 0,
    };
    match set_option(socket, libc::IPPROTO_TCP, TCP_AO_DEL_KEY, &option) {
        Err(e) if e.raw_os_error() == Some(libc::ENOENT) => Ok(()),
        other => other,
    }
}

/// TTL or hop limit of what we send.
pub(super) fn set_hops(socket: &impl AsFd, v6: bool, hops: i32) -> io::Result<()> {
    if v6 {
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS, &hops)
    } else {
        set_option(socket, libc::IPPROTO_IP, libc::IP_TTL, &hops)
    }
}

/// Least TTL or hop limit of what we take (RFC 5082).
pub(super) fn set_minimum_hops(socket: &impl AsFd, v6: bool, hops: i32) -> io::Result<()> {
    if v6 {
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_MINHOPCOUNT, &hops)
    } else {
        set_option(socket, libc::IPPROTO_IP, libc::IP_MINTTL, &hops)
    }
}

fn set_option<T>(
    socket: &impl AsFd,
    level: libc::c_int,
    name: libc::c_int,
    value: &T,
) -> io::Result<()> {
    let octets = libc::socklen_t::try_from(size_of::<T>()).map_err(io::Error::other)?;
    #[expect(unsafe_code, reason = "no safe binding for these socket options")]
    // SAFETY: the descriptor is open while `socket` is borrowed; `value` is a live `T` and the
    // kernel reads no more than `octets`, its size.
    let status = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            level,
            name,
            std::ptr::from_ref(value).cast(),
            octets,
        )
    };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Index of an interface.
pub fn interface_index(name: &str) -> io::Result<u32> {
    let name = CString::new(name)?;
    #[expect(unsafe_code, reason = "no safe binding for if_nametoindex")]
    // SAFETY: `name` is a string with its terminating zero and lives through the call.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    if index == 0 { Err(io::Error::last_os_error()) } else { Ok(index) }
}

/// Name of an interface.
pub fn interface_name(index: u32) -> io::Result<String> {
    let mut buffer = [0_u8; libc::IF_NAMESIZE];
    #[expect(unsafe_code, reason = "no safe binding for if_indextoname")]
    // SAFETY: the buffer has the IF_NAMESIZE octets that the call may write.
    let found = unsafe { libc::if_indextoname(index, buffer.as_mut_ptr().cast()) };
    if found.is_null() {
        return Err(io::Error::last_os_error());
    }
    let name = CStr::from_bytes_until_nul(&buffer).map_err(io::Error::other)?;
    Ok(name.to_string_lossy().into_owned())
}

trait StorageValue {
    fn as_storage_value(&self) -> libc::sockaddr_storage;
}

impl StorageValue for SockAddr {
    fn as_storage_value(&self) -> libc::sockaddr_storage {
        #[expect(unsafe_code, reason = "socket2 hands out its storage as a pointer only")]
        // SAFETY: `SockAddr` always holds a whole `sockaddr_storage`, and `as_ptr` points to it.
        unsafe {
            self.as_ptr().cast::<libc::sockaddr_storage>().read_unaligned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the kernel checks them.
    #[test]
    fn structures_have_the_kernels_sizes() {
        assert_eq!(size_of::<TcpMd5Sig>(), 216);
        assert_eq!(size_of::<TcpAoAdd>(), 288);
        assert_eq!(size_of::<TcpAoDelete>(), 144);
    }
}
