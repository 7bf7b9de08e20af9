//! Monitoring by BMP.

use bgp_wire::{AddPathFamily, Capability, Family};

use crate::collector::{Collector, Listener, OUT, POST, PRE, Peer, Told};
use crate::support::{Running, Speaker, address, asn, head, member, prefix, prefixes};
use rs_daemon::runtime::query::{SessionAction, ShutdownKind};
use rs_daemon::runtime::simulation::Limits;

const ALL: &str = r#"views = ["adj-rib-in-pre", "adj-rib-in-post", "loc-rib", "adj-rib-out"]"#;

fn collector(listener: &Listener, keys: &str) -> String {
    let address = listener.address();
    format!("[[bmp.collector]]\naddress = \"{address}\"\nretry = \"1s\"\n{keys}\n")
}

fn members(of: &[u8]) -> String {
    of.iter().map(|n| member(*n, "")).collect()
}

fn peer(n: u8) -> Peer {
    // An IPv4 address stands in the last four octets.
    (0, 0, std::net::Ipv6Addr::from_bits(address(n).to_bits().into()))
}

const LOC_RIB: Peer = (3, 0, std::net::Ipv6Addr::UNSPECIFIED);

fn has(told: &Told, n: u8, flags: u8, count: usize) -> bool {
    told.table(peer(n), flags).len() == count
}

#[test]
fn a_collector_is_told_who_is_up_and_what_they_send() {
    let listener = Listener::new();
    let rs = Running::start(|port| {
        let bmp = "[bmp]\nsys_name = \"lab\"\n".to_owned() + &collector(&listener, "");
        head(port, "shards = 2\nworkers = 2") + &members(&[11, 12]) + &bmp
    });
    let mut collector = listener.accept();
    let mut first = rs.join(11);
    first.announce(&first.attributes(), &prefixes(0..500));
    collector.until("500 routes", |told| has(told, 11, PRE, 500));
    assert_eq!(collector.told.initiation[&2], "lab");
    assert!(collector.told.initiation[&1].starts_with("rs-daemon "));
    let up = &collector.told.up[&peer(11)];
    assert_eq!(up.received.asn().0, asn(11));
    assert_eq!(up.received.capabilities, Speaker::capabilities(11));
    assert_eq!((up.sent.asn().0, up.ends.1), (1_000_000, rs.port));
    let key = (prefix(3), 0);
    assert_eq!(collector.told.tables[&(peer(11), PRE)][&key], first.attributes());
    first.withdraw(&prefixes(0..499));
    first.end_of_rib();
    collector.until("one route", |told| has(told, 11, PRE, 1) && !told.ends.is_empty());
    assert!(collector.told.ends.contains(&(peer(11), PRE, Family::V4)));
    assert_eq!(collector.told.tables.len(), 1, "it asked for one table");
}

#[test]
fn one_that_comes_late_or_comes_again_is_told_everything() {
    let listener = Listener::new();
    let text = |port: u16, bmp: &str| {
        head(port, "shards = 3\nworkers = 2") + &members(&[11, 12, 13]) + bmp
    };
    let rs = Running::start(|port| text(port, ""));
    let (mut first, mut second, _third) = (rs.join(11), rs.join(12), rs.join(13));
    first.announce(&first.attributes(), &prefixes(0..3000));
    second.announce(&second.attributes(), &prefixes(2900..3100));
    // Too long for the policy.
    let long = "20.200.0.0/25".parse().unwrap();
    second.announce(&second.attributes(), &[long]);
    rs.until(11, "3000 routes", |s| s.routes[0].received == 3000);
    rs.until(12, "201 routes", |s| s.routes[0].received == 201);
    rs.rewrite(&text(rs.port, &collector(&listener, ALL)));
    rs.ask(rs.handle.reload(None)).unwrap();
    for _ in 0..2 {
        let mut late = listener.accept();
        late.until("all ends", |told| {
            let ends = |n| told.ends.contains(&(peer(n), OUT, Family::V4));
            ends(11) && ends(12) && ends(13)
        });
        let told = &late.told;
        assert_eq!(told.table(peer(11), PRE).len(), 3000);
        assert_eq!(told.table(peer(12), PRE).len(), 201);
        assert!(told.table(peer(12), PRE).contains(&long));
        assert_eq!(told.table(peer(12), POST).len(), 200);
        assert_eq!(told.table(LOC_RIB, PRE).len(), 3100);
        assert_eq!(told.up[&LOC_RIB].table_name.as_deref(), Some("rs1"));
        assert_eq!(told.table(peer(11), OUT).len(), 200);
        assert_eq!(told.table(peer(12), OUT).len(), 3000);
        assert_eq!(told.table(peer(13), OUT).len(), 3100);
        for flags in [PRE, POST, OUT] {
            assert!(told.ends.contains(&(peer(13), flags, Family::V4)), "{flags:#x}");
        }
        assert!(told.ends.contains(&(LOC_RIB, PRE, Family::V6)));
    }
}

/// Waits until what the collector was told is what members were sent, and what they sent.
fn agree(collector: &mut Collector, speakers: &mut [Speaker], sent: &[Vec<u32>]) {
    for (speaker, sent) in speakers.iter_mut().zip(sent) {
        let mut wanted: Vec<_> = sent.iter().map(|n| prefix(*n)).collect();
        wanted.sort();
        let of = peer(speaker.n);
        collector.until("what was sent", |told| {
            told.table(of, PRE) == wanted && told.table(of, POST) == wanted
        });
        let deadline = std::time::Instant::now() + crate::support::PATIENCE;
        loop {
            speaker.read();
            let told = collector.told.tables.get(&(of, OUT)).into_iter().flatten();
            if told.map(|((prefix, _), attributes)| (prefix, attributes)).eq(&speaker.table) {
                break;
            }
            assert!(std::time::Instant::now() < deadline, "what {} was sent", speaker.n);
            collector.read();
        }
    }
}

#[test]
fn every_table_follows_what_members_do() {
    let listener = Listener::new();
    let rs = Running::start(|port| {
        let members = members(&[11, 12, 13]);
        head(port, "shards = 2\nworkers = 2") + &members + &collector(&listener, ALL)
    });
    let mut collector = listener.accept();
    let mut speakers = vec![rs.join(11), rs.join(12)];
    let mut sent: Vec<Vec<u32>> = vec![(0..100).collect(), (50..150).collect(), Vec::new()];
    for (speaker, sent) in speakers.iter_mut().zip(&sent) {
        speaker.announce(&speaker.attributes(), &prefixes(sent[0]..sent[0] + 100));
    }
    agree(&mut collector, &mut speakers, &sent);
    // A member that comes later is sent what there is, and the collector is told so.
    speakers.push(rs.join(13));
    agree(&mut collector, &mut speakers, &sent);
    collector.until("an end", |told| told.ends.contains(&(peer(13), OUT, Family::V4)));
    for round in 0..20 {
        let [one, two, _] = &mut speakers[..] else { unreachable!() };
        one.announce(&one.tagged(round as u16), &prefixes(round..round + 10));
        one.withdraw(&[prefix(60 + round)]);
        sent[0].retain(|n| *n != 60 + round);
        two.announce(&two.tagged(round as u16), &[prefix(200 + round)]);
        sent[1].push(200 + round);
    }
    agree(&mut collector, &mut speakers, &sent);
    let mut best: Vec<_> = sent.iter().flatten().map(|n| prefix(*n)).collect();
    best.sort();
    best.dedup();
    collector.until("Loc-RIB", |told| told.table(LOC_RIB, PRE) == best);
    drop(speakers.remove(0));
    sent.remove(0);
    collector.until("11 down", |told| told.down.iter().any(|(of, _)| *of == peer(11)));
    agree(&mut collector, &mut speakers, &sent);
    collector.until("what is left", |told| told.table(LOC_RIB, PRE).len() == 120);
}

#[test]
fn rfc7854_s4_9_the_end_of_a_session_has_its_reason() {
    let listener = Listener::new();
    let rs = Running::start(|port| {
        let members = members(&[11, 12, 13]);
        head(port, "shards = 2\nworkers = 2") + &members + &collector(&listener, "")
    });
    let mut collector = listener.accept();
    let (first, mut second, third) = (rs.join(11), rs.join(12), rs.join(13));
    // Who is up and down before the collector is heard of is not told.
    collector.until("all are up", |told| told.up.len() == 3);
    drop(first);
    collector.until("11 down", |told| told.down.len() == 1);
    let mut octets = bytes::BytesMut::new();
    bgp_wire::Notification::cease(2).encode(&mut octets);
    second.send(&octets);
    collector.until("12 down", |told| told.down.len() == 2);
    let reset = SessionAction::Reset { text: Some("test".to_owned()) };
    rs.ask(rs.handle.session_action(&rs.id(13), reset)).unwrap();
    collector.until("13 down", |told| told.down.len() == 3);
    drop(third);
    let down: Vec<_> = collector.told.down.drain(..).collect();
    assert_eq!(down[0], (peer(11), (4, None)));
    assert_eq!(down[1], (peer(12), (3, Some(bgp_wire::Notification::cease(2)))));
    let (of, (reason, notification)) = &down[2];
    assert_eq!((*of, *reason), (peer(13), 1));
    assert_eq!(notification.as_ref().and_then(|n| n.shutdown_text()).as_deref(), Some("test"));
    // The end of the daemon: its sessions', then ours.
    let again = rs.join(11);
    collector.until("11 up", |told| told.up.contains_key(&peer(11)));
    rs.stop(ShutdownKind::Cease);
    collector.until("the end", |told| told.closed);
    assert_eq!(collector.told.termination, Some(0));
    assert_eq!(collector.told.down[0].1.0, 1);
    drop(again);
}

#[test]
fn a_collector_that_does_not_read_is_disconnected_and_begins_anew() {
    let listener = Listener::new();
    let rs = Running::start(|port| {
        let keys = format!("{ALL}\nqueue_mib = 1");
        let members = members(&[11, 12]);
        head(port, "shards = 2\nworkers = 2") + &members + &collector(&listener, &keys)
    });
    let stuck = listener.accept();
    let (mut first, mut second) = (rs.join(11), rs.join(12));
    // More than the sockets' buffers and the queue hold, and members notice nothing of it.
    let mut rounds = 0;
    let mut collector = loop {
        rounds += 1;
        assert!(rounds < 2000, "it is never disconnected");
        first.announce(&first.tagged(rounds), &prefixes(0..5000));
        let last = prefix(4999);
        second
            .until("the round", |s| s.table.get(&last).is_some_and(|a| *a == first.tagged(rounds)));
        if let Some(collector) = listener.try_accept() {
            break collector;
        }
    };
    // It may have begun before the last round.
    collector.until("all of it", |told| {
        let last = |told: &Told| told.tables[&(peer(11), PRE)].get(&(prefix(4999), 0)).cloned();
        has(told, 11, PRE, 5000)
            && told.ends.contains(&(peer(12), OUT, Family::V4))
            && last(told) == Some(first.tagged(rounds))
    });
    drop(stuck);
}

#[test]
fn changes_that_find_no_room_in_the_tap_have_collectors_begin_anew() {
    let listener = Listener::new();
    let limits = Limits { bmp_tap_octets: 20_000, ..Limits::default() };
    let rs = Running::start_with(limits, |port| {
        head(port, "shards = 1\nworkers = 1") + &members(&[11]) + &collector(&listener, ALL)
    });
    let mut first = listener.accept();
    let mut member = rs.join(11);
    // A connection that is only being made begins with the tables and loses nothing.
    first.until("the session", |told| told.up.contains_key(&peer(11)));
    member.announce(&member.attributes(), &prefixes(0..2000));
    rs.until(11, "2000 routes", |s| s.routes[0].received == 2000);
    let mut collector = listener.accept();
    collector.until("all of it", |told| {
        has(told, 11, PRE, 2000) && told.table(LOC_RIB, PRE).len() == 2000
    });
    drop(first);
}

#[test]
fn a_reload_takes_collectors_away_and_leaves_others_alone() {
    let (kept, gone, new) = (Listener::new(), Listener::new(), Listener::new());
    let text = |port: u16, bmp: &str| head(port, "shards = 1") + &members(&[11, 12]) + bmp;
    let [of_kept, of_gone, of_new] = [&kept, &gone, &new].map(|one| collector(one, ""));
    let rs = Running::start(|port| text(port, &(of_kept.clone() + &of_gone)));
    let (mut kept_one, mut gone_one) = (kept.accept(), gone.accept());
    let mut first = rs.join(11);
    first.announce(&first.attributes(), &prefixes(0..10));
    for collector in [&mut kept_one, &mut gone_one] {
        collector.until("10 routes", |told| has(told, 11, PRE, 10));
    }
    rs.rewrite(&text(rs.port, &(of_kept + &of_new)));
    rs.ask(rs.handle.reload(None)).unwrap();
    gone_one.until("the end", |told| told.closed);
    assert_eq!(gone_one.told.termination, Some(0));
    let mut new_one = new.accept();
    first.withdraw(&prefixes(0..9));
    for collector in [&mut kept_one, &mut new_one] {
        collector.until("one route", |told| has(told, 11, PRE, 1));
    }
    assert!(kept_one.told.down.is_empty());
    // Without any collector nobody is told anything, and later ones are all the same.
    rs.rewrite(&text(rs.port, ""));
    rs.ask(rs.handle.reload(None)).unwrap();
    kept_one.until("the end", |told| told.closed);
    drop(first);
    rs.until(11, "down", |s| s.state != rs_daemon::runtime::status::SessionState::Established);
    let _second = rs.join(12);
    rs.rewrite(&text(rs.port, &collector(&kept, "")));
    rs.ask(rs.handle.reload(None)).unwrap();
    let mut again = kept.accept();
    again.until("12 is up", |told| told.up.contains_key(&peer(12)));
    assert_eq!(again.told.up.len(), 1);
}

#[test]
fn rfc7911_paths_of_an_add_path_member_are_told_with_their_identifiers() {
    let listener = Listener::new();
    let rs = Running::start(|port| {
        let others = members(&[11, 12]);
        let with = member(13, "add_path = \"send\"");
        head(port, "shards = 2") + &others + &with + &collector(&listener, ALL)
    });
    let mut early = listener.accept();
    let (mut first, mut second) = (rs.join(11), rs.join(12));
    let mut capabilities = Speaker::capabilities(13);
    let both = AddPathFamily { afi: 1, safi: 1, receive: true, send: false };
    capabilities.push(Capability::AddPath(vec![both]));
    let _third = rs.join_with(13, capabilities);
    first.announce(&first.attributes(), &prefixes(0..5));
    second.announce(&second.attributes(), &prefixes(0..5));
    early.until("both paths", |told| has(told, 13, OUT, 10) && has(told, 11, OUT, 5));
    let before = early.told.tables[&(peer(13), OUT)].clone();
    drop(early);
    let mut late = listener.accept();
    late.until("both paths", |told| told.ends.contains(&(peer(13), OUT, Family::V4)));
    assert_eq!(late.told.tables[&(peer(13), OUT)], before);
}

#[test]
fn rfc7854_s4_8_statistics() {
    let listener = Listener::new();
    let rs = Running::start(|port| {
        let bmp = "[bmp]\nstatistics = \"1s\"\n".to_owned() + &collector(&listener, ALL);
        head(port, "shards = 2") + &members(&[11, 12]) + &bmp
    });
    let mut collector = listener.accept();
    let (mut first, _second) = (rs.join(11), rs.join(12));
    first.announce(&first.attributes(), &prefixes(0..10));
    // Too long for the policy, twice.
    for _ in 0..2 {
        first.announce(&first.attributes(), &["20.200.0.0/25".parse().unwrap()]);
        first.announce(&first.tagged(1), &["20.200.0.0/26".parse().unwrap()]);
    }
    // An UPDATE without the attributes that a route has (RFC 7606).
    let mut octets = bytes::BytesMut::new();
    let body = [0, 0, 0, 0, 24, 20, 0, 0];
    bgp_wire::encode_message(bgp_wire::MessageType::Update, &body, &mut octets);
    first.send(&octets);
    collector.until("the numbers", |told| {
        let of = |peer| told.statistics.get(&peer);
        let number = |peer, code| of(peer).and_then(|n| n.get(&code)).cloned().unwrap_or_default();
        number(peer(11), 7) == [11]
            && number(peer(11), 9) == [11]
            && number(peer(11), 0)[0] >= 2
            && number(peer(11), 11)[0] >= 1
            && number(peer(12), 7) == [0]
            && number(peer(12), 15) == [9]
            && number(peer(12), 17) == [9]
            && number(LOC_RIB, 8) == [9]
            && number(LOC_RIB, 10) == [9, 0]
    });
}

#[test]
fn a_member_on_two_route_servers_is_two_peers() {
    let listener = Listener::new();
    let at = std::cell::Cell::new(0);
    let rs = Running::start(|port| {
        let second_port = crate::support::free_port();
        at.set(second_port);
        let second = format!(
            "[[route_server]]\nname = \"rs2\"\nrouter_id = \"192.0.2.251\"\n\
             listen = [\"127.0.0.1:{second_port}\"]\n[route_server.import]\nnext_hop = \"any\"\n\
             irr = \"off\"\nrpki = \"off\"\nbogon_prefixes = false\nbogon_asns = false\n"
        );
        head(port, "shards = 1") + &second + &members(&[11]) + &collector(&listener, ALL)
    });
    let mut collector = listener.accept();
    let mut first = rs.join(11);
    let mut second = Speaker::connect(11, at.get());
    second.open(Speaker::capabilities(11));
    second.until("Established", |s| s.established);
    first.announce(&first.attributes(), &prefixes(0..3));
    second.announce(&second.attributes(), &prefixes(0..4));
    let (_, _, at) = peer(11);
    let there: Peer = (2, 1, at);
    let loc_rib_there: Peer = (3, 1, std::net::Ipv6Addr::UNSPECIFIED);
    collector.until("both", |told| has(told, 11, PRE, 3) && told.table(there, PRE).len() == 4);
    collector.until("both Loc-RIBs", |told| {
        told.table(LOC_RIB, PRE).len() == 3 && told.table(loc_rib_there, PRE).len() == 4
    });
    assert_eq!(collector.told.up[&loc_rib_there].table_name.as_deref(), Some("rs2"));
}
