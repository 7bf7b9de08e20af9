//! BIRD 2 as a route server and ours, given the same members, routes and policy: what the members
//! hold must be equal.
//!
//! Left out because the two differ by design: MED (ours is not compared by default), unknown
//! attributes (BIRD sets the Partial bit) and the type-2 form of `rt:0:x` (BIRD's sets name one
//! form). The order of communities does not count.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use rs_tests::support::netns::{Host, INTERFACE, Lan};
use rs_tests::support::process::{Process, require};
use rs_tests::support::raw;
use rs_tests::support::route::Route;
use rs_tests::support::rs::{Config, RouteServer};
use rs_tests::support::wait::{ensure, eventually};
use rs_tests::support::wire::{self, Nlri};
use tempfile::TempDir;

use crate::scene::vrps;

const RS: u32 = 64500;
/// One AS has two sessions; the last two can't be named by standard communities.
const MEMBERS: [u32; 8] = [65001, 65002, 65003, 65004, 65005, 65001, 4_200_000_007, 4_200_000_008];
/// Destinations of each family.
const DESTINATIONS: u32 = 2400;
/// Changes of each member in each round.
const CHANGES: u32 = 1500;
const ROUNDS: u32 = 5;
const ARRIVE: Duration = Duration::from_secs(60);

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from((z ^ (z >> 31)) % u64::from(bound)).expect("it is below")
    }

    fn percent(&mut self, chance: u32) -> bool {
        self.below(100) < chance
    }

    fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(u32::try_from(list.len()).expect("a short list")) as usize]
    }
}

fn address(member: usize) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 1, u16::try_from(member).expect("few members"))
}

/// Overlapping: of each block also the halves, and some that are too long for anybody.
fn destination(number: u32) -> String {
    let (block, part) = (number / 8, number % 8);
    if number.is_multiple_of(2) {
        let length = [20, 21, 24, 25][(part / 2) as usize];
        format!("45.{}.{}.0/{length}", block / 16, block % 16 * 16)
    } else {
        let length = [32, 33, 48, 49][(part / 2) as usize];
        format!("2a0e:{:x}::/{length}", 0x100 + block)
    }
}

fn community(random: &mut Random) -> String {
    let peer = random.pick(&[MEMBERS[0], MEMBERS[1], MEMBERS[2], MEMBERS[4], MEMBERS[6], 65099]);
    let short = peer <= 0xffff;
    let count = random.below(3);
    let any = |standard: String, large: String, choice: u32| {
        if choice.is_multiple_of(2) { standard } else { large }
    };
    let choice = random.below(6);
    match random.below(24) {
        0..=5 if short && choice < 2 => format!("0:{peer}"),
        0..=5 if choice < 4 => format!("rt:0:{peer}"),
        0..=5 => format!("{RS}:0:{peer}"),
        6..=8 if short && choice < 2 => format!("{RS}:{peer}"),
        6..=8 if choice < 4 => format!("rt:{RS}:{peer}"),
        6..=8 => format!("{RS}:1:{peer}"),
        9 if choice < 2 => format!("0:{RS}"),
        9 if choice < 4 => format!("rt:0:{RS}"),
        9 => format!("{RS}:0:0"),
        10 => any(format!("{RS}:{RS}"), format!("{RS}:1:0"), choice),
        11 => any(format!("{RS}:{}", 65501 + count), format!("{RS}:{}:0", 101 + count), choice),
        12..=14 if short && choice < 3 => format!("{}:{peer}", 65504 + count),
        12..=14 => format!("{RS}:{}:{peer}", 101 + count),
        15 => format!("{RS}:100:{peer}"),
        16 => any(format!("{RS}:65281"), format!("{RS}:65281:0"), choice),
        17 if short && choice < 3 => format!("65509:{peer}"),
        17 => format!("{RS}:65281:{peer}"),
        18 => any(format!("{RS}:65282"), format!("{RS}:65282:0"), choice),
        19 if short && choice < 3 => format!("65510:{peer}"),
        19 => format!("{RS}:65282:{peer}"),
        20 => random.pick(&["65535:0", "65535:65281", "65535:65282", "65535:666"]).to_owned(),
        // Forged, and ours to remove.
        21 => random.pick(&["64500:1000:1", "64500:65530:7", "64500:1010:65001"]).to_owned(),
        22 => random.pick(&["65100:5", "65100:1:2", "rt:65100:7", "ro:65100:8"]).to_owned(),
        _ => random.pick(&["ro:64500:1", "64500:999", "64500:999:1", "64500:666:0"]).to_owned(),
    }
}

fn route(random: &mut Random, member: usize, number: u32) -> Route {
    let mut path = Vec::new();
    if !random.percent(2) {
        path.push(MEMBERS[member]);
    }
    for _ in 0..random.below(4) {
        path.push(65100 + random.below(6));
    }
    if random.percent(3) {
        path.push(174);
    }
    let path: Vec<String> = path.iter().map(ToString::to_string).collect();
    let hop = if random.percent(2) { (member + 1) % MEMBERS.len() } else { member };
    let hop = IpAddr::V6(address(hop));
    let mut route = Route::new(&destination(number), &path.join(" "), hop);
    route.origin = random.pick(&["igp", "igp", "egp", "incomplete"]).to_owned();
    for _ in 0..random.below(5) {
        let community = community(random);
        if community.starts_with('r') {
            route.extended.insert(community);
        } else if community.matches(':').count() == 2 {
            route.large.insert(community);
        } else {
            route.communities.insert(community);
        }
    }
    route
}

/// For some destinations, right and wrong origins.
fn roas(random: &mut Random) -> Vec<(String, u8, u32)> {
    let mut all = Vec::new();
    for number in 0..DESTINATIONS {
        if random.percent(15) {
            let prefix = destination(number);
            let length: u8 = prefix.rsplit('/').next().and_then(|l| l.parse().ok()).expect("one");
            all.push((prefix, length, random.pick(&[65100, 65101, 65102, MEMBERS[0], 64999])));
        }
    }
    all
}

fn ours(host: &Host, roas: &[(String, u8, u32)], files: &TempDir) -> Config {
    let table: Vec<String> = roas.iter().map(|(p, l, asn)| format!("{p} {l} AS{asn}")).collect();
    fs::write(files.path().join("vrps.json"), vrps(&table.join("\n"))).expect("VRPs are written");
    let mut text = format!(
        "[exchange]\nname = \"Differential\"\nasn = {RS}\npeering_lan = [\"2001:db8:1::/64\"]\n\
         interface = \"{INTERFACE}\"\n[control]\nsocket = \"@control@\"\n\
         [http]\nlisten = \"127.0.0.1:9180\"\n[rpki]\njson = [\"{}/vrps.json\"]\n\
         [[route_server]]\nname = \"rs1\"\nrouter_id = \"192.0.2.1\"\nlisten = [\"[{}]:179\"]\n\
         [route_server.import]\nbogon_asns = false\ntransit_free = [174]\nirr = \"off\"\n",
        files.path().display(),
        host.v6()
    );
    for (member, asn) in MEMBERS.iter().enumerate() {
        let address = address(member);
        let _ =
            write!(text, "[[member]]\nasn = {asn}\n[[member.session]]\naddress = \"{address}\"\n");
    }
    Config::whole(text)
}

/// What an operator of BIRD would write for the same policy.
fn bird(host: &Host, roas: &[(String, u8, u32)]) -> String {
    let mut text = String::from(
        "log stderr all;\nrouter id 192.0.2.2;\nprotocol device { scan time 1; }\n\
         ipv4 table t4 sorted;\nipv6 table t6 sorted;\nroa4 table r4;\nroa6 table r6;\n",
    );
    for (name, v6) in [("4", false), ("6", true)] {
        let _ = writeln!(text, "protocol static roas{name} {{ roa{name} {{ table r{name}; }};");
        for (prefix, length, asn) in roas.iter().filter(|roa| roa.0.contains(':') == v6) {
            let _ = writeln!(text, "  route {prefix} max {length} as {asn};");
        }
        text += "}\n";
    }
    text += "function checked(int peeras; ip peerip) {\n\
         if bgp_next_hop != peerip then return false;\n\
         if bgp_path.len < 1 || bgp_path.len > 32 then return false;\n\
         if bgp_path.first != peeras then return false;\n\
         if bgp_path ~ [174] then return false;\n\
         if net.type = NET_IP4 then {\n\
           if roa_check(r4, net, bgp_path.last) = ROA_INVALID then return false;\n\
           if net.len < 8 || net.len > 24 then return false;\n\
         } else {\n\
           if roa_check(r6, net, bgp_path.last) = ROA_INVALID then return false;\n\
           if net.len < 12 || net.len > 48 then return false;\n\
         }\n\
         bgp_large_community.delete([(64500, 1000..1001, *), (64500, 1010, *), (64500, 1101, *),\
           (64500, 65520, *), (64500, 65530, 7)]);\n\
         if (65535, 0) ~ bgp_community then bgp_local_pref = 0;\n\
         return true;\n}\n\
         function prefixed(int n) {\n\
         if n > 0 then bgp_path.prepend(bgp_path.first);\n\
         if n > 1 then bgp_path.prepend(bgp_path.first);\n\
         if n > 2 then bgp_path.prepend(bgp_path.first);\n}\n";
    for (member, asn) in MEMBERS.iter().enumerate() {
        text += &bird_member(host, member, *asn);
    }
    text
}

fn bird_member(host: &Host, member: usize, asn: u32) -> String {
    // A standard community can't name a 32-bit AS.
    let either = |standard: Option<u32>, others: &[String]| {
        let mut tests: Vec<String> = others.to_vec();
        if let (Some(first), true) = (standard, asn <= 0xffff) {
            tests.push(format!("(({first}, {asn}) ~ bgp_community)"));
        }
        tests.join(" || ")
    };
    let large = |function: u32| format!("(({RS}, {function}, {asn}) ~ bgp_large_community)");
    let rt = |first: u32| format!("((rt, {first}, {asn}) ~ bgp_ext_community)");
    let mut text = format!("function to_m{member}() {{\n");
    let refused = either(Some(0), &[large(0), rt(0)]);
    let allowed = either(Some(RS), &[large(1), rt(RS)]);
    let _ = write!(
        text,
        "if {refused} then return false;\n\
         if !({allowed}) then {{\n\
           if (0, {RS}) ~ bgp_community then return false;\n\
           if (rt, 0, {RS}) ~ bgp_ext_community then return false;\n\
           if ({RS}, 0, 0) ~ bgp_large_community then return false;\n}}\n"
    );
    let mut branch = "";
    for count in [3, 2, 1] {
        let test = either(Some(65503 + count), &[large(100 + count)]);
        let _ = writeln!(text, "{branch}if {test} then prefixed({count});");
        branch = "else ";
    }
    let _ = writeln!(text, "else if {} then prefixed(0);", large(100));
    for count in [3, 2, 1] {
        let (standard, function) = (65500 + count, 100 + count);
        let _ = writeln!(
            text,
            "else if (({RS}, {standard}) ~ bgp_community) || (({RS}, {function}, 0) ~ \
             bgp_large_community) then prefixed({count});"
        );
    }
    for (name, function, to_peer) in [(65281, 65281, 65509), (65282, 65282, 65510)] {
        let test = either(Some(to_peer), &[large(function)]);
        let _ = writeln!(
            text,
            "if (({RS}, {name}) ~ bgp_community) || (({RS}, {function}, 0) ~ bgp_large_community) \
             || {test} then bgp_community.add((65535, {name}));"
        );
    }
    let _ = write!(
        text,
        "bgp_community.delete([(0, *), ({RS}, *), (65504..65506, *), (65509..65510, *)]);\n\
         bgp_ext_community.delete([(rt, 0, *), (rt, {RS}, *), (ro, 0, *), (ro, {RS}, *)]);\n\
         bgp_large_community.delete([({RS}, 0..1, *), ({RS}, 100..103, *), \
         ({RS}, 65281..65282, *), ({RS}, 666, *)]);\n\
         return true;\n}}\n"
    );
    let (local, remote) = (host.v6(), address(member));
    let channel = |table: &str| {
        format!(
            "table {table}; import filter {{ if checked({asn}, {remote}) then accept; reject; }}; \
             export filter {{ if to_m{member}() then accept; reject; }}; \
             secondary on; next hop keep;"
        )
    };
    let _ = write!(
        text,
        "protocol bgp m{member} {{ local {local} as {RS}; neighbor {remote} as {asn}; direct;\n\
         passive on; strict bind on; rs client; interpret communities off;\n\
         ipv4 {{ {} extended next hop on; }};\nipv6 {{ {} }};\n}}\n",
        channel("t4"),
        channel("t6")
    );
    text
}

/// One member with its session at each of the two route servers.
struct Member {
    ours: raw::Remote,
    bird: raw::Remote,
    announced: BTreeSet<u32>,
}

impl Member {
    fn send(&mut self, octets: &[u8]) {
        self.ours.send(octets);
        self.bird.send(octets);
    }
}

fn announcement(route: &Route) -> Vec<u8> {
    let (attributes, next_hop) = wire::attributes_of(route, true);
    wire::announcement(&attributes, &next_hop, &[Nlri { prefix: route.prefix, path_id: None }])
}

/// A change of random routes of a member.
fn change(random: &mut Random, member: usize, state: &mut Member, round: u32) {
    let mut octets = Vec::new();
    for _ in 0..CHANGES {
        let number = random.below(DESTINATIONS);
        if round > 0 && random.percent(40) {
            if state.announced.remove(&number) {
                let prefix = destination(number).parse().expect("a prefix");
                octets.extend(wire::withdrawal(&[Nlri { prefix, path_id: None }]));
            }
        } else {
            state.announced.insert(number);
            octets.extend(announcement(&route(random, member, number)));
        }
    }
    octets.extend(announcement(&sentinel(member, round)));
    state.send(&octets);
}

/// Says that everything before it has come.
fn sentinel(member: usize, round: u32) -> Route {
    let path = MEMBERS[member].to_string();
    Route::new(&format!("46.0.{member}.0/24"), &path, IpAddr::V6(address(member)))
        .community(&format!("65100:{round}"))
}

fn equal(index: usize, member: &mut Member, round: u32) -> Result<usize, String> {
    let table = |routes: Vec<Route>| -> BTreeMap<String, Route> {
        routes.into_iter().map(|route| (route.prefix.to_string(), route)).collect()
    };
    let (ours, bird) = (table(member.ours.routes()), table(member.bird.routes()));
    for (name, table) in [("ours", &ours), ("BIRD", &bird)] {
        for other in (0..MEMBERS.len()).filter(|other| *other != index) {
            let expected = sentinel(other, round);
            let seen = table.get(&expected.prefix.to_string());
            ensure(seen == Some(&expected), || format!("{name} shows {index} {seen:?}"))?;
        }
    }
    let all: BTreeSet<&String> = ours.keys().chain(bird.keys()).collect();
    let different: Vec<_> = all.into_iter().filter(|p| ours.get(*p) != bird.get(*p)).collect();
    ensure(different.is_empty(), || {
        let show = |prefix: &&String| {
            format!("{prefix}\n    ours {:?}\n    BIRD {:?}", ours.get(*prefix), bird.get(*prefix))
        };
        let some: Vec<String> = different.iter().take(5).map(show).collect();
        format!("member {index}: {} destinations differ:\n{}", different.len(), some.join("\n"))
    })?;
    Ok(ours.len())
}

#[test]
fn members_of_bird_and_of_ours_hold_the_same() {
    // Another table with another seed.
    let seed = std::env::var("RS_SEED").map_or(1, |seed| seed.parse().expect("a number"));
    println!("RS_SEED={seed}");
    let mut random = Random(seed);
    let roas = roas(&mut random);
    let files = TempDir::new().unwrap();

    let mut lan = Lan::new();
    let [host, bird_host, members] = [lan.host(), lan.host(), lan.host()];
    for member in 0..MEMBERS.len() {
        members.ip(&format!("addr add {}/128 dev {INTERFACE} nodad", address(member)));
    }
    let server = RouteServer::start_in(&host, &ours(&host, &roas, &files));
    let config = files.path().join("bird.conf");
    fs::write(&config, bird(&bird_host, &roas)).unwrap();
    let mut command = bird_host.command(&require("bird", "bird2"));
    command.arg("-f").arg("-c").arg(&config).arg("-s").arg(files.path().join("bird.ctl"));
    command.arg("-P").arg(files.path().join("bird.pid"));
    let mut bird_process = Process::start("bird", files.path(), command);

    let speaker = |member: usize, remote: Ipv6Addr| {
        let mut config = raw::Config::new(address(member), remote, MEMBERS[member]);
        // Not in the order of the addresses.
        let last = u8::try_from((member * 5) % 8 + 1).unwrap();
        config.router_id = [10, 0, 0, last].into();
        raw::Remote::established(&members, config)
    };
    let mut speakers: Vec<Member> = (0..MEMBERS.len())
        .map(|member| Member {
            ours: speaker(member, host.v6()),
            bird: speaker(member, bird_host.v6()),
            announced: BTreeSet::new(),
        })
        .collect();
    for round in 0..ROUNDS {
        for (member, state) in speakers.iter_mut().enumerate() {
            change(&mut random, member, state, round);
        }
        let mut held = Vec::new();
        for (member, state) in speakers.iter_mut().enumerate() {
            bird_process.still_runs().unwrap();
            let what = format!("RS_SEED={seed} round {round}: the same at both");
            held.push(eventually(&what, ARRIVE, || equal(member, state, round)));
        }
        println!("round {round}: the members hold {held:?} routes each");
        assert!(held.iter().all(|count| *count > 100), "the policy leaves routes: {held:?}");
    }
    let filtered = server.ask(&["routes", "--filtered"]).unwrap();
    let refused = filtered.as_array().map_or(0, Vec::len);
    assert!(refused > 20, "the policy refuses some routes, {refused} here");
}
