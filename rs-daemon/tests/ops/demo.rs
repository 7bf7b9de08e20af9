//! `rsctl`, the JSON API, metrics and the page.

use std::process::Output;

use serde_json::Value;

use crate::{EXCHANGE, get, json, rsctl};

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn rsctl_json(words: &[&str]) -> Value {
    let output = rsctl(&[&["--json"], words].concat());
    assert!(output.status.success(), "{words:?}: {}", said(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The lines of a table as words, without the heading.
fn rows(table: &str) -> Vec<Vec<String>> {
    table.lines().skip(1).map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}

#[test]
fn status_shows_three_route_servers_with_their_sessions() {
    let status = rsctl_json(&["status"]);
    let servers = status["route_servers"].as_array().unwrap();
    let names: Vec<_> = servers.iter().map(|server| server["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["rs1", "rs2", "chaos"]);
    assert_eq!(servers[0]["sessions_configured"], 13);
    let output = rsctl(&["status"]);
    for word in ["rs-daemon", "transitable", "ipv6", "12/13"] {
        assert!(text(&output).contains(word), "{}", text(&output));
    }
    assert!(!text(&output).contains('\x1b'), "no colour into a pipe");
}

/// Prefixes whose routes are all rejected do not count.
#[test]
fn best_counts_prefixes_with_an_eligible_route() {
    let agrees = |server: &Value, family: &str| {
        let routes = rsctl_json(&["routes", "--rs", server["name"].as_str().unwrap()]);
        let eligible: std::collections::BTreeSet<_> = routes
            .as_array()
            .unwrap()
            .iter()
            .filter(|route| route["reject"].is_null())
            .map(|route| route["prefix"].as_str().unwrap())
            .filter(|prefix| prefix.contains(':') == (family == "ipv6"))
            .collect();
        server["destinations"][family] == eligible.len()
            && server["routes"][family]["best"] == eligible.len()
    };
    // One member of the demo announces and withdraws a route every few seconds.
    crate::until("counts and lists agree", || {
        let status = rsctl_json(&["status"]);
        let servers = status["route_servers"].as_array().unwrap();
        assert_eq!(servers.len(), 3);
        servers.iter().all(|server| agrees(server, "ipv4") && agrees(server, "ipv6"))
    });
}

#[test]
fn members_are_a_line_each() {
    let output = rsctl(&["members", "chaos"]);
    let rows = rows(&text(&output));
    assert_eq!(rows.len(), 4, "three sessions and the total: {rows:?}");
    assert_eq!(rows[0][..4], ["1000020", "Birch", "Hosting", "127.100.1.20"]);
    let output = rsctl(&["members"]);
    assert!(text(&output).contains("Maple Networks"), "{}", text(&output));
    assert!(text(&output).contains("disabled"), "{}", text(&output));
}

#[test]
fn rejected_routes_say_why() {
    let routes = rsctl_json(&["routes", "--rs", "rs1", "--filtered"]);
    let mut reasons: Vec<_> = routes
        .as_array()
        .unwrap()
        .iter()
        .map(|route| {
            let reason = route["reject"]["name"].as_str().unwrap();
            format!("{} {reason}", route["prefix"].as_str().unwrap())
        })
        .collect();
    reasons.sort();
    for expected in [
        "10.20.0.0/16 bogon-prefix",
        "62.120.8.0/24 next-hop",
        "62.200.0.0/20 transit-free",
        "62.201.0.0/20 as-path-too-long",
        "62.20.4.0/24 rov-invalid",
        "62.90.6.0/28 prefix-too-long",
        "62.90.7.0/24 bogon-asn",
        "2a0f:5a:9::/56 prefix-too-long",
    ] {
        assert!(reasons.iter().any(|reason| reason == expected), "{expected}: {reasons:?}");
    }
    let chaos = rsctl_json(&["routes", "--rs", "chaos", "--filtered"]);
    assert_eq!(chaos, serde_json::json!([]), "a chaos server rejects nothing of these");
}

#[test]
fn an_address_finds_its_longest_match_with_every_path() {
    let routes = rsctl_json(&["routes", "62.199.1.1", "--rs", "rs1"]);
    let from: Vec<_> =
        routes.as_array().unwrap().iter().map(|r| r["from_asn"].as_u64().unwrap()).collect();
    assert_eq!(from, [1_000_010, 1_000_020, 1_000_050], "in the order of preference");
    assert_eq!(routes[0]["best"], true);
}

#[test]
fn an_adj_rib_out_has_what_the_member_was_given() {
    let has = |peer: &str| {
        let routes = rsctl_json(&["routes", "--to", peer, "--rs", "rs1"]);
        let prefixes: Vec<String> = routes
            .as_array()
            .unwrap()
            .iter()
            .map(|route| route["prefix"].as_str().unwrap().to_owned())
            .collect();
        move |prefix: &str| prefixes.iter().any(|has| has == prefix)
    };
    let (alder, birch) = (has("AS1000010"), has("AS1000020"));
    assert!(!alder("62.50.8.0/24"), "Elm asked that Alder does not get it");
    assert!(birch("62.50.8.0/24"));
    assert!(!alder("62.100.8.0/24"), "Juniper announces it to Birch only");
    assert!(birch("62.100.8.0/24"));
    assert!(!alder("62.10.0.0/22"), "nobody gets its own routes");
    assert!(alder("62.199.0.0/22"), "the owner of the best path gets the second best");
}

/// What one member has of another: the cell of "who gets what" that the page opens.
#[test]
fn routes_from_one_member_to_another() {
    let list = |words: &[&str]| -> Vec<(u64, String)> {
        let routes = rsctl_json(&[&["routes"], words, &["--rs", "rs1"]].concat());
        let routes = routes.as_array().unwrap().iter();
        let of = |route: &Value| {
            let prefix = route["prefix"].as_str().unwrap().to_owned();
            (route["from_asn"].as_u64().unwrap(), prefix)
        };
        let mut routes: Vec<_> = routes.map(of).collect();
        routes.sort();
        routes
    };
    let given = list(&["--from", "AS1000050", "--to", "AS1000020"]);
    let mut of_elm = list(&["--to", "AS1000020"]);
    of_elm.retain(|(from, _)| *from == 1_000_050);
    assert_eq!(given, of_elm);
    let asked_for_birch = (1_000_050, "62.50.8.0/24".to_owned());
    assert!(given.contains(&asked_for_birch), "{given:?}");
    let alders = list(&["--from", "AS1000050", "--to", "AS1000010"]);
    assert!(!alders.is_empty() && !alders.contains(&asked_for_birch), "{alders:?}");
    let output = rsctl(&["routes", "--from", "AS1000050", "--to", "AS1000010", "--rs", "rs1"]);
    assert!(text(&output).ends_with(&format!("{} routes\n", alders.len())), "{output:?}");
    // Fir is at one route server alone: whose sessions are meant is clear.
    for (from, to) in [("AS1000050", "AS1000060"), ("AS1000060", "AS1000050")] {
        let here = rsctl_json(&["routes", "--from", from, "--to", to]);
        assert_eq!(here, rsctl_json(&["routes", "--from", from, "--to", to, "--rs", "rs1"]));
    }
}

#[test]
fn an_unknown_route_server_is_answered_with_those_that_there_are() {
    for words in [["members", "rs9"], ["policy", "rs9"]] {
        let output = rsctl(&words);
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        let said = said(&output);
        assert!(said.contains("no route server \"rs9\"; there are:"), "{said}");
        assert!(said.contains("rs2") && said.contains("chaos"), "{said}");
    }
}

#[test]
fn explain_reads_as_a_decision() {
    let output = rsctl(&["explain", "62.50.8.0/24", "--to", "AS1000010", "--rs", "rs1"]);
    let text = text(&output);
    for part in [
        "has no route for 62.50.8.0/24; that of AS1000050: withheld",
        "do_not_announce_to_peer",
        "64500:0:1000010",
        "=> ",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let of_address = rsctl_json(&["explain", "62.50.8.77", "--to", "AS1000010", "--rs", "rs1"]);
    assert_eq!(of_address["prefix"], "62.50.8.0/24", "an address means its longest match");
    let given = rsctl_json(&["explain", "62.199.0.0/22", "--to", "AS1000050", "--rs", "rs1"]);
    assert_eq!(given["chosen"], serde_json::json!([0]));
    let candidate = &given["candidates"][0];
    assert_eq!(candidate["route"]["from_asn"], 1_000_010);
    for check in candidate["checks"].as_array().unwrap() {
        let outcome = check["outcome"].as_str().unwrap();
        assert!(["pass", "fail", "skip", "note"].contains(&outcome), "{check}");
    }
}

/// The first thing to know about a member that has nothing at all.
#[test]
fn explain_says_that_the_session_is_down() {
    let explained = rsctl_json(&["explain", "62.50.8.0/24", "--to", "AS1000130"]);
    let summary = explained["summary"].as_str().unwrap();
    let expected = "AS1000130 (127.100.1.130) has no route for 62.50.8.0/24: its session is \
                    disabled (waits for its cross-connect)";
    assert_eq!(summary, expected);
}

#[test]
fn what_is_ambiguous_or_unknown_is_refused_with_status_1_and_usage_with_2() {
    let output = rsctl(&["member", "AS1000010"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("--rs rs2"), "the choices: {}", said(&output));
    assert_eq!(rsctl(&["member", "AS1"]).status.code(), Some(1));
    assert_eq!(rsctl(&["members", "rs9"]).status.code(), Some(1));
    assert_eq!(rsctl(&["routes", "300.0.0.0/8"]).status.code(), Some(1));
    assert_eq!(rsctl(&["routes", "--sideways"]).status.code(), Some(2));
    let nobody = std::path::Path::new("/nonexistent");
    let output = crate::rsctl_at(nobody, &["status"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("no route server answers"), "{}", said(&output));
}

/// At an exchange of its own, since other tests count sessions.
#[test]
fn a_session_is_disabled_and_enabled() {
    let exchange = crate::start();
    let act = |words: &[&str]| {
        let output = crate::rsctl_at(&exchange.socket, words);
        assert!(output.status.success(), "{words:?}: {}", said(&output));
        text(&output)
    };
    let member =
        || -> Value { serde_json::from_str(&act(&["member", "AS1000120", "--json"])).unwrap() };
    act(&["session", "disable", "AS1000120", "--reason", "unpaid"]);
    crate::until("disabled", || member()["state"] == "disabled");
    let output = crate::rsctl_at(&exchange.socket, &["session", "reset", "AS1000120"]);
    assert_eq!(output.status.code(), Some(1), "there is nothing to reset");
    assert!(said(&output).contains("rsctl session enable"), "{}", said(&output));
    assert_eq!(member()["disabled"], "unpaid");
    assert_eq!(member()["last_notification"]["sent"], true);
    act(&["session", "enable", "AS1000120"]);
    crate::until("established", || member()["state"] == "established");
    let flaps = member()["flaps"].as_u64().unwrap();
    act(&["session", "reset", "AS1000120", "--reason", "once"]);
    crate::until("flap", || member()["flaps"].as_u64().unwrap() > flaps);
    assert!(act(&["session", "soft-in", "AS1000110", "--rs", "rs1"]).contains("Kapok"));
    act(&["drain", "on"]);
    assert!(act(&["status"]).contains("draining"));
    act(&["drain", "off"]);
    assert!(!act(&["status"]).contains("draining"));
}

#[test]
fn documents_come_from_the_running_configuration() {
    let policy = rsctl_json(&["policy", "rs1"]);
    assert_eq!(policy["asn"], 64500);
    let markdown = text(&rsctl(&["policy", "rs1", "--markdown"]));
    assert!(markdown.starts_with("# Policy of rs1\n"), "{markdown}");
    let set = text(&rsctl(&["as-set", "AS-DEMO", "--rs", "rs2"]));
    assert!(set.contains("members:        AS1000010\n"), "{set}");
    assert!(!set.contains("AS1000030"), "a sponsor's customers are not the exchange's: {set}");
    let export = rsctl_json(&["ixf"]);
    assert_eq!(export["version"], "1.0");
    assert_eq!(export["member_list"].as_array().unwrap().len(), 13);
    for style in ["bird", "frr", "openbgpd", "pathvector", "ios", "junos", "routeros"] {
        let config = text(&rsctl(&["client-config", "AS1000010", "--style", style]));
        assert!(config.contains("127.100.0.1") && config.contains("64500"), "{style}: {config}");
    }
}

/// `RS_DATA=DIR cargo test -p rs-daemon --test ops_demo -- --ignored`
#[test]
#[ignore = "reads the schema of the IX-F: RS_DATA"]
fn the_member_export_is_valid_by_the_schema_of_the_ix_f() {
    let data = std::env::var_os("RS_DATA").expect("RS_DATA names the folder with real data");
    let path = std::path::Path::new(&data).join("ixf/ixp-member-list-1.0.schema.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let export = rsctl_json(&["ixf"]);
    assert_eq!(export["member_list"].as_array().unwrap().len(), 13);
    crate::schema::check(&schema, &schema, &export, "export");
}

#[test]
fn health_and_readiness() {
    assert_eq!(get("/healthz").0, 200);
    assert_eq!(get("/readyz").0, 200);
    assert_eq!(get("/nothing").0, 404);
}

#[test]
fn metrics_have_a_series_for_each_session() {
    let (status, body) = get("/metrics");
    assert_eq!(status, 200);
    let established = body
        .lines()
        .filter(|line| line.starts_with("rs_session_state{") && line.contains("established"))
        .count();
    assert_eq!(established, 23);
    for name in ["rs_routes{", "rs_filtered_routes{", "rs_propagation_seconds_bucket{", "process_"]
    {
        assert!(body.contains(name), "{name}");
    }
}

#[test]
fn pages_together_are_the_whole() {
    let whole = json("/api/v1/routes?rs=rs2&page=all");
    let whole = whole["routes"].as_array().unwrap();
    let mut pages = Vec::new();
    let mut page = Some(1);
    while let Some(number) = page {
        let answer = json(&format!("/api/v1/routes?rs=rs2&per_page=7&page={number}"));
        let routes = answer["routes"].as_array().unwrap();
        assert!(routes.len() <= 7);
        pages.extend(routes.iter().map(|route| route["prefix"].clone()));
        page = answer["next_page"].as_u64();
    }
    let whole: Vec<_> = whole.iter().map(|route| route["prefix"].clone()).collect();
    assert!(whole.len() > 60, "{}", whole.len());
    assert_eq!(pages, whole);
}

#[test]
fn the_api_refuses_with_a_reason() {
    for (path, expected) in [
        ("/api/v1/routes?prefix=x", 400),
        ("/api/v1/routes?colour=red", 400),
        ("/api/v1/routes?rs=rs9", 404),
        ("/api/v1/member?peer=AS1000010", 409),
        ("/api/v1/explain?prefix=10.0.0.0/8", 400),
        ("/api/v1/nothing", 404),
    ] {
        let (status, body) = get(path);
        assert_eq!(status, expected, "{path}: {body}");
        let body: Value = serde_json::from_str(&body).unwrap();
        assert!(body["error"]["message"].is_string(), "{path}: {body}");
    }
    assert_eq!(crate::request("POST /api/v1/status HTTP/1.0\r\n\r\n").0, 405);
}

/// Every path of the document answers, and every path that answers is in the document.
#[test]
fn the_openapi_document_is_the_api() {
    let document = json("/api/v1/openapi.json");
    let paths = document["paths"].as_object().unwrap();
    for path in paths.keys() {
        let query = match path.as_str() {
            "/member" => "?peer=127.100.1.10&rs=rs1",
            "/explain" => "?prefix=62.199.0.0/22&to=127.100.1.50&rs=rs1",
            "/matrix" => "?rs=chaos",
            _ => "",
        };
        let answer = json(&format!("/api/v1{path}{query}"));
        let schema =
            &paths[path]["get"]["responses"]["200"]["content"]["application/json"]["schema"];
        crate::schema::check(&document, schema, &answer, path);
    }
}

/// `rsctl --json` says what docs/json.md says, which is made from the same schemas.
#[test]
fn the_json_of_every_command_is_documented() {
    let document = json("/api/v1/openapi.json");
    let one = crate::start();
    let ask = |words: &str| -> Value {
        let words: Vec<_> = words.split(' ').collect();
        let output = crate::rsctl_at(&one.socket, &[&["--json"], &words[..]].concat());
        assert!(output.status.success(), "{words:?}: {}", said(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let hold = |shape: &str, words: &str, value: &Value| {
        let schema = &document["components"]["schemas"][shape];
        assert!(schema.is_object(), "{shape} is a schema");
        crate::schema::check(&document, schema, value, words);
    };
    for (words, shape) in [
        ("status", "Status"),
        ("member 127.100.1.90 --rs rs1", "Session"),
        ("explain 62.199.0.0/22 --to 127.100.1.50 --rs rs1", "Explanation"),
        ("rpki", "Rpki"),
        ("policy rs1", "Policy"),
        ("policy rs2", "Policy"),
        ("policy chaos", "Policy"),
        ("as-set AS-DEMO --rs rs1", "Document"),
        ("client-config AS1000010 --style frr", "Document"),
        ("session reset AS1000120", "Done"),
        ("drain on", "Done"),
        ("drain off", "Done"),
    ] {
        hold(shape, words, &ask(words));
    }
    for (words, shape, least) in [
        ("members", "Session", 23),
        ("members --report", "Finding", 1),
        ("routes", "Route", 100),
        ("routes --filtered", "Route", 9),
        ("routes --to 127.100.1.10 --rs rs1", "Route", 20),
        ("routes 203.0.113.0/24", "Route", 0),
        ("bmp", "BmpCollector", 0),
        ("irr", "IrrSet", 0),
    ] {
        let answer = ask(words);
        let items = answer.as_array().unwrap_or_else(|| panic!("{words}: a list, always"));
        assert!(items.len() >= least, "{words}: {} items", items.len());
        items.iter().for_each(|item| hold(shape, words, item));
    }
}

/// The page is three files of our own, and nothing is fetched from elsewhere.
#[test]
fn the_page_fetches_nothing_from_elsewhere() {
    for path in ["/", "/page.css", "/page.js"] {
        let (status, body) = get(path);
        assert_eq!(status, 200);
        let elsewhere = body.matches("http://").count() + body.matches("https://").count();
        // The SVG namespace is a name, not an address.
        assert_eq!(elsewhere, usize::from(path == "/page.js"), "{path}");
        assert!(!body.contains("innerHTML") && !body.contains("document.write"), "{path}");
    }
    let (_, head) = crate::raw("GET / HTTP/1.0\r\n\r\n");
    assert!(head.contains("default-src 'none'"), "{head}");
}

#[test]
fn the_control_socket_has_limits() {
    use std::io::{Read, Write};
    let ask = |request: &[u8]| {
        let mut stream = std::os::unix::net::UnixStream::connect(&EXCHANGE.socket).unwrap();
        // The daemon may close before it has read all of too long a request.
        let _ = stream.write_all(request);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    };
    assert!(ask(b"hello\n").contains("\"invalid\""));
    assert!(ask(b"{\"version\":99,\"request\":{}}\n").contains("\"version\""));
    assert!(ask(&[b'x'; 70_000]).contains("\"limit\""));
    assert!(ask(b"").is_empty());
}

/// What has not changed is not sent again, and what changes by itself does not count.
#[test]
fn answers_have_tags() {
    for path in ["rpki", "irr", "matrix?rs=rs2", "routes?rs=rs2&per_page=20", "openapi.json"] {
        let ask = |tag: &str| {
            crate::raw(&format!("GET /api/v1/{path} HTTP/1.0\r\nIf-None-Match: {tag}\r\n\r\n"))
        };
        let (status, head) = ask("\"other\"");
        let tag = head.split_once("\r\netag: ").unwrap().1.split("\r\n").next().unwrap();
        assert_eq!(status, 200, "{path}");
        assert!(head.contains("cache-control: no-cache"), "{path}: {head}");
        assert_eq!(ask(tag).0, 304, "{path}: {tag}");
        // HEAD has the header of GET.
        let ask = |asked: &str| crate::raw(&format!("HEAD /api/v1/{path} HTTP/1.0\r\n{asked}\r\n"));
        let (status, head) = ask("");
        assert_eq!(status, 200, "{path}");
        assert!(head.contains(&format!("\r\netag: {tag}")), "{path}: {tag}, {head}");
        assert!(head.contains("cache-control: no-cache"), "{path}: {head}");
        assert_eq!(ask(&format!("If-None-Match: {tag}\r\n")).0, 304, "{path}: {tag}");
    }
    // A stream is gone before its tag would be known.
    let (status, head) = crate::raw("GET /api/v1/routes?page=all HTTP/1.0\r\n\r\n");
    assert_eq!(status, 200);
    assert!(!head.to_ascii_lowercase().contains("etag"), "{head}");
}

/// An empty parameter is one that was not filled in, whatever is asked.
#[test]
fn an_empty_parameter_is_none() {
    assert_eq!(json("/api/v1/members?rs=&page=")["total"], json("/api/v1/members")["total"]);
    assert_eq!(json("/api/v1/routes?rs=&origin=1009999")["routes"][0]["prefix"], "62.199.0.0/22");
    let all = json("/api/v1/routes?prefix=62.199.0.0/22&rs=rs1");
    let empty = "&from=&to=&filtered=&covering=&covered=&page=";
    let asked = json(&format!("/api/v1/routes?prefix=62.199.0.0/22&rs=rs1{empty}"));
    assert_eq!(asked["routes"][0]["prefix"], "62.199.0.0/22");
    assert_eq!(asked["routes"].as_array().map(Vec::len), all["routes"].as_array().map(Vec::len));
    // It is on three route servers.
    assert_eq!(get("/api/v1/member?peer=127.100.1.90&rs=rs1").0, 200);
    assert_eq!(get("/api/v1/member?peer=127.100.1.90&rs=").0, 409);
    for path in ["matrix?rs=", "matrix"] {
        let (status, body) = get(&format!("/api/v1/{path}"));
        assert_eq!(status, 400, "{path}: {body}");
        assert!(body.contains("rs is missing"), "{path}: {body}");
    }
    assert_eq!(get("/api/v1/routes?origin=SSSAA1009999").0, 400);
}

/// The numbers of the matrix are the lists that its cells open into.
#[test]
fn the_matrix_counts_what_the_lists_show() {
    let matrix = json("/api/v1/matrix?rs=chaos");
    let address = |index: usize| matrix["members"][index]["id"]["address"].as_str().unwrap();
    let members = matrix["members"].as_array().unwrap().len();
    assert_eq!(members, 3);
    let mut total = 0;
    for to in 0..members {
        for from in 0..members {
            let path = format!(
                "/api/v1/routes?rs=chaos&from={}&to={}&page=all",
                address(from),
                address(to)
            );
            let list = json(&path)["routes"].as_array().unwrap().len();
            assert_eq!(matrix["routes"][to][from], list, "{path}");
            assert!(list == 0 || from != to, "nobody gets its own");
            total += list;
        }
    }
    assert!(total > 20, "{total}");
}
