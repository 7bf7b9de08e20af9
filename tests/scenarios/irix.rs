//! The set-up of irix: one route server that takes what IRR and RPKI refuse, and members that say
//! what they want withheld; its own tags as large communities.

use rs_tests::support::wait::{ensure, eventually};

use crate::scene::{ARRIVE, Plan, Scene, rpsl, vrps};

const RS: u32 = 131329;

/// One member for each filter mode, all BIRD; two that announce.
const MEMBERS: &str = "
    # name  AS      speaks  route servers
    full    204001  bird    rs1
    irr     204002  bird    rs1
    rpki    204003  bird    rs1
    tags    204004  bird    rs1
    left    204005  raw     rs1
    right   204006  raw     rs1
";

const IRR: &str = "
    AS-LEFT:         AS204005
    45.140.0.0/22    AS204005
    AS-RIGHT:        AS204006 AS204007
    45.140.8.0/24    AS204007
    2a0e:6000::/32   AS204006
";

const VRPS: &str = "
    45.140.0.0/24   24  AS204005
    45.140.2.0/24   24  AS64999
    45.140.16.0/24  24  AS64999
    2a0e:6000::/32  32  AS204006
";

const CONFIG: &str = r#"
[[route_server]]
name      = "rs1"
router_id = "192.0.2.1"
listen    = ["[fe80::1980:1:1]:179"]
[route_server.import]
irr          = "per-member"
rpki         = "per-member"
max_prefixes = "dynamic"
[route_server.communities]
preset            = "irix"
own_asn_means_any = true

[[member]]
asn    = 204001
[[member.session]]
address = "@full@"

[[member]]
asn    = 204002
filter = "irr"
[[member.session]]
address = "@irr@"

[[member]]
asn    = 204003
filter = "rpki"
[[member.session]]
address = "@rpki@"

[[member]]
asn    = 204004
filter = "tag-only"
[[member.session]]
address = "@tags@"

[[member]]
asn    = 204005
as_set = ["AS-LEFT"]
[[member.session]]
address = "@left@"

[[member]]
asn    = 204006
as_set = ["AS-RIGHT"]
[[member.session]]
address = "@right@"
"#;

const ANNOUNCED: &str = "
    # who   at  prefix            path behind   communities
    left    *   45.140.0.0/24     -             131329:101:204005 131329:100:204003
    left    *   45.140.1.0/24     -             131329:0:204003 131329:65011:0
    left    *   45.140.2.0/24     -
    left    *   45.140.12.0/24    204099
    left    *   45.140.16.0/24    204099
    # Left is not entitled to it but has the shorter path.
    left    *   45.140.8.0/24     204007
    right   *   45.140.8.0/24     204007,204007
    right   *   2a0e:6000::/32    -             131329:0:0 131329:1:204001
";

const SEEN: &str = "
    # at  who                    prefix          path                   communities
    # ROV Valid, in the set: prepended for all, as the sender named itself, but for one.
    rs1   full,irr,right         45.140.0.0/24   204005,204005
    rs1   rpki                   45.140.0.0/24   204005
    rs1   tags                   45.140.0.0/24   204005,204005          VALID IN-SET
    # ROV NotFound, in the set; a forged tag has no effect.
    rs1   full,irr,right         45.140.1.0/24   204005
    rs1   tags                   45.140.1.0/24   204005                 UNKNOWN IN-SET
    # ROV Invalid, in the set.
    rs1   irr                    45.140.2.0/24   204005                 INVALID
    rs1   tags                   45.140.2.0/24   204005                 INVALID IN-SET
    # NotFound, an origin that is not in the set.
    rs1   rpki                   45.140.12.0/24  204005,204099          NOT-IN-SET
    rs1   tags                   45.140.12.0/24  204005,204099          UNKNOWN NOT-IN-SET
    # Both wrong.
    rs1   tags                   45.140.16.0/24  204005,204099          INVALID NOT-IN-SET
    # The shorter path that is not in the set hides nothing from those who do not want it.
    rs1   full,irr,left          45.140.8.0/24   204006,204007,204007
    rs1   rpki                   45.140.8.0/24   204005,204007          NOT-IN-SET
    rs1   tags                   45.140.8.0/24   204005,204007          UNKNOWN NOT-IN-SET
    # Announced to one only.
    rs1   full                   2a0e:6000::/32  204006
";

/// What the members say in their aut-num objects. `tags` has none.
const AUT_NUMS: &str = "
aut-num:     AS204001
import-via:  AS131329 from AS204005
             accept NOT ANY   # Left and we do not get on
export-via:  AS131329 to AS204003 OR AS-LEFT announce AS204001
source:      TEST

aut-num:     AS204002
import:      from AS131329 accept AS-RIGHT
export:      to AS131329 announce AS204002
source:      TEST

aut-num:     AS204003
import-via:  AS64999 from AS-ANY accept NOT ANY
import:      from AS64999 accept NOT ANY
source:      TEST

aut-num:     AS204005
export-via:  AS131329 to AS-ANY EXCEPT AS-UNLOVED announce AS-LEFT
source:      TEST

as-set:      AS-UNLOVED
members:     AS204004, AS-UNLOVED
source:      TEST

aut-num:     AS204006
export-via:  afi ipv6.unicast AS131329 to AS204001 announce AS-RIGHT
source:      TEST

route:       45.150.0.0/24
origin:      AS204001
source:      TEST
";

fn scene() -> Scene {
    scene_with("")
}

fn scene_with(objects: &str) -> Scene {
    scene_of(objects, CONFIG)
}

fn scene_of(objects: &str, config: &str) -> Scene {
    let tag = |number: u32| format!("131329:{number}:0");
    Scene::start(Plan {
        name: "irix",
        asn: RS,
        peering_lan: "2001:db8:1::/64",
        servers: &[("rs1", "fe80::1980:1:1")],
        members: MEMBERS,
        files: &[("irr.db", &(rpsl(IRR) + objects)), ("vrps.json", &vrps(VRPS))],
        config,
        macros: vec![
            ("VALID", tag(65012)),
            ("INVALID", tag(65022)),
            ("UNKNOWN", tag(65023)),
            ("IN-SET", tag(65011)),
            ("NOT-IN-SET", tag(65021)),
        ],
    })
}

#[test]
fn each_filter_mode_sees_what_it_asked_for() {
    let mut scene = scene();
    scene.announce(ANNOUNCED);
    scene.sees(SEEN);
    assert!(scene.rejected("rs1").unwrap().is_empty(), "every route is somebody's to refuse");

    // The entitled path goes: nothing is left for those who do not want the other.
    scene.raw("right", "rs1").withdraw("45.140.8.0/24");
    let left_only = |line: &&str| !line.contains("204006,204007,204007");
    scene.sees(&SEEN.lines().filter(left_only).collect::<Vec<_>>().join("\n"));
    scene.announce("right * 45.140.8.0/24 204007,204007");
    scene.sees(SEEN);
}

#[test]
fn a_member_changes_its_mode_and_no_session_ends() {
    let mut scene = scene();
    scene.announce(ANNOUNCED);
    scene.sees(SEEN);
    // `full` now wants what `rpki` wants; what was meant for it alone stays.
    let config = CONFIG.replace("asn    = 204001", "asn    = 204001\nfilter = \"rpki\"");
    scene.server.reload(&scene.config(&config));
    let changed = SEEN
        .replace("full,irr,left          45.140.8.0/24", "irr,left 45.140.8.0/24")
        .replace("rpki                   45.140.12.0/24", "rpki,full 45.140.12.0/24")
        .replace("rpki                   45.140.8.0/24", "rpki,full 45.140.8.0/24");
    scene.sees(&changed);
    let status = scene.raw("left", "rs1").status();
    assert_eq!((status.closed, status.refreshes), (None, Vec::new()));
}

const WITH_RPSL: &str = "
    left    *   45.140.0.0/24     -
    right   *   45.140.8.0/24     204007
    right   *   2a0e:6000::/32    -
    full    *   45.150.0.0/24     -
";

const SEEN_WITH_RPSL: &str = "
    # Left sends to all but the unloved; two of the others do not take it.
    rs1   rpki,right             45.140.0.0/24   204005
    # The policy of Right is about IPv6.
    rs1   full,irr,rpki,left     45.140.8.0/24   204006,204007
    rs1   tags                   45.140.8.0/24   204006,204007          UNKNOWN IN-SET
    rs1   full                   2a0e:6000::/32  204006
    rs1   rpki,left              45.150.0.0/24   204001
";

#[test]
fn rpsl_policies_of_both_sides_decide_who_gets_what() {
    let mut scene = scene_with(AUT_NUMS);
    scene.announce(WITH_RPSL);
    scene.sees(SEEN_WITH_RPSL);

    // Which line decided.
    let explained = |scene: &Scene, prefix: &str, to: &str| {
        let answer = scene.server.ask(&["explain", prefix, "--to", &scene.address(to)]).unwrap();
        let checks = answer["candidates"][0]["checks"].as_array().unwrap().clone();
        let of_rpsl = |check: &serde_json::Value| {
            let name = check["check"].as_str().unwrap_or_default().contains("RPSL");
            name.then(|| {
                let text = |key: &str| check[key].as_str().unwrap_or_default().to_owned();
                format!("{} {}", text("outcome"), text("detail"))
            })
        };
        checks.iter().find_map(of_rpsl).unwrap_or_default()
    };
    assert_eq!(
        explained(&scene, "45.140.0.0/24", "full"),
        "fail aut-num AS204001: import-via: AS131329 from AS204005 accept NOT ANY"
    );
    assert_eq!(
        explained(&scene, "45.140.0.0/24", "tags"),
        "fail aut-num AS204005 sends to others only: no line is for AS204004"
    );
    assert_eq!(
        explained(&scene, "45.140.0.0/24", "rpki"),
        "note aut-num AS204005: \
         export-via: AS131329 to AS-ANY EXCEPT AS-UNLOVED announce AS-LEFT"
    );
    assert_eq!(explained(&scene, "45.140.8.0/24", "tags"), "", "nobody has a line about it");

    // What `rsctl irr` says of them.
    let states: Vec<String> = policies(&scene).iter().map(|one| one.0.clone()).collect();
    assert_eq!(
        states,
        [
            "AS204001 in-force 2",
            "AS204002 in-force 2",
            "AS204003 no-lines 0",
            "AS204004 no-aut-num 0",
            "AS204005 in-force 1",
            "AS204006 in-force 1"
        ]
    );
}

/// Member, state and lines of each RPSL policy, and what is wrong with it.
fn policies(scene: &Scene) -> Vec<(String, String)> {
    let all = scene.server.ask(&["irr"]).unwrap();
    let policies = all.as_array().unwrap().iter().filter(|one| one["aut_num"].is_u64());
    let line = |one: &serde_json::Value| {
        let state = one["state"].as_str().unwrap_or_default();
        let text = format!("AS{} {state} {}", one["aut_num"], one["lines"]);
        (text, one["last_error"].as_str().unwrap_or_default().to_owned())
    };
    policies.map(line).collect()
}

#[test]
fn a_changed_rpsl_policy_moves_what_it_is_about_and_nothing_else() {
    let mut scene = scene_with(AUT_NUMS);
    scene.announce(WITH_RPSL);
    scene.sees(SEEN_WITH_RPSL);
    let updates = |scene: &mut Scene| scene.raw("right", "rs1").status().changes();
    let before = updates(&mut scene);

    // Full now takes Left's routes, and Right's no more.
    let changed = AUT_NUMS.replace("AS131329 from AS204005", "AS131329 from AS204006");
    scene.write("irr.db", &(rpsl(IRR) + &changed));
    scene.server.act(&["irr", "refresh"]);
    let seen = SEEN_WITH_RPSL
        .replace("rpki,right             45.140.0.0/24", "rpki,right,full 45.140.0.0/24")
        .replace("full,irr,rpki,left     45.140.8.0/24", "irr,rpki,left 45.140.8.0/24")
        .replace("rs1   full                   2a0e:6000::/32  204006", "");
    scene.sees(&seen);
    assert_eq!(updates(&mut scene), before, "Right has nothing to do with it");

    // A line that nobody can understand changes nothing, and is said.
    let broken = changed.replace("AS131329 from AS204006", "AS131329 fro AS204005");
    scene.write("irr.db", &(rpsl(IRR) + &broken));
    scene.server.act(&["irr", "refresh"]);
    eventually("the fault is shown", ARRIVE, || {
        let fault = policies(&scene)[0].1.clone();
        ensure(fault.contains("fro AS204005") && fault.contains("last good"), || fault)
    });
    scene.sees(&seen);

    // The objects go: nobody is restricted.
    scene.write("irr.db", &(rpsl(IRR) + "\naut-num: AS204006\nsource: TEST\n"));
    scene.server.act(&["irr", "refresh"]);
    let mut all =
        seen.replace("rpki,right,full 45.140.0.0/24", "rpki,right,full,irr 45.140.0.0/24");
    all = all.replace("irr,rpki,left 45.140.8.0/24", "irr,rpki,left,full 45.140.8.0/24");
    all = all.replace("rs1   rpki,left              45.150.0.0/24   204001", "");
    all += "
        rs1 tags                     45.140.0.0/24  204005  VALID IN-SET
        rs1 full,irr,rpki,left       2a0e:6000::/32 204006
        rs1 tags                     2a0e:6000::/32 204006  VALID IN-SET
        rs1 rpki                     45.150.0.0/24  204001  NOT-IN-SET
        rs1 tags                     45.150.0.0/24  204001  UNKNOWN NOT-IN-SET
    ";
    scene.sees(&all);

    let status = scene.raw("left", "rs1").status();
    assert_eq!((status.closed, status.refreshes), (None, Vec::new()));
    let members = scene.server.ask(&["members"]).unwrap();
    for member in members.as_array().unwrap() {
        assert_eq!(member["flaps"], 0, "{member}");
    }
}

#[test]
fn a_member_that_announces_more_than_its_dynamic_limit_is_shut_down_and_nobody_else() {
    // Nothing is learnt yet, or of fewer than 50: the limit is the lowest one, 100.
    let mut scene = scene_of("", &format!("{CONFIG}\n[dynamic_limits]\nfirst = \"0s\"\n"));
    let announced = |ns: std::ops::Range<u8>| {
        ns.map(|n| format!("left * 45.141.{n}.0/24 -\n")).collect::<String>()
    };
    scene.announce("right * 45.140.8.0/24 204007");
    scene.announce(&announced(0..49));
    let rights = "rs1 full,irr,rpki 45.140.8.0/24 204006,204007
        rs1 tags 45.140.8.0/24 204006,204007 UNKNOWN IN-SET\n";
    let lefts: String = (0..49)
        .map(|n| {
            format!(
                "rs1 rpki 45.141.{n}.0/24 204005 NOT-IN-SET
                 rs1 tags 45.141.{n}.0/24 204005 UNKNOWN NOT-IN-SET\n"
            )
        })
        .collect();
    let left = "rs1 left 45.140.8.0/24 204006,204007\n";
    scene.sees(&format!("{rights}{left}{lefts}"));

    scene.announce(&announced(49..100));
    eventually("a hundred are taken", ARRIVE, || {
        let member = scene.server.ask(&["member", &scene.address("left")])?;
        ensure(member["routes"]["ipv4"]["received"] == 100, || member.to_string())
    });
    scene.announce("left * 45.141.200.0/24 -");
    eventually("it is told why", ARRIVE, || {
        let notification = scene.raw("left", "rs1").status().notification;
        let said = notification.map(|(code, subcode, _)| (code, subcode));
        ensure(said == Some((6, 1)), || format!("{said:?}"))
    });
    eventually("its routes go, from those who look at tags, too", ARRIVE, || {
        let routes = scene.server.ask(&["routes", "--to", &scene.address("tags")])?;
        let routes = routes.as_array().ok_or_else(|| format!("{routes} is no list"))?;
        let prefixes: Vec<_> = routes.iter().map(|route| &route["prefix"]).collect();
        ensure(prefixes == ["45.140.8.0/24"], || format!("{prefixes:?}"))
    });
    assert_eq!(scene.raw("right", "rs1").status().closed, None);
}
