//! What we tell collectors and write into files, as other people's programs read it: pmacct's
//! BMP collector, Wireshark's dissector, bgpdump.

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rs_tests::support::ports::free_ports;
use rs_tests::support::process::{Process, output, require};
use rs_tests::support::raw::{Config as RawConfig, Speaker};
use rs_tests::support::route::Route;
use rs_tests::support::rs::{Config, RouteServer};
use rs_tests::support::wait::{ensure, eventually};

const RS: u32 = 64500;
/// How long a change may take to arrive.
const ARRIVE: Duration = Duration::from_secs(60);

fn free_port() -> u16 {
    let [port] = free_ports();
    port
}

/// Members 2 and 3 on loopback, the second perhaps with ADD-PATH; `lines` at the end of the file.
fn start(lines: &str, add_path: bool) -> (RouteServer, [Speaker; 2]) {
    let port = free_port();
    let mut config = Config::new(RS, &[format!("127.0.0.1:{port}")]);
    config.http_port = free_port();
    config.import += "next_hop = \"any\"\n";
    let families = "families = [\"v4\", \"v6\"]\n";
    config = config.member(65002, &["127.0.0.2".to_owned()], families);
    let with = format!("{families}add_path = \"send\"\n");
    config = config.member(65003, &["127.0.0.3".to_owned()], &with).text(lines);
    let server = RouteServer::start(&config);
    let speakers = [2_u8, 3].map(|n| {
        let mut raw =
            RawConfig::new(Ipv4Addr::new(127, 0, 0, n), "127.0.0.1", 65000 + u32::from(n));
        raw.port = port;
        raw.add_path_receive = add_path && n == 3;
        Speaker::established(raw)
    });
    (server, speakers)
}

fn route(n: u8, prefix: &str) -> Route {
    let next_hop = match prefix.contains(':') {
        true => format!("2001:db8:1::{n}").parse().unwrap(),
        false => Ipv4Addr::new(192, 0, 2, n).into(),
    };
    let route = Route::new(prefix, &format!("{} 70000", 65000 + u32::from(n)), next_hop);
    route.med(5).community("65002:7").large("64500:1:2")
}

/// A route of everything that matters: both families, one rejected, one withdrawn.
fn announce(speakers: &[Speaker; 2]) {
    let [first, second] = speakers;
    first.announce(&route(2, "203.0.113.0/24"));
    first.announce(&route(2, "203.0.113.0/25"));
    first.announce(&route(2, "2001:db8:77::/48"));
    first.announce(&route(2, "198.51.100.0/24"));
    first.withdraw("198.51.100.0/24");
    second.announce(&route(3, "203.0.113.0/24"));
}

/// A collector that keeps what it is sent.
fn keep(port: u16) -> Arc<Mutex<Vec<u8>>> {
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let kept = Arc::new(Mutex::new(Vec::new()));
    let into = Arc::clone(&kept);
    std::thread::spawn(move || {
        let Ok((mut stream, _)) = listener.accept() else { return };
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = stream.read(&mut buffer) {
            into.lock().unwrap().extend_from_slice(&buffer[..n]);
        }
    });
    kept
}

fn all_views(port: u16, name: &str) -> String {
    format!(
        "[[bmp.collector]]\nname = \"{name}\"\naddress = \"127.0.0.1:{port}\"\nretry = \"1s\"\n\
         views = [\"adj-rib-in-pre\", \"adj-rib-in-post\", \"loc-rib\", \"adj-rib-out\"]\n"
    )
}

/// The messages of a stream.
fn messages(stream: &[u8]) -> Vec<&[u8]> {
    let mut rest = stream;
    let mut messages = Vec::new();
    while let Some(length) = rest.get(1..5) {
        let length = u32::from_be_bytes(length.try_into().unwrap()) as usize;
        let Some((message, behind)) = rest.split_at_checked(length) else { break };
        messages.push(message);
        rest = behind;
    }
    messages
}

/// Messages as a capture: raw IPv4, a TCP segment for each, so that what a dissector does not know
/// in one does not keep it from the others.
fn capture(messages: &[&[u8]], port: u16, path: &Path) {
    let mut file: Vec<u8> = Vec::new();
    // Magic, version 2.4, zone, accuracy, snap length, LINKTYPE_RAW.
    for word in [0xa1b2_c3d4_u32, 0x0002_0004, 0, 0, 65535, 101] {
        file.extend_from_slice(&word.to_be_bytes());
    }
    let mut sequence = 1_u32;
    for (at, message) in (0_u32..).zip(messages) {
        let total = u16::try_from(40 + message.len()).unwrap();
        for word in [1_700_000_000 + at, 0, u32::from(total), u32::from(total)] {
            file.extend_from_slice(&word.to_be_bytes());
        }
        file.extend_from_slice(&[0x45, 0]);
        file.extend_from_slice(&total.to_be_bytes());
        file.extend_from_slice(&[0, 0, 0x40, 0, 64, 6, 0, 0, 127, 0, 0, 1, 127, 0, 0, 9]);
        file.extend_from_slice(&50_000_u16.to_be_bytes());
        file.extend_from_slice(&port.to_be_bytes());
        file.extend_from_slice(&sequence.to_be_bytes());
        // Acknowledgement, 20 octets of header, ACK, window, checksum, urgent pointer.
        file.extend_from_slice(&[0, 0, 0, 1, 0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0]);
        file.extend_from_slice(message);
        sequence += u32::from(total) - 40;
    }
    std::fs::write(path, file).unwrap();
}

/// What tshark shows of the stream: the fields of every frame that the filter lets through.
fn dissected(path: &Path, port: u16, filter: &str, fields: &[&str]) -> String {
    let mut tshark = Command::new(require("tshark", "tshark"));
    tshark.arg("-r").arg(path).args(["-d", &format!("tcp.port=={port},bmp"), "-Y", filter]);
    tshark.args(["-T", "fields", "-E", "occurrence=a", "-E", "aggregator=,"]);
    fields.iter().for_each(|field| {
        tshark.args(["-e", field]);
    });
    output(&mut tshark).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn wireshark_finds_nothing_malformed_in_bmp_and_every_kind_of_message() {
    let port = free_port();
    let kept = keep(port);
    let bmp = "[bmp]\nsys_name = \"lab\"\nstatistics = \"1s\"\n".to_owned();
    let (mut server, speakers) = start(&(bmp + &all_views(port, "kept")), true);
    announce(&speakers);
    // A Statistics Report after all of it, then the ends of sessions and of the daemon.
    eventually("the collector is up to date", ARRIVE, || {
        let collectors = server.ask(&["bmp"])?;
        ensure(collectors[0]["synced"] == true, || collectors.to_string())
    });
    let of_kind = |kind| {
        let octets = kept.lock().unwrap().clone();
        messages(&octets).iter().filter(|message| message[5] == kind).count()
    };
    eventually("the routes", ARRIVE, || {
        let octets = kept.lock().unwrap().clone();
        let last = octets.windows(3).any(|octets| octets == [203, 0, 113]);
        ensure(last, || "not yet".to_owned())
    });
    let before = of_kind(1);
    eventually("statistics", ARRIVE, || {
        let reports = of_kind(1);
        ensure(reports >= before + 6, || format!("{reports} reports"))
    });
    speakers[0].close();
    server.restart();
    eventually("its end", ARRIVE, || ensure(of_kind(5) > 0, || "no Termination".to_owned()));
    let stream = kept.lock().unwrap().clone();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bmp.pcap");
    capture(&messages(&stream), port, &path);

    // Debian's dissector takes the name of the table in the Peer Up of Loc-RIB (RFC 9069 §4.3) for
    // a third OPEN.
    let malformed = "_ws.malformed && !(bmp.type == 3 && bmp.peer.type == 3)";
    let malformed = dissected(&path, port, malformed, &["frame.number"]);
    assert_eq!(malformed, "");
    let kinds = dissected(&path, port, "bmp", &["bmp.type"]);
    let kinds: std::collections::BTreeSet<_> = kinds.split(['\n', ',']).collect();
    for kind in ["0", "1", "2", "3", "4", "5"] {
        assert!(kinds.contains(kind), "no message of type {kind}: {kinds:?}");
    }
    let prefixes = dissected(&path, port, "bmp.type == 0", &["bgp.nlri_prefix"]);
    assert!(prefixes.contains("203.0.113.0"), "{prefixes}");
}

#[test]
fn pmacct_reads_all_tables() {
    let program = require("/usr/sbin/pmbmpd", "pmacct");
    let directory = tempfile::tempdir().unwrap();
    let (port, messages) = (free_port(), directory.path().join("messages.json"));
    let config = directory.path().join("pmbmpd.conf");
    let text = format!(
        "daemonize: false\nbmp_daemon_ip: 127.0.0.1\nbmp_daemon_port: {port}\n\
         bmp_daemon_max_peers: 4\nbmp_daemon_msglog_file: {}\n",
        messages.display()
    );
    std::fs::write(&config, text).unwrap();
    let mut command = Command::new(program);
    command.arg("-f").arg(&config);
    let pmbmpd = Process::start("pmbmpd", directory.path(), command);
    eventually("pmbmpd listens", ARRIVE, || {
        ensure(pmbmpd.log().contains("waiting for BMP data"), || pmbmpd.log())
    });
    let bmp = "[bmp]\nsys_name = \"lab\"\nstatistics = \"1s\"\n".to_owned();
    // Debian's pmacct does not look for path identifiers in an Adj-RIB-Out.
    let (server, speakers) = start(&(bmp + &all_views(port, "pmacct")), false);
    // Of what was withdrawn before, it is told nothing.
    eventually("the collector is up to date", ARRIVE, || {
        let collectors = server.ask(&["bmp"])?;
        ensure(collectors[0]["synced"] == true, || collectors.to_string())
    });
    announce(&speakers);
    let lines = || -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(&messages).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    };
    let has = |wanted: &[(&str, serde_json::Value)]| {
        let fits =
            |line: &serde_json::Value| wanted.iter().all(|(key, value)| line[*key] == *value);
        let found = lines().iter().any(fits);
        ensure(found, || format!("{wanted:?} is not among\n{:#?}", lines()))
    };
    let route = |peer: &str, prefix: &str, flag: &str| {
        eventually("a route", ARRIVE, || {
            let mut wanted = vec![
                ("bmp_msg_type", "route_monitor".into()),
                ("log_type", "update".into()),
                ("ip_prefix", prefix.into()),
            ];
            if !peer.is_empty() {
                wanted.push(("peer_ip", peer.into()));
            }
            if !flag.is_empty() {
                wanted.push((flag, 1.into()));
            }
            has(&wanted)
        });
    };
    eventually("Initiation", ARRIVE, || has(&[("bmp_msg_type", "init".into())]));
    for peer in ["127.0.0.2", "127.0.0.3"] {
        eventually("Peer Up", ARRIVE, || {
            has(&[("bmp_msg_type", "peer_up".into()), ("peer_ip", peer.into())])
        });
    }
    route("127.0.0.2", "203.0.113.0/24", "is_in");
    route("127.0.0.2", "203.0.113.0/25", "is_in");
    route("127.0.0.2", "2001:db8:77::/48", "is_in");
    route("127.0.0.2", "203.0.113.0/24", "is_post");
    route("127.0.0.2", "203.0.113.0/24", "is_out");
    route("127.0.0.3", "2001:db8:77::/48", "is_out");
    route("", "203.0.113.0/24", "is_loc");
    eventually("a withdrawal", ARRIVE, || {
        has(&[("log_type", "withdraw".into()), ("ip_prefix", "198.51.100.0/24".into())])
    });
    eventually("statistics", ARRIVE, || has(&[("bmp_msg_type", "stats".into())]));
    let rejected =
        |line: &serde_json::Value| line["ip_prefix"] == "203.0.113.0/25" && line["is_post"] == 1;
    assert!(!lines().iter().any(rejected), "what policy rejects is in no table behind it");
}

/// What bgpdump shows of a file, a line for each route; it must not complain.
fn dumped(path: &Path) -> Vec<String> {
    let mut bgpdump = Command::new(require("bgpdump", "bgpdump"));
    let done = bgpdump.args(["-m", "-q"]).arg(path).output().unwrap();
    let complaints = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && complaints.is_empty(), "{complaints}");
    String::from_utf8_lossy(&done.stdout).lines().map(str::to_owned).collect()
}

fn files(directory: &Path, kind: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    let paths = entries.map(|entry| entry.unwrap().path());
    let is = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(kind);
    let mut files: Vec<_> = paths.filter(is).collect();
    files.sort();
    files
}

#[test]
fn bgpdump_reads_tables_and_updates() {
    for add_path in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().display();
        let mrt = format!(
            "[mrt]\ndirectory = \"{place}\"\ntables = \"off\"\nupdates = \"1s\"\n\
             path_identifiers = {add_path}\n"
        );
        let (server, speakers) = start(&mrt, true);
        announce(&speakers);
        speakers[1].wait_routes("two routes", ARRIVE, |seen| {
            ensure(seen.len() == 2, || format!("{seen:?}"))
        });
        eventually("all routes", ARRIVE, || {
            let status = server.ask(&["member", "AS65003"])?;
            let received = &status["routes"]["ipv4"]["received"];
            ensure(*received == 1, || status.to_string())
        });
        eventually("all UPDATEs of the other", ARRIVE, || {
            let status = server.ask(&["member", "AS65002"])?;
            ensure(status["messages"]["received"]["update"] == 5, || status.to_string())
        });
        server.act(&["mrt", "dump", "rs1"]);
        let there = directory.path().join("rs1");
        let [table] = &files(&there, "rib.")[..] else { panic!("{:?}", files(&there, "")) };
        let lines = dumped(table);
        let shows = |n: u8, prefix: &str| {
            let asn = 65000 + u32::from(n);
            // bgpdump shows a path identifier between the two.
            let (start, path) =
                (format!("|B|127.0.0.{n}|{asn}|{prefix}|"), format!("|{asn} 70000|"));
            lines.iter().any(|line| line.contains(&start) && line.contains(&path))
        };
        assert_eq!(lines.len(), 4, "{lines:#?}");
        assert!(shows(2, "203.0.113.0/24") && shows(3, "203.0.113.0/24"), "{lines:#?}");
        assert!(shows(2, "203.0.113.0/25") && shows(2, "2001:db8:77::/48"), "{lines:#?}");
        assert!(lines[0].contains("|65002:7") || lines[0].contains(" 65002:7"), "{lines:#?}");
        eventually("all UPDATEs are in complete files", ARRIVE, || {
            let lines: Vec<_> = files(&there, "updates.").iter().flat_map(|f| dumped(f)).collect();
            let has = |what: &str| lines.iter().any(|line| line.contains(what));
            let all = has("|A|127.0.0.2|65002|203.0.113.0/24|65002 70000|")
                && has("|A|127.0.0.2|65002|2001:db8:77::/48|")
                && has("|W|127.0.0.2|65002|198.51.100.0/24")
                && lines.iter().any(|l| l.contains("|STATE|127.0.0.3|65003|") && l.ends_with("|6"));
            ensure(all, || format!("{lines:#?}"))
        });
    }
}
