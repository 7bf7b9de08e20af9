//! A cache's PDUs with a bound on each and an end that is an error: the length in a header is the
//! cache's word, and the `rpki` crate makes room for it before anything has come.
//!
//! A Serial Notify that comes while an answer is awaited is held back until that is complete. The
//! crate takes it for a wrong answer, but a cache may send one at any time: before it has heard of
//! us, which a router is to ignore (RFC 8210 §7), and while a query is on its way (RFC 8210 §8.2).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The longest PDU that is read. An ASPA with as many providers as its format allows has 65,532
/// octets (RFC 8210 and its version 2).
const MOST_PDU_OCTETS: u32 = 128 * 1024;

/// Octets of a header (RFC 8210 §5); the last four are the PDU's length.
const HEADER_OCTETS: usize = 8;
/// Octets of a Serial Notify (RFC 8210 §5.2), the only one of its length that is held back.
const NOTIFY_OCTETS: usize = 12;

/// Types of PDUs (RFC 8210 §5).
const SERIAL_NOTIFY: u8 = 0;
const END_OF_DATA: u8 = 7;

/// The RTR version of the last End of Data: what the cache speaks, whatever it was asked in.
#[derive(Clone, Debug)]
pub(crate) struct Spoken(Arc<AtomicU8>);

impl Spoken {
    /// `version`: what is asked for.
    pub(crate) fn new(version: u8) -> Self {
        Self(Arc::new(AtomicU8::new(version)))
    }

    pub(crate) fn version(&self) -> u8 {
        self.0.load(Ordering::Acquire)
    }
}

#[derive(Debug)]
pub(crate) struct Bounded<S> {
    stream: S,
    spoken: Spoken,
    /// What has come of a header, or of a whole Serial Notify, and is not given out yet.
    begun: Vec<u8>,
    /// Octets of it that are given out. *Invariant:* 0 while it is incomplete.
    given: usize,
    /// Octets of the PDU's body that are still to come, and are given out as they come.
    left: usize,
    /// Of the PDU that is given out, if one is.
    kind: Option<u8>,
    /// A query was written, and End of Data has not begun since.
    awaiting: bool,
    /// The last Serial Notify of those that came meanwhile.
    held: Option<Vec<u8>>,
}

impl<S> Bounded<S> {
    pub(crate) fn new(stream: S, spoken: Spoken) -> Self {
        Self {
            stream,
            spoken,
            begun: Vec::with_capacity(NOTIFY_OCTETS),
            given: 0,
            left: 0,
            kind: None,
            awaiting: false,
            held: None,
        }
    }

    /// Octets to wait for before any of them is given out.
    fn needed(&self) -> usize {
        match &self.begun[..] {
            // Its length is 12.
            [_, SERIAL_NOTIFY, _, _, 0, 0, 0, 12, ..] => NOTIFY_OCTETS,
            _ => HEADER_OCTETS,
        }
    }

    /// A header, or a Serial Notify, is complete.
    fn take(&mut self) -> io::Result<()> {
        let [version, kind, _, _, length @ ..] = &self.begun[..] else { return Ok(()) };
        let (version, kind) = (*version, *kind);
        let Some(length) = length.first_chunk().map(|octets| u32::from_be_bytes(*octets)) else {
            return Ok(());
        };
        if length > MOST_PDU_OCTETS {
            let text = format!("a PDU of {length} octets; more than {MOST_PDU_OCTETS} are refused");
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        if self.awaiting && self.begun.len() == NOTIFY_OCTETS {
            self.held = Some(std::mem::take(&mut self.begun));
            return Ok(());
        }
        if kind == END_OF_DATA {
            self.awaiting = false;
            self.spoken.0.store(version, Ordering::Release);
        }
        self.kind = Some(kind);
        self.left = (length as usize).saturating_sub(self.begun.len());
        Ok(())
    }

    /// Gives out of what is complete; whether there was anything.
    fn give(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        let Some(rest) = self.begun.get(self.given..).filter(|_| self.kind.is_some()) else {
            return false;
        };
        let part = &rest[..rest.len().min(buf.remaining())];
        buf.put_slice(part);
        self.given += part.len();
        let any = !part.is_empty();
        if self.given == self.begun.len() {
            self.begun.clear();
            self.given = 0;
        }
        any
    }

    /// Between two PDUs.
    fn is_between(&self) -> bool {
        self.begun.is_empty() && self.left == 0
    }
}

impl<S: AsyncRead + Unpin> Bounded<S> {
    /// Reads what is missing of a header.
    fn poll_begin(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.kind = None;
        while self.begun.len() < self.needed() {
            let mut room = [0; NOTIFY_OCTETS];
            let missing = self.needed() - self.begun.len();
            let mut room = ReadBuf::new(&mut room[..missing]);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut room))?;
            if room.filled().is_empty() {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            self.begun.extend_from_slice(room.filled());
        }
        Poll::Ready(self.take())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        loop {
            if this.give(buf) {
                return Poll::Ready(Ok(()));
            }
            if this.left > 0 {
                let most = this.left.min(buf.remaining());
                let mut room = ReadBuf::new(buf.initialize_unfilled_to(most));
                ready!(Pin::new(&mut this.stream).poll_read(cx, &mut room))?;
                let octets = room.filled().len();
                if octets == 0 {
                    // The crate skips the rest of an Error Report for ever where there is none.
                    return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                }
                this.left -= octets;
                buf.advance(octets);
                return Poll::Ready(Ok(()));
            }
            match this.held.take() {
                Some(notify) if !this.awaiting => {
                    (this.begun, this.kind) = (notify, Some(SERIAL_NOTIFY));
                }
                held => {
                    this.held = held;
                    ready!(this.poll_begin(cx))?;
                }
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        // Queries are all that is written to a cache that goes on.
        this.awaiting = true;
        if this.kind == Some(SERIAL_NOTIFY) && !this.is_between() {
            // It was being read when its time was over, and the rest would pass for an answer.
            this.begun.clear();
            this.given = 0;
        }
        Pin::new(&mut this.stream).poll_write(cx, octets)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;

    const NOTIFY: [u8; 12] = [2, SERIAL_NOTIFY, 0, 7, 0, 0, 0, 12, 0, 0, 0, 9];
    const RESPONSE: [u8; 8] = [2, 3, 0, 7, 0, 0, 0, 8];
    const END: [u8; 12] = [1, END_OF_DATA, 0, 7, 0, 0, 0, 12, 0, 0, 0, 8];

    /// Ours, and the cache's with pipes of that many octets.
    fn pair(octets: usize) -> (Bounded<DuplexStream>, DuplexStream) {
        let (ours, cache) = duplex(octets);
        (Bounded::new(ours, Spoken::new(2)), cache)
    }

    async fn all(mut bounded: impl AsyncRead + Unpin) -> (Vec<u8>, io::Error) {
        let mut octets = Vec::new();
        loop {
            match bounded.read_u8().await {
                Ok(octet) => octets.push(octet),
                Err(error) => return (octets, error),
            }
        }
    }

    #[tokio::test]
    async fn the_end_of_the_connection_is_an_error_also_within_a_pdu() {
        // Unsupported Protocol Version, with less behind it than its length says.
        let report = [1, 10, 0, 4, 0, 1, 0, 0, 0, 0];
        let (octets, error) = all(Bounded::new(&report[..], Spoken::new(2))).await;
        assert_eq!((octets, error.kind()), (report.to_vec(), io::ErrorKind::UnexpectedEof));
    }

    #[tokio::test]
    async fn a_pdu_longer_than_any_is_refused_at_its_header_however_it_arrives() {
        let mut long = RESPONSE.to_vec();
        // Its body is what would come next.
        long.extend([2, 11, 1, 0, 0, 0, 0, 12, 0, 0, 0xfb, 0xff]);
        let good = long.clone();
        long.extend([2, 11, 1, 0, 0xff, 0xff, 0xff, 0xfc]);
        for size in 1..=long.len() {
            let (bounded, mut cache) = pair(size);
            let sending = async { cache.write_all(&long).await };
            let ((octets, error), sent) = tokio::join!(all(bounded), sending);
            sent.unwrap();
            assert!(error.to_string().contains("4294967292 octets"), "{error}");
            assert_eq!(octets, good);
        }
    }

    /// One that is not asked for is told; one that comes before the answer, or in the middle of it,
    /// is told after it, and the last one alone.
    #[tokio::test]
    async fn a_serial_notify_does_not_get_into_an_answer() {
        for size in [1, 5, 64] {
            let (mut bounded, mut cache) = pair(size);
            let [mut older, mut newer] = [NOTIFY; 2];
            (older[11], newer[11]) = (1, 10);
            let asked = async {
                cache.write_all(&NOTIFY).await?;
                cache.read_exact(&mut [0; 4]).await?;
                cache.write_all(&[&older[..], &RESPONSE, &newer, &END].concat()).await?;
                drop(cache);
                io::Result::Ok(())
            };
            let asking = async {
                let mut notify = [0; 12];
                bounded.read_exact(&mut notify).await?;
                assert_eq!(notify, NOTIFY);
                bounded.write_all(b"?...").await?;
                assert_eq!(bounded.spoken.version(), 2, "as asked for");
                let (octets, _) = all(&mut bounded).await;
                assert_eq!(octets, [&RESPONSE[..], &END, &newer].concat());
                assert_eq!(bounded.spoken.version(), 1, "as answered");
                io::Result::Ok(())
            };
            let (asked, asking) = tokio::join!(asked, asking);
            asked.and(asking).unwrap();
        }
    }

    /// The time for another query comes while a Serial Notify is coming.
    #[tokio::test]
    async fn what_is_left_of_a_serial_notify_is_no_answer() {
        for told in [0, 5, 9] {
            let (mut bounded, mut cache) = pair(64);
            cache.write_all(&NOTIFY).await.unwrap();
            let mut part = vec![0; told];
            bounded.read_exact(&mut part).await.unwrap();
            bounded.write_all(b"?").await.unwrap();
            cache.write_all(&[&RESPONSE[..], &END].concat()).await.unwrap();
            drop(cache);
            let (octets, _) = all(bounded).await;
            let mut expected = [&RESPONSE[..], &END].concat();
            if told == 0 {
                expected.extend(NOTIFY);
            }
            assert_eq!(octets, expected, "{told}");
        }
    }
}
