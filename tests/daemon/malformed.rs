//! What malformed messages come to, seen from outside: by the member that sent them and by another.

use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use rs_tests::support::loopback::{ARRIVE, Exchange, asn, next_hop};
use rs_tests::support::raw::{Set, Speaker, Status};
use rs_tests::support::route::{Route, unhex};
use rs_tests::support::wait::{ensure, eventually};
use rs_tests::support::wire::{Nlri, as_path_text, message};

const UPDATES: &str = include_str!("malformed/updates.txt");
const MESSAGES: &str = include_str!("malformed/messages.txt");

/// The prefix that a row's message names, by family.
const NAMED: [(&str, &str); 2] = [("4", "198.51.100.0/23"), ("6", "2a0e:1000::/32")];
/// One that it does not.
const OTHER: &str = "203.0.113.0/24";

/// Origin AS of what stands before a row, and of what the row announces.
const BEFORE: u32 = 300_000;
const ANNOUNCED: u32 = 400_000;

const UPDATE: u8 = 2;
/// Capability (RFC 7313).
const ENHANCED_ROUTE_REFRESH: u8 = 70;

fn rows(table: &str) -> impl Iterator<Item = Vec<&str>> {
    let lines = table.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split('|').map(str::trim).collect())
}

/// What a row's hexadecimal may name.
#[derive(Clone, Copy)]
struct Names {
    row: u32,
    /// The member that sends.
    member: u8,
}

impl Names {
    fn octets(self, text: &str) -> Vec<u8> {
        let mut parts = vec![Vec::new()];
        for word in text.split_whitespace() {
            let octets = match word {
                "@len" => {
                    parts.push(Vec::new());
                    continue;
                }
                "@end" => {
                    let inner = parts.pop().unwrap();
                    let length = u16::try_from(inner.len()).unwrap();
                    [length.to_be_bytes().to_vec(), inner].concat()
                }
                _ => self.word(word),
            };
            parts.last_mut().unwrap().extend(octets);
        }
        assert_eq!(parts.len(), 1, "each @len has its @end: {text}");
        parts.remove(0)
    }

    fn word(self, word: &str) -> Vec<u8> {
        let Self { row, member } = self;
        let own = asn(member);
        let short = |asn: u32| asn.to_be_bytes()[2..].to_vec();
        match word {
            "@o" => unhex("40010100"),
            "@p" => {
                [&[0x40, 2, 10, 2, 2][..], &own.to_be_bytes(), &(ANNOUNCED + row).to_be_bytes()]
                    .concat()
            }
            "@h" => [unhex("400304"), self.word("@n")].concat(),
            "@r" => [unhex("800e1a00020110"), self.word("@g"), unhex("00202a0e1000")].concat(),
            "@a" => own.to_be_bytes().to_vec(),
            "@s" => short(own),
            "@t" => short(own + 1),
            "@n" => [192, 0, 2, member].to_vec(),
            "@g" => [unhex("20010db800010000"), vec![0; 7], vec![member]].concat(),
            hexadecimal => unhex(hexadecimal),
        }
    }

    /// An UPDATE's body.
    fn body(self, attributes: &str, nlri: &str) -> Vec<u8> {
        if let Some(whole) = attributes.strip_prefix('=') {
            return self.octets(whole);
        }
        let nlri = match nlri {
            "4" => "17c63364",
            "-" => "",
            other => other,
        };
        self.octets(&format!("0000 @len {attributes} @end {nlri}"))
    }

    /// A route whose origin says where it belongs.
    fn marked(self, prefix: &str, origin: u32) -> Route {
        let hop = if prefix.contains(':') {
            format!("2001:db8:1::{:x}", self.member).parse().unwrap()
        } else {
            next_hop(self.member)
        };
        Route::new(prefix, &format!("{} {}", asn(self.member), origin + self.row), hop)
    }
}

struct Seen(BTreeMap<Nlri, Arc<Set>>);

impl Seen {
    fn set(&self, prefix: &str) -> Option<&Set> {
        let mut found = self.0.iter().filter(|(nlri, _)| nlri.prefix == prefix.parse().unwrap());
        found.next().map(|(_, set)| set.as_ref())
    }

    fn origin(&self, prefix: &str) -> Option<u32> {
        let path = self.set(prefix)?.attributes.iter().find(|attribute| attribute.code == 2)?;
        as_path_text(&path.value, true).split(' ').next_back()?.parse().ok()
    }

    fn value(&self, prefix: &str, code: u8) -> Option<&[u8]> {
        let mut all = self.set(prefix)?.attributes.iter();
        all.find(|attribute| attribute.code == code).map(|attribute| attribute.value.as_slice())
    }

    fn has(&self, prefix: &str, code: u8) -> bool {
        self.value(prefix, code).is_some()
    }

    /// Whether what a row names, an attribute or the next hop, has the value that it tells.
    fn has_value(&self, prefix: &str, what: &str, value: &str) -> bool {
        let got = match what {
            "hop" => self.set(prefix).map(|set| set.next_hop.as_slice()),
            code => self.value(prefix, code.parse().unwrap()),
        };
        got == Some(unhex(value).as_slice())
    }

    /// Whether a prefix is what the outcome says.
    fn is(&self, prefix: &str, outcome: &str, row: u32) -> Result<(), String> {
        let (origin, words) = (self.origin(prefix), outcome.split(' ').collect::<Vec<_>>());
        let announced = origin == Some(ANNOUNCED + row);
        let holds = match words.as_slice() {
            ["kept"] => announced,
            ["kept", "1" | "2" | "3"] => announced && self.has(prefix, 2),
            ["kept", what] if what.contains('=') => {
                let (what, value) = what.split_once('=').unwrap();
                announced && self.has_value(prefix, what, value)
            }
            ["kept", code] => announced && self.has(prefix, code.parse().unwrap()),
            ["without", code] => announced && !self.has(prefix, code.parse().unwrap()),
            ["gone"] => self.set(prefix).is_none(),
            ["as", "before"] => origin == Some(BEFORE + row),
            _ => panic!("no such outcome: {outcome}"),
        };
        ensure(holds, || format!("{prefix} is not {outcome}: {:?}", self.set(prefix)))
    }
}

/// The bodies of the rows' UPDATEs as `member` would send them.
pub(crate) fn bodies(member: u8) -> Vec<Vec<u8>> {
    let rows = (0..).zip(rows(UPDATES));
    rows.map(|(row, cells)| Names { row, member }.body(cells[1], cells[2])).collect()
}

/// Sends a row's message and waits for its outcome.
fn update_row(names: Names, cells: &[&str], sender: &Speaker, receiver: &Speaker) {
    let [name, attributes, nlri, outcome] = cells else { panic!("four cells: {cells:?}") };
    let row = names.row;
    for prefix in [NAMED[0].1, NAMED[1].1, OTHER] {
        sender.announce(&names.marked(prefix, BEFORE));
    }
    let sees = |what: &str, condition: &dyn Fn(&Seen) -> Result<(), String>| {
        eventually(&format!("{name}: {what}"), ARRIVE, || condition(&Seen(receiver.table())));
    };
    sees("the routes before", &|seen| {
        let mut all = [NAMED[0].1, NAMED[1].1, OTHER].iter();
        all.try_for_each(|prefix| seen.is(prefix, "as before", row))
    });
    sender.send(&message(UPDATE, &names.body(attributes, nlri))).unwrap();
    if let Some(reason) = outcome.strip_prefix("reset ") {
        told(names, name, sender, reason);
        sees("everything is withdrawn", &|seen| {
            ensure(seen.0.is_empty(), || format!("{:?}", seen.0))
        });
        return;
    }
    sender.announce(&names.marked(OTHER, ANNOUNCED));
    sees("the outcome", &|seen| {
        seen.is(OTHER, "kept", row)?;
        for (family, prefix) in NAMED {
            let own = outcome.split(", ").find_map(|one| one.strip_prefix(family));
            seen.is(prefix, own.map_or("as before", str::trim), row)?;
        }
        Ok(())
    });
    let status = sender.status();
    assert_eq!((status.closed, status.notification), (None, None), "{name}");
    for prefix in [NAMED[0].1, NAMED[1].1, OTHER] {
        sender.withdraw(prefix);
    }
    sees("nothing is left", &|seen| ensure(seen.0.is_empty(), || format!("{:?}", seen.0)));
}

/// Waits for the NOTIFICATION `code/subcode data`, and that the connection ends.
fn told(names: Names, name: &str, speaker: &Speaker, expected: &str) {
    let (codes, data) = expected.split_once(' ').unwrap_or((expected, ""));
    let expected = (codes.to_owned(), names.octets(data));
    speaker.wait(name, ARRIVE, |status: &Status| {
        let got = status.notification.clone();
        let got = got.map(|(code, subcode, data)| (format!("{code}/{subcode}"), data));
        ensure(got.as_ref() == Some(&expected) && status.closed.is_some(), || {
            format!("{status:?}, expected {expected:02x?}")
        })
    });
}

/// Does every row, so that all that fail are named.
fn each_row(table: &str, mut act: impl FnMut(u32, &[&str])) {
    let mut failed = Vec::new();
    for (row, cells) in (0..).zip(rows(table)) {
        let done = panic::catch_unwind(AssertUnwindSafe(|| act(row, &cells)));
        failed.extend(done.is_err().then(|| cells[0].to_owned()));
    }
    assert_eq!(failed, Vec::<String>::new(), "rows that failed, each said why above");
}

/// Members for rows that end a session: who had that done is not let in again at once.
const SPARE: u8 = 4;

/// RFC 7606 and the RFCs that it points to, a row for each attribute and fault.
#[test]
fn rfc7606_an_update_comes_to_what_its_faults_ask_for() {
    let resets = rows(UPDATES).filter(|cells| cells[3].starts_with("reset")).count();
    let members = vec!["extended_next_hop = true"; usize::from(SPARE) - 2 + resets];
    let exchange = Exchange::new(&members);
    let [sender, receiver] = [2, 3].map(|n| exchange.speaker(n));
    let mut spare = SPARE..;
    each_row(UPDATES, |row, cells| {
        if cells[3].starts_with("reset") {
            let member = spare.next().unwrap();
            update_row(Names { row, member }, cells, &exchange.speaker(member), &receiver);
        } else {
            update_row(Names { row, member: 2 }, cells, &sender, &receiver);
        }
    });
    let status = receiver.status();
    assert_eq!((status.closed, status.notification), (None, None), "the other member");
}

/// RFC 4271 §6.1, §6.2, §6.6, RFC 5492 §5, RFC 7313 §5, RFC 9234 §4.2: what is no UPDATE.
#[test]
fn rfc4271_s6_a_message_that_cannot_be_ends_the_session_with_its_reason() {
    let members = vec!["role_rfc9234 = true"; usize::from(SPARE) - 2 + rows(MESSAGES).count()];
    let exchange = Exchange::new(&members);
    let witness = exchange.speaker(3);
    let mut spare = SPARE..;
    each_row(MESSAGES, |row, cells| {
        let [name, state, text, outcome] = cells else { panic!("four cells: {cells:?}") };
        let member = spare.next().unwrap();
        let mut config = exchange.speaker_config(member);
        config.capabilities.push((ENHANCED_ROUTE_REFRESH, Vec::new()));
        let names = Names { row, member };
        let octets = names.octets(text);
        let speaker = match *state {
            "connected" => Speaker::saying(config, &octets).unwrap(),
            "open-sent" => {
                let both = [config.open(), octets].concat();
                Speaker::saying(config, &both).unwrap()
            }
            "established" => {
                let speaker = Speaker::established(config);
                speaker.send(&octets).unwrap();
                speaker
            }
            other => panic!("no such state: {other}"),
        };
        told(names, name, &speaker, outcome);
    });
    let status = witness.status();
    assert_eq!((status.closed, status.notification), (None, None), "the other member");
}
