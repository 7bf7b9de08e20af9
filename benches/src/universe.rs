//! What the members announce, and what each must therefore hold in the end.
//!
//! Everything is arithmetic over a few numbers, so that neither the streams nor the expected
//! tables need storing: a prefix is an index, an attribute set is an index, and a member's table
//! is an array of attribute ids.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The route servers' AS in every run.
pub(crate) const ROUTE_SERVER_AS: u16 = 59_900;
/// An AS that stands in a tenth of the paths; the `reload` load adds it to `transit_free`.
pub(crate) const RELOAD_AS: u32 = 39_999;

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
/// No route.
pub(crate) const EMPTY: Cell = u32::MAX;

/// A load, worked out.
#[derive(Clone, Debug)]
pub(crate) struct Universe {
    pub(crate) spec: Spec,
    sets_per_member: u32,
    /// Members that are up, by index: the others' routes are expected nowhere.
    pub(crate) up: Vec<bool>,
    /// Whether paths that contain [`RELOAD_AS`] are rejected by now.
    pub(crate) reload_as_rejected: bool,
}

impl Universe {
    pub(crate) fn new(spec: Spec) -> Self {
        let largest = spec.first_member_prefixes.unwrap_or(0).max(spec.prefixes);
        let sets_per_member = largest.div_ceil(spec.per_set);
        let up = vec![true; spec.members as usize];
        Self { spec, sets_per_member, up, reload_as_rejected: false }
    }

    /// How many prefixes `member` announces.
    pub(crate) fn prefixes_of(&self, member: u32) -> u32 {
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

    /// The attribute set of the `k`-th prefix of `member`.
    pub(crate) fn set_of(&self, member: u32, k: u32) -> u32 {
        debug_assert!(k < self.stride());
        member * self.sets_per_member + k / self.spec.per_set
    }

    /// The member whose set this is.
    pub(crate) fn owner(&self, set: u32) -> u32 {
        set / self.sets_per_member
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
        if every == 0 || set % every != every / 2 || self.spec.members < 3 {
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

    /// The standard communities of `set` as announced: one of its own that nobody acts upon, and
    /// the control communities.
    pub(crate) fn communities(&self, set: u32) -> Vec<(u16, u16)> {
        let rs = ROUTE_SERVER_AS;
        let asn = |m| self.asn(m) as u16;
        let mut list = vec![(asn(self.owner(set)), (set % self.sets_per_member) as u16)];
        match self.control(set) {
            Control::None => {}
            Control::NotTo(m) => list.push((0, asn(m))),
            Control::OnlyTo(m) => list.extend([(0, rs), (rs, asn(m))]),
            Control::PrependTo(m) => list.push((65_504, asn(m))),
            Control::PrependTwice => list.push((rs, 65_502)),
        }
        list
    }

    /// What `receiver` gets of `set`: nothing, or the number of prepends.
    fn given(&self, set: u32, receiver: u32) -> Option<u32> {
        let owner = self.owner(set);
        if owner == receiver || !self.up[owner as usize] {
            return None;
        }
        if self.reload_as_rejected && set % 10 == 7 {
            return None;
        }
        match self.control(set) {
            Control::None => Some(0),
            Control::NotTo(m) => (m != receiver).then_some(0),
            Control::OnlyTo(m) => (m == receiver).then_some(0),
            Control::PrependTo(m) => Some(u32::from(m == receiver)),
            Control::PrependTwice => Some(2),
        }
    }

    /// What RFC 7947 says `receiver` must hold for prefix `index`: the best path among those that
    /// it may have (shortest AS_PATH as received, then lowest BGP Identifier).
    pub(crate) fn expected(&self, receiver: u32, index: u32) -> Cell {
        if !self.up[receiver as usize] {
            return EMPTY;
        }
        let (members, k) = self.announcers(index);
        let mut best: Option<(usize, u32, Cell)> = None;
        for member in members {
            let set = self.set_of(member, k);
            let Some(prepends) = self.given(set, receiver) else { continue };
            let key = (self.path_length(set), member, set * 4 + prepends);
            if best.is_none_or(|b| (key.0, key.1) < (b.0, b.1)) {
                best = Some(key);
            }
        }
        best.map_or(EMPTY, |b| b.2)
    }

    fn path_length(&self, set: u32) -> usize {
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
