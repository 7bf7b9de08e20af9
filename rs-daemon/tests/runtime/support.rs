//! A daemon in this process, and members that do what the test says.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use bgp_wire::{
    AsPath, Asn, Capability, Community, DecodeContext, DecodedUpdate, EncodingProfile, Families,
    Family, GracefulRestartFamily, MAX_EXTENDED_OCTETS, MessageType, NextHop, Nlri, Notification,
    OpenMessage, PathAttributes, Prefix, RouteRefresh, decode_update, encode_end_of_rib,
    encode_keepalive, encode_reach, encode_unreach, next_frame, parse_attributes,
};
use bytes::BytesMut;
use rs_daemon::config;
use rs_daemon::runtime::query::ShutdownKind;
use rs_daemon::runtime::simulation::Limits;
use rs_daemon::runtime::status::{SessionId, SessionState, SessionStatus};
use rs_daemon::runtime::{Daemon, Options, RuntimeHandle, StartError};

/// Nothing here takes that long; whatever does has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks: the daemon needs the processor, too.
const POLL: Duration = Duration::from_millis(1);

pub(crate) const RS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);

/// A daemon, stopped when it goes out of scope.
pub(crate) struct Running {
    daemon: Option<Daemon>,
    pub(crate) handle: RuntimeHandle,
    pub(crate) port: u16,
    pub(crate) directory: tempfile::TempDir,
    /// Of the daemon that the next [`restart`](Self::restart) starts.
    pub(crate) restart_deferral: Option<Duration>,
    runtime: tokio::runtime::Runtime,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(daemon) = self.daemon.take() {
            daemon.stop(ShutdownKind::Cease);
        }
    }
}

/// The head of a configuration: one route server that lets everything from loopback members in.
pub(crate) fn head(port: u16, engine: &str) -> String {
    format!(
        r#"
[exchange]
name = "test"
asn = 1000000
short_asn = 64999
peering_lan = ["192.0.2.0/24"]
[http]
listen = "off"
[control]
socket = "unused.sock"
[engine]
{engine}
[[route_server]]
name = "rs1"
kind = "regular"
router_id = "192.0.2.250"
listen = ["{RS}:{port}"]
[route_server.import]
next_hop = "any"
irr = "off"
rpki = "off"
bogon_prefixes = false
bogon_asns = false
"#
    )
}

/// The head with room for large attributes.
pub(crate) fn many_communities(head: &str) -> String {
    head.replace("next_hop = \"any\"", "next_hop = \"any\"\nmax_communities = 1000")
}

/// A member at 127.0.0.N with AS 1000000 + N.
pub(crate) fn member(n: u8, extra: &str) -> String {
    format!(
        "[[member]]\nasn = {}\nname = \"m{n}\"\n{extra}\n[[member.session]]\naddress = \"{}\"\n",
        asn(n),
        address(n)
    )
}

pub(crate) fn asn(n: u8) -> u32 {
    1_000_000 + u32::from(n)
}

pub(crate) fn address(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 0, n)
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind((RS, 0)).unwrap().local_addr().unwrap().port()
}

impl Running {
    pub(crate) fn start(make: impl Fn(u16) -> String) -> Self {
        Self::start_with(Limits::default(), make)
    }

    pub(crate) fn start_with(limits: Limits, make: impl Fn(u16) -> String) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rs.toml");
        let begin = || {
            let port = free_port();
            std::fs::write(&path, make(port)).unwrap();
            let config = config::load(&path).unwrap_or_else(|errors| {
                panic!("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
            });
            let config_path = Some(path.clone());
            let options = Options { config_path, limits, ..Options::default() };
            Daemon::start(config, options).map(|daemon| (port, daemon))
        };
        // Another test may have taken the port meanwhile.
        let taken = |error: &StartError| matches!(error, StartError::Listen { .. });
        let mut begun = begin();
        for _ in 0..5 {
            if begun.as_ref().is_err_and(taken) {
                begun = begin();
            }
        }
        let (port, daemon) = begun.unwrap();
        let handle = daemon.handle().clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let restart_deferral = None;
        let running =
            Self { daemon: Some(daemon), handle, port, directory, restart_deferral, runtime };
        running.wait_ready();
        running
    }

    fn wait_ready(&self) {
        let deadline = Instant::now() + PATIENCE;
        while !self.ask(self.handle.status()).unwrap().ready {
            assert!(Instant::now() < deadline, "never ready");
            std::thread::sleep(POLL);
        }
    }

    pub(crate) fn with_members(engine: &str, members: &[u8]) -> Self {
        let members: String = members.iter().map(|n| member(*n, "")).collect();
        Self::start(|port| head(port, engine) + &members)
    }

    pub(crate) fn ask<T>(&self, question: impl Future<Output = T>) -> T {
        self.runtime.block_on(question)
    }

    pub(crate) fn rewrite(&self, text: &str) {
        std::fs::write(self.directory.path().join("rs.toml"), text).unwrap();
    }

    pub(crate) fn session(&self, n: u8) -> SessionStatus {
        let id = self.id(n);
        self.ask(self.handle.session(&id)).unwrap()
    }

    pub(crate) fn id(&self, n: u8) -> SessionId {
        SessionId { route_server: "rs1".into(), address: address(n).into(), interface: None }
    }

    /// Waits for something to become true of a session.
    pub(crate) fn until(
        &self,
        n: u8,
        what: &str,
        holds: impl Fn(&SessionStatus) -> bool,
    ) -> SessionStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = self.session(n);
            if holds(&status) {
                return status;
            }
            assert!(Instant::now() < deadline, "{what}: {status:#?}");
            std::thread::sleep(POLL);
        }
    }

    pub(crate) fn join(&self, n: u8) -> Speaker {
        self.join_with(n, Speaker::capabilities(n))
    }

    /// Ends the daemon and starts another one in its place, with the same file.
    pub(crate) fn restart(&mut self, kind: ShutdownKind) {
        if let Some(daemon) = self.daemon.take() {
            daemon.stop(kind);
        }
        let path = self.directory.path().join("rs.toml");
        let config = config::load(&path).unwrap();
        let restart_deferral = self.restart_deferral;
        let options = Options { config_path: Some(path), restart_deferral, ..Options::default() };
        let daemon = Daemon::start(config, options).unwrap();
        self.handle = daemon.handle().clone();
        self.daemon = Some(daemon);
        self.wait_ready();
    }

    /// A member with these capabilities, established.
    pub(crate) fn join_with(&self, n: u8, capabilities: Vec<Capability>) -> Speaker {
        let mut speaker = Speaker::connect(n, self.port);
        speaker.open(capabilities);
        speaker.until("Established", |s| s.established);
        self.until(n, "established", |s| s.state == SessionState::Established);
        speaker
    }

    pub(crate) fn stop(mut self, kind: ShutdownKind) {
        if let Some(daemon) = self.daemon.take() {
            daemon.stop(kind);
        }
    }
}

/// What a speaker remembers having been sent, in order, beside its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    EndOfRib(Family),
    Refresh(u8),
}

/// A member that speaks BGP and never does anything by itself but answer KEEPALIVEs' needs.
pub(crate) struct Speaker {
    pub(crate) n: u8,
    stream: TcpStream,
    buffer: BytesMut,
    pub(crate) established: bool,
    pub(crate) table: BTreeMap<Prefix, PathAttributes>,
    pub(crate) marks: Vec<(Mark, usize)>,
    pub(crate) notification: Option<Notification>,
    pub(crate) closed: bool,
    pub(crate) updates: usize,
    pub(crate) keepalives: usize,
    pub(crate) opened: Option<OpenMessage>,
}

pub(crate) const PROFILE: EncodingProfile = EncodingProfile {
    four_octet_as: true,
    add_path: [false; 2],
    extended_message: false,
    link_local_form: bgp_wire::LinkLocalForm::Native,
};

impl Speaker {
    /// A TCP connection, nothing sent.
    pub(crate) fn connect(n: u8, port: u16) -> Self {
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket.bind(&SocketAddr::new(address(n).into(), 0).into()).unwrap();
        socket.connect(&SocketAddr::new(RS.into(), port).into()).unwrap();
        let stream = TcpStream::from(socket);
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        Self {
            n,
            stream,
            buffer: BytesMut::new(),
            established: false,
            table: BTreeMap::new(),
            marks: Vec::new(),
            notification: None,
            closed: false,
            updates: 0,
            keepalives: 0,
            opened: None,
        }
    }

    pub(crate) fn capabilities(n: u8) -> Vec<Capability> {
        vec![
            Capability::multi_protocol(Family::V4),
            Capability::RouteRefresh,
            Capability::EnhancedRouteRefresh,
            Capability::FourOctetAs(Asn(asn(n))),
        ]
    }

    /// Sends OPEN and the KEEPALIVE that confirms the other's.
    pub(crate) fn open(&mut self, capabilities: Vec<Capability>) {
        let mut octets = BytesMut::new();
        let open = OpenMessage {
            version: 4,
            my_as: 23456,
            hold_time: 90,
            router_id: address(self.n),
            capabilities,
        };
        open.encode(&mut octets);
        encode_keepalive(&mut octets);
        self.send(&octets);
    }

    pub(crate) fn send(&mut self, octets: &[u8]) {
        self.stream.write_all(octets).unwrap();
    }

    /// A KEEPALIVE to whoever may have closed the connection meanwhile.
    pub(crate) fn keepalive_if_open(&mut self) {
        self.closed |= !self.takes_octets();
    }

    /// Sends a KEEPALIVE to whoever still reads; `false`: nobody does.
    pub(crate) fn takes_octets(&self) -> bool {
        let mut octets = BytesMut::new();
        encode_keepalive(&mut octets);
        (&self.stream).write_all(&octets).is_ok()
    }

    pub(crate) fn keepalive(&mut self) {
        let mut octets = BytesMut::new();
        encode_keepalive(&mut octets);
        self.send(&octets);
    }

    /// The same with graceful restart: routes of these families are kept for so many seconds.
    pub(crate) fn graceful(n: u8, secs: u16, families: &[Family]) -> Vec<Capability> {
        let family = |family: &Family| GracefulRestartFamily {
            afi: family.afi(),
            safi: 1,
            forwarding: true,
        };
        let mut capabilities = Self::capabilities(n);
        capabilities.push(Capability::GracefulRestart {
            restarting: false,
            notification: false,
            restart_time: secs,
            families: families.iter().map(family).collect(),
        });
        capabilities
    }

    /// Of IPv4 or IPv6, all of one family.
    pub(crate) fn announce(&mut self, attributes: &PathAttributes, prefixes: &[Prefix]) {
        let family = prefixes[0].family();
        let nlri: Vec<Nlri> = prefixes.iter().copied().map(Nlri::from).collect();
        let mut octets = BytesMut::new();
        encode_reach(&PROFILE, family, attributes, &nlri, &mut octets);
        self.send(&octets);
    }

    /// To who may have closed the connection meanwhile.
    pub(crate) fn announce_if_open(&mut self, attributes: &PathAttributes, prefixes: &[Prefix]) {
        let nlri: Vec<Nlri> = prefixes.iter().copied().map(Nlri::from).collect();
        let mut octets = BytesMut::new();
        encode_reach(&PROFILE, prefixes[0].family(), attributes, &nlri, &mut octets);
        let _ = self.stream.write_all(&octets);
    }

    pub(crate) fn withdraw(&mut self, prefixes: &[Prefix]) {
        let nlri: Vec<Nlri> = prefixes.iter().copied().map(Nlri::from).collect();
        let mut octets = BytesMut::new();
        encode_unreach(&PROFILE, Family::V4, &nlri, &mut octets);
        self.send(&octets);
    }

    pub(crate) fn end_of_rib(&mut self) {
        let mut octets = BytesMut::new();
        encode_end_of_rib(Family::V4, &mut octets);
        self.send(&octets);
    }

    pub(crate) fn request_refresh(&mut self) {
        let mut octets = BytesMut::new();
        RouteRefresh::new(Family::V4, 0).encode(&mut octets);
        self.send(&octets);
    }

    pub(crate) fn attributes(&self) -> PathAttributes {
        let path = AsPath::from_sequence(&[Asn(asn(self.n))]);
        PathAttributes::new(path, NextHop::V4(Ipv4Addr::new(192, 0, 2, self.n)))
    }

    pub(crate) fn tagged(&self, tag: u16) -> PathAttributes {
        let communities = Box::new([Community(0xfde8_0000 | u32::from(tag))]);
        PathAttributes { communities, ..self.attributes() }
    }

    /// Reads until something holds.
    pub(crate) fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds(self) {
            assert!(
                Instant::now() < deadline && !self.closed,
                "{what}: {} routes, {:?}, {:?}, closed: {}",
                self.table.len(),
                self.marks,
                self.notification,
                self.closed
            );
            self.read();
        }
    }

    /// Reads what there is, or until the connection ends.
    pub(crate) fn until_closed(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while !self.closed {
            assert!(Instant::now() < deadline, "the connection stays open");
            self.read();
        }
    }

    pub(crate) fn read(&mut self) {
        let mut octets = [0; 65536];
        match self.stream.read(&mut octets) {
            Ok(0) => self.closed = true,
            Ok(n) => {
                self.buffer.extend_from_slice(&octets[..n]);
                while let Some((kind, body)) =
                    next_frame(&mut self.buffer, MAX_EXTENDED_OCTETS).unwrap()
                {
                    self.take(kind, &body);
                }
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => self.closed = true,
        }
    }

    fn take(&mut self, kind: MessageType, body: &[u8]) {
        match kind {
            MessageType::Open => self.opened = Some(OpenMessage::decode(body).unwrap()),
            MessageType::Keepalive => {
                self.established = true;
                self.keepalives += 1;
            }
            MessageType::Notification => {
                self.notification = Some(Notification::decode(body).unwrap());
            }
            MessageType::RouteRefresh => {
                let refresh = RouteRefresh::decode(body).unwrap();
                self.marks.push((Mark::Refresh(refresh.subtype), self.table.len()));
            }
            MessageType::Update => self.take_update(body),
        }
    }

    fn take_update(&mut self, body: &[u8]) {
        let context = DecodeContext {
            four_octet_as: true,
            add_path_receive: [false; 2],
            families: Families::BOTH,
            extended_next_hop: false,
        };
        let mut update = DecodedUpdate::default();
        decode_update(body, &context, &mut update).unwrap();
        assert!(update.faults.is_empty(), "{:?}", update.faults);
        // End-of-RIB comes when it comes: it is no answer to anything.
        match update.end_of_rib {
            Some(family) => self.marks.push((Mark::EndOfRib(family), self.table.len())),
            None => self.updates += 1,
        }
        for nlri in &update.unreach {
            self.table.remove(&nlri.prefix);
        }
        for reach in &update.reach {
            let parsed = parse_attributes(&update.attributes, reach.next_hop, &context).unwrap();
            assert!(
                parsed.attributes.as_path.first() != Some(Asn(asn(self.n))),
                "a member got its own route back"
            );
            for nlri in &reach.nlri {
                self.table.insert(nlri.prefix, parsed.attributes.clone());
            }
        }
    }
}

/// The `n`th /24 of 20.0.0.0/6.
pub(crate) fn prefix(n: u32) -> Prefix {
    Prefix::v4((0x1400_0000 + (n << 8)).into(), 24).unwrap()
}

pub(crate) fn prefixes(range: std::ops::Range<u32>) -> Vec<Prefix> {
    range.map(prefix).collect()
}
