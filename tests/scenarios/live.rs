//! RPKI and IRR data that change under a running exchange: what is decided again, and what is
//! sent because of it.

use std::time::Duration;

use rs_tests::support::process::{Process, require};
use rs_tests::support::wait::{ensure, eventually};
use serde_json::Value;

use crate::scene::{ARRIVE, Plan, Scene, rpsl, vrps};

const MEMBERS: &str = "
    alice   204005  raw     rs1
    bob     204006  raw     rs1
    carol   204007  raw     rs1
    dave    204008  raw     rs1
";

const CONFIG: &str = r#"
# here the cache

[[route_server]]
name      = "rs1"
router_id = "192.0.2.1"
listen    = ["[fe80::1980:1:1]:179"]

[[member]]
asn    = 204005
as_set = ["AS-ALICE"]
[[member.session]]
address = "@alice@"

[[member]]
asn = 204006
[[member.session]]
address = "@bob@"

[[member]]
asn    = 204007
as_set = ["AS-NOWHERE"]
[[member.session]]
address = "@carol@"

[[member]]
asn    = 204008
as_set = ["AS-EMPTY"]
[[member.session]]
address = "@dave@"
"#;

const IRR: &str = "
    AS-ALICE:       AS204005
    AS-EMPTY:
    45.150.0.0/22   AS204005
    2a0e:7000::/32  AS204005
    45.150.8.0/22   AS204007
    45.150.12.0/22  AS204008
";

const ANNOUNCED: &str = "
    alice  *  45.150.0.0/24    -
    alice  *  45.150.1.0/24    -
    alice  *  45.150.2.0/24    -
    alice  *  2a0e:7000::/32   -
";

const SEEN: &str = "
    rs1  bob,carol,dave  45.150.0.0/24    204005
    rs1  bob,carol,dave  45.150.1.0/24    204005
    rs1  bob,carol,dave  45.150.2.0/24    204005
    rs1  bob,carol,dave  2a0e:7000::/32   204005
";

fn scene(config: &str) -> Scene {
    Scene::start(Plan {
        name: "Live",
        asn: 199594,
        peering_lan: "2001:db8:1::/64",
        servers: &[("rs1", "fe80::1980:1:1")],
        members: MEMBERS,
        files: &[("irr.db", &rpsl(IRR)), ("vrps.json", &vrps("")), ("cache.json", &vrps(""))],
        config,
        macros: Vec::new(),
    })
}

/// [`SEEN`] without lines that have one of these words, and with others.
fn without(words: &[&str]) -> String {
    let lines = SEEN.lines().filter(|line| !words.iter().any(|word| line.contains(word)));
    lines.collect::<Vec<_>>().join("\n")
}

/// UPDATEs at Bob so far; nobody was asked for a refresh, nobody lost a session.
fn updates(scene: &mut Scene) -> u64 {
    for name in ["alice", "bob", "carol", "dave"] {
        let status = scene.raw(name, "rs1").status();
        assert_eq!(status.closed, None, "{name}");
        assert_eq!(status.refreshes, [], "{name} is not asked for its routes");
        assert_eq!(status.empty_withdrawals, 0, "{name} is told nothing that it does not know");
    }
    scene.raw("bob", "rs1").status().changes()
}

fn wait_vrps(scene: &Scene, count: u64) {
    eventually("the VRPs are in force", ARRIVE, || {
        let answer = first(&scene.server.ask(&["rpki"])?);
        ensure(answer["vrps"] == count, || format!("{answer:#}"))
    });
}

fn first(answer: &Value) -> Value {
    answer.as_array().and_then(|list| list.first()).unwrap_or(answer).clone()
}

#[test]
fn a_change_of_vrps_sends_only_what_it_affects() {
    let mut scene = scene(CONFIG);
    scene.announce(ANNOUNCED);
    scene.sees(SEEN);
    let begun = updates(&mut scene);

    let one_invalid = "45.150.1.0/24 24 AS64999";
    scene.write("vrps.json", &vrps(one_invalid));
    scene.sees(&without(&["45.150.1.0/24"]));
    scene.rejects("rs1 alice 45.150.1.0/24 rov-invalid");
    assert_eq!(updates(&mut scene) - begun, 1, "one withdrawal");

    // Valid beside Invalid is Valid; NotFound to Valid and a second VRP change nothing for Bob.
    let all = "45.150.1.0/24 24 AS64999\n45.150.1.0/24 24 AS204005\n45.150.2.0/24 24 AS204005\n\
               2a0e:7000::/32 48 AS204005";
    scene.write("vrps.json", &vrps(all));
    scene.sees(SEEN);
    wait_vrps(&scene, 4);
    assert_eq!(updates(&mut scene) - begun, 2, "one announcement more");

    scene.write("vrps.json", &vrps(""));
    wait_vrps(&scene, 0);
    // A route that comes now is behind whatever the change has sent.
    scene.announce("alice * 45.150.3.0/24 -");
    scene.sees(&format!("{SEEN}\nrs1 bob,carol,dave 45.150.3.0/24 204005"));
    assert_eq!(updates(&mut scene) - begun, 3, "nothing for Valid that is NotFound now");
}

/// The real cache, in the namespace of the route server.
fn stayrtr(scene: &Scene) -> Process {
    let mut command = scene.host.command(&require("stayrtr", "stayrtr"));
    command.args(["-bind", "127.0.0.1:3323", "-protocol", "1", "-checktime=false"]);
    command.args(["-metrics.addr", "", "-refresh", "1", "-rtr.refresh", "2", "-rtr.retry", "2"]);
    command.arg("-cache").arg(scene.path("cache.json"));
    Process::start("stayrtr", scene.path("").as_path(), command)
}

#[test]
fn a_cache_that_dies_and_comes_back_costs_nobody_anything() {
    let mut scene = scene(CONFIG);
    scene.announce(ANNOUNCED);
    scene.sees(SEEN);
    let begun = updates(&mut scene);

    scene.write("cache.json", &vrps("45.150.1.0/24 24 AS64999"));
    let mut cache = stayrtr(&scene);
    let with_cache = "[[rpki.cache]]\naddress = \"127.0.0.1:3323\"\n";
    scene.server.reload(&scene.config(&CONFIG.replace("# here the cache\n", with_cache)));
    scene.sees(&without(&["45.150.1.0/24"]));
    assert_eq!(updates(&mut scene) - begun, 1, "one withdrawal");

    cache.kill();
    eventually("the loss is noticed", ARRIVE, || {
        let answer = first(&scene.server.ask(&["rpki"])?);
        let sources = answer["sources"].as_array().cloned().unwrap_or_default();
        let gone =
            |source: &Value| source["name"] == "127.0.0.1:3323" && source["state"] != "connected";
        ensure(sources.iter().any(gone), || format!("{answer:#}"))?;
        ensure(answer["vrps"] == 1, || format!("what it said stays in force: {answer:#}"))
    });
    assert_eq!(updates(&mut scene) - begun, 1, "nothing because of the loss");

    // A new session with other data: one prefix back, one away.
    scene.write("cache.json", &vrps("45.150.1.0/24 24 AS204005\n45.150.2.0/24 24 AS64999"));
    let mut cache = stayrtr(&scene);
    scene.sees(&without(&["45.150.2.0/24"]));
    assert_eq!(updates(&mut scene) - begun, 3, "one announcement and one withdrawal");

    // Changed under a running session, then emptied by another that starts without any.
    scene.write("cache.json", &vrps("45.150.1.0/24 24 AS204005\n45.150.0.0/24 24 AS64999"));
    scene.sees(&without(&["45.150.0.0/24"]));
    assert_eq!(updates(&mut scene) - begun, 5);
    cache.kill();
    scene.write("cache.json", &vrps(""));
    let _cache = stayrtr(&scene);
    scene.sees(SEEN);
    assert_eq!(updates(&mut scene) - begun, 6);
}

#[test]
fn an_irr_refresh_lets_in_what_has_a_route_object_now() {
    let mut scene = scene(CONFIG);
    scene.announce(ANNOUNCED);
    let new = "alice * 45.160.0.0/24 -";
    scene.announce(new);
    scene.sees(SEEN);
    scene.rejects("rs1 alice 45.160.0.0/24 irr-prefix");
    let begun = updates(&mut scene);

    scene.write("irr.db", &rpsl(&format!("{IRR}\n45.160.0.0/24 AS204005")));
    scene.server.act(&["irr", "refresh"]);
    let more = format!("{SEEN}\nrs1 bob,carol,dave 45.160.0.0/24 204005");
    scene.sees(&more);
    assert_eq!(updates(&mut scene) - begun, 1, "one announcement");

    // An unreadable database is no database: the last good answer holds, and it is said.
    std::fs::remove_file(scene.path("irr.db")).unwrap();
    scene.server.act(&["irr", "refresh"]);
    eventually("the failure is shown", ARRIVE, || {
        let set = set(&scene, "AS-ALICE")?;
        ensure(!set["last_error"].is_null(), || format!("{set:#}"))
    });
    scene.sees(&more);
    assert_eq!(updates(&mut scene) - begun, 1, "nothing because of the failure");
}

fn set(scene: &Scene, name: &str) -> Result<Value, String> {
    let answer = scene.server.ask(&["irr"])?;
    let sets = answer.as_array().ok_or_else(|| format!("{answer} is no list"))?;
    let found = sets.iter().find(|set| set["name"].as_str().is_some_and(|n| n.contains(name)));
    found.cloned().ok_or_else(|| format!("no {name} in {answer:#}"))
}

#[test]
fn an_empty_or_unknown_set_lets_nothing_through_and_says_so() {
    let mut scene = scene(CONFIG);
    // What Carol and Dave announce has route objects of their own AS: it doesn't help.
    scene.announce(ANNOUNCED);
    scene.announce("carol * 45.150.8.0/24 -\ndave * 45.150.12.0/24 -");
    scene.sees(SEEN);
    scene.rejects(
        "rs1 carol 45.150.8.0/24 irr-origin
         rs1 dave 45.150.12.0/24 irr-origin",
    );
    for (who, asn, name, prefix) in [
        ("carol", 204007, "AS-NOWHERE", "45.150.8.0/24"),
        ("dave", 204008, "AS-EMPTY", "45.150.12.0/24"),
    ] {
        let shown = set(&scene, name).unwrap();
        assert!(!shown["last_error"].is_null(), "{who}: {shown:#}");
        let bob = scene.address("bob");
        let told = scene.server.ask(&["explain", prefix, "--to", &bob, "--rs", "rs1"]).unwrap();
        let told = told.to_string();
        assert!(told.contains(name) && told.contains(&asn.to_string()), "{told}");
        let log = scene.server.log();
        assert!(log.contains(name), "the log names {name}");
    }
    eventually("the members' rejected routes are counted", Duration::from_secs(10), || {
        let labels = ["reason=\"irr-origin\""];
        let count = scene.server.metric(9180, "rs_filtered_routes", &labels)?;
        ensure(count >= 2.0, || format!("{count}"))
    });
}
