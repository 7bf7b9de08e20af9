//! The set-up of Poema IX: a regular, a transitable and a chaos route server of one AS on a LAN
//! without anything but link-local addresses, IPv4 by RFC 8950 only, exceptions for members.

use std::collections::{BTreeMap, BTreeSet};

use rs_tests::support::wait::{ensure, eventually};
use serde_json::Value;

use crate::scene::{ARRIVE, Plan, Scene, rows, rpsl, vrps};

const RS: u32 = 199594;

const SERVERS: [(&str, &str); 3] =
    [("rs1", "fe80::1980:1:1"), ("rs2", "fe80::1980:2:1"), ("rs3", "fe80::1980:3:1")];

/// Carol and Sam are sponsors on rs2, the other five there are downstreams.
const MEMBERS: &str = "
    # name  AS      speaks  route servers
    alice   207705  bird    rs1 rs2 rs3
    bob     213262  raw     rs1 rs2 rs3
    carol   212895  bird    rs2
    dan     210475  raw     rs1 rs2 rs3
    erin    211321  bird    rs1 rs2
    frank   60614   raw     rs2
    grace   212232  raw     rs1
    sam     38008   raw     rs2
";

const IRR: &str = "
    AS-ALICE:            AS207705
    45.129.16.0/24       AS207705
    2a0e:1a80::/32       AS207705
    AS-BOB:              AS213262 AS215000
    45.129.32.0/24       AS213262
    45.129.40.0/24       AS213262
    2a0e:1b80::/32       AS213262
    2a0e:1b90::/32       AS215000
    AS-CAROL:            AS212895
    45.130.0.0/22        AS212895
    # More prefixes than rs2 takes from a set.
    AS-DAN:              AS210475
    2a0e:3000::/32       AS210475
    2a0e:3001::/32       AS210475
    2a0e:3002::/32       AS210475
    2a0e:3003::/32       AS210475
    # Holds a transit-free AS.
    AS-ERIN:             AS211321 AS3356
    2a0e:4000::/32       AS211321
    AS-FRANK:            AS60614
    45.133.0.0/24        AS60614
    AS-GRACE:            AS212232
    2a0e:5000::/32       AS212232
";

const VRPS: &str = "
    45.129.16.0/24  24  AS207705
    45.132.0.0/24   24  AS64999
";

const CONFIG: &str = r#"
[[route_server]]
name      = "rs1"
router_id = "192.0.2.1"
listen    = ["[fe80::1980:1:1]:179"]
[route_server.communities]
preset = "poema"
inform = ["irr"]

[[route_server]]
name      = "rs2"
kind      = "transitable"
router_id = "192.0.2.2"
listen    = ["[fe80::1980:2:1]:179"]
[route_server.import]
irr_max_prefixes        = { v6 = 3 }
irr_refuse_transit_free = true
[route_server.communities]
preset = "poema"

[[route_server]]
name      = "rs3"
kind      = "chaos"
router_id = "192.0.2.3"
listen    = ["[fe80::1980:3:1]:179"]
[route_server.communities]
preset = "poema"

[[member]]
asn    = 207705
as_set = ["AS-ALICE"]
[member.import]
blackhole = true
# alice's exceptions
[[member.session]]
address       = "@alice@"
route_servers = ["rs1", "rs2", "rs3"]

[[member]]
asn    = 213262
as_set = ["AS-BOB"]
[[member.session]]
address       = "@bob@"
route_servers = ["rs1", "rs2", "rs3"]

[[member]]
asn    = 212895
as_set = ["AS-CAROL"]
role   = "transit-sponsor"
[[member.session]]
address       = "@carol@"
route_servers = ["rs2"]

[[member]]
asn    = 210475
as_set = ["AS-DAN"]
[[member.session]]
address       = "@dan@"
route_servers = ["rs1", "rs2", "rs3"]

[[member]]
asn    = 211321
as_set = ["AS-ERIN"]
[member.import]
irr_refuse_transit_free = true
[[member.session]]
address       = "@erin@"
route_servers = ["rs1", "rs2"]

[[member]]
asn    = 60614
as_set = ["AS-FRANK"]
[member.import]
attach_communities = ["$rs:65530:7"]
[[member.session]]
address       = "@frank@"
route_servers = ["rs2"]

[[member]]
asn    = 212232
as_set = ["AS-GRACE"]
max_prefixes = { v4 = 2, v6 = 2, action = "block" }
[[member.session]]
address       = "@grace@"
route_servers = ["rs1"]

[[member]]
asn    = 38008
as_set = ["AS-UNKNOWN"]
role   = "transit-sponsor"
[[member.session]]
address       = "@sam@"
route_servers = ["rs2"]
"#;

const ANNOUNCED: &str = "
    # who   at   prefix             path behind its own AS   communities
    alice   *    45.129.16.0/24     -
    alice   *    2a0e:1a80::/32     -                        199594:0:213262
    alice   *    2a0e:1a81::/48     -
    alice   *    45.129.16.66/32    -                        65535:666
    bob     *    45.129.32.0/24     -                        199594:0:199594 199594:199594:207705
    bob     *    2a0e:1b80::/32     -                        rt:65502:199594
    bob     *    45.129.40.0/24     -                        199594:65530:7 65530:1 213262:5:5
    bob     *    2a0e:1b90::/32     215000,215000,215000
    carol   *    45.130.0.0/22      -
    carol   *    2a0e:2000::/32     -
    dan     *    2a0e:3000::/32     -
    dan     *    2a0e:3001::/32     3356
    dan     *    2a0e:3002::/32     -                        nh=fe80::dead
    erin    *    2a0e:4000::/32     -
    frank   *    45.133.0.0/24      -
    grace   *    2a0e:5000::/48     -
    grace   *    2a0e:5000:1::/48   -
    sam     *    2620:fe::/48       3356,19281               199594:0:207705
    sam     *    2a0e:1b90::/32     215000
    sam     *    10.0.0.0/8         -
    sam     *    45.131.0.0/24      3356
    sam     *    45.132.0.0/24      -
    sam     *    45.134.0.0/25      -
";

/// IRR: tagged as in the set; TRANSIT: what else may come from sponsors.
const SEEN: &str = "
    # at  who                                 prefix            path                         communities
    # The regular one: a tag for what the IRR knows, actions taken off.
    rs1   bob,dan,erin,grace                  45.129.16.0/24    207705                       IRR
    rs1   dan,erin,grace                      2a0e:1a80::/32    207705                       IRR
    rs1   bob,dan,erin,grace                  45.129.16.66/32   207705                       IRR 65535:666 65535:65281
    rs1   alice                               45.129.32.0/24    213262                       IRR
    rs1   alice,dan,erin,grace                2a0e:1b80::/32    213262,213262,213262         IRR
    rs1   alice,dan,erin,grace                45.129.40.0/24    213262                       IRR 213262:5:5
    rs1   alice,dan,erin,grace                2a0e:1b90::/32    213262,215000,215000,215000  IRR
    rs1   alice,bob,erin,grace                2a0e:3000::/32    210475                       IRR
    # Two are allowed, and no third.
    rs1   alice,bob,dan,erin                  2a0e:5000::/48    212232                       IRR
    rs1   alice,bob,dan,erin                  2a0e:5000:1::/48  212232                       IRR

    # The transitable one: peering routes go to everybody, sponsors included ...
    rs2   bob,dan,erin,frank,carol,sam        45.129.16.0/24    207705
    rs2   dan,erin,frank,carol,sam            2a0e:1a80::/32    207705
    rs2   bob,dan,erin,frank,carol,sam        45.129.16.66/32   207705                       65535:666 65535:65281
    rs2   alice                               45.129.32.0/24    213262
    rs2   alice,dan,erin,frank,carol,sam      2a0e:1b80::/32    213262,213262,213262
    rs2   alice,dan,erin,frank,carol,sam      45.129.40.0/24    213262                       213262:5:5
    rs2   alice,bob,dan,erin,frank,sam        45.130.0.0/22     212895
    # ... transit to downstreams alone, with the tag,
    rs2   alice,bob,dan,erin                  45.133.0.0/24     60614                        TRANSIT
    rs2   alice,bob,dan,erin,frank            2a0e:2000::/32    212895                       TRANSIT
    rs2   bob,dan,erin,frank                  2620:fe::/48      38008,3356,19281             TRANSIT
    rs2   alice,bob,dan,erin,frank            45.131.0.0/24     38008,3356                   TRANSIT
    # and a longer peering path is preferred to it; its owner has the transit path.
    rs2   alice,dan,erin,frank,carol,sam      2a0e:1b90::/32    213262,215000,215000,215000
    rs2   bob                                 2a0e:1b90::/32    38008,215000                 TRANSIT

    # Chaos: everything, as it came.
    rs3   bob,dan                             45.129.16.0/24    207705
    rs3   bob,dan                             2a0e:1a80::/32    207705                       199594:0:213262
    rs3   bob,dan                             2a0e:1a81::/48    207705
    rs3   bob,dan                             45.129.16.66/32   207705                       65535:666
    rs3   alice,dan                           45.129.32.0/24    213262                       199594:0:199594 199594:199594:207705
    rs3   alice,dan                           2a0e:1b80::/32    213262                       rt:65502:199594
    rs3   alice,dan                           45.129.40.0/24    213262                       199594:65530:7 65530:1 213262:5:5
    rs3   alice,dan                           2a0e:1b90::/32    213262,215000,215000,215000
    rs3   alice,bob                           2a0e:3000::/32    210475
    rs3   alice,bob                           2a0e:3001::/32    210475,3356
    rs3   alice,bob                           2a0e:3002::/32    210475                       nh=fe80::dead
";

const REJECTED: &str = "
    # at  who    prefix           reason
    rs1   alice  2a0e:1a81::/48   irr-prefix
    rs1   dan    2a0e:3001::/32   transit-free
    rs1   dan    2a0e:3002::/32   next-hop
    rs1   erin   2a0e:4000::/32   irr-origin
    rs2   alice  2a0e:1a81::/48   irr-prefix
    rs2   dan    2a0e:3000::/32   irr-origin
    rs2   dan    2a0e:3001::/32   transit-free
    rs2   dan    2a0e:3002::/32   next-hop
    rs2   erin   2a0e:4000::/32   irr-origin
    rs2   sam    10.0.0.0/8       bogon-prefix
    rs2   sam    45.132.0.0/24    rov-invalid
    rs2   sam    45.134.0.0/25    prefix-too-long
";

/// What was done to routes on their way in, and what was not sent to whom.
const COUNTED: &str = "
    # at  who    family  what               routes
    # A forged TRANSIT is scrubbed wherever it comes, not on transitable servers alone.
    rs1   bob    ipv4    scrubbed           1
    rs1   bob    ipv4    transit-scrubbed   1
    rs2   bob    ipv4    scrubbed           1
    rs2   bob    ipv4    transit-scrubbed   1
    rs2   frank  ipv4    transit            1
    rs2   frank  ipv4    transit-tagged     1
    rs2   sam    ipv4    transit            1
    rs2   sam    ipv4    transit-tagged     1
    rs2   sam    ipv6    transit            2
    rs2   sam    ipv6    transit-tagged     2
    rs2   carol  ipv6    transit            1
    rs2   carol  ipv6    transit-tagged     1
    # Those of the other sponsor and of Frank.
    rs2   carol  ipv4    transit-withheld   2
    rs2   carol  ipv6    transit-withheld   2
    rs2   sam    ipv4    transit-withheld   1
    rs2   sam    ipv6    transit-withheld   1
";

fn scene() -> Scene {
    let mut scene = Scene::start(Plan {
        name: "Poema IX",
        asn: RS,
        peering_lan: "2404:f4c0:f70e:1980::/64",
        servers: &SERVERS,
        members: MEMBERS,
        files: &[("irr.db", &rpsl(IRR)), ("vrps.json", &vrps(VRPS))],
        config: CONFIG,
        macros: vec![
            ("IRR", "65530:1 65530:5 199594:65530:1 199594:65530:5".to_owned()),
            ("TRANSIT", "199594:65530:7".to_owned()),
        ],
    });
    scene.announce(ANNOUNCED);
    scene.sees(SEEN);
    // Not with the others: shards do not wait for each other, and it would be anyone's place.
    scene.announce("grace * 2a0e:5000:2::/48 -");
    eventually("the third is one too many", ARRIVE, || {
        let member = scene.server.ask(&["member", &scene.address("grace")])?;
        ensure(member["routes"]["ipv6"]["refused"] == 1, || member.to_string())
    });
    scene
}

#[test]
fn every_member_of_the_three_servers_sees_what_it_must() {
    let scene = scene();
    scene.rejects(REJECTED);
    assert!(scene.rejected("rs3").unwrap().is_empty(), "chaos refuses nothing");
    explains(&scene);
    counts(&scene);
    let refused = scene.server.ask(&["routes", "--rs", "rs1", "--filtered"]).unwrap();
    let next_hop = refused.as_array().unwrap().iter().find(|r| r["prefix"] == "2a0e:3002::/32");
    let shown = next_hop.unwrap();
    assert_eq!(shown["communities"], serde_json::json!(["65531:0", "65531:5"]), "Poema's own");
    let large = ["199594:65531:0", "199594:65531:5", "199594:1101:8"];
    assert_eq!(shown["large_communities"], serde_json::json!(large));
}

/// `rsctl members` and the metrics say what was tagged, scrubbed and withheld.
fn counts(scene: &Scene) {
    let answer = scene.server.ask(&["members"]).unwrap();
    let mut shown = BTreeSet::new();
    for session in answer.as_array().unwrap() {
        let asn = session["asn"].as_u64();
        let who = scene.parties.iter().find(|party| Some(u64::from(party.asn)) == asn).unwrap();
        let server = session["id"]["route_server"].as_str().unwrap();
        for family in ["ipv4", "ipv6"] {
            for marked in session["routes"][family]["marked"].as_array().unwrap() {
                let (mark, count) = (marked[0].as_str().unwrap(), &marked[1]);
                shown.insert(format!("{server} {} {family} {mark} {count}", who.name));
            }
        }
    }
    let expected: BTreeSet<String> = rows(COUNTED).map(|row| row.join(" ")).collect();
    assert_eq!(shown, expected);
    for row in rows(COUNTED) {
        let labels = [
            format!("route_server=\"{}\"", row[0]),
            format!("asn=\"{}\"", scene.party(row[1]).asn),
            format!("family=\"{}\"", row[2]),
            format!("mark=\"{}\"", row[3]),
        ];
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        let count = scene.server.metric(9180, "rs_marked_routes", &labels).unwrap();
        assert_eq!(count.to_string(), row[4], "{row:?}");
    }
}

/// `rsctl explain` names what decided.
fn explains(scene: &Scene) {
    let explain = |prefix, to: &str, server| {
        let to = scene.address(to);
        scene.server.ask(&["explain", prefix, "--to", &to, "--rs", server]).unwrap()
    };
    let told = |answer: &Value, asn: u64| -> (String, String) {
        let candidates = answer["candidates"].as_array().expect("candidates");
        let found = candidates.iter().find(|c| c["route"]["from_asn"] == asn);
        let found = found.unwrap_or_else(|| panic!("no candidate of AS{asn} in {answer:#}"));
        (found["outcome"].as_str().unwrap_or_default().to_owned(), found["checks"].to_string())
    };
    let q = "2a0e:1b90::/32";
    let to_alice = explain(q, "alice", "rs2");
    assert_eq!(told(&to_alice, 213262).0, "given");
    let (outcome, _) = told(&to_alice, 38008);
    assert!(outcome.contains("less preferred than that of AS213262"), "{outcome}");
    assert!(outcome.ends_with("transit after peering"), "and why: {outcome}");
    let (outcome, checks) = told(&explain(q, "carol", "rs2"), 38008);
    assert!(outcome.contains("withheld"), "{outcome}");
    assert!(checks.contains("withheld from sponsors"), "{checks}");
    let (outcome, checks) = told(&explain("2a0e:3000::/32", "alice", "rs2"), 210475);
    assert!(outcome.starts_with("rejected"), "{outcome}");
    assert!(checks.contains("AS-DAN"), "the set that does not count is named: {checks}");
    assert!(checks.contains(" ago"), "with its age: {checks}");
    assert!(checks.contains("does not count: more than 3 ipv6 prefixes"), "and why: {checks}");
    let (_, checks) = told(&explain("45.132.0.0/24", "alice", "rs2"), 38008);
    assert!(checks.contains("AS64999"), "the VRP is named: {checks}");
    let (outcome, checks) = told(&explain("2a0e:1a80::/32", "bob", "rs1"), 207705);
    assert!(outcome.contains("withheld") && checks.contains("199594:0:213262"), "{checks}");
}

/// UPDATEs so far at each raw member, and that no session was reset.
fn updates(scene: &mut Scene) -> BTreeMap<String, u64> {
    let sessions = [("bob", "rs1"), ("bob", "rs2"), ("dan", "rs1"), ("dan", "rs3"), ("sam", "rs2")];
    let count = |(who, at): (&str, &str)| {
        let status = scene.raw(who, at).status();
        assert_eq!(status.closed, None, "{who}'s session with {at} stays");
        assert_eq!(status.refreshes, [], "nobody asks {who} for its routes again");
        (format!("{who} {at}"), status.changes())
    };
    sessions.map(count).into()
}

#[test]
fn diff_tells_what_a_reload_does_and_a_reload_does_no_more() {
    let mut scene = scene();
    let before = updates(&mut scene);

    // The same again: nothing to tell, nothing to send.
    let same = scene.config(&CONFIG.replace("# alice's", "# still alice's"));
    let diff = scene.server.diff(&same).unwrap();
    assert!(changes(&diff).is_empty(), "{diff:#}");
    scene.server.reload(&same);

    // Two of alice's routes are refused from now on: bob had one of them, others both.
    let exception = "blacklist = [\"45.129.16.0/25\", \"2a0e:1a80::/32\"]";
    let changed = scene.config(&CONFIG.replace("# alice's exceptions", exception));
    let diff = scene.server.diff(&changed).unwrap();
    for (who, server, lost) in
        [("dan", "rs1", 2), ("bob", "rs1", 1), ("sam", "rs2", 2), ("bob", "rs3", 2)]
    {
        let address = scene.address(who);
        let told: Vec<_> = changes(&diff)
            .into_iter()
            .filter(|member| {
                member["session"].to_string().contains(&address)
                    && member["session"].to_string().contains(server)
            })
            .filter_map(|member| member["lost"].as_u64())
            .filter(|lost| *lost > 0)
            .collect();
        let expected: Vec<u64> = (lost > 0).then_some(lost).into_iter().collect();
        assert_eq!(told, expected, "{who} at {server} in {diff:#}");
    }
    assert_eq!(updates(&mut scene), before, "neither a diff nor an idle reload sends anything");

    scene.server.reload(&changed);
    // On the chaos server too: a member's own exceptions win over the kind's defaults.
    let gone = |line: &&str| !(line.contains("2a0e:1a80::/32") || line.contains("45.129.16.66/32"));
    scene.sees(&SEEN.lines().filter(gone).collect::<Vec<_>>().join("\n"));
    let after = updates(&mut scene);
    for (session, more) in
        [("bob rs1", 1), ("bob rs2", 1), ("dan rs1", 2), ("dan rs3", 2), ("sam rs2", 2)]
    {
        let sent = after[session] - before[session];
        assert!(sent <= more, "{session}: {sent} UPDATEs where {more} suffice");
    }
}

fn changes(diff: &Value) -> Vec<Value> {
    let diff = diff.as_array().and_then(|list| list.first()).unwrap_or(diff);
    let sessions = &diff["sessions"];
    for kind in ["added", "removed", "restarted"] {
        let list = sessions[kind].as_array();
        assert!(list.is_some_and(Vec::is_empty), "no session is {kind}: {diff:#}");
    }
    diff["members"].as_array().cloned().unwrap_or_default()
}

/// IRR data are known by their member, not by its place in the file: nobody is judged by the set
/// of whoever stood there before.
#[test]
fn a_new_member_at_the_top_of_the_list_changes_nothing_for_the_others() {
    let mut scene = scene();
    let before = updates(&mut scene);
    let newcomer = "[[member]]\nasn = 204099\nas_set = [\"AS-GRACE\"]\n[[member.session]]\n\
                    address = \"fe80::99\"\nroute_servers = [\"rs1\", \"rs2\"]\n";
    let config = CONFIG.replacen("[[member]]", &format!("{newcomer}\n[[member]]"), 1);
    scene.server.reload(&scene.config(&config));
    // A route that comes now is behind whatever the reload has sent.
    scene.announce("bob rs1 45.129.40.0/24 - 213262:5:6");
    scene.sees(&SEEN.replace(
        "rs1   alice,dan,erin,grace                45.129.40.0/24    213262                       IRR 213262:5:5",
        "rs1   alice,dan,erin,grace                45.129.40.0/24    213262                       IRR 213262:5:6",
    ));
    scene.rejects(REJECTED);
    let mut expected = before.clone();
    expected.insert("dan rs1".to_owned(), before["dan rs1"] + 1);
    assert_eq!(updates(&mut scene), expected, "the new route and nothing else");
}

/// The one case in which a member is asked for its routes: room for those that were not taken.
#[test]
fn a_raised_limit_lets_in_what_was_blocked() {
    let mut scene = scene();
    assert_eq!(scene.raw("grace", "rs1").status().refreshes, []);
    let raised = scene.config(&CONFIG.replace("v6 = 2, action", "v6 = 20, action"));
    scene.server.reload(&raised);
    eventually("grace is asked for its routes", ARRIVE, || {
        let refreshes = scene.raw("grace", "rs1").status().refreshes;
        ensure(refreshes.contains(&(2, 0)), || format!("{refreshes:?}"))
    });
    scene.announce("grace * 2a0e:5000:2::/48 -");
    let third = "rs1 alice,bob,dan,erin 2a0e:5000:2::/48 212232 IRR";
    scene.sees(&format!("{SEEN}\n{third}"));
    updates(&mut scene);
}
