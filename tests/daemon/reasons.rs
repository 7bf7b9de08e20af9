//! Every reject reason, brought about by a real announcement: what `rsctl routes --filtered`,
//! `rsctl explain`, birdwatcher and the metrics say of it.

use std::collections::BTreeMap;

use policy::RejectReason;
use rs_tests::support::cache::{Cache, Data};
use rs_tests::support::loopback::{ARRIVE, Exchange};
use rs_tests::support::raw::Speaker;
use rs_tests::support::route::{Route, Unknown};
use rs_tests::support::wait::{ensure, eventually};
use serde_json::Value;
use tempfile::TempDir;

/// Members 2 to 5 announce, each with what it needs to be refused for; this one gets nothing.
const RECEIVER: u8 = 6;
/// Only to Customer (RFC 9234).
const OTC: u8 = 35;

/// The IRR knows what member 2 may announce.
const IRR: &str = "as-set: AS-TWO\nmembers: AS1000002\nsource: TEST\n\n\
                   route: 62.2.0.0/16\norigin: AS1000002\nsource: TEST\n";

const IMPORT: &str = "next_hop = \"lan\"\naspa = \"reject\"\nnever_via_rs = [1000077]\n\
                      max_communities = 5\n";

const MEMBERS: &str = "
[[member]]
asn = 1000002
as_set = [\"AS-TWO\"]
[[member.session]]
address = \"127.0.0.2\"
families = [\"v4\", \"v6\"]
[[member]]
asn = 1000003
[member.import]
irr = \"off\"
blacklist = [\"62.9.0.0/24\"]
[[member.session]]
address = \"127.0.0.3\"
[[member]]
asn = 1000004
collector = true
[[member.session]]
address = \"127.0.0.4\"
[[member]]
asn = 1000005
role_rfc9234 = true
[member.import]
irr = \"off\"
[[member.session]]
address = \"127.0.0.5\"
[[member]]
asn = 1000006
[[member.session]]
address = \"127.0.0.6\"
families = [\"v4\", \"v6\"]
";

/// A route of member `n` that nothing is wrong with but what follows.
fn route(n: u8, prefix: &str, path: &str) -> Route {
    let hop =
        if prefix.contains(':') { format!("2001:db8:1::{n}") } else { format!("192.0.2.{n}") };
    Route::new(prefix, path, hop.parse().unwrap())
}

/// The member, the family, and what it announces to be refused for that.
fn offence(reason: RejectReason) -> (u8, Route) {
    use RejectReason as R;
    let own = |n: u8, prefix: &str| (n, route(n, prefix, &format!("{}", 1_000_000 + u32::from(n))));
    let path = |prefix: &str, path: &str| (2, route(2, prefix, path));
    match reason {
        R::Collector => own(4, "62.4.0.0/24"),
        R::NextHop => {
            let (n, mut route) = own(2, "62.2.5.0/24");
            route.set_next_hop("198.51.100.1".parse().unwrap());
            (n, route)
        }
        R::EmptyAsPath => path("62.2.1.0/24", ""),
        R::AsPathTooLong => path("62.2.2.0/24", &["1000002"; 33].join(" ")),
        R::FirstAs => path("62.2.6.0/24", "1000099 1000002"),
        R::AsSet => path("62.2.7.0/24", "1000002 {1000010 1000011}"),
        R::BogonAsn => path("62.2.8.0/24", "1000002 64512"),
        R::TransitFree => path("62.2.9.0/24", "1000002 3356 1000010"),
        R::NeverViaRouteServers => path("62.2.15.0/24", "1000002 1000077"),
        R::TooManyCommunities => {
            let (n, mut route) = own(2, "62.2.16.0/24");
            route.communities = (1..=6).map(|value| format!("7:{value}")).collect();
            (n, route)
        }
        R::NotGlobalUnicast => own(2, "4000:2::/32"),
        R::Blacklisted => own(2, "192.0.2.0/25"),
        R::MemberBlacklisted => own(3, "62.9.0.0/24"),
        R::BogonPrefix => own(2, "10.2.0.0/16"),
        R::IrrOrigin => path("62.2.10.0/24", "1000002 1000055"),
        R::IrrPrefix => own(2, "62.99.0.0/24"),
        R::RovInvalid => own(3, "62.14.0.0/24"),
        R::AspaInvalid => (3, route(3, "62.17.0.0/24", "1000003 1000020")),
        R::PrefixTooLong => own(3, "62.13.0.0/25"),
        R::PrefixTooShort => own(3, "64.0.0.0/7"),
        R::RouteLeak => {
            let (n, mut route) = own(5, "62.18.0.0/24");
            let leak = Unknown { flags: Some(0xc0), value: "000f4245".to_owned() };
            route.unknown.insert(OTC, leak);
            (n, route)
        }
    }
}

fn exchange(cache: &str, irr: &str) -> Exchange {
    let outside = format!("[[rpki.cache]]\naddress = \"{cache}\"\n[irr]\ndump = [\"{irr}\"]");
    Exchange::with(&[], |config| {
        config.import = IMPORT.to_owned();
        *config = config.clone().text(MEMBERS).text(&outside);
    })
}

/// The refused routes by prefix, as the answer of `rsctl routes --filtered` has them.
fn filtered(exchange: &Exchange) -> Result<BTreeMap<String, Value>, String> {
    let answer = exchange.server.ask(&["routes", "--filtered"])?;
    let routes = answer.as_array().ok_or("a list")?.iter();
    Ok(routes.map(|route| (text(&route["prefix"]), route.clone())).collect())
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn explained(exchange: &Exchange, reason: RejectReason, n: u8, prefix: &str) {
    let to = format!("127.0.0.{RECEIVER}");
    let explained = exchange.server.ask(&["explain", prefix, "--to", &to]).unwrap();
    let candidates = explained["candidates"].as_array().unwrap();
    let from = |candidate: &&Value| candidate["route"]["from"]["address"] == format!("127.0.0.{n}");
    let candidate = candidates.iter().find(from).unwrap_or_else(|| panic!("{explained:#}"));
    let outcome = text(&candidate["outcome"]);
    assert_eq!(outcome, format!("rejected: {reason}"), "{explained:#}");
    let failed = candidate["checks"].as_array().unwrap().iter();
    let failed = failed.filter(|check| check["outcome"] == "fail").count();
    assert_eq!(failed, 1, "the check that refuses it, and none after it: {explained:#}");
}

/// What Alice-LG would name the reason by.
fn in_birdwatcher(exchange: &Exchange, reason: RejectReason, n: u8, prefix: &str) {
    let protocols = exchange.get("/birdwatcher/rs1/protocols/bgp").unwrap();
    let protocols = protocols["protocols"].as_object().unwrap();
    let address = format!("127.0.0.{n}");
    let mut ids = protocols.iter().filter(|(_, one)| one["neighbor_address"] == address);
    let (id, _) = ids.next().unwrap();
    let routes = exchange.get(&format!("/birdwatcher/rs1/routes/filtered/{id}")).unwrap();
    let mut routes = routes["routes"].as_array().unwrap().iter();
    let route = routes.find(|route| route["network"] == prefix);
    let route = route.unwrap_or_else(|| panic!("{prefix} is not among the filtered"));
    let shown = route["bgp"]["large_communities"].as_array().unwrap();
    let mut expected = vec![[64500, 65520, 0], [64500, 65520, u32::from(reason.code())]];
    if reason.euro_ix() != 0 {
        expected.push([64500, 1101, u32::from(reason.euro_ix())]);
    }
    for community in expected {
        assert!(shown.contains(&Value::from(community.to_vec())), "{community:?}: {route:#}");
    }
    let euro_ix = shown.iter().filter(|community| community[1] == 1101).count();
    assert_eq!(euro_ix, usize::from(reason.euro_ix() != 0), "{route:#}");
}

#[test]
fn every_reason_is_seen_wherever_routes_are_seen() {
    let directory = TempDir::new().unwrap();
    let irr = directory.path().join("irr.db");
    std::fs::write(&irr, IRR).unwrap();
    let mut cache = Cache::start(86_400);
    cache.serve(&Data::default().vrp("62.14.0.0/24", 24, 65099).aspa(1_000_020, &[1_000_021]));
    let exchange = exchange(&cache.address().to_string(), &irr.to_string_lossy());
    let speakers: BTreeMap<u8, Speaker> = (2..=RECEIVER)
        .map(|n| {
            let mut config = exchange.speaker_config(n);
            config.asn = 1_000_000 + u32::from(n);
            (n, Speaker::established(config))
        })
        .collect();
    let offences: Vec<_> =
        RejectReason::ALL.into_iter().map(|reason| (reason, offence(reason))).collect();
    for (_, (n, route)) in &offences {
        speakers[n].announce(route);
    }
    // What nothing is wrong with gets through, so that it is not for another reason.
    let good = [route(2, "62.2.0.0/24", "1000002"), route(3, "62.3.0.0/24", "1000003")];
    speakers[&2].announce(&good[0]);
    speakers[&3].announce(&good[1]);
    rs_tests::support::loopback::holds("only what is right", &speakers[&RECEIVER], &good);
    eventually("all others are kept, rejected", ARRIVE, || {
        let count = filtered(&exchange)?.len();
        ensure(count == offences.len(), || format!("{count} of {}", offences.len()))
    });
    let shown = filtered(&exchange).unwrap();
    for (reason, (n, route)) in &offences {
        let prefix = route.prefix.to_string();
        let reject = &shown[&prefix]["reject"];
        assert_eq!(reject["name"], reason.name(), "{prefix}: {reject:#}");
        assert_eq!(reject["code"], reason.code(), "{prefix}: {reject:#}");
        assert_eq!(reject["text"], reason.to_string(), "{prefix}: {reject:#}");
        explained(&exchange, *reason, *n, &prefix);
        in_birdwatcher(&exchange, *reason, *n, &prefix);
        let family = if prefix.contains(':') { "ipv6" } else { "ipv4" };
        let labels = [
            format!("peer=\"127.0.0.{n}\""),
            format!("family=\"{family}\""),
            format!("reason=\"{}\"", reason.name()),
        ];
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        eventually("it is counted", ARRIVE, || {
            let count = exchange.metric("rs_filtered_routes", &labels)?;
            ensure((count - 1.0).abs() < 0.5, || format!("{labels:?}: {count}"))
        });
    }
    for (n, speaker) in &speakers {
        assert_eq!(speaker.status().closed, None, "no session suffers: member {n}");
    }
}
