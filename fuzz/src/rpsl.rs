//! What IRR servers, dump files and members' aut-num objects say, whatever it is.
//!
//! - A text that begins with `A`: what an IRRd answers to four queries. The frames are those of a naive
//!   reading.
//! - One that begins with `%`: a dump. What no set holds is in no expansion.
//! - Any other: policy lines of an aut-num object. They mean what a naive reading of them means, and
//!   a set that nobody knows opens nothing.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use bgp_wire::{Asn, Family};
use policy::rpsl::{AsExpression, Direction, LineFilter, PeerFilter, PolicyLine, parse_attribute};
use rs_daemon::irr::dump::Dump;
use rs_daemon::irr::irrd::{Answer, IrrdClient};
use rs_daemon::irr::{Followers, SetName};
use tokio::io::{join, sink};
use tokio::runtime::{Builder, Runtime};

const ROUTE_SERVER: Asn = Asn(64500);
const ASNS: [Asn; 5] = [ROUTE_SERVER, Asn(1), Asn(2), Asn(3), Asn(64499)];
/// Nobody knows it.
const UNKNOWN: &str = "AS-C";

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_time().build().unwrap());

pub fn property(data: &[u8]) {
    match data.first() {
        Some(b'A') => answers(&data[1..]),
        Some(b'%') => dump(data),
        _ => policy(&String::from_utf8_lossy(data)),
    }
}

// ---- IRRd ----

const QUERIES: usize = 4;

fn answers(octets: &[u8]) {
    let queries = vec!["!!".to_owned(); QUERIES];
    let mut client = IrrdClient::over("fuzz", join(octets, sink()));
    let got = RUNTIME.block_on(client.query_each(&queries));
    let mut rest = octets;
    let expected: Option<Vec<Answer>> = (0..QUERIES).map(|_| frame(&mut rest)).collect();
    match (got, expected) {
        (Ok(got), Some(expected)) => assert_eq!(got, expected),
        (Err(error), None) => assert!(!error.to_string().is_empty()),
        (got, expected) => panic!("{got:?}, not {expected:?}"),
    }
}

/// One answer, or `None` for what is none.
fn frame(rest: &mut &[u8]) -> Option<Answer> {
    let first = line(rest)?;
    if let Some(length) = first.strip_prefix('A').and_then(|l| l.parse::<usize>().ok()) {
        let data = rest.get(..length)?;
        *rest = &rest[length..];
        let mut end = line(rest)?;
        if end.is_empty() {
            end = line(rest)?;
        }
        let text = String::from_utf8_lossy(data).into_owned();
        return end.starts_with('C').then_some(Answer::Data(text));
    }
    match first.chars().next()? {
        'C' => Some(Answer::Nothing),
        'D' => Some(Answer::NotFound),
        'F' => Some(Answer::Refused(first)),
        _ => None,
    }
}

fn line(rest: &mut &[u8]) -> Option<String> {
    let end = rest.iter().position(|octet| *octet == b'\n').map_or(rest.len(), |at| at + 1);
    if end == 0 || end > 1024 {
        return None;
    }
    let (line, behind) = rest.split_at(end);
    *rest = behind;
    Some(String::from_utf8_lossy(line).trim_end().to_owned())
}

// ---- dumps ----

fn dump(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets).to_ascii_uppercase();
    let words = || text.split(|c: char| c == ',' || c.is_whitespace());
    let names: Vec<SetName> = words().filter_map(|word| word.parse().ok()).take(8).collect();
    let followers = Followers::from([(Asn(1), [ROUTE_SERVER].into())]);
    let mut dump = Dump::new(&[], &followers, 0);
    dump.read_objects(octets).unwrap();
    for name in &names {
        let expanded = dump.expand(name);
        assert!(expanded.known || expanded.origins.is_empty(), "{name} is unknown");
        assert!(!expanded.origins.is_empty() || expanded.prefixes.is_empty(), "{name}");
        assert!(expanded.origins.is_sorted_by(|a, b| a < b));
        assert!(expanded.prefixes.is_sorted_by(|a, b| a < b));
        if let SetName::Asn(asn) = name {
            assert_eq!(*expanded.origins, [asn.0]);
        }
        for origin in &expanded.origins {
            assert!(text.contains(&format!("{origin}")), "nobody named AS{origin}");
        }
    }
    let policies = dump.policies();
    assert_eq!(policies.aut_nums.keys().collect::<Vec<_>>(), [&Asn(1)]);
}

// ---- policies ----

type Sets = BTreeMap<&'static str, Vec<Asn>>;

fn policy(text: &str) {
    let mut lines = Vec::new();
    for attribute in text.split('\n').take(16) {
        let Some((name, value)) = attribute.split_once(':') else { continue };
        match parse_attribute(name, value) {
            Ok(read) => lines.extend(read),
            Err(error) => assert!(error.at.is_empty() || folded(value).contains(&error.at)),
        }
    }
    let sets = |unknown: Option<&[Asn]>| {
        let mut sets = Sets::from([("AS-A", vec![Asn(1), Asn(2)]), ("AS-B", Vec::new())]);
        sets.extend(unknown.map(|asns| (UNKNOWN, asns.to_vec())));
        sets
    };
    let cautious = compile(&lines, &sets(None));
    for known in [&[][..], &[ROUTE_SERVER], &ASNS[..2], &ASNS[1..], &ASNS] {
        let sets = sets(Some(known));
        let filter = compile(&lines, &sets);
        for (family, asn) in Family::ALL.into_iter().flat_map(|f| ASNS.map(|asn| (f, asn))) {
            let naive = |direction| allows(&lines, direction, family, &sets, asn);
            assert_eq!(filter.receives(family, asn), naive(Direction::Import), "{asn} {family}");
            assert_eq!(filter.sends(family, asn), naive(Direction::Export), "{asn} {family}");
            let opened = cautious.receives(family, asn) && !filter.receives(family, asn);
            assert!(!opened, "from {asn}: {UNKNOWN} is unknown and may be {known:?}");
            let opened = cautious.sends(family, asn) && !filter.sends(family, asn);
            assert!(!opened, "to {asn}: {UNKNOWN} is unknown and may be {known:?}");
        }
    }
}

fn folded(value: &str) -> String {
    let lines = value.lines().map(|line| line.split('#').next().unwrap_or_default());
    lines.collect::<Vec<_>>().join(" ")
}

fn compile(lines: &[PolicyLine], sets: &Sets) -> PeerFilter {
    // Any other name is a set of nobody.
    let expand = |name: &str| match sets.get(name) {
        Some(asns) => Some(asns.clone()),
        None => (name != UNKNOWN).then(Vec::new),
    };
    PeerFilter::compile(lines, ROUTE_SERVER, expand).filter
}

/// The first line that concerns an AS decides about it.
fn allows(
    lines: &[PolicyLine],
    direction: Direction,
    family: Family,
    sets: &Sets,
    asn: Asn,
) -> bool {
    let ours: Vec<&PolicyLine> = lines
        .iter()
        .filter(|line| line.direction == direction && line.families.contains(family))
        .collect();
    let by_way = ours.iter().filter_map(|line| {
        let via = line.via.as_ref().filter(|via| holds(via, ROUTE_SERVER, sets))?;
        let _ = via;
        Some((holds(&line.peers, asn, sets), line.filter != LineFilter::Refuse))
    });
    let mut clauses: Vec<(bool, bool)> = by_way.collect();
    if clauses.is_empty() {
        let older = ours.iter().filter(|line| {
            line.via.is_none()
                && line.peers.names(ROUTE_SERVER)
                && holds(&line.peers, ROUTE_SERVER, sets)
        });
        clauses = older
            .map(|line| match &line.filter {
                LineFilter::From(from) if direction == Direction::Import => {
                    (holds(from, asn, sets), true)
                }
                filter => (true, *filter != LineFilter::Refuse),
            })
            .collect();
    }
    match clauses.iter().find(|(concerns, _)| *concerns) {
        Some((_, allows)) => *allows,
        None => clauses.iter().all(|(_, allows)| !allows),
    }
}

fn holds(expression: &AsExpression, asn: Asn, sets: &Sets) -> bool {
    may_hold(expression, asn, sets, true)
}

/// Whether it is so (`wanted`), or is not, as far as ASes say: of prefixes either may be.
fn may_hold(expression: &AsExpression, asn: Asn, sets: &Sets, wanted: bool) -> bool {
    let may = |a: &AsExpression, wanted| may_hold(a, asn, sets, wanted);
    match expression {
        AsExpression::Any => wanted,
        AsExpression::As(named) => (*named == asn) == wanted,
        AsExpression::Set(name) => {
            let listed = |members: &Vec<Asn>| members.contains(&asn);
            sets.get(name.as_str()).is_some_and(listed) == wanted
        }
        AsExpression::Prefixes => true,
        AsExpression::Not(a) => may(a, !wanted),
        AsExpression::And(a, b) if wanted => may(a, true) && may(b, true),
        AsExpression::And(a, b) => may(a, false) || may(b, false),
        AsExpression::Or(a, b) if wanted => may(a, true) || may(b, true),
        AsExpression::Or(a, b) => may(a, false) && may(b, false),
        AsExpression::Except(a, b) if wanted => may(a, true) && may(b, false),
        AsExpression::Except(a, b) => may(a, false) || may(b, true),
    }
}
