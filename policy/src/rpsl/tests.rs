use proptest::prelude::*;

use super::*;

const RS: Asn = Asn(6777);

fn lines(text: &str) -> Vec<PolicyLine> {
    text.lines()
        .filter_map(|line| line.split_once(": "))
        .flat_map(|(attribute, value)| parse_attribute(attribute.trim(), value).unwrap())
        .collect()
}

fn filter(text: &str) -> PeerFilter {
    let expand = |set: &str| match set {
        "AS-GOOD" => Some(vec![Asn(1), Asn(2)]),
        "AS-BAD" | "AS9:AS-BAD" | "RIPE::AS-BAD" => Some(vec![Asn(2), Asn(3)]),
        _ => None,
    };
    let compiled = PeerFilter::compile(&lines(text), RS, expand);
    assert_eq!(compiled.unknown_sets, [""; 0], "{text}");
    compiled.filter
}

/// From which of AS 1 to 4 it receives.
fn receives(text: &str, family: Family) -> Vec<u32> {
    let filter = filter(text);
    (1..=4).filter(|&asn| filter.receives(family, Asn(asn))).collect()
}

fn sends(text: &str, family: Family) -> Vec<u32> {
    let filter = filter(text);
    (1..=4).filter(|&asn| filter.sends(family, Asn(asn))).collect()
}

#[test]
fn no_line_restricts_nobody() {
    assert!(filter("").is_open());
    assert!(filter("import: from AS1 accept ANY\nexport: to AS1 announce AS-GOOD").is_open());
    assert!(filter("import-via: AS1200 from AS1 accept NOT ANY").is_open());
    assert!(filter("remarks: import-via AS6777 from AS1 accept ANY").is_open());
}

#[test]
fn via_lines_name_who() {
    for family in Family::ALL {
        let receives = |text| receives(text, family);
        assert_eq!(receives("import-via: AS6777 from AS1 accept ANY"), [1]);
        assert_eq!(receives("import-via: AS6777 from AS-GOOD accept AS-GOOD"), [1, 2]);
        assert_eq!(receives("import-via: AS6777 from AS-ANY accept ANY"), [1, 2, 3, 4]);
        assert_eq!(receives("import-via: AS6777 from AS-ANY EXCEPT AS-BAD accept ANY"), [1, 4]);
        assert_eq!(
            receives("import-via: AS6777 from AS-ANY EXCEPT (AS1 OR AS4) accept ANY"),
            [2, 3]
        );
        assert_eq!(receives("import-via: AS6777 from AS-GOOD AND AS-BAD accept ANY"), [2]);
        assert_eq!(
            receives("import-via: AS6777 from AS-GOOD EXCEPT AS-BAD OR AS4 accept ANY"),
            [1, 4]
        );
        assert_eq!(receives("import-via: AS6777 from AS-ANY accept NOT ANY"), [0; 0]);
        assert_eq!(receives("import-via: AS6777 from AS1 accept NOT ANY"), [2, 3, 4]);
        assert_eq!(receives("import-via: AS1200 OR AS6777 from AS1 accept ANY"), [1]);
    }
}

#[test]
fn export_via_lines_are_about_sending() {
    let text = "export-via: AS6777 to AS-ANY EXCEPT AS3 announce AS-GOOD";
    assert_eq!(sends(text, Family::V4), [1, 2, 4]);
    assert_eq!(receives(text, Family::V4), [1, 2, 3, 4]);
    assert_eq!(sends("export-via: AS6777 to AS3 announce NOT ANY", Family::V6), [1, 2, 4]);
}

#[test]
fn the_first_line_that_concerns_an_as_decides() {
    let text = "import-via: AS6777 from AS2 accept NOT ANY\n\
                import-via: AS6777 from AS-GOOD accept ANY\n\
                import-via: AS6777 from AS1 accept NOT ANY";
    assert_eq!(receives(text, Family::V4), [1]);
}

#[test]
fn afi_lists() {
    let v6_only = "import-via: afi ipv6.unicast AS6777 from AS1 accept ANY";
    assert_eq!(receives(v6_only, Family::V4), [1, 2, 3, 4]);
    assert_eq!(receives(v6_only, Family::V6), [1]);
    for both in
        ["afi any", "afi any.unicast", "afi ipv4.unicast, ipv6.unicast", "afi ipv4,ipv6", ""]
    {
        for family in Family::ALL {
            let text = format!("import-via: {both} AS6777 from AS1 accept ANY");
            assert_eq!(receives(&text, family), [1], "{both}");
        }
    }
    let multicast = "import-via: afi ipv4.multicast AS6777 from AS1 accept ANY";
    assert!(filter(multicast).is_open());
}

#[test]
fn older_lines_name_the_route_server() {
    assert_eq!(receives("import: from AS6777 accept ANY", Family::V4), [1, 2, 3, 4]);
    assert_eq!(receives("import: from AS6777 accept NOT ANY", Family::V4), [0; 0]);
    assert_eq!(receives("import: from AS6777 accept AS-GOOD", Family::V4), [1, 2]);
    assert_eq!(receives("import: from AS6777 accept AS1 AS4", Family::V4), [1, 4]);
    assert_eq!(receives("import: from AS6777 accept ANY AND NOT AS-BAD", Family::V4), [1, 4]);
    assert_eq!(receives("import: from AS6777 accept NOT AS-BAD", Family::V4), [1, 4]);
    // What is about prefixes restricts nobody, and takes nothing from what is about ASes.
    for (filter, expected) in [
        ("AS-GOOD^+", vec![1, 2]),
        ("AS-GOOD^24-28 OR AS4^-", vec![1, 2, 4]),
        ("AS-GOOD AND {0.0.0.0/0^8-24}", vec![1, 2]),
        ("ANY AND NOT {0.0.0.0/0, 10.0.0.0/8^+} AND NOT AS-BAD", vec![1, 4]),
        ("(AS-GOOD AND NOT RS-MARTIANS)^+", vec![1, 2]),
        ("AS-GOOD EXCEPT FLTR-BOGONS", vec![1, 2]),
        ("AS-GOOD AND <^AS6777 .* AS1$>", vec![1, 2]),
        ("{192.0.2.0/24^+}", vec![1, 2, 3, 4]),
        ("NOT AS9:RS-MARTIANS", vec![1, 2, 3, 4]),
        ("AS-GOOD OR PeerAS", vec![1, 2, 3, 4]),
        ("AS-GOOD AND community.contains(6777:1)", vec![1, 2, 3, 4]),
    ] {
        let text = format!("import: from AS6777 accept {filter}");
        assert_eq!(receives(&text, Family::V4), expected, "{filter}");
    }
    assert_eq!(sends("export: to AS6777 announce AS-MINE-IS-UNKNOWN", Family::V4), [1, 2, 3, 4]);
    assert_eq!(sends("export: to AS6777 announce NOT ANY", Family::V4), [0; 0]);
    // RFC 4012 §4: they are about IPv4.
    assert_eq!(receives("import: from AS6777 accept NOT ANY", Family::V6), [1, 2, 3, 4]);
    let mp = "mp-import: afi ipv6.unicast from AS6777 accept NOT ANY";
    assert_eq!(receives(mp, Family::V6), [0; 0]);
    assert_eq!(receives(mp, Family::V4), [1, 2, 3, 4]);
}

#[test]
fn via_lines_beat_older_ones() {
    let text = "import: from AS6777 accept NOT ANY\nimport-via: AS6777 from AS1 accept ANY";
    assert_eq!(receives(text, Family::V4), [1]);
}

#[test]
fn what_people_write() {
    for (text, expected) in [
        ("import-via: as6777 FROM as1 Accept any", vec![1]),
        ("import-via: AS6777 192.0.2.1 at 192.0.2.2 from AS1 accept ANY;", vec![1]),
        ("import-via: AS6777 gw1.ams.example.net from AS1 at fe80::1 accept ANY", vec![1]),
        ("import-via: AS6777 from AS1 fe80::1 at gw2.example.net accept ANY", vec![1]),
        ("import-via: AS6777 from AS1 action pref=100; med=0; accept ANY", vec![1]),
        ("import-via: AS6777 from AS1 action pref=100 accept ANY", vec![1]),
        (
            "import-via: AS6777 from AS1 action community.append(6777:1, 6777:2); accept ANY",
            vec![1],
        ),
        (
            "import-via: AS6777 from AS1 action aspath.prepend(AS9, AS9); AS6777 from AS4 accept ANY",
            vec![1, 4],
        ),
        ("import-via: AS6777 from AS1 AS6777 from AS2 accept ANY", vec![1, 2]),
        ("import-via: protocol BGP4 into BGP4 AS6777 from AS1 accept ANY", vec![1]),
        ("import-via: AS6777 from AS1 accept {192.0.2.0/24^+} OR <^AS1+$>", vec![1]),
        ("import-via: AS6777 from AS1 accept {}", vec![2, 3, 4]),
        ("import-via: AS6777 from RIPE::AS-BAD accept ANY", vec![2, 3]),
        ("import-via: AS6777 from AS9:AS-BAD accept ANY # AS-GOOD one day", vec![2, 3]),
        ("import: from AS6777 action pref=10; accept ANY", vec![1, 2, 3, 4]),
        ("import: from AS1 action pref=10; from AS6777 accept AS-GOOD", vec![1, 2]),
    ] {
        assert_eq!(receives(text, Family::V4), expected, "{text}");
    }
    let folded = "AS6777 from AS-ANY # everybody\n    EXCEPT AS1\n    accept ANY";
    let lines = parse_attribute("import-via", folded).unwrap();
    let filter = PeerFilter::compile(&lines, RS, |_| None).filter;
    assert!(!filter.receives(Family::V4, Asn(1)) && filter.receives(Family::V4, Asn(2)));
}

#[test]
fn what_cannot_be_understood_is_said_with_its_place() {
    for (text, at) in [
        ("", ""),
        ("AS6777", ""),
        ("AS6777 to AS1 accept ANY", "to AS1 accept ANY"),
        ("AS6777 from PRNG-FOO accept ANY", "PRNG-FOO accept ANY"),
        ("AS6777 from (AS1 accept ANY", "(AS1 accept ANY"),
        ("AS6777 from AS1.10 accept ANY", ".10 accept ANY"),
        ("AS6777 from AS1 announce ANY", "announce ANY"),
        ("AS6777 from AS1 accept", ""),
        ("afi ipv5 AS6777 from AS1 accept ANY", "afi ipv5 AS6777"),
    ] {
        let error = parse_attribute("import-via", text).unwrap_err();
        assert!(error.at.starts_with(at), "{text}: {error}");
    }
}

#[test]
fn unknown_sets_open_nothing() {
    let lines = lines(
        "import-via: AS6777 from AS-ANY EXCEPT AS-GONE accept ANY\n\
         export-via: AS6777 to AS-LOST OR AS3 announce ANY",
    );
    let sets: Vec<&str> = lines.iter().flat_map(PolicyLine::sets).collect();
    assert_eq!(sets, ["AS-GONE", "AS-LOST"]);
    let compiled = PeerFilter::compile(&lines, RS, |_| None);
    assert_eq!(compiled.unknown_sets, ["AS-GONE", "AS-LOST"]);
    let those = |says: &dyn Fn(Asn) -> bool| (1..=4).filter(|n| says(Asn(*n))).collect::<Vec<_>>();
    let filter = compiled.filter;
    assert_eq!(those(&|asn| filter.receives(Family::V4, asn)), [0; 0], "any of them may be in it");
    assert_eq!(those(&|asn| filter.sends(Family::V4, asn)), [3]);
}

#[test]
fn unknown_sets_leave_no_refusal_out() {
    for (text, expected) in [
        ("import-via: AS6777 from AS-LOST accept NOT ANY", vec![]),
        ("import-via: AS6777 from AS-LOST AND (AS1 OR AS2) accept NOT ANY", vec![3, 4]),
        ("import: from AS6777 accept AS1 OR NOT AS-LOST", vec![1]),
        // By way of whom is not known: it opens nothing, and a refusal holds.
        ("import-via: AS-LOST from AS1 accept ANY", vec![]),
        ("import-via: AS-LOST from AS1 accept NOT ANY", vec![2, 3, 4]),
        (
            "import-via: AS-LOST from AS1 accept ANY\nimport-via: AS6777 from AS2 accept ANY",
            vec![2],
        ),
        // Nor is it known whether a line is about this route server.
        ("import: from AS6777 EXCEPT AS-LOST accept AS1", vec![]),
        ("import: from AS6777 AND AS-LOST accept NOT ANY", vec![]),
        ("import: from AS6777 accept AS1\nimport: from AS6777 AND AS-LOST accept AS2", vec![1]),
        // Where the line of the via kind is about another one, the older one holds.
        (
            "import-via: AS-LOST from AS1 accept NOT ANY\nimport: from AS6777 accept AS1 OR AS2",
            vec![2],
        ),
    ] {
        let filter = PeerFilter::compile(&lines(text), RS, |_| None).filter;
        let received: Vec<u32> = (1..=4).filter(|n| filter.receives(Family::V4, Asn(*n))).collect();
        assert_eq!(received, expected, "{text}");
    }
}

#[test]
fn the_line_that_decides_is_named() {
    let text = "import-via: AS6777 from AS2\taccept NOT ANY\n\
                import-via: AS6777 from AS-GOOD accept ANY\n\
                export-via: AS6777 to AS3 announce NOT ANY";
    let filter = filter(text);
    let refused = filter.receiving(Family::V4, Asn(2));
    assert!(!refused.allowed && refused.restricted);
    assert_eq!(refused.clause, Some("import-via: AS6777 from AS2 accept NOT ANY"));
    let allowed = filter.receiving(Family::V6, Asn(1));
    assert!(allowed.allowed);
    assert_eq!(allowed.clause, Some("import-via: AS6777 from AS-GOOD accept ANY"));
    let other = filter.receiving(Family::V4, Asn(4));
    assert_eq!((other.allowed, other.clause, other.restricted), (false, None, true));
    let sent = filter.sending(Family::V4, Asn(3));
    assert_eq!(sent.clause, Some("export-via: AS6777 to AS3 announce NOT ANY"));
    let open = PeerFilter::default();
    assert!(!open.sending(Family::V4, Asn(3)).restricted && open.sends(Family::V4, Asn(3)));
    let long = format!("import-via: AS6777 from AS1 accept {}", "AS-A OR ".repeat(200) + "AS-B");
    assert_eq!(lines(&long)[0].text.chars().count(), 160 + "...".len());
}

#[test]
fn lines_about_others_are_none_of_our_business() {
    for (text, concerns) in [
        ("import-via: AS6777 from AS1 accept ANY", true),
        ("import-via: AS1200 from AS1 accept ANY", false),
        ("import-via: AS-IXPS from AS1 accept ANY", true),
        ("import-via: AS-ANY EXCEPT AS6777 from AS1 accept ANY", false),
        ("import: from AS6777 accept ANY", true),
        ("import: from AS1 accept ANY", false),
        // It does not name the route server.
        ("import: from AS-PEERS accept NOT ANY", false),
        ("import: from AS-ANY accept NOT ANY", false),
    ] {
        assert_eq!(lines(text)[0].may_concern(RS), concerns, "{text}");
    }
    assert!(filter("import: from AS-ANY accept NOT ANY").is_open());
}

#[test]
fn parentheses_do_not_nest_without_end() {
    let deep = format!("AS6777 from {}AS1{} accept ANY", "(".repeat(10_000), ")".repeat(10_000));
    assert!(parse_attribute("import-via", &deep).is_err());
    let nots = format!("from AS6777 accept {} AS1", "NOT ".repeat(10_000));
    // A filter that is not understood lets something through, as one on prefixes would.
    assert!(parse_attribute("import", &nots).is_ok());
}

#[test]
fn a_line_has_not_more_names_than_the_stack_has_room_for() {
    let text = |names: usize| format!("from AS6777 accept {} AS1", "AS2 OR ".repeat(names - 2));
    let read = parse_attribute("import", &text(998)).unwrap();
    let filter = PeerFilter::compile(&read, RS, |_| None).filter;
    assert!(filter.receives(Family::V4, Asn(2)) && !filter.receives(Family::V4, Asn(3)));
    let error = parse_attribute("import", &text(1_000_000)).unwrap_err();
    assert!(error.to_string().contains("AS2 OR AS2"), "{error}");
    // Each peering has the filter of the line.
    let peerings = format!("{} accept ANY", "from AS6777 ".repeat(1_000_000));
    assert!(parse_attribute("import", &peerings).is_err());
    // Prefixes are no names.
    let prefixes = "192.0.2.0/24, 2001:db8::/32, ".repeat(10_000);
    let line = format!("from AS6777 accept {{ {prefixes} 198.51.100.0/24 }}");
    assert!(parse_attribute("import", &line).is_ok());
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,80}") {
        let _ = parse_attribute("import-via", &text);
        let _ = parse_attribute("export", &text);
    }

    #[test]
    fn words_of_the_language_in_any_order(words in proptest::collection::vec(
        prop_oneof![Just("AS6777"), Just("from"), Just("AS-X"), Just("accept"), Just("ANY"),
            Just("NOT"), Just("("), Just(")"), Just("action"), Just(";"), Just("EXCEPT"),
            Just("afi"), Just("ipv4,"), Just("at"), Just("1.2.3.4")], 0..30)
    ) {
        let _ = parse_attribute("import-via", &words.join(" "));
        let _ = parse_attribute("import", &words.join(" "));
    }

    #[test]
    fn the_algebra_of_filters(
        a in filters(), b in filters(), asn in 0u32..8,
    ) {
        let asn = Asn(asn);
        let (x, y) = (a.allows(asn), b.allows(asn));
        prop_assert_eq!(a.and(&b).allows(asn), x && y);
        prop_assert_eq!(a.or(&b).allows(asn), x || y);
        prop_assert_eq!(a.except(&b).allows(asn), x && !y);
        prop_assert_eq!(a.inverted().allows(asn), !x);
    }
}

fn filters() -> impl Strategy<Value = AsFilter> {
    let asns = proptest::collection::hash_set((0u32..8).prop_map(Asn), 0..5);
    (0..3, asns).prop_map(|(kind, asns)| {
        let asns = asns.into_iter().collect();
        match kind {
            0 => AsFilter::All,
            1 => AsFilter::Only(asns),
            _ => AsFilter::AllBut(asns),
        }
    })
}
