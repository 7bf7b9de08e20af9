//! A cache's octets with a bound on each PDU and an end that is an error: the length in a header is
//! the cache's word, and the `rpki` crate makes room for it before anything has come.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The longest PDU that is read. An ASPA with as many providers as its format allows has 65,532
/// octets (RFC 8210 and its version 2).
const MOST_PDU_OCTETS: u32 = 128 * 1024;

/// Octets of a header (RFC 8210 §5); the last four are the PDU's length.
const HEADER_OCTETS: usize = 8;

#[derive(Debug)]
pub(crate) struct Bounded<S> {
    stream: S,
    header: Vec<u8>,
    /// Octets of the PDU's body that are still to come.
    left: usize,
}

impl<S> Bounded<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, header: Vec::with_capacity(HEADER_OCTETS), left: 0 }
    }

    fn check(&mut self, mut octets: &[u8]) -> io::Result<()> {
        while !octets.is_empty() {
            let part = if self.left > 0 { self.left } else { HEADER_OCTETS - self.header.len() };
            let (part, rest) = octets.split_at(part.min(octets.len()));
            octets = rest;
            if self.left > 0 {
                self.left -= part.len();
                continue;
            }
            self.header.extend_from_slice(part);
            if let [_, _, _, _, length @ ..] = &self.header[..]
                && let Ok(length) = length.try_into().map(u32::from_be_bytes)
            {
                if length > MOST_PDU_OCTETS {
                    let text = format!(
                        "a PDU of {length} octets; more than {MOST_PDU_OCTETS} are refused"
                    );
                    return Err(io::Error::new(io::ErrorKind::InvalidData, text));
                }
                self.left = (length as usize).saturating_sub(HEADER_OCTETS);
                self.header.clear();
            }
        }
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(cx, buf))?;
        if buf.filled().len() == before && buf.remaining() > 0 {
            // The crate skips the rest of an Error Report for ever where there is none.
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        Poll::Ready(this.check(&buf.filled()[before..]))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, octets)
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
    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn the_end_of_the_connection_is_an_error_also_within_a_pdu() {
        // Unsupported Protocol Version, with less behind it than its length says.
        let report = [1, 10, 0, 4, 0, 1, 0, 0, 0, 0];
        let mut bounded = Bounded::new(&report[..]);
        let mut room = [0; 64];
        assert_eq!(bounded.read(&mut room).await.unwrap(), 10);
        let error = bounded.read(&mut room).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_pdu_longer_than_any_is_refused_at_its_header_however_it_arrives() {
        let reset_query = [2, 2, 0, 0, 0, 0, 0, 8];
        let mut long = reset_query.to_vec();
        // Its body is what would come next.
        long.extend([2, 11, 1, 0, 0, 0, 0, 12, 0, 0, 0xfb, 0xff]);
        long.extend([2, 11, 1, 0, 0xff, 0xff, 0xff, 0xfc]);
        for size in 1..=long.len() {
            let mut bounded = Bounded::new(());
            let pieces = long.chunks(size).map(|piece| bounded.check(piece));
            let error = pieces.filter_map(Result::err).next().unwrap();
            assert!(error.to_string().contains("4294967292 octets"), "{error}");
        }
        let mut bounded = Bounded::new(());
        assert!(bounded.check(&long[..20]).is_ok());
    }
}
