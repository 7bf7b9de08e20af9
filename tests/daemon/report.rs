//! `rsctl members --report` at an exchange with two route servers, where each member has a trouble
//! of its own.

use rs_tests::support::loopback::{ARRIVE, RS, asn, route};
use rs_tests::support::ports::free_ports;
use rs_tests::support::raw::{Config as RawConfig, Speaker};
use rs_tests::support::rs::{Config, RouteServer};
use rs_tests::support::wait::{ensure, eventually};

/// Member 2 never comes up, 3 announces nothing, 4 comes to one server only, 5 announces less to
/// the second, 6 nears its limit, what 7 announces is all refused; 8 is well.
const MEMBERS: std::ops::RangeInclusive<u8> = 2..=8;

fn configuration(ports: [u16; 2]) -> Config {
    let servers = ports.iter().zip(1..).map(|(port, n)| {
        format!(
            "[[route_server]]\nname = \"rs{n}\"\nrouter_id = \"192.0.2.{n}\"\n\
             listen = [\"127.0.0.1:{port}\"]\n[route_server.import]\nbogon_prefixes = false\n\
             bogon_asns = false\nirr = \"off\"\nrpki = \"off\"\nnext_hop = \"lan\"\n"
        )
    });
    let members = MEMBERS.map(|n| {
        let limit = if n == 6 { "max_prefixes = { v4 = 4, v6 = 4, total = 5 }\n" } else { "" };
        format!(
            "[[member]]\nasn = {}\nname = \"Member {n}\"\n{limit}[[member.session]]\n\
             address = \"127.0.0.{n}\"\n",
            asn(n)
        )
    });
    let exchange = format!(
        "[exchange]\nname = \"Test IX\"\nasn = {RS}\npeering_lan = [\"192.0.2.0/24\"]\n\
         [http]\nlisten = \"off\"\n[control]\nsocket = \"@control@\"\n"
    );
    Config::whole(exchange + &servers.chain(members).collect::<String>())
}

fn speaker(n: u8, port: u16) -> Speaker {
    let mut config = RawConfig::new(format!("127.0.0.{n}"), "127.0.0.1", asn(n));
    config.port = port;
    Speaker::established(config)
}

fn findings(server: &RouteServer) -> Result<Vec<(u64, String, String, String)>, String> {
    findings_of(server, &["members", "--report"])
}

fn findings_of(
    server: &RouteServer,
    command: &[&str],
) -> Result<Vec<(u64, String, String, String)>, String> {
    let answer = server.ask(command)?;
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let found = answer.as_array().ok_or("a list")?.iter().map(|finding| {
        (
            finding["asn"].as_u64().unwrap_or(0) - 65000,
            text(&finding["finding"]),
            text(&finding["route_server"]),
            text(&finding["detail"]),
        )
    });
    Ok(found.collect())
}

#[test]
fn each_trouble_of_a_member_is_reported_and_nothing_else() {
    let ports: [u16; 2] = free_ports();
    let server = RouteServer::start(&configuration(ports));
    let mut speakers = Vec::new();
    for n in 3..=8 {
        for (index, port) in ports.into_iter().enumerate() {
            if n == 4 && index == 1 {
                continue;
            }
            let speaker = speaker(n, port);
            let announce = |prefix: &str| speaker.announce(&route(n, prefix, ""));
            match n {
                3 => {}
                5 => (0..2 - index).for_each(|i| announce(&format!("62.5.{i}.0/24"))),
                6 => (0..4).for_each(|i| announce(&format!("62.6.{i}.0/24"))),
                7 => announce("62.7.0.0/28"),
                _ => announce(&format!("62.{n}.0.0/24")),
            }
            speakers.push(speaker);
        }
    }
    let row = |n: u64, finding: &str, server: &str, detail: &str| {
        (n, finding.to_owned(), server.to_owned(), detail.to_owned())
    };
    let expected = [
        row(2, "no-session", "rs1", "active"),
        row(2, "no-session", "rs2", "active"),
        row(3, "announces-nothing", "rs1", ""),
        row(3, "announces-nothing", "rs2", ""),
        row(4, "not-at-all-servers", "rs1", "not at rs2"),
        row(4, "no-session", "rs2", "active"),
        row(5, "servers-differ", "rs1", "ipv4 received: rs1 2, rs2 1"),
        row(6, "near-limit", "rs1", "ipv4: 4 of 4"),
        row(6, "near-limit", "rs1", "all: 4 of 5"),
        row(6, "near-limit", "rs2", "ipv4: 4 of 4"),
        row(6, "near-limit", "rs2", "all: 4 of 5"),
        row(7, "all-filtered", "rs1", "ipv4: all 1 rejected"),
        row(7, "all-filtered", "rs2", "ipv4: all 1 rejected"),
    ];
    eventually("the report says it", ARRIVE, || {
        let found = findings(&server)?;
        ensure(found == expected, || format!("{found:#?}"))
    });
    // One route server alone can be asked for as well: what differs between the two stays.
    let of_rs2 = findings_of(&server, &["members", "rs2", "--report"]).unwrap();
    let between = ["not-at-all-servers", "servers-differ"];
    let concerns =
        |row: &&(u64, String, String, String)| row.2 == "rs2" || between.contains(&row.1.as_str());
    assert_eq!(of_rs2, expected.iter().filter(concerns).cloned().collect::<Vec<_>>());
    drop(speakers);
}
