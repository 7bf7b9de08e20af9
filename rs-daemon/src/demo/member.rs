//! A member that really speaks BGP: the project's own session state machine on a TCP connection.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bgp_session::{
    ConnectionId, Direction, Input, Negotiated, Output, Session, SessionConfig, StopReason,
};
use bgp_wire::{Asn, Families, encode_end_of_rib, encode_reach, encode_unreach};
use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Interval, interval, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::exchange::{Announcement, Member, SERVER_AS, Server};

/// Octets read at once.
const READ_OCTETS: usize = 64 * 1024;
/// Longest wait for a connection on loopback.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How soon a member tries again: people who look at a demo do not wait for two minutes.
const RETRY: Duration = Duration::from_secs(2);
/// How often the restless member changes its mind.
const RESTLESS: Duration = Duration::from_secs(10);

/// One session of a member, until `stop`.
pub(super) async fn run(member: Member, server: Server, port: u16, stop: CancellationToken) {
    Speaker::new(member, server, port).run(stop).await;
}

struct Speaker {
    member: Member,
    server: Server,
    port: u16,
    session: Session,
    connection: Option<(ConnectionId, TcpStream)>,
    next_id: u32,
    agreed: Option<Box<Negotiated>>,
    restless_announced: bool,
}

impl Speaker {
    fn new(member: Member, server: Server, port: u16) -> Self {
        let config = SessionConfig {
            local_as: Asn(member.asn),
            peer_as: Asn(SERVER_AS),
            router_id: member.router_id(),
            passive: false,
            families: Families::BOTH,
            connect_retry: RETRY,
            idle_hold: RETRY,
            graceful_restart: None,
            hostname: Some(hostname(member.name)),
            ..SessionConfig::default()
        };
        Self {
            member,
            server,
            port,
            session: Session::new(config, Instant::now()),
            connection: None,
            next_id: 0,
            agreed: None,
            restless_announced: false,
        }
    }

    async fn run(mut self, stop: CancellationToken) {
        let mut buffer = vec![0; READ_OCTETS];
        let mut change = interval(RESTLESS);
        self.session.handle(Instant::now(), Input::Start);
        loop {
            self.act().await;
            if stop.is_cancelled() {
                return;
            }
            let deadline = self.session.poll_timeout();
            tokio::select! {
                () = stop.cancelled() => {
                    let reason =
                        StopReason::AdministrativeShutdown(Some("the demo ends".to_owned()));
                    self.session.handle(Instant::now(), Input::Stop(reason));
                }
                () = until(deadline) => self.session.handle_timeout(Instant::now(), false),
                got = read(&mut self.connection, &mut buffer) => self.took(got, &buffer),
                () = tick(&mut change, self.agreed.is_some()) => self.change_mind().await,
            }
        }
    }

    fn took(&mut self, got: io::Result<usize>, buffer: &[u8]) {
        let Some((id, _)) = &self.connection else { return };
        let id = *id;
        match got {
            Ok(count) if count > 0 => {
                let input = Input::Octets { id, octets: &buffer[..count] };
                self.session.handle(Instant::now(), input);
            }
            _ => self.lost(id),
        }
    }

    fn lost(&mut self, id: ConnectionId) {
        self.connection = None;
        self.session.handle(Instant::now(), Input::ConnectionClosed { id });
    }

    /// Does what the state machine asks for.
    async fn act(&mut self) {
        while let Some(output) = self.session.poll_output() {
            match output {
                Output::Connect => self.connect().await,
                Output::Transmit { id, octets } => self.write(id, &octets).await,
                Output::Close { id, .. } => {
                    if self.connection.as_ref().is_some_and(|(open, _)| *open == id) {
                        self.connection = None;
                    }
                }
                Output::Established(agreed) => {
                    self.agreed = Some(agreed);
                    self.announce_all().await;
                }
                Output::RouteRefresh(_) => self.announce_all().await,
                Output::Down(_) => self.agreed = None,
                // What others announce is not of interest here; the connection drains it.
                Output::CancelConnect | Output::Update { .. } | Output::StateChanged(_) => {}
            }
        }
    }

    async fn connect(&mut self) {
        let input = match connect(self.member, self.server.address(self.port)).await {
            Ok(stream) => {
                self.next_id += 1;
                let id = ConnectionId(self.next_id);
                self.connection = Some((id, stream));
                Input::ConnectionOpened { id, direction: Direction::Outbound }
            }
            Err(_) => Input::ConnectFailed,
        };
        self.session.handle(Instant::now(), input);
    }

    async fn write(&mut self, id: ConnectionId, octets: &[u8]) {
        let Some((open, stream)) = &mut self.connection else { return };
        if *open == id && stream.write_all(octets).await.is_err() {
            self.lost(id);
        }
    }

    async fn announce_all(&mut self) {
        let Some(agreed) = self.agreed.clone() else { return };
        let mut out = BytesMut::new();
        let mut all = self.member.announcements(self.server);
        if let (true, Some(route)) = (self.restless_announced, self.member.restless()) {
            all.push(route);
        }
        for route in all.iter().filter(|route| agreed.families.contains(route.family)) {
            encode(&agreed, route, &mut out);
        }
        for family in agreed.families.iter() {
            encode_end_of_rib(family, &mut out);
        }
        self.write(agreed.connection, &out).await;
    }

    async fn change_mind(&mut self) {
        let (Some(agreed), Some(route)) = (self.agreed.clone(), self.member.restless()) else {
            return;
        };
        let mut out = BytesMut::new();
        self.restless_announced = !self.restless_announced;
        if self.restless_announced {
            encode(&agreed, &route, &mut out);
        } else {
            encode_unreach(&agreed.profile, route.family, &route.nlri, &mut out);
        }
        self.write(agreed.connection, &out).await;
    }
}

fn encode(agreed: &Negotiated, route: &Announcement, out: &mut BytesMut) {
    encode_reach(&agreed.profile, route.family, &route.attributes, &route.nlri, out);
}

/// `Alder Broadband` becomes `rtr.alder-broadband.example`.
fn hostname(name: &str) -> String {
    format!("rtr.{}.example", name.to_lowercase().replace(' ', "-"))
}

async fn connect(member: Member, server: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(member.source(), 0))?;
    let stream = timeout(CONNECT_TIMEOUT, socket.connect(server)).await??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline.into()).await,
        None => pending().await,
    }
}

async fn tick(interval: &mut Interval, wanted: bool) {
    if wanted {
        interval.tick().await;
    } else {
        pending::<()>().await;
    }
}

async fn read(
    connection: &mut Option<(ConnectionId, TcpStream)>,
    buffer: &mut [u8],
) -> io::Result<usize> {
    match connection {
        Some((_, stream)) => stream.read(buffer).await,
        None => pending().await,
    }
}
