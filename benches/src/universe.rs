//! What the members announce, and what each must therefore hold in the end.
//!
//! Everything is arithmetic over a few numbers, so that neither the streams nor the expected
//! tables need storing: a prefix is an index, an attribute set is an index, and a member's table
//! is an array of attribute ids.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::rc::Rc;

use crate::daemon::routing_data::FILLER_ROAS;
use crate::recording::Recording;

/// The route servers' AS in every run.
pub(crate) const ROUTE_SERVER_AS: u16 = 59_900;
/// An AS that stands in a tenth of the paths; the `reload` load adds it to `transit_free`.
pub(crate) const RELOAD_AS: u32 = 39_999;

/// One prefix in so many becomes ROV INVALID when a load turns its ROAs.
const TURNED_EVERY: u32 = 11;

/// Address families and next hops of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, clap::ValueEnum)]
pub(crate) enum LoadFamily {
    /// IPv4 prefixes over IPv4 sessions.
    V4,
    /// IPv6 prefixes over IPv6 sessions.
    V6,
    /// IPv4 prefixes with IPv6 next hops over IPv6 sessions (RFC 8950).
    V4OverV6,
}

/// The numbers that a load is made from.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Spec {
    /// Sessions of the load generator.
    pub(crate) members: u32,
    /// Prefixes that each member announces.
    pub(crate) prefixes: u32,
    /// Prefixes that share an attribute set.
    pub(crate) per_set: u32,
    /// One set in so many carries a control community; 0: none.
    pub(crate) control_every: u32,
    /// How many members announce each prefix (1: all prefixes are unique).
    pub(crate) overlap: u32,
    /// Families and next hops.
    pub(crate) family: LoadFamily,
    /// Only so many members announce anything (`None`: all); the rest listen.
    pub(crate) announcers: Option<u32>,
    /// A first member with another number of prefixes than the rest (then none overlap).
    pub(crate) first_member_prefixes: Option<u32>,
    /// Hold time that the members offer, seconds: a third of it is the keepalive interval.
    pub(crate) hold_time: u16,
    /// Seconds after which our daemon is told to give up on a member that takes nothing
    /// (RFC 9687); otherwise its default.
    pub(crate) send_hold: Option<u32>,
}

/// What a control community of a set asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Control {
    /// Nothing: to everybody.
    None,
    /// `0:peer`: not to this member.
    NotTo(u32),
    /// `0:rs` and `rs:peer`: to this member only.
    OnlyTo(u32),
    /// `65504:peer`: prepended once towards this member.
    PrependTo(u32),
    /// `rs:65502`: prepended twice towards everybody.
    PrependTwice,
}

/// A value of a table's cell: nothing, or an attribute set and how often it was prepended.
pub(crate) type Cell = u32;
/// In what order paths are preferred: length, ORIGIN, whose.
type Rank = (usize, u8, u32);
/// No route.
pub(crate) const EMPTY: Cell = u32::MAX;
/// First half of the community that holds the upper half of a large set number.
const HIGH_MARKER: u16 = 49_000;

/// A load, worked out.
#[derive(Clone, Debug)]
pub(crate) struct Universe {
    pub(crate) spec: Spec,
    sets_per_member: u32,
    /// Members that are up, by index: the others' routes are expected nowhere.
    pub(crate) up: Vec<bool>,
    /// Members whose routes stay while they are away (RFC 4724), by index.
    pub(crate) kept: Vec<bool>,
    /// Routes that their member has withdrawn: by member, its prefixes.
    absent: Vec<bool>,
    /// One member in so many offers graceful restart with its forwarding state kept; 0: nobody.
    pub(crate) graceful_every: u32,
    /// ROAs beside those of the load: the size of the real RPKI unless a load has better use for
    /// its time.
    pub(crate) filler_roas: u32,
    /// Whether the ROAs of one prefix in [`TURNED_EVERY`] name an AS that announces none of them.
    pub(crate) roas_turned: bool,
    /// Whether paths that contain [`RELOAD_AS`] are rejected by now.
    pub(crate) reload_as_rejected: bool,
    /// OpenBGPD's way: a member whose own path comes before all that it may have gets nothing,
    /// where RFC 7947 §2.3 would give it the best of the others'.
    pub(crate) own_path_ends_search: bool,
    /// Tables from MRT files instead of arithmetic.
    recording: Option<Rc<Recording>>,
}

impl Universe {
    #[cfg(test)]
    pub(crate) fn new(spec: Spec) -> Self {
        Self::with(spec, None)
    }

    /// Of recorded tables where there are any.
    pub(crate) fn with(spec: Spec, recording: Option<Rc<Recording>>) -> Self {
        let largest = spec.first_member_prefixes.unwrap_or(0).max(spec.prefixes);
        let sets_per_member = largest.div_ceil(spec.per_set);
        let up = vec![true; spec.members as usize];
        Self {
            absent: vec![false; spec.members as usize * largest as usize],
            spec,
            sets_per_member,
            kept: vec![false; up.len()],
            up,
            graceful_every: 0,
            filler_roas: FILLER_ROAS,
            roas_turned: false,
            reload_as_rejected: false,
            own_path_ends_search: false,
            recording,
        }
    }

    pub(crate) fn recording(&self) -> Option<&Recording> {
        self.recording.as_deref()
    }

    /// How many prefixes `member` announces.
    pub(crate) fn prefixes_of(&self, member: u32) -> u32 {
        if let Some(recording) = &self.recording {
            return recording.table(member).len() as u32;
        }
        if self.spec.announcers.is_some_and(|n| member >= n) {
            return 0;
        }
        match self.spec.first_member_prefixes {
            Some(first) if member == 0 => first,
            _ => self.spec.prefixes,
        }
    }

    fn stride(&self) -> u32 {
        self.spec.first_member_prefixes.unwrap_or(0).max(self.spec.prefixes)
    }

    /// The number of different prefixes, announced or not: the width of a table.
    pub(crate) fn width(&self) -> u32 {
        if let Some(recording) = &self.recording {
            return recording.width();
        }
        match self.spec.first_member_prefixes {
            // The first member's block, then the others' smaller ones.
            Some(first) => first + self.spec.prefixes * (self.spec.members - 1),
            None => {
                let announcers = self.spec.announcers.unwrap_or(self.spec.members);
                announcers.div_ceil(self.spec.overlap) * self.spec.prefixes
            }
        }
    }

    /// The index of the `k`-th prefix of `member`.
    pub(crate) fn prefix_index(&self, member: u32, k: u32) -> u32 {
        if let Some(recording) = &self.recording {
            return recording.table(member)[k as usize].0;
        }
        match self.spec.first_member_prefixes {
            Some(_) if member == 0 => k,
            Some(first) => first + (member - 1) * self.spec.prefixes + k,
            None => (member / self.spec.overlap) * self.spec.prefixes + k,
        }
    }

    /// The members that announce prefix `index`, and its position in their lists.
    fn announcers(&self, index: u32) -> (std::ops::Range<u32>, u32) {
        match self.spec.first_member_prefixes {
            Some(first) if index < first => (0..1, index),
            Some(first) => {
                let member = 1 + (index - first) / self.spec.prefixes;
                (member..member + 1, (index - first) % self.spec.prefixes)
            }
            None => {
                let group = index / self.spec.prefixes;
                let from = group * self.spec.overlap;
                let announcers = self.spec.announcers.unwrap_or(self.spec.members);
                let to = (from + self.spec.overlap).min(announcers);
                (from..to, index % self.spec.prefixes)
            }
        }
    }

    /// Whether `member` announces its `k`-th prefix now.
    pub(crate) fn announces(&self, member: u32, k: u32) -> bool {
        self.recording.is_some() || !self.absent[(member * self.stride() + k) as usize]
    }

    /// From now on `member` announces its `k`-th prefix, or does not.
    pub(crate) fn set_announces(&mut self, member: u32, k: u32, announces: bool) {
        let at = member * self.stride() + k;
        self.absent[at as usize] = !announces;
    }

    /// Whether the ROAs of prefix `index` name somebody else by now.
    pub(crate) fn is_turned(&self, index: u32) -> bool {
        self.roas_turned && self.recording.is_none() && index % TURNED_EVERY == 5
    }

    /// Whether `member` offers graceful restart.
    pub(crate) fn is_graceful(&self, member: u32) -> bool {
        self.graceful_every != 0 && member.is_multiple_of(self.graceful_every)
    }

    /// The attribute set of the `k`-th prefix of `member`.
    pub(crate) fn set_of(&self, member: u32, k: u32) -> u32 {
        if let Some(recording) = &self.recording {
            return recording.table(member)[k as usize].1;
        }
        debug_assert!(k < self.stride());
        member * self.sets_per_member + k / self.spec.per_set
    }

    /// The member whose set this is.
    pub(crate) fn owner(&self, set: u32) -> u32 {
        self.recording.as_ref().map_or_else(|| set / self.sets_per_member, |r| r.set(set).owner)
    }

    /// The first set of a member; the others follow it.
    fn first_set(&self, member: u32) -> u32 {
        self.recording
            .as_ref()
            .map_or_else(|| member * self.sets_per_member, |r| r.first_set(member))
    }

    /// The communities by which a set is known again.
    pub(crate) fn markers(&self, set: u32) -> Vec<(u16, u16)> {
        let owner = self.owner(set);
        let nth = set - self.first_set(owner);
        let mut markers = vec![(self.asn(owner) as u16, nth as u16)];
        if nth >> 16 != 0 {
            markers.push((HIGH_MARKER, (nth >> 16) as u16));
        }
        markers
    }

    /// The set that these communities mark, in whatever order they stand.
    pub(crate) fn marked(&self, communities: &[(u16, u16)]) -> Option<u32> {
        let (owner, low) = communities
            .iter()
            .find_map(|c| Some((self.member_of(u32::from(c.0))?, u32::from(c.1))))?;
        let high = communities.iter().find(|c| c.0 == HIGH_MARKER).map_or(0, |c| u32::from(c.1));
        let set = self.first_set(owner) + (high << 16 | low);
        let known = match &self.recording {
            Some(recording) => set < recording.sets(),
            None => set < self.sets_per_member * self.spec.members,
        };
        (known && self.owner(set) == owner).then_some(set)
    }

    /// Whether a recorded community would be taken for one of ours, or acted upon.
    pub(crate) fn is_reserved(community: (u16, u16), members: u32) -> bool {
        let (high, _) = community;
        matches!(high, 0 | ROUTE_SERVER_AS | HIGH_MARKER | crate::wire::CHURN | 65_500..)
            || (20_000..=20_000 + members).contains(&u32::from(high))
    }

    #[cfg(test)]
    fn sets(&self) -> u32 {
        self.sets_per_member * self.spec.members
    }

    /// A 16-bit public AS for each member, so that standard communities can name it.
    pub(crate) fn asn(&self, member: u32) -> u32 {
        let asn = 20_000 + member;
        // AS_TRANS is nobody's (RFC 6793).
        if asn >= 23_456 { asn + 1 } else { asn }
    }

    /// The member whose AS this is.
    pub(crate) fn member_of(&self, asn: u32) -> Option<u32> {
        let member = asn.checked_sub(20_000 + u32::from(asn > 23_456))?;
        (member < self.spec.members && asn != 23_456).then_some(member)
    }

    /// The AS_PATH that `set`'s owner announces.
    pub(crate) fn as_path(&self, set: u32) -> Vec<u32> {
        let member = self.owner(set);
        let mut path = vec![self.asn(member)];
        if let Some(recording) = &self.recording {
            path.extend(&recording.set(set).path[1..]);
            return path;
        }
        if set % 10 == 7 {
            path.push(RELOAD_AS);
        }
        for hop in 0..set % 3 {
            path.push(30_000 + (set.wrapping_mul(7) + hop * 13) % 9_000);
        }
        if set % 2 == 1 {
            path.push(Self::customer_asn(member));
        } else if path.len() > 1 {
            // The member's own AS as origin behind others would be a loop: use its customer.
            path.push(Self::customer_asn(member));
        }
        path
    }

    /// The other origin that the member's IRR set holds.
    pub(crate) fn customer_asn(member: u32) -> u32 {
        45_000 + member
    }

    pub(crate) fn control(&self, set: u32) -> Control {
        let every = self.spec.control_every;
        if self.recording.is_some()
            || every == 0
            || set % every != every / 2
            || self.spec.members < 3
        {
            return Control::None;
        }
        let owner = self.owner(set);
        let other = (owner + 1 + (set / every) % (self.spec.members - 1)) % self.spec.members;
        match (set / every) % 4 {
            0 => Control::NotTo(other),
            1 => Control::OnlyTo(other),
            2 => Control::PrependTo(other),
            _ => Control::PrependTwice,
        }
    }

    /// The standard communities of `set` that everybody receives: its markers, and what was
    /// recorded.
    pub(crate) fn passed_communities(&self, set: u32) -> Vec<(u16, u16)> {
        let mut list = self.markers(set);
        if let Some(recording) = &self.recording {
            list.extend(&recording.set(set).communities);
        }
        list
    }

    /// The standard communities of `set` as announced: those, and the control communities.
    pub(crate) fn communities(&self, set: u32) -> Vec<(u16, u16)> {
        let rs = ROUTE_SERVER_AS;
        let asn = |m| self.asn(m) as u16;
        let mut list = self.passed_communities(set);
        match self.control(set) {
            Control::None => {}
            Control::NotTo(m) => list.push((0, asn(m))),
            Control::OnlyTo(m) => list.extend([(0, rs), (rs, asn(m))]),
            Control::PrependTo(m) => list.push((65_504, asn(m))),
            Control::PrependTwice => list.push((rs, 65_502)),
        }
        list
    }

    /// The value of ORIGIN.
    pub(crate) fn origin(&self, set: u32) -> u8 {
        self.recording.as_ref().map_or(0, |r| r.set(set).origin)
    }

    fn is_rejected(&self, set: u32) -> bool {
        self.reload_as_rejected && self.recording.is_none() && set % 10 == 7
    }

    /// What `receiver` gets of `set`: nothing, or the number of prepends.
    fn given(&self, set: u32, receiver: u32) -> Option<u32> {
        let owner = self.owner(set);
        let is_there = self.up[owner as usize] || self.kept[owner as usize];
        if owner == receiver || !is_there || self.is_rejected(set) {
            return None;
        }
        self.permitted(set, receiver)
    }

    /// What the control communities of `set` say to `receiver`.
    fn permitted(&self, set: u32, receiver: u32) -> Option<u32> {
        match self.control(set) {
            Control::None => Some(0),
            Control::NotTo(m) => (m != receiver).then_some(0),
            Control::OnlyTo(m) => (m == receiver).then_some(0),
            Control::PrependTo(m) => Some(u32::from(m == receiver)),
            Control::PrependTwice => Some(2),
        }
    }

    /// What RFC 7947 says `receiver` must hold for prefix `index`: the best path among those that
    /// it may have (shortest AS_PATH as received, then ORIGIN, then lowest BGP Identifier).
    pub(crate) fn expected(&self, receiver: u32, index: u32) -> Cell {
        if !self.up[receiver as usize] || self.is_turned(index) {
            return EMPTY;
        }
        let mut best = None;
        if let Some(recording) = &self.recording {
            for (member, set) in recording.announcers(index) {
                self.compare(receiver, *member, *set, &mut best);
            }
        } else {
            let (members, k) = self.announcers(index);
            for member in members.filter(|member| self.announces(*member, k)) {
                self.compare(receiver, member, self.set_of(member, k), &mut best);
            }
        }
        best.map_or(EMPTY, |b| b.1)
    }

    fn compare(&self, receiver: u32, member: u32, set: u32, best: &mut Option<(Rank, Cell)>) {
        let cell = match self.given(set, receiver) {
            Some(prepends) => set * 4 + prepends,
            None if self.ends_search(set, receiver) => EMPTY,
            None => return,
        };
        let rank = (self.path_length(set), self.origin(set), member);
        if best.is_none_or(|(best, _)| rank < best) {
            *best = Some((rank, cell));
        }
    }

    /// OpenBGPD asks its filters first, and passes over what they refuse, then whose path it is.
    fn ends_search(&self, set: u32, receiver: u32) -> bool {
        self.own_path_ends_search
            && self.owner(set) == receiver
            && !self.is_rejected(set)
            && self.permitted(set, receiver).is_some()
    }

    fn path_length(&self, set: u32) -> usize {
        if let Some(recording) = &self.recording {
            return recording.set(set).path.len();
        }
        let hops = 1 + usize::from(set % 10 == 7) + (set % 3) as usize;
        hops + usize::from(set % 2 == 1 || hops > 1)
    }

    pub(crate) fn address(&self, member: u32) -> IpAddr {
        match self.spec.family {
            LoadFamily::V4 => {
                let [_, _, c, d] = (member + 256).to_be_bytes();
                Ipv4Addr::new(172, 20, c, d).into()
            }
            LoadFamily::V6 | LoadFamily::V4OverV6 => {
                Ipv6Addr::new(0x2001, 0x7f8, 0xfff, 0, 0, 0, 1, member as u16 + 1).into()
            }
        }
    }

    pub(crate) fn route_server_address(&self) -> IpAddr {
        match self.spec.family {
            LoadFamily::V4 => Ipv4Addr::new(172, 20, 0, 1).into(),
            LoadFamily::V6 | LoadFamily::V4OverV6 => {
                Ipv6Addr::new(0x2001, 0x7f8, 0xfff, 0, 0, 0, 0, 1).into()
            }
        }
    }

    /// The LAN in which all addresses lie.
    pub(crate) fn lan(&self) -> &'static str {
        match self.spec.family {
            LoadFamily::V4 => "172.20.0.0/16",
            LoadFamily::V6 | LoadFamily::V4OverV6 => "2001:7f8:fff::/64",
        }
    }

    pub(crate) fn router_id(&self, member: u32) -> Ipv4Addr {
        Ipv4Addr::from(0x0a00_0001 + member)
    }

    /// IPv6 NLRI?
    pub(crate) fn v6_nlri(&self) -> bool {
        self.spec.family == LoadFamily::V6
    }

    /// The prefix of `index` as text: a /24 from 16.0.0.0 upwards, or a /48 from 2400:: upwards.
    pub(crate) fn prefix_text(&self, index: u32) -> String {
        if let Some(recording) = &self.recording {
            return recording.prefix(index).to_string();
        }
        if self.v6_nlri() {
            let bits = (0x2400_u128 << 112) + (u128::from(index) << 80);
            format!("{}/48", Ipv6Addr::from(bits))
        } else {
            format!("{}/24", Ipv4Addr::from(0x1000_0000 + (index << 8)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn universe(overlap: u32) -> Universe {
        Universe::new(Spec {
            members: 12,
            prefixes: 40,
            per_set: 10,
            control_every: 3,
            overlap,
            family: LoadFamily::V4,
            announcers: None,
            first_member_prefixes: None,
            hold_time: 240,
            send_hold: None,
        })
    }

    #[test]
    fn path_length_is_the_length_of_the_path() {
        let u = universe(1);
        for set in 0..u.sets() {
            assert_eq!(u.as_path(set).len(), u.path_length(set), "set {set}");
        }
    }

    #[test]
    fn nobody_expects_its_own_route() {
        let u = universe(3);
        for receiver in 0..12 {
            for index in 0..u.width() {
                let cell = u.expected(receiver, index);
                assert!(cell == EMPTY || u.owner(cell / 4) != receiver);
            }
        }
    }

    #[test]
    fn whose_own_path_is_best_gets_the_second_or_with_openbgpd_nothing() {
        let mut u = universe(3);
        let cells = |u: &Universe| -> Vec<Cell> {
            (0..u.width()).map(|index| u.expected(0, index)).collect()
        };
        let second = cells(&u);
        u.own_path_ends_search = true;
        let nothing = cells(&u);
        let own_best = second.iter().zip(&nothing).filter(|(a, b)| a != b).count();
        assert!(own_best > 0, "the load has such cases");
        assert!(second.iter().zip(&nothing).all(|(a, b)| a == b || *b == EMPTY));
    }

    #[test]
    fn the_best_may_be_denied_and_the_second_takes_its_place() {
        let u = universe(3);
        let mut fallbacks = 0;
        for index in 0..u.width() {
            let cells: Vec<_> = (0..12).map(|r| u.expected(r, index) / 4).collect();
            fallbacks += usize::from(cells.iter().any(|c| *c != cells[11]));
        }
        assert!(fallbacks > 0, "the load has cases of path hiding");
    }
}
