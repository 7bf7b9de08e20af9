//! An RTR cache on the server side of the `rpki` crate (versions 0 to 2, ASPA included), whose
//! data a test changes at will. Debian's StayRTR speaks an older draft's ASPA.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures_core::Stream;
use rpki::resources::Asn;
use rpki::resources::addr::{MaxLenPrefix, Prefix};
use rpki::rtr::payload::{Action, Aspa, Payload, PayloadRef, Timing};
use rpki::rtr::pdu::ProviderAsns;
use rpki::rtr::server::{NotifySender, PayloadDiff, PayloadSet, PayloadSource, Server};
use rpki::rtr::state::State;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use super::ports::free_ports;

/// What a cache serves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Data {
    /// Prefix, longest length, AS.
    vrps: BTreeSet<(String, u8, u32)>,
    /// Providers by customer.
    aspas: BTreeMap<u32, Vec<u32>>,
}

impl Data {
    /// With one VRP more.
    #[must_use]
    pub fn vrp(mut self, prefix: &str, longest: u8, asn: u32) -> Self {
        self.vrps.insert((prefix.to_owned(), longest, asn));
        self
    }

    /// With the providers of a customer.
    #[must_use]
    pub fn aspa(mut self, customer: u32, providers: &[u32]) -> Self {
        self.aspas.insert(customer, providers.to_vec());
        self
    }

    fn payloads(&self) -> BTreeSet<Payload> {
        let origin = |(prefix, longest, asn): &(String, u8, u32)| {
            let prefix: Prefix = prefix.parse().expect("a prefix");
            let prefix = MaxLenPrefix::new(prefix, Some(*longest)).expect("a length that fits");
            Payload::origin(prefix, Asn::from(*asn))
        };
        let aspa = |(customer, providers): (&u32, &Vec<u32>)| {
            let providers = providers.iter().copied().map(Asn::from);
            let providers = ProviderAsns::try_from_iter(providers).expect("not too many");
            Payload::Aspa(Aspa::new(Asn::from(*customer), providers))
        };
        self.vrps.iter().map(origin).chain(self.aspas.iter().map(aspa)).collect()
    }
}

#[derive(Debug)]
struct Shared {
    ready: bool,
    /// Queries so far.
    asked: u64,
    state: State,
    /// What was served, by serial.
    served: BTreeMap<u32, BTreeSet<Payload>>,
    timing: Timing,
}

#[derive(Debug, Clone)]
struct Source(Arc<Mutex<Shared>>);

impl Source {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A set of payloads, or what leads from one to another.
struct List(Vec<(Payload, Action)>, usize);

impl List {
    fn step(&mut self) -> Option<(PayloadRef<'_>, Action)> {
        let (payload, action) = self.0.get(self.1)?;
        self.1 += 1;
        Some((payload.as_ref(), *action))
    }
}

impl PayloadSet for List {
    fn next(&mut self) -> Option<PayloadRef<'_>> {
        self.step().map(|(payload, _)| payload)
    }
}

impl PayloadDiff for List {
    fn next(&mut self) -> Option<(PayloadRef<'_>, Action)> {
        self.step()
    }
}

impl PayloadSource for Source {
    type Set = List;
    type Diff = List;

    fn ready(&self) -> bool {
        let mut shared = self.lock();
        shared.asked += 1;
        shared.ready
    }

    fn notify(&self) -> State {
        self.lock().state
    }

    fn full(&self) -> (State, List) {
        let shared = self.lock();
        let now = shared.served.last_key_value().map(|(_, payloads)| payloads.clone());
        let all = now.unwrap_or_default().into_iter();
        (shared.state, List(all.map(|payload| (payload, Action::Announce)).collect(), 0))
    }

    fn diff(&self, state: State) -> Option<(State, List)> {
        let shared = self.lock();
        if state.session() != shared.state.session() {
            return None;
        }
        let old = shared.served.get(&state.serial().into())?;
        let (_, new) = shared.served.last_key_value()?;
        let kept = |customer| {
            new.iter().any(|other| matches!(other, Payload::Aspa(aspa) if aspa.key() == customer))
        };
        let withdrawn = old.difference(new).filter_map(|payload| match payload {
            // An announcement replaces a customer's providers.
            Payload::Aspa(aspa) if kept(aspa.key()) => None,
            Payload::Aspa(aspa) => Some(Payload::Aspa(aspa.withdraw())),
            other => Some(other.clone()),
        });
        let withdrawn = withdrawn.map(|payload| (payload, Action::Withdraw));
        let announced = new.difference(old).cloned().map(|payload| (payload, Action::Announce));
        Some((shared.state, List(withdrawn.chain(announced).collect(), 0)))
    }

    fn timing(&self) -> Timing {
        self.lock().timing
    }
}

/// Connections as they come.
struct Incoming(mpsc::Receiver<TcpStream>);

impl Stream for Incoming {
    type Item = io::Result<TcpStream>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx).map(|stream| stream.map(Ok))
    }
}

/// A cache on loopback; dropping it closes its connections.
#[derive(Debug)]
pub struct Cache {
    source: Source,
    notify: NotifySender,
    address: SocketAddr,
    _runtime: Runtime,
}

impl Cache {
    /// One that has no data yet, and says so. `expire`: for how many seconds its data are good.
    pub fn start(expire: u32) -> Self {
        let state = State::new();
        let timing = Timing { refresh: 600, retry: 1, expire };
        let shared = Shared { ready: false, asked: 0, state, served: BTreeMap::new(), timing };
        let source = Source(Arc::new(Mutex::new(shared)));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        // One that nobody else is given when this one is gone.
        let [port] = free_ports();
        let listener =
            runtime.block_on(TcpListener::bind(("127.0.0.1", port))).expect("a free port");
        let address = listener.local_addr().expect("it has an address");
        let (connections, incoming) = mpsc::channel(8);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if connections.send(stream).await.is_err() {
                    return;
                }
            }
        });
        let notify = NotifySender::new();
        let server = Server::new(Incoming(incoming), notify.clone(), source.clone());
        runtime.spawn(server.run());
        Self { source, notify, address, _runtime: runtime }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How often it was asked for its data.
    pub fn asked(&self) -> u64 {
        self.source.lock().asked
    }

    /// Serves this from now on, and tells its routers.
    pub fn serve(&mut self, data: &Data) {
        let mut shared = self.source.lock();
        if shared.ready {
            shared.state.inc();
        }
        shared.ready = true;
        let serial: u32 = shared.state.serial().into();
        shared.served.insert(serial, data.payloads());
        drop(shared);
        self.notify.notify();
    }
}
