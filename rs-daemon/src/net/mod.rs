//! Sockets: listeners, outgoing connections, TCP MD5 signatures (RFC 2385), GTSM (RFC 5082) and
//! link-local scopes.

mod sockopt;

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

use crate::config::{AoAlgorithm, Secret, TcpAo};

pub use sockopt::{interface_index, interface_name};

/// A socket operation that failed, told so that an operator knows what to change.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {source}{hint}")]
pub struct NetError {
    what: String,
    #[source]
    source: io::Error,
    hint: &'static str,
}

impl NetError {
    fn new(what: impl Into<String>, source: io::Error) -> Self {
        let hint = match source.kind() {
            io::ErrorKind::AddrInUse => " (another program, or another listener, has this address)",
            io::ErrorKind::AddrNotAvailable => " (no interface of this machine has this address)",
            _ if source.raw_os_error() == Some(libc::ENOPROTOOPT) => {
                " (this kernel does not have it. TCP-AO: Linux 6.7 or later with CONFIG_TCP_AO; \
                 `password`, TCP MD5, is older)"
            }
            _ if source.raw_os_error() == Some(libc::ENOMEM) => {
                " (the kernel keeps the keys of all peers with a listener, and lets them have so much \
                 memory: raise net.core.optmem_max, 136 octets for each)"
            }
            io::ErrorKind::PermissionDenied => {
                " (ports below 1024 need CAP_NET_BIND_SERVICE or root)"
            }
            _ => "",
        };
        Self { what: what.into(), source, hint }
    }

    /// The error of the operating system.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }
}

/// Whether an address needs an interface to mean something.
#[must_use]
pub fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(a) if is_link_local_v6(a))
}

fn is_link_local_v6(address: Ipv6Addr) -> bool {
    address.segments()[0] & 0xffc0 == 0xfe80
}

/// A socket address, with the scope of `interface` where the address is link-local.
pub fn socket_address(
    address: IpAddr,
    port: u16,
    interface: Option<&str>,
) -> Result<SocketAddr, NetError> {
    match address {
        IpAddr::V6(v6) if is_link_local_v6(v6) => {
            let Some(name) = interface else {
                return Err(NetError::new(
                    format!("{v6} is link-local and has no interface"),
                    io::ErrorKind::InvalidInput.into(),
                ));
            };
            let index = interface_index(name)
                .map_err(|e| NetError::new(format!("no interface {name} (for {v6})"), e))?;
            Ok(SocketAddrV6::new(v6, port, 0, index).into())
        }
        other => Ok(SocketAddr::new(other, port)),
    }
}

/// Binds a socket, non-blocking, for this address only (an IPv6 socket takes no IPv4). It refuses
/// connections until [`listen`]: keys are set between the two, since the kernel completes
/// handshakes from then on, and what was let in without a signature would stay.
pub fn bind(address: SocketAddr) -> Result<TcpListener, NetError> {
    let open = || -> io::Result<TcpListener> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM.nonblocking().cloexec(),
            Some(Protocol::TCP),
        )?;
        socket.set_reuse_address(true)?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        socket.bind(&address.into())?;
        Ok(socket.into())
    };
    open().map_err(|e| NetError::new(format!("cannot listen on {address}"), e))
}

/// Lets connections in on a bound socket.
pub fn listen(bound: &TcpListener, backlog: i32) -> Result<(), NetError> {
    SockRef::from(bound).listen(backlog).map_err(|e| {
        let address = bound.local_addr().map(|address| address.to_string());
        NetError::new(format!("cannot listen on {}", address.unwrap_or_default()), e)
    })
}

/// What one peer's connections need of the kernel.
#[derive(Clone, Copy, Debug, Default)]
pub struct Protection<'a> {
    /// TCP MD5 key.
    pub md5_key: Option<&'a [u8]>,
    /// TCP-AO key.
    pub ao: Option<&'a TcpAo>,
    /// GTSM: send with 255, accept 255 only (the peer is on the same LAN).
    pub ttl_security: bool,
}

/// Sets, replaces or (with `None`) removes the MD5 key for `peer` on a listening socket.
pub fn set_listener_key(
    listener: &TcpListener,
    peer: SocketAddr,
    key: Option<&[u8]>,
) -> Result<(), NetError> {
    sockopt::set_md5_key(listener, peer, key)
        .map_err(|e| NetError::new(format!("cannot set the TCP MD5 key for {}", peer.ip()), e))
}

/// Adds a TCP-AO key (RFC 5925) for `peer` on a listening socket.
pub fn add_listener_ao(
    listener: &TcpListener,
    peer: SocketAddr,
    key: &TcpAo,
) -> Result<(), NetError> {
    sockopt::add_ao_key(listener, peer, key)
        .map_err(|e| NetError::new(format!("cannot set the TCP-AO key for {}", peer.ip()), e))
}

/// Removes it again. One that is not there is as good as removed.
pub fn remove_listener_ao(
    listener: &TcpListener,
    peer: SocketAddr,
    key: &TcpAo,
) -> Result<(), NetError> {
    sockopt::remove_ao_key(listener, peer, key)
        .map_err(|e| NetError::new(format!("cannot remove the TCP-AO key of {}", peer.ip()), e))
}

/// Whether the kernel has TCP-AO, tried out on a socket of its own.
pub fn check_tcp_ao() -> Result<(), NetError> {
    let key = TcpAo {
        send_id: 1,
        receive_id: 1,
        algorithm: AoAlgorithm::default(),
        key: Secret::new("a trial"),
    };
    let peer = SocketAddr::new(std::net::Ipv4Addr::LOCALHOST.into(), 0);
    Socket::new(Domain::IPV4, Type::STREAM.cloexec(), Some(Protocol::TCP))
        .and_then(|socket| sockopt::add_ao_key(&socket, peer, &key))
        .map_err(|e| NetError::new("TCP-AO", e))
}

/// Makes a listening socket answer with a hop limit of 255, which GTSM peers ask for and which
/// changes nothing for the others.
pub fn set_listener_hops(listener: &TcpListener) -> Result<(), NetError> {
    let address = listener.local_addr().map_err(|e| NetError::new("listening socket", e))?;
    sockopt::set_hops(listener, address.is_ipv6(), 255)
        .map_err(|e| NetError::new(format!("cannot set the hop limit of {address}"), e))
}

/// Prepares an accepted connection.
pub fn prepare_accepted(stream: &TcpStream, ttl_security: bool) -> io::Result<()> {
    // Nagle with delayed ACK costs 40 ms for each small UPDATE; everything queued goes out in
    // one write anyway.
    stream.set_nodelay(true)?;
    if ttl_security {
        let v6 = stream.peer_addr()?.is_ipv6();
        sockopt::set_hops(stream, v6, 255)?;
        sockopt::set_minimum_hops(stream, v6, 255)?;
    }
    Ok(())
}

/// A peer may ask for no KEEPALIVEs (a hold time of 0, RFC 4271 §4.2); that its cable was pulled is
/// then up to TCP to notice, within two minutes. Where there is a hold time it would end sessions
/// ahead of that.
pub fn notice_silence(stream: &impl AsFd) -> io::Result<()> {
    let often = TcpKeepalive::new()
        .with_time(Duration::from_secs(60))
        .with_interval(Duration::from_secs(20))
        .with_retries(3);
    SockRef::from(stream).set_tcp_keepalive(&often)
}

/// A non-blocking socket, bound and protected, ready to connect to `peer`.
pub fn outgoing(
    local: Option<SocketAddr>,
    peer: SocketAddr,
    protection: Protection<'_>,
) -> Result<TcpStream, NetError> {
    let open = || -> io::Result<TcpStream> {
        let socket = Socket::new(
            Domain::for_address(peer),
            Type::STREAM.nonblocking().cloexec(),
            Some(Protocol::TCP),
        )?;
        socket.set_tcp_nodelay(true)?;
        if let Some(key) = protection.md5_key {
            sockopt::set_md5_key(&socket, peer, Some(key))?;
        }
        if let Some(key) = protection.ao {
            sockopt::add_ao_key(&socket, peer, key)?;
        }
        if protection.ttl_security {
            sockopt::set_hops(&socket, peer.is_ipv6(), 255)?;
            sockopt::set_minimum_hops(&socket, peer.is_ipv6(), 255)?;
        }
        if let Some(local) = local {
            socket.set_reuse_address(true)?;
            socket.bind(&local.into())?;
        }
        Ok(socket.into())
    };
    open().map_err(|e| NetError::new(format!("cannot open a connection to {peer}"), e))
}

/// Whether octets wait to be read.
#[must_use]
pub fn has_unread_input(stream: &impl std::os::fd::AsFd) -> bool {
    let mut octet = [std::mem::MaybeUninit::uninit()];
    matches!(SockRef::from(stream).peek(&mut octet), Ok(n) if n > 0)
}

#[cfg(test)]
mod tests;
