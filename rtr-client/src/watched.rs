//! A stream whose other side must get on with its answers.
//!
//! The `rpki` crate gives a cache ten seconds for the first octets of an answer and no limit for
//! the rest. A cache that stops in the middle of one would be waited for until its data expire,
//! and after that, too: its TCP connection is fine.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// How long a cache may be silent in the middle of an answer.
pub(crate) const SILENCE_LIMIT: Duration = Duration::from_secs(20);
/// How long a cache may take from a query to End of Data: a full set over a slow line.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_secs(300);

/// How long a cache is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    silence: Duration,
    answer: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { silence: SILENCE_LIMIT, answer: ANSWER_LIMIT }
    }
}

/// Says that an answer is complete, or was not asked for: silence is then no fault.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answered(Arc<AtomicBool>);

impl Answered {
    /// End of Data has come.
    pub(crate) fn note(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// See the module. An answer begins with a write: queries are all that we write.
#[derive(Debug)]
pub(crate) struct Watched<S> {
    stream: S,
    answered: Answered,
    patience: Patience,
    /// When the query was written, while its answer is awaited.
    asked: Option<Instant>,
    /// Fires when the other side has been silent for too long.
    silence: Pin<Box<Sleep>>,
}

impl<S> Watched<S> {
    pub(crate) fn new(stream: S, answered: Answered) -> Self {
        let silence = Box::pin(sleep_until(Instant::now()));
        Self { stream, answered, patience: Patience::default(), asked: None, silence }
    }

    fn is_awaiting(&mut self) -> Option<Instant> {
        if self.answered.0.swap(false, Ordering::AcqRel) {
            self.asked = None;
        }
        self.asked
    }

    /// Something came, or was asked for: patience begins anew, but does not exceed the whole's.
    fn renew(&mut self, asked: Instant) {
        let Patience { silence, answer } = self.patience;
        let until = (Instant::now() + silence).min(asked + answer);
        self.silence.as_mut().reset(until);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let awaited = self.is_awaiting();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let Some(asked) = awaited else { return read };
        // A cache that never stops is judged as well as one that says nothing.
        if self.silence.as_mut().poll(cx).is_ready() {
            let Patience { silence, answer } = self.patience;
            let text = if asked.elapsed() >= answer {
                format!("no End of Data within {} s", answer.as_secs())
            } else {
                format!("silent for {} s in the middle of an answer", silence.as_secs())
            };
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, text)));
        }
        if read.is_ready() {
            self.renew(asked);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let asked = self.is_awaiting().unwrap_or_else(Instant::now);
        self.asked = Some(asked);
        self.renew(asked);
        Pin::new(&mut self.stream).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::time::sleep;

    use super::*;

    /// Ours with little patience, the cache's, and what says that an answer is complete.
    fn pair() -> (Watched<DuplexStream>, DuplexStream, Answered) {
        let (ours, cache) = duplex(64);
        let answered = Answered::default();
        let mut ours = Watched::new(ours, answered.clone());
        ours.patience =
            Patience { silence: Duration::from_secs(6), answer: Duration::from_secs(12) };
        (ours, cache, answered)
    }

    #[tokio::test]
    async fn a_cache_that_stops_in_the_middle_is_given_up_and_one_at_rest_is_not() {
        let (mut ours, mut cache, answered) = pair();
        ours.write_all(b"?").await.unwrap();
        let speaking = async {
            for _ in 0..12 {
                sleep(Duration::from_millis(600)).await;
                cache.write_all(b"x").await.unwrap();
            }
        };
        let mut octets = [0; 12];
        let (read, ()) = tokio::join!(ours.read_exact(&mut octets), speaking);
        read.unwrap();

        // The answer is complete: it may be silent for as long as there is no news.
        answered.note();
        let speaking = async {
            sleep(Duration::from_secs(7)).await;
            cache.write_all(b"x").await.unwrap();
        };
        let (read, ()) = tokio::join!(ours.read_u8(), speaking);
        assert_eq!(read.unwrap(), b'x');

        ours.write_all(b"?").await.unwrap();
        cache.write_all(b"x").await.unwrap();
        assert_eq!(ours.read_u8().await.unwrap(), b'x');
        let error = ours.read_u8().await.unwrap_err();
        assert_eq!(error.to_string(), "silent for 6 s in the middle of an answer");
    }

    #[tokio::test]
    async fn an_answer_that_trickles_is_given_up_as_a_whole() {
        let (mut ours, mut cache, _answered) = pair();
        ours.write_all(b"?").await.unwrap();
        let trickle = async {
            loop {
                sleep(Duration::from_millis(100)).await;
                if cache.write_all(b"x").await.is_err() {
                    return;
                }
            }
        };
        let reading = async {
            loop {
                if let Err(error) = ours.read_u8().await {
                    return error;
                }
            }
        };
        let error =
            tokio::select! { error = reading => error, () = trickle => panic!("it goes on") };
        assert_eq!(error.to_string(), "no End of Data within 12 s");
    }
}
