//! The set-up of irix: one route server that takes what IRR and RPKI refuse, and members that say
//! what they want withheld; its own tags as large communities.

use crate::scene::{Plan, Scene, rpsl, vrps};

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

fn scene() -> Scene {
    let tag = |number: u32| format!("131329:{number}:0");
    Scene::start(Plan {
        name: "irix",
        asn: RS,
        peering_lan: "2001:db8:1::/64",
        servers: &[("rs1", "fe80::1980:1:1")],
        members: MEMBERS,
        files: &[("irr.db", &rpsl(IRR)), ("vrps.json", &vrps(VRPS))],
        config: CONFIG,
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
