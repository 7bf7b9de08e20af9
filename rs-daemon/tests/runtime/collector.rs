//! A BMP collector that believes nothing: reads all messages, keeps the tables that they make, and
//! panics at what no collector should be sent.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use bgp_wire::{
    DecodeContext, DecodedUpdate, Families, Family, MessageType, Notification, OpenMessage,
    PathAttributes, Prefix, decode_update, next_frame, parse_attributes,
};
use bytes::{Buf, Bytes, BytesMut};

use crate::support::PATIENCE;

/// Of whom: peer type, distinguisher, address.
pub(crate) type Peer = (u8, u64, std::net::Ipv6Addr);

/// Of what: the flags without V. 0x40 is L, 0x10 is O.
pub(crate) type Flags = u8;

pub(crate) const PRE: Flags = 0;
pub(crate) const POST: Flags = 0x40;
pub(crate) const OUT: Flags = 0x50;

pub(crate) type Table = BTreeMap<(Prefix, u32), PathAttributes>;

#[derive(Debug)]
pub(crate) struct Up {
    pub(crate) sent: OpenMessage,
    pub(crate) received: OpenMessage,
    /// Local address, local port, remote port.
    pub(crate) ends: (std::net::Ipv6Addr, u16, u16),
    pub(crate) table_name: Option<String>,
}

/// The number of the reason, and the NOTIFICATION.
pub(crate) type Down = (u8, Option<Notification>);

/// What a connection has told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) initiation: BTreeMap<u16, String>,
    pub(crate) up: BTreeMap<Peer, Up>,
    pub(crate) down: Vec<(Peer, Down)>,
    pub(crate) tables: BTreeMap<(Peer, Flags), Table>,
    pub(crate) ends: Vec<(Peer, Flags, Family)>,
    pub(crate) statistics: BTreeMap<Peer, BTreeMap<u16, Vec<u64>>>,
    pub(crate) termination: Option<u16>,
    pub(crate) closed: bool,
}

impl Told {
    pub(crate) fn table(&self, peer: Peer, flags: Flags) -> Vec<Prefix> {
        let table = self.tables.get(&(peer, flags));
        table.into_iter().flatten().map(|((prefix, _), _)| *prefix).collect()
    }
}

/// A connection from the daemon.
pub(crate) struct Collector {
    stream: TcpStream,
    buffer: BytesMut,
    pub(crate) told: Told,
}

/// Where collectors listen.
pub(crate) struct Listener(TcpListener);

impl Listener {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    pub(crate) fn address(&self) -> String {
        self.0.local_addr().unwrap().to_string()
    }

    /// The next connection.
    pub(crate) fn accept(&self) -> Collector {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(collector) = self.try_accept() {
                return collector;
            }
            assert!(Instant::now() < deadline, "nobody connects");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// The next connection, if there is one.
    pub(crate) fn try_accept(&self) -> Option<Collector> {
        match self.0.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).unwrap();
                stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
                Some(Collector { stream, buffer: BytesMut::new(), told: Told::default() })
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => panic!("{error}"),
        }
    }
}

impl Collector {
    /// Reads until something holds.
    pub(crate) fn until(&mut self, what: &str, holds: impl Fn(&Told) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds(&self.told) {
            assert!(Instant::now() < deadline, "{what}: {}", self.summary());
            self.read();
        }
    }

    fn summary(&self) -> String {
        let told = &self.told;
        let tables: Vec<_> = told.tables.iter().map(|(of, table)| (of, table.len())).collect();
        let up: Vec<_> = told.up.keys().collect();
        format!(
            "up {up:?}, down {:?}, tables {tables:?}, ends {:?}, termination {:?}, closed {}",
            told.down, told.ends, told.termination, told.closed
        )
    }

    pub(crate) fn read(&mut self) {
        let mut octets = [0; 65536];
        match self.stream.read(&mut octets) {
            Ok(0) => self.told.closed = true,
            Ok(n) => self.buffer.extend_from_slice(&octets[..n]),
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => self.told.closed = true,
        }
        while self.buffer.len() >= 6 {
            let length = u32::from_be_bytes(self.buffer[1..5].try_into().unwrap()) as usize;
            assert_eq!(self.buffer[0], 3, "the version");
            if self.buffer.len() < length {
                return;
            }
            let mut message = self.buffer.split_to(length).freeze();
            let kind = message[5];
            message.advance(6);
            self.take(kind, message);
        }
    }

    fn take(&mut self, kind: u8, mut rest: Bytes) {
        assert!(self.told.termination.is_none(), "a message behind Termination");
        assert_eq!(kind == 4, self.told.initiation.is_empty(), "Initiation is the first");
        match kind {
            4 => self.told.initiation = texts(rest),
            5 => self.termination(rest),
            _ => {
                let peer_type = rest.get_u8();
                let flags = rest.get_u8();
                let distinguisher = rest.get_u64();
                let address = std::net::Ipv6Addr::from_bits(rest.get_u128());
                let _asn_and_router_id = rest.get_u64();
                let _time = rest.get_u64();
                let peer = (peer_type, distinguisher, address);
                self.take_of(kind, peer, flags & !0x80, rest);
            }
        }
    }

    fn take_of(&mut self, kind: u8, peer: Peer, flags: Flags, rest: Bytes) {
        let told = &mut self.told;
        if kind == 3 {
            assert!(!told.up.contains_key(&peer), "{peer:?} is up already");
            assert_eq!(flags, 0, "{peer:?}");
            told.up.insert(peer, read_up(rest));
            return;
        }
        assert!(told.up.contains_key(&peer), "{peer:?} is not up: message {kind}");
        match kind {
            0 => self.update(peer, flags, rest),
            1 => self.statistics(peer, rest),
            2 => {
                told.up.remove(&peer);
                told.tables.retain(|(of, _), _| *of != peer);
                told.down.push((peer, read_down(rest)));
            }
            other => panic!("message type {other}"),
        }
    }

    fn update(&mut self, peer: Peer, flags: Flags, message: Bytes) {
        let mut buffer = BytesMut::from(message);
        let (kind, body) = next_frame(&mut buffer, 65535).unwrap().unwrap();
        assert!(kind == MessageType::Update && buffer.is_empty());
        let add_path = flags & 0x10 != 0 && takes_add_path(&self.told.up[&peer].received);
        let context = DecodeContext {
            four_octet_as: flags & 0x20 == 0,
            add_path_receive: [add_path; 2],
            families: Families::BOTH,
            extended_next_hop: true,
        };
        let mut update = DecodedUpdate::default();
        decode_update(&body, &context, &mut update).unwrap();
        assert!(update.faults.is_empty(), "{:?}", update.faults);
        if let Some(family) = update.end_of_rib {
            self.told.ends.push((peer, flags, family));
            return;
        }
        let table = self.told.tables.entry((peer, flags & !0x20)).or_default();
        for nlri in &update.unreach {
            table.remove(&(nlri.prefix, nlri.path_id));
        }
        for reach in &update.reach {
            let parsed = parse_attributes(&update.attributes, reach.next_hop, &context).unwrap();
            for nlri in &reach.nlri {
                table.insert((nlri.prefix, nlri.path_id), parsed.attributes.clone());
            }
        }
    }

    fn statistics(&mut self, peer: Peer, mut rest: Bytes) {
        let mut numbers: BTreeMap<u16, Vec<u64>> = BTreeMap::new();
        for _ in 0..rest.get_u32() {
            let code = rest.get_u16();
            let mut value = rest.split_to(usize::from(rest.clone().get_u16()) + 2);
            value.advance(2);
            let number = match value.len() {
                4 => u64::from(value.get_u32()),
                8 => value.get_u64(),
                11 => {
                    value.advance(3);
                    value.get_u64()
                }
                other => panic!("statistic {code} of {other} octets"),
            };
            numbers.entry(code).or_default().push(number);
        }
        assert!(rest.is_empty());
        self.told.statistics.insert(peer, numbers);
    }

    fn termination(&mut self, mut rest: Bytes) {
        while !rest.is_empty() {
            let (code, length) = (rest.get_u16(), rest.get_u16());
            let mut value = rest.split_to(usize::from(length));
            if code == 1 {
                self.told.termination = Some(value.get_u16());
            }
        }
    }
}

fn texts(mut rest: Bytes) -> BTreeMap<u16, String> {
    let mut texts = BTreeMap::new();
    while !rest.is_empty() {
        let (code, length) = (rest.get_u16(), rest.get_u16());
        let value = rest.split_to(usize::from(length));
        texts.insert(code, String::from_utf8(value.to_vec()).unwrap());
    }
    texts
}

fn read_open(buffer: &mut BytesMut) -> OpenMessage {
    let (kind, body) = next_frame(buffer, 4096).unwrap().unwrap();
    assert_eq!(kind, MessageType::Open);
    OpenMessage::decode(&body).unwrap()
}

fn read_up(mut rest: Bytes) -> Up {
    let local = std::net::Ipv6Addr::from_bits(rest.get_u128());
    let ends = (local, rest.get_u16(), rest.get_u16());
    let mut buffer = BytesMut::from(rest);
    let (sent, received) = (read_open(&mut buffer), read_open(&mut buffer));
    Up { sent, received, ends, table_name: texts(buffer.freeze()).remove(&3) }
}

fn read_down(mut rest: Bytes) -> Down {
    let reason = rest.get_u8();
    let notification = matches!(reason, 1 | 3).then(|| {
        let (kind, body) = next_frame(&mut BytesMut::from(rest), 4096).unwrap().unwrap();
        assert_eq!(kind, MessageType::Notification);
        Notification::decode(&body).unwrap()
    });
    (reason, notification)
}

fn takes_add_path(open: &OpenMessage) -> bool {
    let add_path = |capability: &_| matches!(capability, bgp_wire::Capability::AddPath(_));
    open.capabilities.iter().any(add_path)
}
