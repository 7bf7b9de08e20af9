//! RPSL policies: whom a member receives from and sends to.
//!
//! A member's aut-num object says so with `import-via` and `export-via` lines
//! (draft-snijders-rpsl-via) that name the route server, or with `import` and `export` lines (and
//! `mp-import`, `mp-export`, RFC 4012 §4.1) from and to the route server's AS.
//!
//! Lines are taken in order; the first that concerns an AS decides about it. What no line
//! concerns is allowed if all lines are refusals ("not from AS1"), and refused if one of them
//! allows ("from AS1"). Lines of the via kind beat the others. Filters on prefixes are not looked
//! at, since the IRR checks on import do that; but `NOT ANY` refuses.

mod expression;
mod parse;

#[cfg(test)]
mod tests;

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
    /// Whom it receives from.
    pub receive_from: [AsFilter; 2],
    /// Whom it sends to.
    pub send_to: [AsFilter; 2],
}

/// AS-SETs that nobody could expand. Whoever gets this keeps the last good filter: an unknown set
/// must open nothing.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("unknown AS-SETs: {}", .0.join(", "))]
pub struct UnknownSets(pub Vec<String>);

impl PeerFilter {
    /// The filter that a member's lines make for one route server. `expand` gives the members of
    /// an AS-SET, or `None` if it is unknown.
    pub fn compile(
        lines: &[PolicyLine],
        route_server: Asn,
        expand: impl Fn(&str) -> Option<Vec<Asn>>,
    ) -> Result<Self, UnknownSets> {
        let mut compiler = Compiler { lines, route_server, expand, unknown: Vec::new() };
        let filter = Self {
            receive_from: Family::ALL.map(|family| compiler.filter(Direction::Import, family)),
            send_to: Family::ALL.map(|family| compiler.filter(Direction::Export, family)),
        };
        if compiler.unknown.is_empty() {
            return Ok(filter);
        }
        compiler.unknown.sort_unstable();
        compiler.unknown.dedup();
        Err(UnknownSets(compiler.unknown))
    }

    /// Whether it takes routes of a family from an AS.
    #[must_use]
    pub fn receives(&self, family: Family, from: Asn) -> bool {
        self.receive_from[family.index()].allows(from)
    }

    /// Whether it sends routes of a family to an AS.
    #[must_use]
    pub fn sends(&self, family: Family, to: Asn) -> bool {
        self.send_to[family.index()].allows(to)
    }

    /// Whether it restricts nobody.
    #[must_use]
    pub fn is_open(&self) -> bool {
        *self == Self::default()
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
}

struct Compiler<'a, F> {
    lines: &'a [PolicyLine],
    route_server: Asn,
    expand: F,
    unknown: Vec<String>,
}

impl<F: Fn(&str) -> Option<Vec<Asn>>> Compiler<'_, F> {
    fn filter(&mut self, direction: Direction, family: Family) -> AsFilter {
        let ours: Vec<&PolicyLine> = self
            .lines
            .iter()
            .filter(|line| line.direction == direction && line.families.contains(family))
            .collect();
        let mut rules = Vec::new();
        for line in ours.iter().filter(|line| line.via.is_some()) {
            let via = line.via.as_ref().map(|via| self.evaluate(via));
            if via.is_some_and(|via| via.allows(self.route_server)) {
                rules.push((self.evaluate(&line.peers), line.filter != LineFilter::Refuse));
            }
        }
        if rules.is_empty() {
            for line in ours.iter().filter(|line| line.via.is_none()) {
                if self.evaluate(&line.peers).allows(self.route_server) {
                    rules.push(self.older_rule(line));
                }
            }
        }
        combine(rules)
    }

    /// A line from or to the route server itself: its filter says who is meant.
    fn older_rule(&mut self, line: &PolicyLine) -> (AsFilter, bool) {
        match &line.filter {
            LineFilter::Allow => (AsFilter::All, true),
            LineFilter::Refuse => (AsFilter::All, false),
            // What a member announces is its own affair; what it accepts names the others.
            LineFilter::From(_) if line.direction == Direction::Export => (AsFilter::All, true),
            LineFilter::From(expression) => (self.evaluate(expression), true),
        }
    }

    fn evaluate(&mut self, expression: &AsExpression) -> AsFilter {
        expression.evaluate(&mut |set| {
            (self.expand)(set).unwrap_or_else(|| {
                self.unknown.push(set.to_owned());
                Vec::new()
            })
        })
    }
}

/// The first rule that concerns an AS decides about it.
fn combine(rules: Vec<(AsFilter, bool)>) -> AsFilter {
    let only_refusals = rules.iter().all(|(_, allows)| !allows);
    let mut allowed = if only_refusals { AsFilter::All } else { AsFilter::none() };
    for (peers, allows) in rules.into_iter().rev() {
        allowed = if allows { allowed.or(&peers) } else { allowed.except(&peers) };
    }
    allowed
}
