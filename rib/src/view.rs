//! Looking at routes: pages of the Adj-RIB-Ins, and any peer's Adj-RIB-Out as a view of the
//! partitions. Nothing is kept for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bgp_wire::{
    Asn, Community, ExtendedCommunity, Family, Ipv6ExtendedCommunity, LargeCommunity,
    PathAttributes, Prefix,
};
use policy::{OutgoingAttributes, RejectReason, Slot, Verdict, VerdictClass};

use crate::destination::{Candidate, Class, Destination};
use crate::mask;
use crate::partition::path_id;
use crate::table::DestinationId;
use crate::{AttributeSet, Shard};

/// Destinations looked at for one page: a few tenths of a millisecond.
const PAGE_SCAN: usize = 16 * 1024;

/// How the prefix of a [`RouteFilter`] is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrefixMatch {
    /// This prefix only.
    Exact,
    /// This prefix and what it lies in.
    Covering,
    /// This prefix and what lies in it.
    Covered,
    /// The longest that covers it and has a route. With several shards the longest of each comes,
    /// and the asker keeps the longest of these.
    Longest,
}

/// A community of any kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnyCommunity {
    /// RFC 1997.
    Standard(Community),
    /// RFC 4360.
    Extended(ExtendedCommunity),
    /// RFC 5701.
    Ipv6Extended(Ipv6ExtendedCommunity),
    /// RFC 8092.
    Large(LargeCommunity),
}

impl AnyCommunity {
    fn is_in(&self, attributes: &PathAttributes) -> bool {
        match self {
            Self::Standard(c) => attributes.communities.contains(c),
            Self::Extended(c) => attributes.extended_communities.contains(c),
            Self::Ipv6Extended(c) => attributes.ipv6_extended_communities.contains(c),
            Self::Large(c) => attributes.large_communities.contains(c),
        }
    }
}

/// Which routes. All that is given must hold.
#[derive(Debug, Clone, Default)]
pub struct RouteFilter {
    /// Of this family.
    pub family: Option<Family>,
    /// Of this prefix, or around it.
    pub prefix: Option<(Prefix, PrefixMatch)>,
    /// Received from this peer.
    pub from: Option<Slot>,
    /// In this peer's Adj-RIB-Out: what it was given, with the attributes it was given.
    pub to: Option<Slot>,
    /// Of a prefix of which this peer was given nothing.
    pub not_to: Option<Slot>,
    /// `true`: not eligible for anybody; `false`: eligible.
    pub filtered: Option<bool>,
    /// Carries this community, as received (as sent, with `to`).
    pub community: Option<AnyCommunity>,
    /// Reasons for which a rejected route is shown with that community, and so is found by it.
    pub community_says: Vec<RejectReason>,
    /// Originated by this AS.
    pub origin: Option<Asn>,
    /// The first candidate of its prefix only.
    pub best: bool,
}

/// Where a listing goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// The family, as [`Family::index`]; 2 is behind the last.
    pub family: u8,
    /// The next place in its table.
    pub place: u32,
}

impl Cursor {
    /// From the beginning.
    pub const START: Self = Self { family: 0, place: 0 };
}

/// A route, as received by one peer or as given to another.
#[derive(Debug, Clone)]
pub struct RouteView {
    /// The prefix.
    pub prefix: Prefix,
    /// Who sent it.
    pub source: Slot,
    /// The attributes as received.
    pub set: Arc<AttributeSet>,
    /// The attributes as sent, in a listing of an Adj-RIB-Out.
    pub outgoing: Option<Arc<OutgoingAttributes>>,
    /// The path identifier, in a listing of an Adj-RIB-Out with ADD-PATH.
    pub path_id: Option<u32>,
    /// Why it is not eligible for anybody.
    pub reject: Option<RejectReason>,
    /// What the checks found of the prefix, where it is eligible.
    pub class: Option<VerdictClass>,
    /// It is the first candidate of its prefix.
    pub best: bool,
    /// Kept over its source's restart (RFC 4724).
    pub stale: bool,
    /// Kept over its source's long restart (RFC 9494).
    pub long_lived_stale: bool,
    /// When it came.
    pub received: Option<Instant>,
}

/// A part of a listing.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Routes; those of a prefix are never torn apart.
    pub routes: Vec<RouteView>,
    /// Where to go on; a page may be short, or empty, and have a next one.
    pub next: Option<Cursor>,
}

impl Shard {
    /// Routes that the filter lets through, from `cursor` on, about `limit` of them. A listing in
    /// pages shows each route that is there all the while exactly once.
    pub fn routes(&self, filter: &RouteFilter, cursor: Cursor, limit: usize) -> Page {
        match filter.prefix {
            Some((prefix, PrefixMatch::Exact)) => self.listed(filter, [prefix]),
            Some((prefix, PrefixMatch::Covering)) => {
                self.listed(filter, (0..=prefix.len()).filter_map(|len| shorter(&prefix, len)))
            }
            Some((prefix, PrefixMatch::Longest)) => (0..=prefix.len())
                .rev()
                .filter_map(|len| shorter(&prefix, len))
                .map(|prefix| self.listed(filter, [prefix]))
                .find(|page| !page.routes.is_empty())
                .unwrap_or_default(),
            _ => self.scan(filter, cursor, limit),
        }
    }

    fn listed(&self, filter: &RouteFilter, prefixes: impl IntoIterator<Item = Prefix>) -> Page {
        let mut page = Page::default();
        for prefix in prefixes {
            if let Some(id) = self.find(&prefix) {
                self.add_routes(filter, id, prefix.family(), &mut page.routes);
            }
        }
        page
    }

    fn scan(&self, filter: &RouteFilter, cursor: Cursor, limit: usize) -> Page {
        let mut page = Page::default();
        let mut looked_at = 0;
        let (mut f, mut place) = (usize::from(cursor.family), cursor.place as usize);
        while let Some(table) = self.tables.get(f) {
            let wanted = filter.family.is_none_or(|family| family.index() == f);
            if !wanted || place >= table.end() {
                (f, place) = (f + 1, 0);
                continue;
            }
            let id = DestinationId::from_index(place);
            if !self.may_be_in(filter, table.family, table.segment_of(id)) {
                place = table.segment_end(id);
                continue;
            }
            if page.routes.len() >= limit || looked_at >= PAGE_SCAN {
                page.next = Some(Cursor { family: f as u8, place: place as u32 });
                return page;
            }
            self.add_routes(filter, id, table.family, &mut page.routes);
            place += 1;
            looked_at += 1;
        }
        page
    }

    /// Segments in which the source never had a route are passed over.
    fn may_be_in(&self, filter: &RouteFilter, family: Family, segment: usize) -> bool {
        filter.from.is_none_or(|from| {
            self.peer(from).is_some_and(|peer| {
                peer.occupied[family.index()]
                    .get(segment >> 6)
                    .is_some_and(|word| word & (1 << (segment & 63)) != 0)
            })
        })
    }

    fn add_routes(
        &self,
        filter: &RouteFilter,
        id: DestinationId,
        family: Family,
        routes: &mut Vec<RouteView>,
    ) {
        let Some(destination) = self.tables[family.index()].get(id) else { return };
        if let Some((prefix, PrefixMatch::Covered)) = &filter.prefix
            && !prefix.covers(&destination.prefix)
        {
            return;
        }
        if filter.not_to.is_some_and(|to| self.classes_given(destination, id, to).next().is_some())
        {
            return;
        }
        for (rank, candidate) in destination.candidates.iter().enumerate() {
            let wanted = filter.from.is_none_or(|from| from == candidate.source)
                && filter.filtered.is_none_or(|filtered| filtered == candidate.judged.is_err())
                && (!filter.best || (rank == 0 && candidate.judged.is_ok()));
            if !wanted {
                continue;
            }
            let outgoing = match filter.to {
                None => None,
                Some(to) => match self.given(destination, id, candidate.source, to) {
                    Some(outgoing) => Some(outgoing),
                    None => continue,
                },
            };
            let attributes =
                outgoing.as_ref().map_or_else(|| candidate.set.attributes(), |o| &o.attributes);
            let says = matches!(&candidate.judged, Err(why) if filter.community_says.contains(why));
            if filter.community.is_none_or(|community| says || community.is_in(attributes))
                && filter.origin.is_none_or(|origin| attributes.as_path.origin() == Some(origin))
            {
                routes.push(self.view(destination, rank, candidate, outgoing, filter.to));
            }
        }
    }

    /// What `to` was given of this source's route, if anything.
    pub(crate) fn given(
        &self,
        destination: &Destination,
        id: DestinationId,
        source: Slot,
        to: Slot,
    ) -> Option<Arc<OutgoingAttributes>> {
        let mut classes = self.classes_given(destination, id, to);
        classes.find(|class| class.source == source).map(|class| Arc::clone(&class.attributes))
    }

    /// What `to` was given of a destination.
    fn classes_given<'a>(
        &'a self,
        destination: &'a Destination,
        id: DestinationId,
        to: Slot,
    ) -> impl Iterator<Item = &'a Class> {
        let family = destination.prefix.family();
        let masks = &self.peers.masks;
        let table = &self.tables[family.index()];
        let told = table.segments.get(table.segment_of(id)).is_some_and(|segment| {
            mask::contains(&masks.up[family.index()], to)
                && !(mask::contains(&segment.owed, to) && mask::contains(&masks.initial, to))
        });
        let classes = if told { &destination.classes[..] } else { &[] };
        classes.iter().filter(move |class| mask::contains(self.sets.words(class.peers), to))
    }

    pub(crate) fn view(
        &self,
        destination: &Destination,
        rank: usize,
        candidate: &Candidate,
        outgoing: Option<Arc<OutgoingAttributes>>,
        to: Option<Slot>,
    ) -> RouteView {
        let f = destination.prefix.family().index();
        let add_path = to.is_some_and(|to| mask::contains(&self.peers.masks.add_path[f], to));
        RouteView {
            prefix: destination.prefix,
            source: candidate.source,
            set: Arc::clone(&candidate.set),
            outgoing,
            path_id: add_path.then(|| path_id(candidate.source)),
            reject: candidate.judged.as_ref().err().copied(),
            class: self.class_of(candidate, &destination.prefix),
            best: rank == 0 && candidate.judged.is_ok(),
            stale: candidate.round
                != self.peers.round(candidate.source, destination.prefix.family()),
            long_lived_stale: candidate.flags.llgr_stale,
            received: self
                .started
                .map(|started| started + Duration::from_millis(candidate.received_ms)),
        }
    }

    fn class_of(&self, candidate: &Candidate, prefix: &Prefix) -> Option<VerdictClass> {
        let derived = candidate.set.derived(&self.policy);
        let verdict = self.policy.prefix_verdict(
            candidate.source,
            &derived.verdict,
            prefix,
            &self.data,
            &mut policy::NoTrace,
        );
        match verdict {
            Verdict::Accept(class) => Some(class),
            Verdict::Reject(_) => None,
        }
    }
}

/// The prefix of this length that covers `prefix`.
fn shorter(prefix: &Prefix, len: u8) -> Option<Prefix> {
    Prefix::from_bits(prefix.family(), prefix.bits(), len)
}
