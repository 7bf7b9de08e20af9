//! One RTR cache: connect, keep in step, connect again.

use std::io;
use std::time::Duration;

use rpki::rtr::client::Client;
use tokio::net::TcpStream;
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, timeout};

use crate::bounded::{Bounded, Spoken};
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
pub(crate) const VERSION_1_FOR: Duration = Duration::from_secs(3600);

/// How the `rpki` crate words Error Reports of caches that understand us and cannot answer now:
/// Internal Error and No Data Available (RFC 8210 §12).
const NOT_NOW: [&str; 2] = ["server reported error 1", "server reported error 2"];

/// How a session with a cache went.
struct Ended {
    synced: bool,
    /// What the cache spoke last, or else what it was asked in.
    version: u8,
    why: Why,
}

/// Why a session ended.
enum Why {
    /// It failed.
    Error(io::Error),
    /// It has had its time: version 1 is not for ever.
    TimeOver,
}

/// Runs for as long as the joiner listens.
pub(crate) async fn run(
    index: usize,
    address: String,
    updates: Sender<Update>,
    version_1_for: Duration,
) {
    let mut target = Target::default();
    let mut retry = FIRST_RETRY;
    let mut version_1_until: Option<Instant> = None;
    loop {
        version_1_until = version_1_until.filter(|until| Instant::now() < *until);
        let asked = if version_1_until.is_some() { 1 } else { 2 };
        let (begun, applied_before) = (Instant::now(), target.applied);
        let session = session(index, &address, asked, version_1_until, &mut target, &updates).await;
        let Some(Ended { synced, version, why }) = session else { return };
        if synced && begun.elapsed() >= GOOD_SESSION {
            retry = FIRST_RETRY;
        }
        let error = match why {
            Why::Error(error) => error,
            // Its data hold, and nothing is wrong with it. Told as a loss, a second one, if it still
            // fails with version 2, would have us change to another cache and back every hour.
            Why::TimeOver => {
                tracing::info!(cache = %address, "trying RTR version 2 again");
                continue;
            }
        };
        // A cache may speak an older draft's ASPA in version 2, which reads as garbage: rather
        // than ask for the same garbage for ever, ask for version 1, which has no ASPA.
        if asked == 2 && is_garbage(&error) && target.applied == applied_before {
            tracing::warn!(cache = %address, %error, "RTR version 2 failed, trying version 1");
            version_1_until = Some(Instant::now() + version_1_for);
        }
        let error = error.to_string();
        if updates.send(Update::Lost { index, error, version }).await.is_err() {
            return;
        }
        tokio::time::sleep(retry).await;
        retry = (retry * 2).min(GREATEST_RETRY);
    }
}

/// Whether what came was no sensible RTR. A cache that cannot answer now speaks well, and is to be
/// asked again in the same version.
fn is_garbage(error: &io::Error) -> bool {
    let not_now = NOT_NOW.contains(&error.to_string().as_str());
    let strange = matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::Other);
    strange && !not_now
}

/// One TCP session, which ends at `until` at the latest; `None` when nobody listens any more.
async fn session(
    index: usize,
    address: &str,
    asked: u8,
    until: Option<Instant>,
    target: &mut Target,
    updates: &Sender<Update>,
) -> Option<Ended> {
    let mut synced = false;
    let socket = match connect(address).await {
        Ok(socket) => socket,
        Err(error) => return Some(Ended { synced, version: asked, why: Why::Error(error) }),
    };
    let answered = Answered::default();
    let socket = Watched::new(socket, answered.clone());
    let spoken = Spoken::new(asked);
    let mut client = begin(socket, asked, std::mem::take(target), spoken.clone());
    let why = loop {
        // An answer that is cut off in the middle is not applied.
        match before(until, client.step()).await {
            Some(Ok(())) => {}
            Some(Err(error)) => break Why::Error(error),
            None => break Why::TimeOver,
        }
        answered.note();
        synced = true;
        let data = client.target().data.clone();
        let timing = client.target().timing;
        let (state, version) = (client.state(), spoken.version());
        let update = Update::Synced { index, data, timing, state, version };
        if updates.send(update).await.is_err() {
            return None;
        }
        tokio::time::sleep(ANSWER_PAUSE).await;
    };
    *target = client.into_target();
    Some(Ended { synced, version: spoken.version(), why })
}

/// What comes of it, if that is there by then.
async fn before<T>(until: Option<Instant>, step: impl Future<Output = T>) -> Option<T> {
    match until {
        Some(until) => tokio::time::timeout_at(until, step).await.ok(),
        None => Some(step.await),
    }
}

/// A new connection begins with a full set. A serial from before could save the transfer, but a
/// restarted cache may answer it as if it were its own (StayRTR 0.5.1 does), and the client would
/// go on with data that nobody serves any more.
pub(crate) fn begin<S>(
    stream: S,
    version: u8,
    target: Target,
    spoken: Spoken,
) -> Client<Bounded<S>, Target> {
    Client::with_initial_version(version, Bounded::new(stream, spoken), target, None)
}

async fn connect(address: &str) -> io::Result<TcpStream> {
    let connecting = async { TcpStream::connect(crate::resolve(address).await?).await };
    let socket = timeout(CONNECT_LIMIT, connecting).await.unwrap_or_else(|_| {
        Err(io::Error::new(io::ErrorKind::TimedOut, "no answer within 10 s"))
    })?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    /// A cache that answers the first query as `first` says, and others with an empty set in
    /// `version`, or in what it is asked in.
    async fn serve(listener: TcpListener, mut first: Vec<u8>, version: Option<u8>) {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut query = [0; 8];
            while stream.read_exact(&mut query).await.is_ok() {
                let version = version.unwrap_or(query[0]);
                let mut answer = vec![version, 3, 0, 7, 0, 0, 0, 8];
                answer.extend([version, 7, 0, 7, 0, 0, 0, 24, 0, 0, 0, 1]);
                answer.extend([600_u32, 600, 7200].map(u32::to_be_bytes).concat());
                if !first.is_empty() {
                    answer = std::mem::take(&mut first);
                }
                stream.write_all(&answer).await.unwrap();
            }
        }
    }

    /// What is told of it, in words.
    async fn told(
        first: &[u8],
        version: Option<u8>,
        version_1_for: Duration,
        updates: usize,
    ) -> Vec<String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let serving = tokio::spawn(serve(listener, first.to_vec(), version));
        let (sender, mut inbox) = mpsc::channel(16);
        let running = tokio::spawn(run(0, address, sender, version_1_for));
        let mut told = Vec::new();
        while told.len() < updates {
            let update = timeout(LIMIT, inbox.recv()).await.unwrap();
            told.push(match update.unwrap() {
                Update::Synced { version, .. } => format!("in step in version {version}"),
                Update::Lost { version, .. } => format!("lost in version {version}"),
                Update::File { .. } => panic!("there are no files"),
            });
        }
        running.abort();
        serving.abort();
        told
    }

    #[tokio::test]
    async fn version_1_is_for_an_hour_and_its_end_is_no_loss() {
        let told = told(&[0xa5; 64], None, Duration::from_secs(12), 3).await;
        let expected = ["lost in version 2", "in step in version 1", "in step in version 2"];
        assert_eq!(told, expected);
    }

    #[tokio::test]
    async fn a_cache_that_cannot_answer_now_is_asked_in_version_2_again() {
        for code in [1, 2] {
            let report = [2, 10, 0, code, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0];
            let told = told(&report, None, VERSION_1_FOR, 2).await;
            assert_eq!(told, ["lost in version 2", "in step in version 2"], "code {code}");
        }
    }

    #[tokio::test]
    async fn the_version_is_the_one_that_the_cache_answers_in() {
        assert_eq!(told(&[], Some(1), VERSION_1_FOR, 1).await, ["in step in version 1"]);
    }
}
