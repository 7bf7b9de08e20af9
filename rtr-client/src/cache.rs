//! One RTR cache: connect, keep in step, connect again.

use std::io;
use std::time::Duration;

use rpki::rtr::client::Client;
use tokio::net::TcpStream;
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, timeout};

use crate::bounded::Bounded;
use crate::join::Update;
use crate::target::Target;
use crate::watched::{Answered, Watched};

/// How long a connection attempt may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// First pause before connecting again; doubles up to the greatest.
const FIRST_RETRY: Duration = Duration::from_millis(500);
const GREATEST_RETRY: Duration = Duration::from_secs(60);
/// A session that was in step for so long was a good one: the pause begins anew.
const GOOD_SESSION: Duration = Duration::from_secs(60);
/// Time between two answers of a cache: one that has news all the time, or says that nothing it
/// said holds (Cache Reset), is asked no faster than this.
const ANSWER_PAUSE: Duration = Duration::from_secs(1);
/// How long a cache that failed with RTR version 2 is asked with version 1.
const VERSION_1_FOR: Duration = Duration::from_secs(3600);

/// How the `rpki` crate words an Error Report with code 2.
const NO_DATA_AVAILABLE: &str = "server reported error 2";

/// How a session with a cache went.
struct Ended {
    synced: bool,
    error: io::Error,
}

/// Runs for as long as the joiner listens.
pub(crate) async fn run(index: usize, address: String, updates: Sender<Update>) {
    let mut target = Target::default();
    let mut retry = FIRST_RETRY;
    let mut version_1_until: Option<Instant> = None;
    loop {
        let version = match version_1_until {
            Some(until) if Instant::now() < until => 1,
            _ => 2,
        };
        let (begun, applied_before) = (Instant::now(), target.applied);
        let ended = session(index, &address, version, &mut target, &updates).await;
        let Some(ended) = ended else { return };
        if ended.synced && begun.elapsed() >= GOOD_SESSION {
            retry = FIRST_RETRY;
        }
        // A cache may speak an older draft's ASPA in version 2, which reads as garbage: rather
        // than ask for the same garbage for ever, ask for version 1, which has no ASPA.
        if version == 2 && is_garbage(&ended.error) && target.applied == applied_before {
            tracing::warn!(cache = %address, error = %ended.error, "RTR version 2 failed, trying version 1");
            version_1_until = Some(Instant::now() + VERSION_1_FOR);
        }
        let error = ended.error.to_string();
        if updates.send(Update::Lost { index, error, version }).await.is_err() {
            return;
        }
        tokio::time::sleep(retry).await;
        retry = (retry * 2).min(GREATEST_RETRY);
    }
}

/// Whether what came was no sensible RTR. A cache that has nothing yet ("No Data Available",
/// RFC 8210 §12: error code 2) speaks well, and is to be asked again in the same version.
fn is_garbage(error: &io::Error) -> bool {
    let no_data = error.to_string() == NO_DATA_AVAILABLE;
    let strange = matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::Other);
    strange && !no_data
}

/// One TCP session; `None` when nobody listens any more.
async fn session(
    index: usize,
    address: &str,
    version: u8,
    target: &mut Target,
    updates: &Sender<Update>,
) -> Option<Ended> {
    let mut synced = false;
    let socket = match connect(address).await {
        Ok(socket) => socket,
        Err(error) => return Some(Ended { synced, error }),
    };
    let answered = Answered::default();
    let socket = Watched::new(socket, answered.clone());
    let mut client = begin(socket, version, std::mem::take(target));
    let error = loop {
        if let Err(error) = client.step().await {
            break error;
        }
        answered.note();
        synced = true;
        let data = client.target().data.clone();
        let timing = client.target().timing;
        let update = Update::Synced { index, data, timing, state: client.state(), version };
        if updates.send(update).await.is_err() {
            return None;
        }
        tokio::time::sleep(ANSWER_PAUSE).await;
    };
    *target = client.into_target();
    Some(Ended { synced, error })
}

/// A new connection begins with a full set. A serial from before could save the transfer, but a
/// restarted cache may answer it as if it were its own (StayRTR 0.5.1 does), and the client would
/// go on with data that nobody serves any more.
pub(crate) fn begin<S>(stream: S, version: u8, target: Target) -> Client<Bounded<S>, Target> {
    Client::with_initial_version(version, Bounded::new(stream), target, None)
}

async fn connect(address: &str) -> io::Result<TcpStream> {
    let connecting = async { TcpStream::connect(crate::resolve(address).await?).await };
    let socket = timeout(CONNECT_LIMIT, connecting).await.unwrap_or_else(|_| {
        Err(io::Error::new(io::ErrorKind::TimedOut, "no answer within 10 s"))
    })?;
    socket.set_nodelay(true)?;
    Ok(socket)
}
