//! Other people's looking glasses at the demo exchange: what Alice-LG reads as birdwatcher and as
//! bgplgd, and what IXP Manager reads as Bird's Eye.

use serde_json::{Value, json as value};

use crate::{alice, get, json};

fn number(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

#[test]
fn every_birdwatcher_answer_passes_alices_assertions() {
    for server in ["rs1", "rs2", "chaos"] {
        let base = format!("/birdwatcher/{server}");
        let status = json(&format!("{base}/status"));
        alice::assert_envelope(&status, "status");
        for time in ["current_server", "last_reboot", "last_reconfig"] {
            alice::assert_time(&status["status"][time], time);
        }
        for text in ["version", "message", "router_id"] {
            assert!(status["status"][text].is_string(), "{status}");
        }
        for list in ["protocols", "protocols/bgp"] {
            let answer = json(&format!("{base}/{list}"));
            alice::assert_envelope(&answer, list);
            let protocols = answer["protocols"].as_object().expect("keyed by id, no list");
            assert!(!protocols.is_empty());
            protocols.iter().for_each(|(id, protocol)| alice::assert_protocol(id, protocol));
        }
        let short = json(&format!("{base}/protocols/short?uncached=true"));
        alice::assert_envelope(&short, "short");
        for (id, protocol) in short["protocols"].as_object().unwrap() {
            for text in ["proto", "table", "state", "info"] {
                assert!(protocol[text].is_string(), "{id}: {protocol}");
            }
            alice::assert_time(&protocol["since"], id);
        }
        for id in short["protocols"].as_object().unwrap().keys() {
            for list in ["protocol", "filtered", "noexport", "export"] {
                let path = format!("{base}/routes/{list}/{id}");
                alice::routes(&json(&path), &path);
            }
        }
        for path in [
            "routes/table/master",
            "routes/table/master4",
            "routes/table/master6",
            "routes/table/master/filtered",
            "routes/table/master6/filtered",
            "routes/table/master/peer/127.100.1.90",
            "routes/peer/127.100.1.90",
            "routes/prefix?prefix=62.199.0.0/22",
            "route/net/62.199.0.0",
            "route/net/62.199.0.0%2F22",
            "route/net/62.199.0.0/mask/22",
            "route/net/62.199.0.0/mask/22/table/master4",
        ] {
            let path = format!("{base}/{path}");
            alice::routes(&json(&path), &path);
        }
        let member = short["protocols"].as_object().unwrap().keys().next().unwrap();
        for count in ["table/master", &format!("protocol/{member}"), &format!("primary/{member}")] {
            let answer = json(&format!("{base}/routes/count/{count}"));
            alice::assert_envelope(&answer, count);
            assert!(answer["routes"].is_u64(), "{answer}");
        }
        let symbols = json(&format!("{base}/symbols"));
        alice::assert_envelope(&symbols, "symbols");
        for kind in ["tables", "protocols"] {
            let answer = json(&format!("{base}/symbols/{kind}"));
            alice::assert_envelope(&answer, kind);
            let names = answer["symbols"].as_array().unwrap();
            assert!(!names.is_empty() && names.iter().all(Value::is_string), "{answer}");
        }
    }
}

/// The pipe of a peer loses what was rejected of that peer, and of nobody else.
#[test]
fn a_pipe_is_that_of_the_peer_that_it_names() {
    let base = "/birdwatcher/rs1/routes";
    let list = |path: &str| -> Vec<(String, String)> {
        let path = format!("{base}/{path}");
        let routes = alice::routes(&json(&path), &path);
        let of = |route: &Value, member: &str| route[member].as_str().unwrap().to_owned();
        routes.iter().map(|route| (of(route, "from_protocol"), of(route, "network"))).collect()
    };
    let sorted = |mut routes: Vec<_>| {
        routes.sort();
        routes
    };
    let id = "AS1000090_127.100.1.90";
    let rejected = list(&format!("filtered/{id}"));
    assert!(rejected.len() >= 4, "{rejected:?}");
    let everybodys = list("table/master/filtered");
    assert!(everybodys.len() > rejected.len(), "{everybodys:?}");
    assert!(rejected.iter().all(|(from, _)| from == id), "{rejected:?}");
    for of in ["", "&protocol=AS1000090_127.100.1.90", "&address=127.100.1.90"] {
        let asked = format!("?table=master&pipe={id}{of}");
        assert_eq!(list(&format!("pipe/filtered{asked}")), rejected, "{asked}");
        let count = json(&format!("{base}/pipe/filtered/count{asked}"));
        alice::assert_envelope(&count, "count");
        assert_eq!(number(&count["routes"]), rejected.len(), "{asked}");
    }
    let of = |table: &str| list(&format!("pipe/filtered?table={table}&pipe={id}"));
    let (v4, v6) = (of("master4"), of("master6"));
    assert!(!v4.is_empty() && v4.iter().all(|(_, network)| !network.contains(':')), "{v4:?}");
    assert_eq!(sorted([v4, v6].concat()), sorted(rejected));
    for (asked, expected) in [
        ("table=T_x&pipe=M1000020", 404),
        ("table=master&pipe=M1000020", 404),
        ("table=T_x&pipe=AS1000090_127.100.1.90", 404),
        ("table=master", 400),
        ("table=master&pipe=AS1000090_127.100.1.90&address=127.100.1.10", 400),
    ] {
        for count in ["", "/count"] {
            let (status, body) = get(&format!("{base}/pipe/filtered{count}?{asked}"));
            assert_eq!(status, expected, "{asked}: {body}");
        }
    }
}

/// Accepted, filtered with reasons, not exported: what Alice makes of the lists of each neighbour
/// is what the counters say, for nothing is dropped on the way.
#[test]
fn alice_shows_every_route_of_every_neighbour() {
    let protocols = json("/birdwatcher/rs1/protocols/bgp");
    let mut rejected = 0;
    for (id, protocol) in protocols["protocols"].as_object().unwrap() {
        let list = |list: &str| {
            let path = format!("/birdwatcher/rs1/routes/{list}/{id}");
            alice::routes(&json(&path), &path)
        };
        let (accepted, filtered) = alice::shown(&list("protocol"), &list("filtered"));
        // Dogwood comes and goes with one prefix.
        if !id.starts_with("AS1000040") {
            assert_eq!(accepted.len(), number(&protocol["routes"]["imported"]), "{id}");
            assert_eq!(filtered.len(), number(&protocol["routes"]["filtered"]), "{id}");
        }
        for route in &filtered {
            let large = route["bgp"]["large_communities"].as_array().unwrap();
            assert!(large.contains(&value!([64500, 65520, 0])), "no reason: {route}");
            assert!(large.iter().any(|l| l[1] == 65520 && l[2] != 0), "no reason: {route}");
        }
        rejected += filtered.len();
    }
    assert!(rejected >= 8, "{rejected}");
    let not_exported = json("/birdwatcher/rs1/routes/noexport/AS1000010_127.100.1.10");
    let not_exported = alice::routes(&not_exported, "noexport");
    assert!(not_exported.iter().any(|route| route["network"] == "62.50.8.0/24"));
    // A prefix of which it has another's route is none of them.
    let exported = json("/birdwatcher/rs1/routes/export/AS1000010_127.100.1.10");
    let exported = alice::routes(&exported, "export");
    assert!(!exported.is_empty());
    for route in not_exported {
        let has = exported.iter().any(|one| one["network"] == route["network"]);
        assert!(!has, "{}", route["network"]);
    }
}

#[test]
fn birdwatcher_refuses_as_alice_expects() {
    for (path, expected) in [
        ("/birdwatcher/rs9/status", 404),
        ("/birdwatcher/rs1/nothing", 404),
        ("/birdwatcher/rs1/routes/protocol/nobody", 404),
        ("/birdwatcher/rs1/routes/protocol/a%25b", 400),
        ("/birdwatcher/rs1/routes/table/other", 404),
        ("/birdwatcher/rs1/routes/prefix", 400),
        ("/birdwatcher/rs1/routes/prefix?prefix=x", 400),
        ("/birdwatcher/rs1/route/net/62.199.0.0/mask/99", 400),
    ] {
        let (status, body) = get(path);
        assert_eq!(status, expected, "{path}: {body}");
        let body: Value = serde_json::from_str(&body).unwrap();
        assert!(body["error"].is_string() && body.get("api").is_none(), "{path}: {body}");
    }
    let (status, body) = get("/birdwatcher/rs1/version");
    assert_eq!((status, body.trim()), (200, env!("CARGO_PKG_VERSION")));
}

#[test]
fn bgplgd_answers_as_alice_reads_it() {
    let neighbors = json("/bgplgd/rs1/neighbors");
    let neighbors = neighbors["neighbors"].as_array().unwrap();
    assert_eq!(neighbors.len(), 13);
    for neighbor in neighbors {
        // decodeNeighbor asserts both: a miss is a panic.
        let prefixes = &neighbor["stats"]["prefixes"];
        assert!(prefixes["received"].is_u64() && prefixes["sent"].is_u64(), "{neighbor}");
        assert!(neighbor["remote_as"].as_str().unwrap().parse::<u32>().is_ok(), "{neighbor}");
        let address = neighbor["remote_addr"].as_str().unwrap();
        let path = format!("/bgplgd/rs1/rib?neighbor={address}");
        let rib = json(&path);
        let rib = rib["rib"].as_array().unwrap();
        if neighbor["remote_as"] != "1000040" {
            assert_eq!(rib.len(), number(&prefixes["received"]), "{path}");
        }
        for route in rib {
            assert!(route["localpref"].is_u64(), "a miss panics Alice: {route}");
            assert_eq!(route["neighbor"]["remote_addr"], address);
            for text in ["prefix", "aspath", "true_nexthop", "last_update", "origin"] {
                assert!(route[text].is_string(), "{text} of {route}");
            }
            // Alice knows rejected routes by the reject communities.
            let large = route["large_communities"].as_array().cloned().unwrap_or_default();
            let marked = large.iter().any(|one| one == "64500:65520:0");
            assert_eq!(marked, route["filtered"] == true, "{route}");
        }
    }
    let summary = json("/bgplgd/rs1/summary");
    let birch = summary["neighbors"]
        .as_array()
        .unwrap()
        .iter()
        .find(|neighbor| neighbor["remote_as"] == "1000020")
        .unwrap();
    assert_eq!((&birch["state"], birch["bgpid"].is_string()), (&value!("Established"), true));
}

#[test]
fn bgplgd_answers_bgplgds_questions() {
    let prefixes = |query: &str| -> Vec<String> {
        let answer = json(&format!("/bgplgd/rs1/rib?{query}"));
        let rib = answer["rib"].as_array().unwrap();
        rib.iter().map(|route| route["prefix"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(prefixes("prefix=62.199.1.1").len(), 3, "longest match, every path");
    assert_eq!(prefixes("prefix=62.199.0.0/22&best=1").len(), 1);
    assert!(prefixes("prefix=62.0.0.0/8&all=1&af=ipv4").len() > 20);
    assert!(prefixes("prefix=62.50.8.0/24&or-shorter=1").contains(&"62.50.8.0/24".to_owned()));
    assert!(prefixes("filtered=1").contains(&"10.20.0.0/16".to_owned()));
    assert!(prefixes("ovs=invalid").contains(&"62.20.4.0/24".to_owned()));
    assert!(prefixes("large-community=64500:65520:0").contains(&"10.20.0.0/16".to_owned()));
    assert!(prefixes("af=ipv6").iter().all(|prefix| prefix.contains(':')));
    assert_eq!(prefixes("as=1009999&best=1"), ["62.199.0.0/22"]);
    let one = json("/bgplgd/rs1/neighbors?neighbor=Birch%20Hosting");
    assert_eq!(one["neighbors"][0]["remote_as"], "1000020");
    for (path, expected) in [
        ("/bgplgd/rs9/summary", 404),
        ("/bgplgd/rs1/interfaces", 404),
        ("/bgplgd/rs1/rib?neighbor=192.0.2.1", 404),
        ("/bgplgd/rs1/rib?best=yes", 400),
        ("/bgplgd/rs1/rib?ovs=maybe", 400),
        ("/bgplgd/rs1/rib?af=vpnv4", 400),
        ("/bgplgd/rs1/rib?prefix=x", 400),
        ("/bgplgd/rs1/rib?community=x", 400),
        ("/bgplgd/rs1/rib?colour=red", 400),
    ] {
        assert_eq!(get(path).0, expected, "{path}");
    }
}

#[test]
fn birdseye_answers_as_ixp_manager_reads_it() {
    let status = json("/birdseye/rs1/status?use_cache=0");
    let c = |value: &Value| {
        let text = value.as_str().unwrap();
        let shape: String =
            text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(shape, "0000-00-00T00:00:00+00:00", "{text}");
    };
    for time in ["server_time", "last_reboot", "last_reconfig"] {
        c(&status["status"][time]);
    }
    for text in ["version", "router_id", "message"] {
        assert!(status["status"][text].is_string(), "{status}");
    }
    let summary = json("/birdseye/rs1/protocols/bgp");
    assert!(summary["api"]["max_routes"].is_u64(), "read without asking whether it is there");
    assert!(summary["api"]["version"].is_string(), "{summary}");
    let protocols = summary["protocols"].as_object().unwrap();
    assert_eq!(protocols.len(), 13);
    for (name, protocol) in protocols {
        let symbol = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        assert!(symbol, "IXP Manager refuses {name}");
        c(&protocol["state_changed"]);
        for text in ["neighbor_address", "table", "state", "bgp_state", "description"] {
            assert!(protocol[text].is_string(), "{text} of {protocol}");
        }
        assert!(protocol["neighbor_as"].is_u64());
        for number in ["imported", "exported"] {
            assert!(protocol["routes"][number].is_u64(), "{protocol}");
        }
        for change in ["import_updates", "import_withdraws", "export_updates", "export_withdraws"] {
            assert!(protocol["route_changes"][change]["received"].is_u64(), "{protocol}");
        }
        assert!(protocol["neighbor_capabilities"].is_array());
        assert_eq!(
            json(&format!("/birdseye/rs1/protocol/{name}"))["protocol"]["neighbor_as"],
            protocol["neighbor_as"]
        );
    }
    let symbols = json("/birdseye/rs1/symbols");
    assert_eq!(symbols["symbols"]["routing table"], value!(["master", "master4", "master6"]));
    assert_eq!(symbols["symbols"]["protocol"].as_array().unwrap().len(), 13);
}

#[test]
fn ixp_manager_finds_rejected_routes_by_their_community() {
    let name = "AS1000090_127_100_1_90";
    let list =
        |path: &str| json(&format!("/birdseye/rs1/{path}"))["routes"].as_array().unwrap().clone();
    let all = list(&format!("routes/protocol/{name}"));
    let marked = list(&format!("routes/lc-zwild/protocol/{name}/64500/1101"));
    let count = json(&format!("/birdseye/rs1/routes/count/protocol/{name}"));
    assert_eq!(number(&count["count"]["routes"]), all.len());
    let protocols = json("/birdseye/rs1/protocols/bgp");
    assert_eq!(number(&protocols["protocols"][name]["routes"]["filtered"]), marked.len());
    assert!(marked.len() >= 4 && marked.len() < all.len(), "{} of {}", marked.len(), all.len());
    for route in &all {
        let bgp = &route["bgp"];
        assert!(bgp["as_path"].is_array() && bgp["next_hop"].is_string(), "{route}");
        assert!(bgp["med"].is_u64() && route["type"].is_array(), "{route}");
        assert_eq!(route["from_protocol"], name);
        let prefix = route["network"].as_str().unwrap();
        assert!(prefix.split_once('/').is_some(), "{route}");
    }
    let bogon = marked.iter().find(|route| route["network"] == "10.20.0.0/16").unwrap();
    let reasons = bogon["bgp"]["large_communities"].as_array().unwrap();
    assert!(reasons.contains(&value!([64500, 1101, 3])), "bogon prefix: {bogon}");

    let path = format!("route/10.20.0.0%2F16/protocol/{name}");
    assert_eq!(list(&path).len(), 1);
    assert_eq!(list("route/62.199.0.0%2F22/table/master4").len(), 3);
    assert_eq!(list("route/62.199.0.0%2F22/export/AS1000120_127_100_1_120").len(), 1);
    // The name that IXP Manager's templates give the session.
    assert_eq!(list("routes/protocol/pb_as1000090_vli12_ipv4").len(), all.len());
    for (path, expected) in [
        ("/birdseye/rs9/status", 404),
        ("/birdseye/rs1/routes/protocol/nobody", 404),
        ("/birdseye/rs1/routes/protocol/pb_as1000090_vli12_ipv6", 404),
        ("/birdseye/rs1/routes/table/other", 404),
        ("/birdseye/rs1/route/x/table/master", 400),
        ("/birdseye/rs1/nothing", 404),
    ] {
        assert_eq!(get(path).0, expected, "{path}");
    }
}
