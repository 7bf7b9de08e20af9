//! A stream that ends when its reader does not read.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// Octets that a client has to take while it is waited for, in each of the limit's times: with ten
/// seconds, 16 KiB/s. Who takes less holds a place that others want.
pub(super) const LEAST_OCTETS: usize = 160 << 10;

/// After so long without a write, the next one is judged for itself.
const PAUSE: Duration = Duration::from_millis(100);

/// Fails writes when the other side takes too little in some time.
#[derive(Debug)]
pub(super) struct Progress<S> {
    stream: S,
    limit: Duration,
    least_octets: usize,
    /// Ends the time that is judged as a whole.
    timer: Pin<Box<Sleep>>,
    /// Written in that time.
    octets: usize,
    /// The last write had to wait.
    waiting: bool,
    /// When something was written last.
    wrote_at: Instant,
}

impl<S> Progress<S> {
    pub(super) fn new(stream: S, limit: Duration) -> Self {
        let (timer, wrote_at) = (Box::pin(sleep(limit)), Instant::now());
        let least_octets = LEAST_OCTETS;
        Self { stream, limit, least_octets, timer, octets: 0, waiting: false, wrote_at }
    }

    /// Looks at the clock while a write waits.
    fn judge<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
        octets: impl Fn(&T) -> usize,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(result) = &written {
            self.waiting = false;
            self.wrote_at = Instant::now();
            self.octets += result.as_ref().map_or(0, octets);
            return written;
        }
        // Time in which there was nothing to write says nothing about the reader.
        let was_waiting = std::mem::replace(&mut self.waiting, true);
        if !was_waiting && self.wrote_at.elapsed() >= PAUSE {
            self.begin();
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            if self.octets < self.least_octets {
                let text = "the client reads too slowly";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, text)));
            }
            self.begin();
        }
        Poll::Pending
    }

    fn begin(&mut self) {
        self.octets = 0;
        self.timer.as_mut().reset(Instant::now() + self.limit);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Progress<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Progress<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, octets);
        self.judge(cx, written, |octets| *octets)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.judge(cx, written, |octets| *octets)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        // A socket has nothing to flush; ready says nothing of what waits to be written.
        if flushed.is_ready() { flushed } else { self.judge(cx, flushed, |()| 0) }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.judge(cx, shut, |()| 0)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn who_reads_too_little_is_cut_and_who_reads_slowly_is_not() {
        let (ours, mut theirs) = duplex(8);
        let mut ours = Progress::new(ours, Duration::from_secs(4));
        ours.least_octets = 16;
        let reader = async {
            let mut octets = Vec::new();
            while octets.len() < 128 {
                sleep(Duration::from_millis(350)).await;
                theirs.read_buf(&mut octets).await.unwrap();
            }
        };
        let (written, ()) = tokio::join!(ours.write_all(&[0; 128]), reader);
        written.unwrap();

        // Nothing had to wait: the time that passes meanwhile is nobody's fault.
        sleep(Duration::from_millis(4500)).await;
        ours.write_all(&[0; 8]).await.unwrap();
        let trickle = async {
            loop {
                sleep(Duration::from_millis(350)).await;
                let _ = theirs.read_u8().await;
            }
        };
        let cut = tokio::select! {
            written = ours.write_all(&[0; 64]) => written,
            () = trickle => unreachable!("it goes on for ever"),
        };
        assert_eq!(cut.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
