//! Listening sockets: who connects is matched with a configured session by route server, address
//! and interface, and handed to the worker that owns it. Everybody else is refused and counted.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::UnboundedSender;

use super::limits::{LISTEN_BACKLOG, REFUSED_LOG_INTERVAL};
use super::local_sockets::Accepting;
use super::log_limit::LogLimit;
use super::placement::Placement;
use super::registry::Registry;
use super::status::ListenerStatus;
use super::worker::Command;
use crate::config::{ListenAddress, MemberSession, SessionKey};
use crate::net::{self, NetError};

/// A listening socket of a route server.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) route_server: usize,
    pub(crate) name: Arc<str>,
    pub(crate) configured: ListenAddress,
    pub(crate) address: SocketAddr,
    socket: std::net::TcpListener,
    refused_unconfigured: AtomicU64,
    refused_limit: AtomicU64,
    accepted: AtomicU64,
}

impl Listener {
    /// Binds it. Nobody can connect before [`Listener::listen`], so that whoever does meets the
    /// keys that [`Listener::protect`] sets.
    pub(crate) fn open(
        route_server: usize,
        name: Arc<str>,
        configured: ListenAddress,
    ) -> Result<Self, NetError> {
        let interface = configured.interface.as_deref();
        let address = net::socket_address(configured.address, configured.port, interface)?;
        let socket = net::bind(address)?;
        let address = socket.local_addr().unwrap_or(address);
        Ok(Self {
            route_server,
            name,
            configured,
            address,
            socket,
            refused_unconfigured: AtomicU64::new(0),
            refused_limit: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
        })
    }

    /// Lets the kernel complete handshakes; [`Listener::run`] takes the connections.
    pub(crate) fn listen(&self) -> Result<(), NetError> {
        net::listen(&self.socket, LISTEN_BACKLOG)
    }

    /// Whether connections of this peer arrive here.
    pub(crate) fn serves(&self, key: &SessionKey) -> bool {
        self.configured.address.is_ipv4() == key.address.is_ipv4()
            && (self.configured.interface.is_none() || self.configured.interface == key.interface)
    }

    /// Sets or removes the peer's key, if it has one, and answers GTSM peers as they ask.
    pub(crate) fn protect(&self, session: &MemberSession, on: bool) -> Result<(), NetError> {
        if !self.serves(&session.key) {
            return Ok(());
        }
        if on && session.ttl_security {
            net::set_listener_hops(&self.socket)?;
        }
        let peer = SocketAddr::new(session.key.address, 0);
        match (&session.tcp_ao, &session.password) {
            (Some(key), _) if on => {
                self.forget_password(peer)?;
                net::add_listener_ao(&self.socket, peer, key)
            }
            (Some(key), _) => net::remove_listener_ao(&self.socket, peer, key),
            (None, Some(password)) => {
                let key = on.then(|| password.expose().as_bytes());
                net::set_listener_key(&self.socket, peer, key)
            }
            // No kernel support is needed for none.
            (None, None) => Ok(()),
        }
    }

    /// As [`Listener::protect`] for a session whose key may be there already.
    pub(crate) fn keep_protected(&self, session: &MemberSession) -> Result<(), NetError> {
        match self.protect(session, true) {
            Err(error) if session.tcp_ao.is_some() && error.kind() == ErrorKind::AlreadyExists => {
                Ok(())
            }
            other => other,
        }
    }

    /// Takes the key of a session that goes; `heir` has a key for the same address, and stays.
    pub(crate) fn release(
        &self,
        session: &MemberSession,
        heir: Option<&MemberSession>,
    ) -> Result<(), NetError> {
        let Some(heir) = heir else { return self.protect(session, false) };
        if session.tcp_ao.is_some() && session.tcp_ao != heir.tcp_ao {
            self.protect(session, false)?;
        }
        self.keep_protected(heir)
    }

    /// The kernel does not take a key of TCP-AO beside one of MD5.
    fn forget_password(&self, peer: SocketAddr) -> Result<(), NetError> {
        // A kernel without MD5 has none.
        net::set_listener_key(&self.socket, peer, None).or(Ok(()))
    }

    pub(crate) fn status(&self) -> ListenerStatus {
        ListenerStatus {
            address: self.address,
            interface: self.configured.interface.clone(),
            refused_unconfigured: self.refused_unconfigured.load(Ordering::Relaxed),
            refused_limit: self.refused_limit.load(Ordering::Relaxed),
            accepted: self.accepted.load(Ordering::Relaxed),
        }
    }

    /// Accepts until the task is aborted.
    pub(crate) async fn run(
        self: Arc<Self>,
        registry: Arc<Registry>,
        placement: Placement,
        workers: Arc<[UnboundedSender<Command>]>,
    ) -> io::Result<()> {
        let socket = TcpListener::from_std(self.socket.try_clone()?)?;
        let mut refused = LogLimit::new(REFUSED_LOG_INTERVAL);
        let mut accepting = Accepting::new(format!("{} on {}", self.name, self.address));
        loop {
            match socket.accept().await {
                Ok((stream, remote)) => {
                    accepting.succeeded();
                    if !self.hand_over(stream, remote, &registry, &placement, &workers) {
                        self.log_refused(&mut refused, remote);
                    }
                }
                Err(error) => {
                    if accepting.failed(&error).await {
                        self.refused_limit.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        }
    }

    fn log_refused(&self, limit: &mut LogLimit, remote: SocketAddr) {
        if let Some(unsaid) = limit.admit(Instant::now()) {
            tracing::warn!(
                rs = %self.name,
                peer = %remote.ip(),
                unsaid,
                "connection from an address that is not configured, refused"
            );
        }
    }

    fn hand_over(
        &self,
        stream: TcpStream,
        remote: SocketAddr,
        registry: &Registry,
        placement: &Placement,
        workers: &[UnboundedSender<Command>],
    ) -> bool {
        let Some(session) = registry.get(&self.key_of(remote)) else {
            // Ahead of its end, so that who sees that finds it counted.
            self.refused_unconfigured.fetch_add(1, Ordering::Relaxed);
            return false;
        };
        let taken = stream.into_std().and_then(|stream| {
            net::prepare_accepted(&stream, session.ttl_security)?;
            Ok(stream)
        });
        let stream = match taken {
            Ok(stream) => stream,
            Err(error) => {
                // The peer may have gone already.
                tracing::debug!(rs = %self.name, peer = %remote, %error, "cannot take a connection");
                return true;
            }
        };
        self.accepted.fetch_add(1, Ordering::Relaxed);
        let (route_server, slot) = (session.route_server, session.slot);
        let worker = placement.worker_of(route_server, slot);
        // A worker that is gone is shutting down, and so are we.
        let _ = workers[worker].send(Command::Accepted { route_server, slot, stream });
        true
    }

    fn key_of(&self, remote: SocketAddr) -> SessionKey {
        let interface = match remote {
            SocketAddr::V6(v6) if net::is_link_local(IpAddr::V6(*v6.ip())) => {
                net::interface_name(v6.scope_id()).ok().map(Arc::from)
            }
            _ => None,
        };
        SessionKey { route_server: Arc::clone(&self.name), address: remote.ip(), interface }
    }
}
