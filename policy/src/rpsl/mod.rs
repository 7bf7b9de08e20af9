//! RPSL policies: whom a member receives from and sends to.
//!
//! A member's aut-num object says so with `import-via` and `export-via` lines
//! (draft-snijders-rpsl-via) by way of the route server, or with `import` and `export` lines (and
//! `mp-import`, `mp-export`, RFC 4012 §4.1) that name the route server's AS.
//!
//! Lines are taken in order; the first that concerns an AS decides about it. What no line
//! concerns is allowed if all lines are refusals ("not from AS1"), and refused if one of them
//! allows ("from AS1"). Lines of the via kind beat the others. Filters on prefixes are not looked
//! at, since the IRR checks on import do that; but `NOT ANY` refuses.
//!
//! An AS-SET that nobody knows opens nothing: a line that allows is read as narrow as it can be
//! meant, a line that refuses as wide.

mod expression;
mod parse;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use bgp_wire::{Asn, Families, Family};

pub use expression::{AsExpression, AsFilter};
pub use parse::{RpslError, parse_attribute};

/// Whether a line is about receiving or sending.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// What the member receives.
    Import,
    /// What the member sends.
    Export,
}

/// A line of an aut-num object that concerns route servers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PolicyLine {
    /// As it is written, on one line and cut off where it is very long.
    pub text: Arc<str>,
    /// Receiving or sending.
    pub direction: Direction,
    /// Which families.
    pub families: Families,
    /// By way of whom; `None` in a line of the older kind.
    pub via: Option<AsExpression>,
    /// From or to whom.
    pub peers: AsExpression,
    /// What is let through.
    pub filter: LineFilter,
}

/// What a line lets through, as far as ASes go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum LineFilter {
    /// Something.
    Allow,
    /// Nothing: `NOT ANY`.
    Refuse,
    /// In a line of the older kind, what comes from these ASes.
    From(AsExpression),
}

/// Whom a member receives from and sends to, by family.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PeerFilter {
    receive_from: [Lane; 2],
    send_to: [Lane; 2],
}

/// One direction and family of a filter.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Lane {
    /// What the clauses come to.
    allowed: AsFilter,
    /// What it was made from, in order.
    clauses: Box<[Clause]>,
}

/// A line, resolved.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Clause {
    text: Arc<str>,
    peers: AsFilter,
    allows: bool,
}

/// What a member's filter says about an AS, and which of its lines says so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Decision<'a> {
    /// Whether routes pass.
    pub allowed: bool,
    /// The line that concerns the AS; where none does, `None`.
    pub clause: Option<&'a str>,
    /// Whether any line was there to concern it.
    pub restricted: bool,
}

/// A filter, and what could not be found for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CompiledFilter {
    /// The filter.
    pub filter: PeerFilter,
    /// AS-SETs that nobody could expand, in order; they open nothing.
    pub unknown_sets: Vec<String>,
}

impl PeerFilter {
    /// The filter that a member's lines make for one route server. `expand` gives the members of
    /// an AS-SET, or `None` if it is unknown.
    pub fn compile(
        lines: &[PolicyLine],
        route_server: Asn,
        expand: impl Fn(&str) -> Option<Vec<Asn>>,
    ) -> CompiledFilter {
        let mut compiler = Compiler { lines, route_server, expand, unknown: Vec::new() };
        let filter = Self {
            receive_from: Family::ALL.map(|family| compiler.lane(Direction::Import, family)),
            send_to: Family::ALL.map(|family| compiler.lane(Direction::Export, family)),
        };
        let mut unknown_sets = compiler.unknown;
        unknown_sets.sort_unstable();
        unknown_sets.dedup();
        CompiledFilter { filter, unknown_sets }
    }

    /// Whether it takes routes of a family from an AS.
    #[must_use]
    pub fn receives(&self, family: Family, from: Asn) -> bool {
        self.receive_from[family.index()].allowed.allows(from)
    }

    /// Whether it sends routes of a family to an AS.
    #[must_use]
    pub fn sends(&self, family: Family, to: Asn) -> bool {
        self.send_to[family.index()].allowed.allows(to)
    }

    /// Whether it takes routes of a family from an AS, and why.
    #[must_use]
    pub fn receiving(&self, family: Family, from: Asn) -> Decision<'_> {
        self.receive_from[family.index()].decision(from)
    }

    /// Whether it sends routes of a family to an AS, and why.
    #[must_use]
    pub fn sending(&self, family: Family, to: Asn) -> Decision<'_> {
        self.send_to[family.index()].decision(to)
    }

    /// Whether it restricts nobody.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.receive_from.iter().chain(&self.send_to).all(|lane| lane.allowed == AsFilter::All)
    }

    /// How many lines it was made from, those of a direction and family counted for themselves.
    #[must_use]
    pub fn clauses(&self) -> usize {
        self.receive_from.iter().chain(&self.send_to).map(|lane| lane.clauses.len()).sum()
    }
}

impl Lane {
    /// The first clause that concerns an AS decides about it.
    fn new(clauses: Vec<Clause>) -> Self {
        let only_refusals = clauses.iter().all(|clause| !clause.allows);
        let mut allowed = if only_refusals { AsFilter::All } else { AsFilter::none() };
        for clause in clauses.iter().rev() {
            let peers = &clause.peers;
            allowed = if clause.allows { allowed.or(peers) } else { allowed.except(peers) };
        }
        Self { allowed, clauses: clauses.into() }
    }

    /// What both allow: nobody knows which of them holds.
    fn within(self, other: Self) -> Self {
        let allowed = self.allowed.and(&other.allowed);
        let clauses = self.clauses.into_iter().chain(other.clauses).collect();
        Self { allowed, clauses }
    }

    fn decision(&self, asn: Asn) -> Decision<'_> {
        let clause = self.clauses.iter().find(|clause| clause.peers.allows(asn));
        Decision {
            allowed: self.allowed.allows(asn),
            clause: clause.map(|clause| &*clause.text),
            restricted: !self.clauses.is_empty(),
        }
    }
}

impl PolicyLine {
    /// The AS-SETs that are named.
    pub fn sets(&self) -> impl Iterator<Item = &str> {
        let filter = match &self.filter {
            LineFilter::From(expression) => Some(expression),
            LineFilter::Allow | LineFilter::Refuse => None,
        };
        self.via.iter().chain([&self.peers]).chain(filter).flat_map(AsExpression::sets)
    }

    /// Whether it can be about a route server, whatever the AS-SETs hold: what cannot be need
    /// not be kept, and its AS-SETs need not be known.
    #[must_use]
    pub fn may_concern(&self, route_server: Asn) -> bool {
        match &self.via {
            Some(via) => via.evaluate(&mut |_| None, Unknown::Everybody).allows(route_server),
            None => self.peers.names(route_server),
        }
    }
}

/// What an AS-SET that nobody knows stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unknown {
    /// The expression is to be as narrow as it can be meant.
    Nobody,
    /// The expression is to be as wide as it can be meant.
    Everybody,
}

impl Unknown {
    /// For what stands behind NOT or EXCEPT.
    #[must_use]
    pub fn inverted(self) -> Self {
        match self {
            Self::Nobody => Self::Everybody,
            Self::Everybody => Self::Nobody,
        }
    }
}

struct Compiler<'a, F> {
    lines: &'a [PolicyLine],
    route_server: Asn,
    expand: F,
    unknown: Vec<String>,
}

impl<F: Fn(&str) -> Option<Vec<Asn>>> Compiler<'_, F> {
    fn lane(&mut self, direction: Direction, family: Family) -> Lane {
        let lines = self.lines;
        let ours =
            |line: &&PolicyLine| line.direction == direction && line.families.contains(family);
        let via: Vec<(Clause, bool)> =
            lines.iter().filter(ours).filter_map(|line| self.via_clause(line)).collect();
        let settled = via.iter().any(|(_, certain)| *certain);
        let via: Vec<Clause> = via.into_iter().map(|(clause, _)| clause).collect();
        if settled {
            return Lane::new(via);
        }
        let older = lines.iter().filter(ours).filter_map(|line| self.older_clause(line)).collect();
        if via.is_empty() { Lane::new(older) } else { Lane::new(via).within(Lane::new(older)) }
    }

    /// What a line of the via kind says, if it may be by way of this route server; and whether it
    /// is, whatever the AS-SETs hold that nobody knows.
    fn via_clause(&mut self, line: &PolicyLine) -> Option<(Clause, bool)> {
        let via = line.via.as_ref()?;
        let certain = self.is_meant(via)?;
        let allows = line.filter != LineFilter::Refuse;
        let peers = match (allows, certain) {
            (true, true) => self.evaluate(&line.peers, Unknown::Nobody),
            // Perhaps it is about another route server: then it allows nobody here.
            (true, false) => AsFilter::none(),
            (false, _) => self.evaluate(&line.peers, Unknown::Everybody),
        };
        Some((Clause { text: Arc::clone(&line.text), peers, allows }, certain))
    }

    /// What a line from or to the route server itself says: its filter says who is meant.
    fn older_clause(&mut self, line: &PolicyLine) -> Option<Clause> {
        if line.via.is_some() || !line.peers.names(self.route_server) {
            return None;
        }
        let certain = self.is_meant(&line.peers)?;
        let allows = line.filter != LineFilter::Refuse;
        let peers = match &line.filter {
            _ if allows && !certain => AsFilter::none(),
            // What a member announces is its own affair; what it accepts names the others.
            LineFilter::From(expression) if line.direction == Direction::Import => {
                self.evaluate(expression, Unknown::Nobody)
            }
            LineFilter::From(_) | LineFilter::Allow | LineFilter::Refuse => AsFilter::All,
        };
        Some(Clause { text: Arc::clone(&line.text), peers, allows })
    }

    /// Whether this route server is certainly meant; `None` if it cannot be.
    fn is_meant(&mut self, expression: &AsExpression) -> Option<bool> {
        let may_be = self.evaluate(expression, Unknown::Everybody).allows(self.route_server);
        may_be.then(|| self.evaluate(expression, Unknown::Nobody).allows(self.route_server))
    }

    fn evaluate(&mut self, expression: &AsExpression, unknown: Unknown) -> AsFilter {
        let mut expand = |set: &str| {
            let members = (self.expand)(set);
            if members.is_none() {
                self.unknown.push(set.to_owned());
            }
            members
        };
        expression.evaluate(&mut expand, unknown)
    }
}
