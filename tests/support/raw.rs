//! A BGP speaker that does what the test says and nothing else: it never retries, never refuses,
//! keeps what it was sent, and sends any octets it is given.
//!
//! [`Speaker`] runs in this process (loopback), [`Remote`] drives one in a namespace through the
//! `raw-speaker` program, with a line of JSON each way.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, SocketAddrV6, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use socket2::{Domain, Protocol, Socket, Type};

use super::netns::Host;
use super::route::{Route, hex, unhex};
use super::wait::{ensure, eventually};
use super::wire::{self, Attribute, Nlri, kind};

/// How long a connection may take to come up.
const CONNECT: Duration = Duration::from_secs(20);

/// How a speaker presents itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Config {
    /// Own address, with `%zone` for a link-local one.
    pub local: String,
    /// The other's address, likewise.
    pub remote: String,
    /// TCP port of the one that listens.
    pub port: u16,
    /// Waits for the connection instead of making it.
    pub listen: bool,
    /// AS number in OPEN.
    pub asn: u32,
    /// BGP Identifier.
    pub router_id: Ipv4Addr,
    /// Seconds.
    pub hold_time: u16,
    /// MP-BGP for IPv4 and IPv6 unicast.
    pub families: [bool; 2],
    /// RFC 8950.
    pub extended_next_hop: bool,
    /// RFC 7911, towards us.
    pub add_path_receive: bool,
    /// RFC 6793.
    pub four_octet_as: bool,
    /// RFC 8654.
    pub extended_messages: bool,
    /// Other capabilities: code and value.
    pub capabilities: Vec<(u8, Vec<u8>)>,
    /// Octets of the socket's receive buffer; none: what the kernel likes.
    pub receive_buffer: Option<usize>,
}

impl Config {
    /// A modern speaker of both families, without ADD-PATH.
    pub fn new(local: impl ToString, remote: impl ToString, asn: u32) -> Self {
        let local = local.to_string();
        let last = local.rsplit([':', '.', '%']).find_map(|part| part.parse::<u8>().ok());
        Self {
            local,
            remote: remote.to_string(),
            port: 179,
            listen: false,
            asn,
            router_id: Ipv4Addr::new(10, 9, 0, last.unwrap_or(1)),
            hold_time: 90,
            families: [true, true],
            extended_next_hop: true,
            add_path_receive: false,
            four_octet_as: true,
            extended_messages: false,
            capabilities: Vec::new(),
            receive_buffer: None,
        }
    }

    /// Its OPEN message.
    pub fn open(&self) -> Vec<u8> {
        let mut capabilities = self.capabilities.clone();
        for (afi, offered) in [1, 2].into_iter().zip(self.families) {
            if offered {
                capabilities.push((1, vec![0, afi, 0, 1]));
            }
        }
        capabilities.push((2, Vec::new()));
        if self.extended_next_hop {
            capabilities.push((5, vec![0, 1, 0, 1, 0, 2]));
        }
        if self.extended_messages {
            capabilities.push((6, Vec::new()));
        }
        if self.four_octet_as {
            capabilities.push((65, self.asn.to_be_bytes().to_vec()));
        }
        if self.add_path_receive {
            capabilities.push((69, vec![0, 1, 1, 1, 0, 2, 1, 1]));
        }
        let mut parameters = Vec::new();
        for (code, value) in capabilities {
            let length = u8::try_from(value.len()).expect("a short capability");
            parameters.extend_from_slice(&[2, length + 2, code, length]);
            parameters.extend_from_slice(&value);
        }
        let mut body = vec![4];
        let asn = u16::try_from(self.asn).unwrap_or(23456);
        body.extend_from_slice(&asn.to_be_bytes());
        body.extend_from_slice(&self.hold_time.to_be_bytes());
        body.extend_from_slice(&self.router_id.octets());
        body.push(u8::try_from(parameters.len()).expect("short parameters"));
        body.extend_from_slice(&parameters);
        wire::message(kind::OPEN, &body)
    }
}

/// What has happened on the session so far.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Status {
    /// OPEN and KEEPALIVE came.
    pub established: bool,
    /// The connection is gone, or was never made: why.
    pub closed: Option<String>,
    /// Code, subcode and data of the NOTIFICATION that came.
    pub notification: Option<(u8, u8, Vec<u8>)>,
    /// The peer's capabilities in order.
    pub capabilities: Vec<(u8, Vec<u8>)>,
    /// UPDATE messages that came.
    pub updates: u64,
    /// End-of-RIB markers that came, by family.
    pub end_of_rib: [u32; 2],
    /// ROUTE-REFRESH messages that came: AFI and subtype.
    pub refreshes: Vec<(u16, u8)>,
    /// Routes held now.
    pub routes: usize,
    /// Withdrawals of what was not held.
    pub empty_withdrawals: u64,
}

impl Status {
    /// UPDATE messages that came, but for End-of-RIB, which may come a moment after the routes.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.updates - u64::from(self.end_of_rib.iter().sum::<u32>())
    }
}

/// What one UPDATE said about all its prefixes.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Set {
    /// Attributes as they came, the next hop excepted.
    pub attributes: Vec<Attribute>,
    /// 4, 16 or 32 octets.
    pub next_hop: Vec<u8>,
}

#[derive(Debug, Default)]
struct Inner {
    status: Status,
    table: BTreeMap<Nlri, Arc<Set>>,
}

/// How a speaker reads what it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reading {
    /// As it comes.
    #[default]
    All,
    /// So many octets a second.
    Slowly(usize),
    /// Nothing.
    Nothing,
}

#[derive(Debug, Default)]
struct Shared {
    inner: Mutex<Inner>,
    changed: Condvar,
    reading: Mutex<Reading>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A speaker in this process.
#[derive(Debug)]
pub struct Speaker {
    config: Config,
    shared: Arc<Shared>,
    writer: Arc<Mutex<TcpStream>>,
}

impl Speaker {
    /// Connects (or waits for a connection), sends OPEN and starts to read.
    pub fn start(config: Config) -> Result<Self, String> {
        let open = config.open();
        Self::saying(config, &open)
    }

    /// The same with these octets in the place of OPEN.
    pub fn saying(config: Config, octets: &[u8]) -> Result<Self, String> {
        let stream = if config.listen { accept(&config)? } else { connect(&config)? };
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let reader = stream.try_clone().map_err(|error| error.to_string())?;
        let shared = Arc::new(Shared::default());
        let writer = Arc::new(Mutex::new(stream));
        let speaker = Self { config, shared, writer };
        speaker.send(octets)?;
        let (shared, writer) = (Arc::clone(&speaker.shared), Arc::clone(&speaker.writer));
        let config = speaker.config.clone();
        thread::spawn(move || {
            let end = Reader { config, shared: Arc::clone(&shared), writer, stream: reader }.run();
            shared.lock().status.closed = Some(end);
            shared.changed.notify_all();
        });
        Ok(speaker)
    }

    /// Starts and waits until the session is established. Like any router it tries again when the
    /// peer has not yet noticed the end of an earlier connection (RFC 4271 §6.8).
    pub fn established(config: Config) -> Self {
        let what = format!("raw speaker {}", config.local);
        eventually(&what, CONNECT, || {
            let speaker = Self::start(config.clone())?;
            speaker.opened()?;
            Ok(speaker)
        })
    }

    /// Waits until the session is established or the connection ends.
    fn opened(&self) -> Result<(), String> {
        let deadline = Instant::now() + CONNECT;
        let mut inner = self.shared.lock();
        loop {
            if inner.status.established {
                return Ok(());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if inner.status.closed.is_some() || left.is_zero() {
                return Err(format!("{:?}", inner.status));
            }
            let waited = self.shared.changed.wait_timeout(inner, left);
            inner = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// From now on it reads so.
    pub fn read(&self, reading: Reading) {
        *self.shared.reading.lock().unwrap_or_else(PoisonError::into_inner) = reading;
    }

    /// Sends octets as they are.
    pub fn send(&self, octets: &[u8]) -> Result<(), String> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.write_all(octets).map_err(|error| error.to_string())
    }

    /// What has happened so far.
    pub fn status(&self) -> Status {
        let inner = self.shared.lock();
        let mut status = inner.status.clone();
        status.routes = inner.table.len();
        status
    }

    /// Waits for a condition on the status.
    pub fn wait(
        &self,
        what: &str,
        limit: Duration,
        mut condition: impl FnMut(&Status) -> Result<(), String>,
    ) {
        eventually(&format!("{} {what}", self.config.local), limit, || condition(&self.status()));
    }

    /// The routes it holds, with the octets they came in.
    pub fn table(&self) -> BTreeMap<Nlri, Arc<Set>> {
        self.shared.lock().table.clone()
    }

    /// Whether it holds a route to this destination.
    pub fn has(&self, prefix: &str) -> bool {
        let prefix = prefix.parse().unwrap_or_else(|error| panic!("{prefix}: {error}"));
        self.shared.lock().table.contains_key(&Nlri { prefix, path_id: None })
    }

    /// The first few of `expected` that it does not hold.
    pub fn missing(&self, expected: &BTreeMap<Nlri, Arc<Set>>, most: usize) -> Vec<Nlri> {
        let inner = self.shared.lock();
        let missing = expected.keys().filter(|nlri| !inner.table.contains_key(nlri));
        missing.take(most).copied().collect()
    }

    /// Waits until the routes it holds satisfy a condition.
    pub fn wait_routes(
        &self,
        what: &str,
        limit: Duration,
        mut condition: impl FnMut(&[Route]) -> Result<(), String>,
    ) {
        eventually(&format!("{} {what}", self.config.local), limit, || condition(&self.routes()));
    }

    /// The routes it holds in normal form.
    pub fn routes(&self) -> Vec<Route> {
        let inner = self.shared.lock();
        let route = |(nlri, set): (&Nlri, &Arc<Set>)| {
            wire::route_of(*nlri, &set.attributes, &set.next_hop, self.config.four_octet_as)
        };
        inner.table.iter().map(route).collect()
    }

    /// Announces a route.
    pub fn announce(&self, route: &Route) {
        self.send(&announce(route, &self.config)).expect("the announcement is sent");
    }

    /// Withdraws a route.
    pub fn withdraw(&self, prefix: &str) {
        self.send(&withdraw(prefix)).expect("the withdrawal is sent");
    }

    /// Ends the connection without a word.
    pub fn close(&self) {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        // Already closed by the other side is as good.
        let _ = writer.shutdown(Shutdown::Both);
    }
}

impl Drop for Speaker {
    fn drop(&mut self) {
        self.close();
    }
}

fn announce(route: &Route, config: &Config) -> Vec<u8> {
    let (attributes, next_hop) = wire::attributes_of(route, config.four_octet_as);
    let nlri = Nlri { prefix: route.prefix, path_id: route.path_id };
    wire::announcement(&attributes, &next_hop, &[nlri])
}

fn withdraw(prefix: &str) -> Vec<u8> {
    let prefix = prefix.parse().unwrap_or_else(|error| panic!("{prefix}: {error}"));
    wire::withdrawal(&[Nlri { prefix, path_id: None }])
}

/// `address`, `address%interface`: a socket address with its scope.
fn socket_address(text: &str, port: u16) -> Result<SocketAddr, String> {
    let (address, zone) = text.split_once('%').map_or((text, None), |(a, z)| (a, Some(z)));
    let address: IpAddr = address.parse().map_err(|error| format!("{text}: {error}"))?;
    match (address, zone) {
        (IpAddr::V6(address), Some(zone)) => {
            let path = format!("/sys/class/net/{zone}/ifindex");
            let index =
                std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
            let scope = index.trim().parse().map_err(|error| format!("{path}: {error}"))?;
            Ok(SocketAddr::V6(SocketAddrV6::new(address, port, 0, scope)))
        }
        _ => Ok(SocketAddr::new(address, port)),
    }
}

fn socket(local: SocketAddr, receive_buffer: Option<usize>) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(local), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    // Before the connection: its window cannot become smaller later.
    receive_buffer.map_or(Ok(()), |octets| socket.set_recv_buffer_size(octets))?;
    socket.bind(&local.into())?;
    Ok(socket)
}

/// A connection on which nothing has been said.
pub fn connect(config: &Config) -> Result<TcpStream, String> {
    let local = socket_address(&config.local, 0)?;
    let remote = socket_address(&config.remote, config.port)?;
    let attempt = || {
        let socket = socket(local, config.receive_buffer)?;
        socket.connect_timeout(&remote.into(), Duration::from_secs(5))?;
        Ok::<_, std::io::Error>(TcpStream::from(socket))
    };
    attempt().map_err(|error| format!("{local} to {remote}: {error}"))
}

fn accept(config: &Config) -> Result<TcpStream, String> {
    let local = socket_address(&config.local, config.port)?;
    let listen = || {
        let socket = socket(local, config.receive_buffer)?;
        socket.listen(1)?;
        let listener = TcpListener::from(socket);
        listener.accept().map(|(stream, _)| stream)
    };
    listen().map_err(|error| format!("{local}: {error}"))
}

struct Reader {
    config: Config,
    shared: Arc<Shared>,
    writer: Arc<Mutex<TcpStream>>,
    stream: TcpStream,
}

impl Reader {
    /// Reads until the connection ends; says why it did.
    fn run(mut self) -> String {
        if let Err(error) = self.stream.set_read_timeout(Some(Duration::from_millis(100))) {
            return error.to_string();
        }
        let mut buffer = Vec::new();
        let mut chunk = vec![0; 1 << 16];
        let interval = Duration::from_secs(u64::from(self.config.hold_time.max(3)) / 3);
        let mut keepalive = Instant::now() + interval;
        loop {
            if Instant::now() >= keepalive {
                keepalive += interval;
                self.keepalive();
            }
            let reading = *self.shared.reading.lock().unwrap_or_else(PoisonError::into_inner);
            let most = match reading {
                Reading::All => chunk.len(),
                Reading::Slowly(octets) => {
                    thread::sleep(Duration::from_secs(1));
                    octets
                }
                Reading::Nothing => {
                    thread::sleep(Duration::from_millis(20));
                    continue;
                }
            };
            match self.stream.read(&mut chunk[..most]) {
                Ok(0) => return "closed by the peer".to_owned(),
                Ok(count) => buffer.extend_from_slice(&chunk[..count]),
                // Interrupted: by SIGCONT, where the whole process had been stopped (signal(7)).
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                    ) => {}
                Err(error) => return error.to_string(),
            }
            let mut at = 0;
            while let Some(header) = buffer.get(at..at + 19) {
                let length = usize::from(u16::from_be_bytes([header[16], header[17]]));
                let Some(message) = buffer.get(at..at + length) else { break };
                self.message(message[18], &message[19..]);
                at += length;
            }
            buffer.drain(..at);
            self.shared.changed.notify_all();
        }
    }

    fn keepalive(&self) {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        // A closed connection shows itself to the reader.
        let _ = writer.write_all(&wire::message(kind::KEEPALIVE, &[]));
    }

    fn message(&self, message: u8, body: &[u8]) {
        if message == kind::OPEN {
            self.keepalive();
        }
        let mut inner = self.shared.lock();
        match message {
            kind::OPEN => inner.status.capabilities = read_capabilities(body),
            kind::UPDATE => {
                inner.status.updates += 1;
                let add_path = self.add_path(&inner.status);
                inner.update(body, add_path);
            }
            kind::NOTIFICATION => {
                inner.status.notification = Some((body[0], body[1], body[2..].to_vec()));
            }
            kind::KEEPALIVE => inner.status.established = true,
            kind::ROUTE_REFRESH => {
                let afi = u16::from_be_bytes([body[0], body[1]]);
                inner.status.refreshes.push((afi, body[2]));
            }
            other => panic!("a message of type {other}"),
        }
    }

    /// RFC 7911 §4: path identifiers come when we asked for them and the peer offers to send them.
    fn add_path(&self, status: &Status) -> [bool; 2] {
        let offered = status.capabilities.iter().filter(|(code, _)| *code == 69);
        let entries: Vec<&[u8]> = offered.flat_map(|(_, value)| value.chunks(4)).collect();
        [1, 2].map(|afi| {
            let sends =
                |entry: &&[u8]| matches!(entry, [0, a, 1, how] if *a == afi && how & 2 != 0);
            self.config.add_path_receive && entries.iter().any(sends)
        })
    }
}

impl Inner {
    fn update(&mut self, body: &[u8], add_path: [bool; 2]) {
        let update = wire::read_update(body, add_path);
        if let Some(v6) = update.end_of_rib {
            self.status.end_of_rib[usize::from(v6)] += 1;
        }
        for nlri in update.unreach {
            if self.table.remove(&nlri).is_none() {
                self.status.empty_withdrawals += 1;
            }
        }
        let set = Arc::new(Set { attributes: update.attributes, next_hop: update.next_hop });
        for nlri in update.reach {
            self.table.insert(nlri, Arc::clone(&set));
        }
    }
}

/// All capabilities in an OPEN, RFC 9072's extended form too.
fn read_capabilities(body: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let extended = body.get(9..11) == Some(&[255, 255]);
    let mut parameters = if extended { &body[13..] } else { &body[10..] };
    let mut list = Vec::new();
    while let [code, rest @ ..] = parameters {
        let (length, rest) = if extended {
            (usize::from(u16::from_be_bytes([rest[0], rest[1]])), &rest[2..])
        } else {
            (usize::from(rest[0]), &rest[1..])
        };
        let (mut value, rest) = rest.split_at(length);
        while let ([capability, length, tail @ ..], 2) = (value, *code) {
            let (octets, tail) = tail.split_at(usize::from(*length));
            list.push((*capability, octets.to_vec()));
            value = tail;
        }
        parameters = rest;
    }
    list
}

/// What [`Remote`] asks of the program, one on a line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Must be the first.
    Start(Box<Config>),
    /// Hex.
    Send(String),
    /// Answered with [`Status`].
    Status,
    /// Answered with the routes in normal form.
    Routes,
    /// Answered with the octets of each route's next hop, in the same order.
    NextHops,
    /// Ends the connection.
    Close,
}

/// What the program answers, one on a line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Done.
    Done,
    /// Not done: why.
    Failed(String),
    /// To [`Request::Status`].
    Status(Box<Status>),
    /// To [`Request::Routes`].
    Routes(Vec<Route>),
    /// To [`Request::NextHops`]: hex.
    NextHops(Vec<String>),
}

/// The `raw-speaker` program: a speaker behind standard input and output.
pub fn serve(input: impl BufRead, mut output: impl Write) -> Result<(), String> {
    let mut speaker: Option<Speaker> = None;
    for line in input.lines() {
        let line = line.map_err(|error| error.to_string())?;
        let request = serde_json::from_str(&line).map_err(|error| format!("{line}: {error}"))?;
        let answer = match (request, &speaker) {
            (Request::Start(config), _) => match Speaker::start(*config) {
                Ok(started) => {
                    speaker = Some(started);
                    Answer::Done
                }
                Err(error) => Answer::Failed(error),
            },
            (_, None) => Answer::Failed("not started".to_owned()),
            (Request::Send(octets), Some(speaker)) => {
                speaker.send(&unhex(&octets)).map_or_else(Answer::Failed, |()| Answer::Done)
            }
            (Request::Status, Some(speaker)) => Answer::Status(Box::new(speaker.status())),
            (Request::Routes, Some(speaker)) => Answer::Routes(speaker.routes()),
            (Request::NextHops, Some(speaker)) => {
                Answer::NextHops(speaker.table().values().map(|set| hex(&set.next_hop)).collect())
            }
            (Request::Close, Some(speaker)) => {
                speaker.close();
                Answer::Done
            }
        };
        let answer = serde_json::to_string(&answer).map_err(|error| error.to_string())?;
        writeln!(output, "{answer}").map_err(|error| error.to_string())?;
        output.flush().map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// A speaker in a namespace.
#[derive(Debug)]
pub struct Remote {
    config: Config,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Remote {
    /// Starts it in `host` and waits until its session is established.
    pub fn established(host: &Host, config: Config) -> Self {
        let mut remote = Self::start(host, config);
        remote.wait_established();
        remote
    }

    /// Starts it in `host`; the connection is made, nothing more is known.
    pub fn start(host: &Host, config: Config) -> Self {
        let mut remote = Self::spawn(host, config);
        let what = format!("raw speaker {}", remote.config.local);
        eventually(&what, CONNECT, || remote.connect());
        remote
    }

    /// Starts the program without connecting yet.
    pub fn spawn(host: &Host, config: Config) -> Self {
        let mut command = host.command(&program().to_string_lossy());
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("raw-speaker starts");
        let input = child.stdin.take().expect("its input is a pipe");
        let output = BufReader::new(child.stdout.take().expect("its output is a pipe"));
        Self { config, child, input, output }
    }

    /// Makes a connection and sends OPEN, also again after one has ended.
    pub fn connect(&mut self) -> Result<(), String> {
        match self.ask(&Request::Start(Box::new(self.config.clone()))) {
            Answer::Failed(error) => Err(error),
            _ => Ok(()),
        }
    }

    /// Waits until the session is established.
    pub fn wait_established(&mut self) {
        eventually("raw speaker established", CONNECT, || {
            let status = self.status();
            ensure(status.established, || format!("{status:?}"))
        });
    }

    /// What has happened so far.
    pub fn status(&mut self) -> Status {
        match self.ask(&Request::Status) {
            Answer::Status(status) => *status,
            other => panic!("raw-speaker answers {other:?}"),
        }
    }

    /// The routes it holds.
    pub fn routes(&mut self) -> Vec<Route> {
        match self.ask(&Request::Routes) {
            Answer::Routes(routes) => routes,
            other => panic!("raw-speaker answers {other:?}"),
        }
    }

    /// The octets of their next hops, in the same order.
    pub fn next_hops(&mut self) -> Vec<Vec<u8>> {
        match self.ask(&Request::NextHops) {
            Answer::NextHops(next_hops) => next_hops.iter().map(|octets| unhex(octets)).collect(),
            other => panic!("raw-speaker answers {other:?}"),
        }
    }

    /// Announces a route.
    pub fn announce(&mut self, route: &Route) {
        self.send(&announce(route, &self.config));
    }

    /// Withdraws a route.
    pub fn withdraw(&mut self, prefix: &str) {
        self.send(&withdraw(prefix));
    }

    /// Sends octets as they are.
    pub fn send(&mut self, octets: &[u8]) {
        match self.ask(&Request::Send(hex(octets))) {
            Answer::Done => {}
            other => panic!("raw-speaker answers {other:?}"),
        }
    }

    /// Ends the connection without a word.
    pub fn close(&mut self) {
        self.ask(&Request::Close);
    }

    fn ask(&mut self, request: &Request) -> Answer {
        let line = serde_json::to_string(request).expect("a request is JSON");
        writeln!(self.input, "{line}").expect("raw-speaker listens");
        let mut answer = String::new();
        self.output.read_line(&mut answer).expect("raw-speaker answers");
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{answer:?}: {error}"))
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        // Both fail only when it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `raw-speaker` lies where cargo puts all programs of this build.
fn program() -> PathBuf {
    let path = super::rs::build_directory().join("raw-speaker");
    assert!(Path::new(&path).exists(), "{} is built by cargo test", path.display());
    path
}
