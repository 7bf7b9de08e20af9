//! The connection to one collector: made, kept, made again; and the queue to it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::timeout;

use super::status::CollectorCounters;
use crate::config::BmpCollector;
use crate::runtime::limits::{BMP_CONNECT_TIMEOUT, BMP_WRITE_TIMEOUT};

/// How a connection is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// What waits is dropped.
    Now,
    /// Once all is sent.
    WhenSent,
}

/// What waits for a collector. *When full* (`bound`): the station ends the connection, and the
/// next one begins with everything anew.
#[derive(Debug)]
pub(super) struct Queue {
    chunks: RefCell<VecDeque<Bytes>>,
    octets: Cell<usize>,
    bound: usize,
    end: Cell<Option<End>>,
    more: Notify,
    ended: Notify,
    /// Rung when a dump may go on.
    room: Rc<Notify>,
    counters: Arc<CollectorCounters>,
}

impl Queue {
    fn new(bound: usize, room: Rc<Notify>, counters: Arc<CollectorCounters>) -> Self {
        counters.queued_octets.store(0, Ordering::Relaxed);
        Self {
            chunks: RefCell::default(),
            octets: Cell::new(0),
            bound,
            end: Cell::new(None),
            more: Notify::new(),
            ended: Notify::new(),
            room,
            counters,
        }
    }

    /// Adds messages, however many wait.
    pub(super) fn push(&self, octets: Bytes) {
        if !octets.is_empty() {
            self.set_octets(self.octets.get() + octets.len());
            self.chunks.borrow_mut().push_back(octets);
            self.more.notify_one();
        }
    }

    /// Whether more waits than may.
    pub(super) fn is_over(&self) -> bool {
        self.octets.get() > self.bound
    }

    /// Whether the next page of a dump may be asked for: the dump alone never fills the queue.
    pub(super) fn has_room(&self) -> bool {
        self.octets.get() <= self.bound / 4
    }

    /// Ends the connection.
    pub(super) fn end(&self, how: End) {
        self.end.set(Some(how));
        if how == End::Now {
            self.ended.notify_one();
        }
        self.more.notify_one();
    }

    fn set_octets(&self, octets: usize) {
        self.octets.set(octets);
        self.counters.queued_octets.store(octets as u64, Ordering::Relaxed);
    }

    fn sent(&self, octets: usize) {
        let had_room = self.has_room();
        self.set_octets(self.octets.get().saturating_sub(octets));
        self.counters.sent_octets.fetch_add(octets as u64, Ordering::Relaxed);
        if !had_room && self.has_room() {
            self.room.notify_one();
        }
    }
}

/// What the station is told of connections.
#[derive(Debug)]
pub(super) enum Notice {
    /// There is one.
    Connected { collector: u64, queue: Rc<Queue> },
    /// It is over.
    Disconnected { collector: u64 },
}

/// Connects to a collector for as long as it is configured.
#[derive(Debug)]
pub(super) struct Connector {
    pub(super) collector: u64,
    pub(super) config: BmpCollector,
    pub(super) counters: Arc<CollectorCounters>,
    pub(super) notices: UnboundedSender<Notice>,
    pub(super) room: Rc<Notify>,
}

impl Connector {
    /// Runs until a connection ends with [`End::WhenSent`].
    pub(super) async fn run(self) {
        let name = &*self.config.name;
        let mut wait = self.config.retry;
        let mut failures = 0_u32;
        loop {
            match self.connect().await {
                Ok(stream) => {
                    failures = 0;
                    let begun = Instant::now();
                    tracing::info!(collector = name, "BMP: connected");
                    match self.serve(stream).await {
                        Ok(End::WhenSent) => return,
                        // The station has said why.
                        Ok(End::Now) => {}
                        Err(error) => {
                            tracing::warn!(collector = name, %error, "BMP: the connection ended");
                        }
                    }
                    if begun.elapsed() > self.config.retry_max {
                        wait = self.config.retry;
                    }
                }
                // Once: a collector may be away for days.
                Err(error) if failures == 0 => {
                    failures = 1;
                    tracing::warn!(collector = name, %error, "BMP: cannot connect, trying on");
                }
                Err(error) => tracing::debug!(collector = name, %error, "BMP: cannot connect"),
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(self.config.retry_max);
        }
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let stream =
            timeout(BMP_CONNECT_TIMEOUT, TcpStream::connect(&*self.config.address)).await??;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    async fn serve(&self, stream: TcpStream) -> io::Result<End> {
        let (room, counters) = (Rc::clone(&self.room), Arc::clone(&self.counters));
        let queue = Rc::new(Queue::new(self.config.queue_octets, room, counters));
        CollectorCounters::count(&self.counters.connections);
        self.counters.connected.store(true, Ordering::Relaxed);
        let collector = self.collector;
        // The station outlives its connections.
        let _ = self.notices.send(Notice::Connected { collector, queue: Rc::clone(&queue) });
        let (reader, writer) = stream.into_split();
        let ended = tokio::select! {
            written = write(writer, &queue) => written.map(|()| End::WhenSent),
            error = read(reader) => Err(error),
            () = queue.ended.notified() => Ok(End::Now),
        };
        self.counters.connected.store(false, Ordering::Relaxed);
        self.counters.synced.store(false, Ordering::Relaxed);
        self.counters.queued_octets.store(0, Ordering::Relaxed);
        let _ = self.notices.send(Notice::Disconnected { collector });
        ended
    }
}

/// Writes what comes until it is to end when all is sent.
async fn write(mut writer: OwnedWriteHalf, queue: &Queue) -> io::Result<()> {
    loop {
        let chunk = queue.chunks.borrow_mut().pop_front();
        let Some(chunk) = chunk else {
            if queue.end.get() == Some(End::WhenSent) {
                return writer.shutdown().await;
            }
            queue.more.notified().await;
            continue;
        };
        for part in chunk.chunks(WRITE_OCTETS) {
            timeout(BMP_WRITE_TIMEOUT, writer.write_all(part))
                .await?
                .map_err(|error| io::Error::new(error.kind(), format!("cannot send: {error}")))?;
            queue.sent(part.len());
        }
    }
}

/// What a collector has to take within `BMP_WRITE_TIMEOUT`.
const WRITE_OCTETS: usize = 64 << 10;

/// Collectors say nothing (RFC 7854 §3.2): what comes is passed over, and its end is the end.
async fn read(mut reader: OwnedReadHalf) -> io::Error {
    let mut buffer = [0; 512];
    loop {
        match reader.read(&mut buffer).await {
            Ok(0) => {
                let kind = io::ErrorKind::ConnectionReset;
                return io::Error::new(kind, "the collector closed it");
            }
            Ok(_) => {}
            Err(error) => return error,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn counters() -> Arc<CollectorCounters> {
        Arc::new(CollectorCounters::new("c".into(), "192.0.2.1:1".into(), Vec::new()))
    }

    #[test]
    fn a_queue_says_when_too_much_waits_and_when_there_is_room_again() {
        let room = Rc::new(Notify::new());
        let queue = Queue::new(1000, Rc::clone(&room), counters());
        for (octets, room, over) in [(250, true, false), (750, false, false), (1, false, true)] {
            queue.push(vec![0; octets].into());
            assert_eq!((queue.has_room(), queue.is_over()), (room, over), "{octets} more");
        }
        queue.sent(700);
        assert!(!queue.has_room() && !queue.is_over());
        queue.sent(100);
        assert!(queue.has_room());
        let rung = tokio_test_now(room.notified());
        assert!(rung, "the station was woken");
        assert_eq!(queue.counters.sent_octets.load(Ordering::Relaxed), 800);
        assert_eq!(queue.counters.queued_octets.load(Ordering::Relaxed), 201);
    }

    /// Whether a future is ready at once.
    fn tokio_test_now(future: impl Future<Output = ()>) -> bool {
        let mut future = std::pin::pin!(future);
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        future.as_mut().poll(&mut cx).is_ready()
    }

    async fn accept(listener: &tokio::net::TcpListener) -> TcpStream {
        let accepted = timeout(Duration::from_secs(10), listener.accept()).await;
        accepted.unwrap().unwrap().0
    }

    #[tokio::test]
    async fn a_connection_that_ends_is_made_again_and_again() {
        let local = tokio::task::LocalSet::new();
        local
            .run_until(async {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                let config = BmpCollector {
                    name: "c".into(),
                    address: listener.local_addr().unwrap().to_string(),
                    views: Vec::new(),
                    route_servers: None,
                    adj_rib_out_members: None,
                    queue_octets: 1 << 20,
                    retry: Duration::from_millis(5),
                    retry_max: Duration::from_millis(20),
                };
                let (notices, mut received) = tokio::sync::mpsc::unbounded_channel();
                let counters = counters();
                let connector = Connector {
                    collector: 7,
                    config,
                    counters: Arc::clone(&counters),
                    notices,
                    room: Rc::default(),
                };
                let task = tokio::task::spawn_local(connector.run());
                // The collector closes, then we do, then we do it properly.
                drop(accept(&listener).await);
                let connected = received.recv().await;
                assert!(matches!(connected, Some(Notice::Connected { collector: 7, .. })));
                let ended = received.recv().await;
                assert!(matches!(ended, Some(Notice::Disconnected { collector: 7 })));
                let mut second = accept(&listener).await;
                let Some(Notice::Connected { queue, .. }) = received.recv().await else {
                    panic!("a second connection")
                };
                queue.end(End::Now);
                assert_eq!(second.read(&mut [0; 8]).await.unwrap(), 0);
                received.recv().await;
                let mut third = accept(&listener).await;
                let Some(Notice::Connected { queue, .. }) = received.recv().await else {
                    panic!("a third connection")
                };
                queue.push(Bytes::from_static(b"last words"));
                queue.end(End::WhenSent);
                let mut words = String::new();
                third.read_to_string(&mut words).await.unwrap();
                assert_eq!(words, "last words");
                task.await.unwrap();
                assert_eq!(counters.connections.load(Ordering::Relaxed), 3);
            })
            .await;
    }
}
