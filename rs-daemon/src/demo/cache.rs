//! An RTR cache (RFC 8210) with a handful of VRPs that never change.

use std::io;
use std::net::IpAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::exchange::Vrp;

const SERIAL_QUERY: u8 = 1;
const RESET_QUERY: u8 = 2;
const CACHE_RESPONSE: u8 = 3;
const IPV4_PREFIX: u8 = 4;
const IPV6_PREFIX: u8 = 6;
const END_OF_DATA: u8 = 7;
const HEADER_OCTETS: usize = 8;
/// Longest query, an error report with a PDU and a text inside excepted: those end the connection.
const MAX_QUERY_OCTETS: usize = 64;
const SESSION: u16 = 1;
const SERIAL: u32 = 1;
/// Refresh, retry and expire intervals in seconds (RFC 8210 §6).
const INTERVALS: [u32; 3] = [3600, 600, 7200];

/// Answers until `stop`.
pub(super) async fn run(listener: TcpListener, vrps: Vec<Vrp>, stop: CancellationToken) {
    loop {
        let stream = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = stream else { continue };
        let (vrps, stop) = (vrps.clone(), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                // The router closes, or says something that is no query.
                _ = serve(stream, &vrps) => {}
            }
        });
    }
}

async fn serve(mut stream: TcpStream, vrps: &[Vrp]) -> io::Result<()> {
    loop {
        let mut header = [0; HEADER_OCTETS];
        stream.read_exact(&mut header).await?;
        let [version, kind, _, _, a, b, c, d] = header;
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        if !(HEADER_OCTETS..=MAX_QUERY_OCTETS).contains(&length) {
            return Ok(());
        }
        let mut rest = vec![0; length - HEADER_OCTETS];
        stream.read_exact(&mut rest).await?;
        let answer = match kind {
            RESET_QUERY => answer(version, vrps),
            // There is one serial: whoever asks what changed since has it all.
            SERIAL_QUERY => answer(version, &[]),
            _ => return Ok(()),
        };
        stream.write_all(&answer).await?;
    }
}

fn answer(version: u8, vrps: &[Vrp]) -> Vec<u8> {
    let mut out = Vec::new();
    pdu(&mut out, version, CACHE_RESPONSE, SESSION, &[]);
    for vrp in vrps {
        let mut body = vec![1, vrp.prefix.len(), vrp.max_len, 0];
        let kind = match vrp.prefix.address() {
            IpAddr::V4(address) => {
                body.extend(address.octets());
                IPV4_PREFIX
            }
            IpAddr::V6(address) => {
                body.extend(address.octets());
                IPV6_PREFIX
            }
        };
        body.extend(vrp.asn.to_be_bytes());
        pdu(&mut out, version, kind, 0, &body);
    }
    let mut end = SERIAL.to_be_bytes().to_vec();
    if version > 0 {
        end.extend(INTERVALS.iter().flat_map(|secs| secs.to_be_bytes()));
    }
    pdu(&mut out, version, END_OF_DATA, SESSION, &end);
    out
}

fn pdu(out: &mut Vec<u8>, version: u8, kind: u8, session: u16, body: &[u8]) {
    let length = u32::try_from(HEADER_OCTETS + body.len()).unwrap_or(u32::MAX);
    out.extend([version, kind]);
    out.extend(session.to_be_bytes());
    out.extend(length.to_be_bytes());
    out.extend(body);
}

#[cfg(test)]
mod tests {
    use super::super::exchange;
    use super::*;

    #[test]
    fn pdus_have_the_lengths_that_rfc_8210_gives_them() {
        let vrps = exchange::vrps();
        let octets = answer(1, &vrps);
        let (mut rest, mut kinds) = (&octets[..], Vec::new());
        while !rest.is_empty() {
            let length = u32::from_be_bytes(rest[4..8].try_into().unwrap()) as usize;
            let expected = match rest[1] {
                CACHE_RESPONSE => 8,
                IPV4_PREFIX => 20,
                IPV6_PREFIX => 32,
                _ => 24,
            };
            assert_eq!(length, expected);
            kinds.push(rest[1]);
            rest = &rest[length..];
        }
        assert_eq!(kinds.len(), vrps.len() + 2);
        assert_eq!((kinds[0], kinds[kinds.len() - 1]), (CACHE_RESPONSE, END_OF_DATA));
    }
}
