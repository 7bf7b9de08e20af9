//! `/metrics` of a running daemon, and what `contrib` makes of it, as Prometheus' own tool sees
//! them.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rs_tests::support::netns::Lan;
use rs_tests::support::process::output;
use rs_tests::support::raw::{Config as RawConfig, Remote};
use rs_tests::support::route::Route;
use rs_tests::support::rs::{Config, RouteServer};
use rs_tests::support::wait::{ensure, eventually};

const RS: u32 = 64500;
const PORT: u16 = 9180;
/// How long a scrape may lag behind a route.
const SCRAPE: Duration = Duration::from_secs(20);

fn contrib(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../contrib").join(path)
}

/// Two members, one of whose routes is refused: `/metrics` as it is then.
fn scrape() -> String {
    let mut lan = Lan::new();
    let [rs, a, b] = [lan.host(), lan.host(), lan.host()];
    let mut config = Config::on(&rs, RS);
    config.http_port = PORT;
    config.import += "max_prefixes = { total = 100 }\n";
    for (host, asn) in [(&a, 65010), (&b, 65011)] {
        config = config.member(asn, &[host.v4().to_string()], "");
    }
    let server = RouteServer::start_in(&rs, &config);
    let mut speakers = [(&a, 65010), (&b, 65011)]
        .map(|(host, asn)| Remote::established(host, RawConfig::new(host.v4(), rs.v4(), asn)));
    speakers[0].announce(&Route::new("203.0.113.0/24", "65010", a.v4().into()));
    speakers[0].announce(&Route::new("203.0.113.0/25", "65010", a.v4().into()));
    eventually("the routes are counted", SCRAPE, || {
        let filtered = server.metric(PORT, "rs_routes", &["kind=\"filtered\""])?;
        let exported = server.metric(PORT, "rs_routes", &["kind=\"exported\""])?;
        ensure(filtered >= 1.0 && exported >= 1.0, || format!("{filtered} {exported}"))
    });
    let answer = server.metrics(PORT).unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// Names that begin with `rs_` or `process_`, up to the first character that cannot be in one.
fn names(text: &str) -> BTreeSet<String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c| !word(c));
    let ours = |name: &&str| name.starts_with("rs_") || name.starts_with("process_");
    words.filter(ours).map(str::to_owned).collect()
}

#[test]
fn promtool_has_nothing_to_say_about_a_scrape_and_contrib_asks_for_what_is_in_it() {
    let text = scrape();
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("promtool (Debian: prometheus): {error}"));
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let said = promtool.wait_with_output().unwrap();
    let complaints = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success() && complaints.is_empty(), "{complaints}");

    // What appears only with a cache, an IRR set or a fault.
    let sometimes = [
        "rs_rpki_last_sync_timestamp_seconds",
        "rs_rpki_vrps",
        "rs_irr_set_age_seconds",
        "rs_irr_set_prefixes",
        "rs_notifications_total",
        "rs_rpsl_policies_faulty",
        // With collectors and with MRT files.
        "rs_bmp_connected",
        "rs_bmp_disconnects_total",
        "rs_bmp_queue_bytes",
        "rs_bmp_sent_bytes_total",
        "rs_mrt_writable",
        "rs_mrt_records_total",
        "rs_mrt_dropped_total",
    ];
    let exposed = names(&text);
    for file in ["prometheus/rs-daemon.rules.yml", "grafana/rs-daemon.json"] {
        let asked = std::fs::read_to_string(contrib(file)).unwrap();
        for name in names(&asked) {
            let there = exposed.contains(&name) || sometimes.contains(&name.as_str());
            assert!(there, "{file} asks for {name}, which no scrape has");
        }
    }
}

#[test]
fn alerts_fire_when_they_should_and_the_dashboard_is_one() {
    let tests = contrib("prometheus/rs-daemon.test.yml");
    output(Command::new("promtool").args(["test", "rules"]).arg(&tests)).unwrap();
    let rules = std::fs::read_to_string(contrib("prometheus/rs-daemon.rules.yml")).unwrap();
    let tested = std::fs::read_to_string(&tests).unwrap();
    for alert in rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        let fires = tested.lines().any(|line| line.trim() == format!("alertname: {alert}"));
        assert!(fires, "no test makes {alert} fire");
    }
    let dashboard = std::fs::read_to_string(contrib("grafana/rs-daemon.json")).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() > 10, "{}", panels.len());
    // Every expression, with the dashboard's variables filled in, is PromQL.
    let mut rules = "groups:\n  - name: dashboard\n    rules:\n".to_owned();
    for target in panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap()) {
        let expr = target["expr"].as_str().unwrap().replace("$instance", ".*");
        let expr = expr.replace("$route_server", ".*");
        rules += &format!(
            "      - record: panel\n        expr: '{expr}'\n        labels: {{ n: \"{}\" }}\n",
            rules.len()
        );
    }
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(rules.as_bytes()).unwrap();
    output(Command::new("promtool").args(["check", "rules"]).arg(file.path())).unwrap();
}
