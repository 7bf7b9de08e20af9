//! `rsctl --json` of a route server that monitors, writes and filters: every command that has
//! nothing to say at the demo exchange, held against the schemas that docs/json.md is made from.

use std::fs;
use std::io::Read as _;
use std::net::TcpListener;

use rs_tests::support::loopback::{ARRIVE, Exchange, holds, measured, route};
use rs_tests::support::wait::{ensure, eventually};
use serde_json::Value;
use tempfile::TempDir;

#[path = "../../rs-daemon/tests/ops/schema.rs"]
mod schema;

const OBJECTS: &str = "\
route:      203.0.113.0/24
origin:     AS65002
source:     TEST

aut-num:    AS65002
import-via: AS64500 from AS65003 accept ANY
export-via: AS64500 to AS65003 announce AS65002
source:     TEST
";

fn exchange(objects: &TempDir, collector: &TcpListener) -> Exchange {
    let dump = objects.path().join("test.db");
    fs::write(&dump, OBJECTS).unwrap();
    let text = format!(
        "[irr]\ndump = [\"{}\"]\n[bmp]\n[[bmp.collector]]\naddress = \"{}\"\n\
         [mrt]\ndirectory = \"@directory@/mrt\"\n",
        dump.display(),
        collector.local_addr().unwrap()
    );
    Exchange::with(&["", ""], |config| {
        config.import = config.import.replace("irr = \"off\"", "irr = \"reject\"");
        config.import += "[route_server.export]\nrpsl = true\n";
        *config = config.clone().text(&text);
    })
}

/// Takes what comes.
fn collect(collector: TcpListener) {
    std::thread::spawn(move || {
        for mut stream in collector.incoming().flatten() {
            let mut octets = [0; 65_536];
            while stream.read(&mut octets).is_ok_and(|n| n > 0) {}
        }
    });
}

#[test]
fn the_json_of_commands_that_need_collectors_files_and_irr_data_is_documented() {
    let objects = TempDir::new().unwrap();
    let collector = TcpListener::bind("127.0.0.1:0").unwrap();
    let exchange = exchange(&objects, &collector);
    collect(collector);
    let document = exchange.get("/api/v1/openapi.json").unwrap();
    let hold = |shape: &str, words: &str, value: &Value| {
        let schema = &document["components"]["schemas"][shape];
        assert!(schema.is_object(), "{shape} is a schema");
        schema::check(&document, schema, value, words);
    };
    let ask = |words: &str| {
        let words: Vec<_> = words.split(' ').collect();
        exchange.server.ask(&words).unwrap_or_else(|error| panic!("{error}"))
    };
    measured(&exchange, "rs_irr_last_refresh_success", &[], |success| success == 1.0);
    measured(&exchange, "rs_bmp_connected", &[], |up| up == 1.0);
    let [sender, receiver] = [2, 3].map(|n| exchange.speaker(n));
    let own = route(2, "203.0.113.0/24", "");
    sender.announce(&own);
    holds("its own", &receiver, std::slice::from_ref(&own));

    let collectors = ask("bmp");
    assert_eq!(collectors.as_array().map(Vec::len), Some(1), "{collectors}");
    hold("BmpCollector", "bmp", &collectors[0]);
    let sets = ask("irr");
    let (policies, sets): (Vec<&Value>, Vec<&Value>) =
        sets.as_array().unwrap().iter().partition(|one| one["aut_num"].is_number());
    assert!(!sets.is_empty() && !policies.is_empty(), "{sets:?} {policies:?}");
    sets.iter().for_each(|one| hold("IrrSet", "irr", one));
    policies.iter().for_each(|one| hold("RpslPolicy", "irr", one));
    hold("Done", "irr refresh", &ask("irr refresh"));
    hold("Done", "mrt dump", &ask("mrt dump"));

    // The prefix is a documentation prefix: with that, its route is a bogon's.
    let mut changed = exchange.config.clone();
    changed.import = changed.import.replace("bogon_prefixes = false", "bogon_prefixes = true");
    let diff = exchange.server.diff(&changed).unwrap();
    hold("Diff", "diff", &diff);
    assert!(diff.to_string().contains("203.0.113.0/24"), "the route is named: {diff}");
    exchange.server.write_config(&changed);
    let reload = ask("reload");
    hold("Diff", "reload", &reload);
    holds("nothing", &receiver, &[]);
    hold("Done", "shutdown", &ask("shutdown"));
    eventually("it ends", ARRIVE, || {
        ensure(sender.status().closed.is_some(), || "connected".to_owned())
    });
}
