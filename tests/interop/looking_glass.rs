//! The looking glass in a browser: what it shows, on which screens, at which size of exchange, and
//! that nothing which a member's router says is anything but text.
//!
//! Pictures are kept in `screenshots` beside the build.

use std::time::Duration;

use rs_tests::support::browser::{Browser, Cost};
use rs_tests::support::netns::{Host, Lan};
use rs_tests::support::process::{Process, output};
use rs_tests::support::raw::{Config as RawConfig, Remote};
use rs_tests::support::route::Route;
use rs_tests::support::rs::{Config, RouteServer, program};
use rs_tests::support::wait::{ensure, eventually};
use rs_tests::support::wire::{kind, message};
use serde_json::Value;
use tempfile::TempDir;

const BASE: &str = "http://127.0.0.1:9180/";
/// How long a daemon may take to come up.
const START: Duration = Duration::from_secs(60);
/// How long 200,000 routes may take to be with everybody, in a debug build on a busy machine.
const FILL: Duration = Duration::from_secs(400);

/// `rs-daemon demo` in a namespace, all members up.
pub(crate) struct Demo {
    _process: Process,
    _directory: TempDir,
}

impl Demo {
    pub(crate) fn start(host: &Host) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut command = host.command(&program("rs-daemon").to_string_lossy());
        command.arg("demo").env("XDG_RUNTIME_DIR", directory.path());
        let process = Process::start("demo", directory.path(), command);
        eventually("the demo's members are up", START, || {
            let script = "exec 3<>/dev/tcp/127.0.0.1/9180; printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' \
                          >&3; cat <&3";
            let mut command = host.command("bash");
            let text = output(command.args(["-c", script]))?;
            let up = text.lines().filter(|line| {
                line.starts_with("rs_session_state{")
                    && line.contains("state=\"established\"")
                    && line.ends_with(" 1")
            });
            let up = up.count();
            ensure(up == 22, || format!("{up} sessions"))
        });
        Self { _process: process, _directory: directory }
    }
}

/// Goes to a view and waits until it is shown.
fn show(browser: &mut Browser, view: &str) {
    // As a member of the list of what was visited, a fragment is not loaded again: so it is one.
    browser.eval(&format!("delete document.body.dataset.shown; location.hash = {view:?}"));
    browser.until(&format!("document.body.dataset.shown === {view:?}"));
}

fn open(browser: &mut Browser) {
    // The page of before is not taken for this one.
    browser.go("about:blank");
    eventually("the page answers", START, || ensure(browser.go(BASE), || "no".to_owned()));
    browser.until("document.body.dataset.shown !== undefined");
}

fn text(browser: &mut Browser) -> String {
    browser.eval("document.querySelector('main').innerText").as_str().unwrap_or_default().to_owned()
}

fn assert_clean(browser: &mut Browser) {
    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "{complaints:#?}");
    for asked in browser.requests() {
        let own = asked.starts_with(BASE) || asked == "about:blank" || asked.starts_with("data:");
        assert!(own, "asked elsewhere: {asked}");
    }
}

/// Name, address, and what must be there.
const VIEWS: [(&str, &str, &[&str]); 17] = [
    ("overview", "#/", &["rs1", "transitable", "12 of 13", "VRPs"]),
    ("members", "#/members", &["Alder Broadband", "established", "disabled"]),
    ("members-of-one", "#/members/chaos", &["Birch Hosting", "3 sessions"]),
    ("received", "#/member/rs1/127.100.1.90", &["Iroko Cloud", "Flaps", "rtr.iroko-cloud.example"]),
    (
        "filtered",
        "#/member/rs1/127.100.1.90?tab=filtered",
        &["10.20.0.0/16", "nobody may announce this prefix", "64500:1101:3"],
    ),
    ("exported", "#/member/rs1/127.100.1.90?tab=exported", &["62.40.0.0/22", "why?"]),
    ("search-prefix", "#/search?q=62.199.0.0%2F22", &["AS1000010", "AS1000050", "exact"]),
    ("search-address", "#/search?q=62.199.1.1", &["62.199.0.0/22", "longest match"]),
    ("search-as", "#/search?q=AS1009999", &["Routes originated by", "62.199.0.0/22"]),
    ("search-member", "#/search?q=AS1000130", &["Member", "127.100.1.130"]),
    ("search-peering-address", "#/search?q=127.100.1.130", &["Member", "AS1000130"]),
    ("search-name", "#/search?q=birch", &["Members", "Birch Hosting", "3 sessions"]),
    ("search-nothing", "#/search?q=zzz", &["Members", "Nothing found for zzz."]),
    (
        "search-community",
        "#/search?q=64500%3A65520%3A2",
        &["Routes with community", "10.20.0.0/16"],
    ),
    (
        "explain",
        "#/explain?prefix=62.50.8.0%2F24&rs=rs1&to=127.100.1.10",
        &[
            "has no route for 62.50.8.0/24",
            "do_not_announce_to_peer",
            "withheld",
            "checks in order",
        ],
    ),
    ("matrix", "#/matrix/rs1", &["Who gets what at rs1", "AS1000050 Elm Media", "less than most"]),
    ("data", "#/data", &["18 VRPs", "connected"]),
];

#[test]
fn every_view_shows_what_it_should_on_every_screen() {
    let mut lan = Lan::new();
    let host = lan.host();
    let _demo = Demo::start(&host);
    let mut browser = Browser::start_in(&host);
    for (screen, width, height, phone, dark) in [
        ("light", 1280, 900, false, false),
        ("dark", 1280, 900, false, true),
        ("phone", 390, 844, true, false),
    ] {
        browser.size(width, height, phone);
        browser.dark(dark);
        open(&mut browser);
        for (name, view, expected) in VIEWS {
            show(&mut browser, view);
            let text = text(&mut browser);
            for part in expected {
                assert!(text.contains(part), "{screen} {name}: no {part:?} in\n{text}");
            }
            browser.screenshot(&format!("{name}-{screen}"));
            // A table may be wider than a phone, the page may not.
            let wide = browser.eval("document.documentElement.scrollWidth");
            assert!(wide.as_u64() <= Some(width.into()), "{screen} {name}: {wide} wide");
        }
    }
    let ink = browser.eval("getComputedStyle(document.documentElement).backgroundColor");
    browser.dark(true);
    let dark = browser.eval("getComputedStyle(document.documentElement).backgroundColor");
    assert_ne!(ink, dark, "the page follows what the user prefers");
    browser.dark(false);
    browser.size(1280, 900, false);
    a_cell_opens_into_its_list(&mut browser);
    keys_do_what_a_mouse_does(&mut browser);
    a_refresh_disturbs_nobody(&mut browser);
    what_was_typed_stays(&mut browser);
    what_is_wrong_is_said(&mut browser);
    assert_clean(&mut browser);
    a_day_of_graphs(&mut browser);
}

fn a_cell_opens_into_its_list(browser: &mut Browser) {
    show(browser, "#/matrix/rs1");
    // Elm asked that Alder does not get one of its seven.
    let cell = "[...document.querySelectorAll('.matrix tbody tr')]
        .find((row) => row.textContent.includes('Elm')).querySelectorAll('td')[0]";
    let (text, class) = (format!("{cell}.textContent"), format!("{cell}.className"));
    assert_eq!((browser.eval(&text), browser.eval(&class)), ("6".into(), "part".into()));
    browser.eval(&format!("{cell}.querySelector('a').click()"));
    browser.until("location.hash.startsWith('#/flow/') && document.querySelectorAll('main tbody tr').length === 6");
}

fn keys_do_what_a_mouse_does(browser: &mut Browser) {
    show(browser, "#/");
    browser.key("Tab", "");
    browser.key("2", "2");
    browser.until("document.body.dataset.shown === '#/members'");
    browser.key("/", "/");
    browser
        .until("document.activeElement.id === 'q' && !document.activeElement.value.includes('/')");
    browser.write("62.199.1.1");
    browser.key("Enter", "\r");
    browser.until("document.querySelector('main').innerText.includes('longest match')");
    browser.key("Escape", "");
    browser.until("document.activeElement.id !== 'q'");
    // The first stop is a way past the header; every link and button can be reached and seen.
    let stops = browser.eval(
        "document.activeElement.blur(), [...document.querySelectorAll('a, button, input, select')]
           .filter((node) => node.tabIndex < 0).length",
    );
    assert_eq!(stops, 0);
    // Columns are sorted by buttons.
    show(browser, "#/members/rs1");
    browser.eval("document.querySelectorAll('th button')[9].focus()");
    browser.key("Enter", "\r");
    browser.key("Enter", "\r");
    browser.until("document.querySelector('main tbody td:nth-child(10)').textContent === '5'");
}

/// Has the page think that somebody came back to it, which refreshes at once what is refreshed
/// every ten seconds, and gives how many questions it asked.
fn come_back(browser: &mut Browser) -> u64 {
    let asked = browser.eval(
        "(() => {
           const real = window.fetch;
           let asked = 0;
           window.fetch = (path) => { asked += 1; return real(path); };
           document.querySelector('main h1').dataset.before = 'yes';
           document.dispatchEvent(new Event('visibilitychange'));
           window.fetch = real;
           return asked;
         })()",
    );
    asked.as_u64().expect("a number")
}

fn refresh(browser: &mut Browser) {
    assert!(come_back(browser) > 0, "it is refreshed");
    browser.until("document.querySelector('main h1:not([data-before])')");
}

/// The keyboard stays on its link, the page where it was scrolled to, and a reader is not read
/// everything again.
fn a_refresh_disturbs_nobody(browser: &mut Browser) {
    show(browser, "#/");
    browser.size(1280, 300, false);
    browser.eval("document.getElementById('q').value = '62.199'");
    browser.eval("document.querySelector('main h2 a[href=\"#/members/chaos\"]').focus()");
    let focused =
        "[document.activeElement.isConnected, document.activeElement.getAttribute('href')]";
    let before = browser.eval(focused);
    assert_eq!(before, serde_json::json!([true, "#/members/chaos"]));
    browser.eval("window.scrollTo(0, 90), document.getElementById('said').textContent = 'nothing'");
    for _ in 0..2 {
        refresh(browser);
        assert_eq!(browser.eval(focused), before);
    }
    assert_eq!(browser.eval("window.scrollY"), 90);
    assert_eq!(browser.eval("document.getElementById('q').value"), "62.199");
    assert_eq!(browser.eval("document.getElementById('said').textContent"), "nothing");
    assert_eq!(browser.eval("document.querySelector('main').closest('[aria-live]')"), Value::Null);
    // Who writes is left alone.
    browser.eval(
        "{ const input = document.createElement('input');
           document.querySelector('main').append(input); input.focus(); }",
    );
    assert_eq!(come_back(browser), 0);
    browser.eval("document.querySelector('main input').remove()");
    refresh(browser);
    browser.size(1280, 900, false);
    // A view that is left for another goes on where that begins, and says what it is.
    browser.eval("document.querySelector('main h2 a[href=\"#/members/chaos\"]').focus()");
    browser.key("Enter", "\r");
    browser.until("document.body.dataset.shown === '#/members/chaos'");
    assert_eq!(browser.eval("document.activeElement.id"), "main");
    assert_eq!(browser.eval("document.getElementById('said').textContent"), "Members at chaos");
    browser.eval("document.activeElement.blur(), document.querySelector('.skip').click()");
    assert_eq!(
        browser.eval("[location.hash, document.activeElement.id].join()"),
        "#/members/chaos,main"
    );
}

/// Whoever looks at something else and comes back finds what was typed, the page of a list, the
/// part of the matrix: views that have such things are not made anew.
fn what_was_typed_stays(browser: &mut Browser) {
    for (name, view, _) in VIEWS {
        if !["overview", "data"].contains(&name) {
            show(browser, view);
            assert_eq!(come_back(browser), 0, "{name}");
        }
    }
    for (view, field) in [("#/explain", "input"), ("#/members", "input")] {
        show(browser, view);
        browser.eval(&format!("document.querySelector('main {field}').focus()"));
        browser.write("alder");
        assert_eq!(come_back(browser), 0, "{view}");
        let typed = format!("document.querySelector('main {field}').value");
        assert_eq!(browser.eval(&typed), "alder", "{view}");
    }
    let said = browser.eval("document.getElementById('said').textContent");
    assert!(said.as_str().is_some_and(|said| said.contains(" sessions, ")), "{said}");
}

fn what_is_wrong_is_said(browser: &mut Browser) {
    // What the daemon refuses Chromium notes in its console by itself: that is in another test.
    for (view, said) in [("#/nonsense", "Route servers"), ("#/member/%", "No answer")] {
        show(browser, view);
        assert!(text(browser).contains(said), "{view}");
    }
}

/// The daemon takes a sample each minute; a day of them comes from here.
fn a_day_of_graphs(browser: &mut Browser) {
    let source = "
        const real = window.fetch;
        window.fetch = (path) => {
          if (!String(path).endsWith('/history')) return real(path);
          const samples = Array.from({ length: 1440 }, (_, i) => ({
            at: new Date(Date.UTC(2026, 10, 21, 0, i)).toISOString(), sessions: 300,
            received: Math.round(200000 + 3000 * Math.sin(i / 100)), accepted: 190000,
            filtered: Math.round(9000 + 500 * Math.cos(i / 60)),
            updates_received: i * 500 + (i % 60) * 40, updates_sent: i * 90000, flaps: Math.floor(i / 240),
          }));
          return Promise.resolve(new Response(JSON.stringify({ interval_secs: 60, samples })));
        };";
    let params = serde_json::json!({ "source": source });
    browser.call("Page.addScriptToEvaluateOnNewDocument", params);
    browser.go("about:blank");
    open(browser);
    show(browser, "#/");
    let points = "Math.max(...[...document.querySelectorAll('.spark polyline')]
        .map((line) => line.getAttribute('points').split(' ').length))";
    assert_eq!(browser.eval("document.querySelectorAll('.spark').length"), 4);
    let drawn = browser.eval(points).as_u64().unwrap();
    assert!((200..=1440).contains(&drawn), "{drawn} points");
    let text = text(browser);
    for part in
        ["Routes received", "Routes filtered", "UPDATEs in a minute", "Flaps", "00:00", "23:59"]
    {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    browser.screenshot("graphs-light");
}

const IMAGE: &str = "<img src=x onerror=window.pwned=1>";
const SCRIPT: &str = "</script><script>window.pwned=2</script>";

/// Names, host names, NOTIFICATION texts: everything that somebody else wrote.
#[test]
fn what_a_peer_says_stays_text() {
    let mut lan = Lan::new();
    let [rs, a, b] = [lan.host(), lan.host(), lan.host()];
    let mut config = Config::on(&rs, 64500);
    config.import += "max_prefixes = { total = 100 }\n";
    let directory = TempDir::new().expect("a directory");
    let dump = directory.path().join("irr.db");
    let set = "as-set: AS-OF65010\nmembers: AS65010\nsource: TEST\n\n";
    let route = "route: 203.0.113.0/24\norigin: AS65010\nsource: TEST\n";
    std::fs::write(&dump, format!("{set}{route}")).expect("a dump");
    config = config.text(&format!("[irr]\ndump = [{dump:?}]"));
    for (host, asn) in [(&a, 65010), (&b, 65011)] {
        config = config.text(&format!(
            "[[member]]\nasn = {asn}\nname = '{IMAGE}{asn}'\nas_set = [\"AS-OF{asn}\"]\n\
             [[member.session]]\naddress = \"{}\"",
            host.v4()
        ));
    }
    let _server = RouteServer::start_in(&rs, &config);
    let counted = |text: &str| [&[text.len() as u8][..], text.as_bytes()].concat();
    let mut raw = RawConfig::new(a.v4(), rs.v4(), 65010);
    // draft-walton-bgp-hostname-capability: two counted names.
    let turning = format!("{SCRIPT}\u{202e}");
    raw.capabilities.push((73, [counted(&turning), counted(IMAGE)].concat()));
    let mut speaker = Remote::established(&a, raw);
    let route = Route::new("203.0.113.0/24", "65010", a.v4().into());
    speaker.announce(&route.community("65010:1").unknown(0xc0, 200, "3c7363726970743e"));
    let mut leaving = Remote::established(&b, RawConfig::new(b.v4(), rs.v4(), 65011));
    // RFC 9003: a Cease with a text, here with characters that turn others around.
    let shutdown = counted(&format!("{SCRIPT}\u{202e}gnp.exe\u{7}"));
    leaving.send(&message(kind::NOTIFICATION, &[&[6, 2][..], &shutdown[..]].concat()));

    let mut browser = Browser::start_in(&rs);
    open(&mut browser);
    let (one, other) = (format!("#/member/rs1/{}", a.v4()), format!("#/member/rs1/{}", b.v4()));
    browser.until(
        "fetch('/api/v1/members').then((answer) => answer.json())
           .then(({ members }) => members.some((m) => m.last_notification) && members.some((m) => m.routes.ipv4.received === 1))",
    );
    let explain = format!("#/explain?prefix=203.0.113.0%2F24&rs=rs1&to={}", a.v4());
    let search = format!("#/search?q={}", "%3Cimg%20src%3Dx%20onerror%3Dwindow.pwned%3D3%3E");
    let mut seen = String::new();
    for view in [
        "#/",
        "#/members",
        one.as_str(),
        other.as_str(),
        "#/search?q=203.0.113.0%2F24",
        explain.as_str(),
        "#/matrix",
        "#/data",
    ] {
        show(&mut browser, view);
        seen += &text(&mut browser);
        let strangers =
            "document.querySelectorAll('main :is(img, script, iframe, object, style)').length";
        assert_eq!(browser.eval(strangers), 0, "{view}");
        browser
            .screenshot(&format!("hostile-{}", view.split(['/', '?']).nth(1).unwrap_or_default()));
    }
    let written_out = r"\u{202e}gnp.exe\u{7}";
    for part in
        [IMAGE, SCRIPT, written_out, "hostname </script><script>window.pwned=2</script>\u{fffd}."]
    {
        assert!(seen.contains(part), "{part:?} is not shown as text in\n{seen}");
    }
    assert!(!seen.contains(['\u{202e}', '\u{7}']), "{seen}");
    // Of the IRR: a set that is there, and one that no database has.
    show(&mut browser, "#/data");
    let data = text(&mut browser);
    for part in ["AS-OF65010", "AS-OF65011", "unknown: all that depends on it alone is rejected"] {
        assert!(data.contains(part), "{part:?} is not shown in\n{data}");
    }
    assert_clean(&mut browser);
    // What is searched for comes out of a link that anybody may have written.
    show(&mut browser, &search);
    assert!(text(&mut browser).contains("Nothing found for "));
    assert_eq!(browser.eval("typeof window.pwned"), "undefined");
}

#[test]
fn routes_are_listed_by_prefix() {
    let mut lan = Lan::new();
    let host = lan.host();
    let _demo = Demo::start(&host);
    let mut browser = Browser::start_in(&host);
    open(&mut browser);
    show(&mut browser, "#/member/rs1/127.100.1.90?tab=filtered");
    let text = text(&mut browser);
    let listed =
        ["10.20.0.0/16", "62.90.6.0/28", "62.90.7.0/24", "192.168.7.0/24", "2a0f:5a:9::/56"];
    let places = listed.map(|prefix| text.find(prefix));
    assert!(places[0].is_some() && places.is_sorted(), "{places:?}\n{text}");
    assert_clean(&mut browser);
}

/// What something costs, measured once more while it seems too much: what a hypervisor takes away
/// counts as if the page had used it.
fn least(mut measure: impl FnMut() -> (Cost, Cost)) -> Cost {
    let mut cost = || {
        let (before, after) = measure();
        Cost { script: after.script - before.script, task: after.task - before.task }
    };
    let mut least = cost();
    for _ in 0..2 {
        if least.script.max(least.task) >= 1.0 {
            let again = cost();
            least = if again.task < least.task { again } else { least };
        }
    }
    least
}

/// The size that the page is made for: 300 members, 200,000 routes, all exchanged.
#[test]
fn a_large_exchange_takes_less_than_a_second_of_script() {
    const MEMBERS: u64 = 300;
    const ROUTES: u64 = 300 * 667;
    let mut lan = Lan::new();
    let host = lan.host();
    let directory = tempfile::tempdir().unwrap();
    // The lab's generator, told that it has a namespace already.
    let mut command = host.command(&program("rs-lab").to_string_lossy());
    command
        .env("RS_LAB_INSIDE", "1")
        .args(["idle", "--daemons", "us", "--policy", "plain", "--seconds", "900"])
        .args(["--limit", &FILL.as_secs().to_string()])
        .args(["--members", "300", "--prefixes", "667", "--out"])
        .arg(directory.path());
    let mut lab = Process::start("rs-lab", directory.path(), command);
    // Who is told its table last may be the one that is looked at.
    eventually("every member has its table", FILL, || {
        lab.still_runs()?;
        ensure(lab.log().contains("all tables are full"), || "not yet".to_owned())
    });
    let mut browser = Browser::start_in(&host);
    browser.size(1280, 900, false);
    open(&mut browser);
    // A tenth of the sets goes to fewer than all.
    browser.until(&format!(
        "fetch('/api/v1/status').then((answer) => answer.json()).then((status) => {{
           const {{ received, exported }} = status.route_servers[0].routes.ipv4;
           return status.sessions_established === {MEMBERS} && received === {ROUTES}
             && exported > received * 299 * 0.93;
         }})"
    ));
    let first = least(|| {
        open(&mut browser);
        (Cost::default(), browser.cost())
    });
    println!("{:24} {:>9} {:>9}", "view", "script", "all");
    println!("{:24} {:6.0} ms {:6.0} ms", "the page itself", first.script * 1e3, first.task * 1e3);
    for (name, view, expected) in [
        ("overview", "#/", "200,100"),
        ("members", "#/members", "300 sessions, 300 established"),
        ("received", "#/member/rs1/172.20.1.7", "received 667"),
        ("exported", "#/member/rs1/172.20.1.7?tab=exported", "page 1"),
        ("prefix", "#/search?q=16.1.0.0%2F24", "16.1.0.0/24"),
        ("address", "#/search?q=16.1.0.77", "16.1.0.0/24"),
        ("less-specific", "#/search?q=16.1.0.0%2F30&around=covering", "16.1.0.0/24"),
        ("as", "#/search?q=AS45007", "AS20007"),
        ("community", "#/search?q=20007%3A3", "AS20007"),
        ("explain", "#/explain?prefix=16.1.0.0%2F24&rs=rs1&to=172.20.1.7", "has 16.1.0.0/24 from"),
        ("matrix", "#/matrix/rs1", "announcing 1–30"),
        ("flow", "#/flow/rs1/172.20.1.7/172.20.1.8", "AS20007"),
        ("data", "#/data", "No cache is configured"),
    ] {
        let Cost { script, task } = least(|| {
            show(&mut browser, "#/search");
            let before = browser.cost();
            show(&mut browser, view);
            (before, browser.cost())
        });
        let text = text(&mut browser);
        println!("{name:24} {:6.0} ms {:6.0} ms", script * 1e3, task * 1e3);
        assert!(text.contains(expected), "{name}: no {expected:?} in\n{text}");
        // What runs behind an answer Chromium counts as task, not as script: with styles and layout.
        assert!(script.max(task) < 1.0, "{name}: {script} s of script, {task} s of all");
        browser.screenshot(&format!("large-{name}"));
    }
    assert!(first.script.max(first.task) < 1.0, "{first:?}");
    assert_clean(&mut browser);
}
