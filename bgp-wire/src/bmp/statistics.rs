//! Statistics Report (RFC 7854 §4.8, RFC 8671 §5.2).

use bytes::{BufMut, BytesMut};

use super::{PeerHeader, begin, finish, kind};
use crate::Family;
use crate::iana::SAFI_UNICAST;

/// A number about a peer, or about Loc-RIB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistic {
    /// Announced prefixes that policy rejected, ever.
    RejectedPrefixes(u32),
    /// UPDATEs that were treated as withdrawals (RFC 7606), ever.
    TreatedAsWithdraw(u32),
    /// Routes in the Adj-RIB-In.
    AdjRibIn(u64),
    /// Routes in Loc-RIB.
    LocRib(u64),
    /// Routes in the Adj-RIB-In of a family.
    AdjRibInOf(Family, u64),
    /// Routes in Loc-RIB of a family.
    LocRibOf(Family, u64),
    /// Routes in the Adj-RIB-Out, after policy.
    AdjRibOutPost(u64),
    /// Routes in the Adj-RIB-Out of a family, after policy.
    AdjRibOutPostOf(Family, u64),
}

impl Statistic {
    fn put(self, out: &mut BytesMut) {
        match self {
            Self::RejectedPrefixes(count) => put_counter(0, count, out),
            Self::TreatedAsWithdraw(count) => put_counter(11, count, out),
            Self::AdjRibIn(routes) => put_gauge(7, routes, out),
            Self::LocRib(routes) => put_gauge(8, routes, out),
            Self::AdjRibInOf(family, routes) => put_family_gauge(9, family, routes, out),
            Self::LocRibOf(family, routes) => put_family_gauge(10, family, routes, out),
            Self::AdjRibOutPost(routes) => put_gauge(15, routes, out),
            Self::AdjRibOutPostOf(family, routes) => put_family_gauge(17, family, routes, out),
        }
    }
}

fn put_counter(code: u16, count: u32, out: &mut BytesMut) {
    out.put_u16(code);
    out.put_u16(4);
    out.put_u32(count);
}

fn put_gauge(code: u16, value: u64, out: &mut BytesMut) {
    out.put_u16(code);
    out.put_u16(8);
    out.put_u64(value);
}

fn put_family_gauge(code: u16, family: Family, value: u64, out: &mut BytesMut) {
    out.put_u16(code);
    out.put_u16(11);
    out.put_u16(family.afi());
    out.put_u8(SAFI_UNICAST);
    out.put_u64(value);
}

/// Statistics Report.
pub fn statistics_report(peer: &PeerHeader, statistics: &[Statistic], out: &mut BytesMut) {
    let mark = begin(kind::STATISTICS_REPORT, out);
    peer.put(out);
    out.put_u32(u32::try_from(statistics.len()).unwrap_or(0));
    statistics.iter().for_each(|statistic| statistic.put(out));
    finish(mark, out);
}
