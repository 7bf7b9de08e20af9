//! IRR servers that are gone, talk nonsense, stop in the middle of an answer, or have lost their
//! data.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use rs_tests::support::loopback::{
    ARRIVE, Exchange, Honest, hang, logged, measured, route, times_logged,
};
use rs_tests::support::wait::{ensure, eventually};
use tempfile::TempDir;

use super::server;

/// How a server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Good,
    /// With what is no answer.
    Garbage,
    /// With the beginning of an answer, and nothing more.
    Stops,
    /// It knows of nothing.
    Empty,
    /// Connections are closed.
    Gone,
}

#[derive(Debug)]
struct State {
    manner: Manner,
    /// Lines that clients sent.
    asked: usize,
    /// Answers that were begun and not ended.
    stopped: usize,
}

/// A server that knows route objects of each member for 203.0.113.0/24 alone.
type Server = server::Server<State>;

fn good() -> Server {
    Server::start(State { manner: Manner::Good, asked: 0, stopped: 0 }, serve)
}

fn serve(server: &Server, mut stream: TcpStream) -> io::Result<()> {
    let mut silent = false;
    for line in BufReader::new(stream.try_clone()?).lines() {
        let line = line?;
        let state = &mut server.lock().state;
        state.asked += 1;
        let answer = match (state.manner, line.as_str()) {
            // Its other handle does not keep it open.
            (Manner::Gone, _) => return stream.shutdown(Shutdown::Both),
            (_, "!!") => continue,
            (Manner::Stops, _) if silent => continue,
            (_, other) if !other.starts_with("!g") && !other.starts_with("!6") => "C\n",
            (Manner::Garbage, _) => "HTTP/1.1 400 Bad Request\r\n\r\n",
            (Manner::Empty, _) => "D\n",
            (Manner::Stops, _) => {
                state.stopped += 1;
                silent = true;
                "A15\n203."
            }
            (Manner::Good, query) if query.starts_with("!6") => "C\n",
            (Manner::Good, _) => "A15\n203.0.113.0/24\nC\n",
        };
        stream.write_all(answer.as_bytes())?;
    }
    Ok(())
}

fn exchange(server: &Server) -> Exchange {
    Exchange::with(&["", ""], |config| {
        config.import = config.import.replace("irr = \"off\"", "irr = \"reject\"");
        let text = format!("[irr]\nserver = \"{}\"\nrefresh = \"1h\"", server.address);
        *config = config.clone().text(&text);
    })
}

/// The longest silence of a server, and what the rest takes.
const PATIENCE: Duration = Duration::from_secs(60);

const SUCCESS: &str = "rs_irr_last_refresh_success";

/// Another refresh, of which this comes.
fn refresh(server: &Server, exchange: &Exchange, success: f64) {
    let before = server.lock().state.asked;
    exchange.server.act(&["irr", "refresh"]);
    eventually("it has begun", PATIENCE, || {
        ensure(server.lock().state.asked > before, || "nothing is asked".to_owned())
    });
    eventually("it is over", PATIENCE, || {
        let value = exchange.metric(SUCCESS, &[])?;
        ensure(value == success, || value.to_string())
    });
}

fn fails_and_comes_back(manner: Manner, says: &str) {
    let server = good();
    let exchange = exchange(&server);
    measured(&exchange, SUCCESS, &[], |value| value == 1.0);
    let mut honest = Honest::new(&exchange);
    honest.sender.announce(&route(2, "198.51.100.0/24", ""));
    honest.serve("with a good server");
    server.becomes(|state| state.manner = manner);
    refresh(&server, &exchange, 0.0);
    logged(&exchange, "IRR refresh failed, the last good sets stay in force");
    logged(&exchange, says);
    assert!(exchange.metric("rs_irr_refresh_failures_total", &[]).unwrap() >= 1.0);
    honest.serve("with a bad server");
    assert_eq!(honest.receiver.routes().len(), 1, "what no set allows stays out");
    server.becomes(|state| state.manner = Manner::Good);
    refresh(&server, &exchange, 1.0);
    logged(&exchange, "IRR refresh succeeded again");
    honest.serve("with a good server again");
    assert_eq!(honest.receiver.routes().len(), 1);
}

#[test]
fn a_server_that_is_gone_leaves_the_last_good_sets() {
    fails_and_comes_back(Manner::Gone, "IRR server 127.0.0.1");
}

#[test]
fn a_server_that_talks_nonsense_is_not_believed() {
    fails_and_comes_back(Manner::Garbage, "400 Bad Request");
}

/// All sets gone at once is a mirror that has lost its data, not two hundred members who left.
#[test]
fn a_server_that_knows_of_nothing_any_more_is_not_believed() {
    fails_and_comes_back(Manner::Empty, "IRR refresh failed");
}

/// Its TCP connection is fine, so nothing but our own patience ends it.
#[test]
fn a_server_that_stops_in_the_middle_of_an_answer_is_left_after_30_seconds() {
    fails_and_comes_back(Manner::Stops, "no answer within 30 s");
}

/// While an answer is awaited, members are served and reloads take effect; when the connection ends,
/// the last good sets stay.
#[test]
fn a_server_that_stops_in_the_middle_of_an_answer_holds_up_nobody() {
    let server = good();
    let mut exchange = exchange(&server);
    measured(&exchange, SUCCESS, &[], |value| value == 1.0);
    let mut honest = Honest::new(&exchange);
    server.becomes(|state| state.manner = Manner::Stops);
    exchange.server.act(&["irr", "refresh"]);
    eventually("an answer is awaited", ARRIVE, || {
        ensure(server.lock().state.stopped > 0, || "not asked".to_owned())
    });
    honest.serve("while the server is silent");
    // Another session of a member that is known: its sets count at once.
    let more = exchange.config.clone().member(65002, &["127.0.0.9".to_owned()], "");
    exchange.server.reload(&more);
    exchange.config = more;
    let mut other = exchange.speaker_config(9);
    other.asn = 65002;
    let other = rs_tests::support::raw::Speaker::established(other);
    let mut own = route(2, "203.0.113.0/24", "");
    own.med = Some(99);
    own.next_hop = Some(rs_tests::support::loopback::next_hop(9));
    honest.sender.withdraw("203.0.113.0/24");
    other.announce(&own);
    honest.receiver.wait_routes("the new session's route", ARRIVE, |seen| {
        ensure(seen.contains(&own), || format!("{seen:?}"))
    });
    server.becomes(|state| state.manner = Manner::Gone);
    measured(&exchange, SUCCESS, &[], |value| value == 0.0);
    server.becomes(|state| state.manner = Manner::Good);
    refresh(&server, &exchange, 1.0);
    assert!(times_logged(&exchange, "IRR refresh failed") >= 1);
    honest.serve("with a good server again");
}

/// The last good answers are written to a disk that hangs: members come and are served, reloads and
/// the end are obeyed, and when the disk is back, the newest answers are written.
#[test]
fn a_disk_that_hangs_under_the_cache_holds_up_nobody() {
    let server = good();
    let directory = TempDir::new().unwrap();
    let cache = directory.path().join("irr");
    let written = cache.join("AS65002.tmp");
    hang(&written);
    let mut exchange = Exchange::with(&["", ""], |config| {
        config.import = config.import.replace("irr = \"off\"", "irr = \"reject\"");
        let (address, cache) = (server.address, cache.display());
        let text = format!("[irr]\nserver = \"{address}\"\nrefresh = \"1h\"\ncache = \"{cache}\"");
        *config = config.clone().text(&text);
    });
    measured(&exchange, SUCCESS, &[], |value| value == 1.0);
    let mut honest = Honest::new(&exchange);
    honest.serve("with a disk that hangs");
    refresh(&server, &exchange, 1.0);
    exchange.config = exchange.config.clone().member(65004, &["127.0.0.4".to_owned()], "");
    exchange.server.reload(&exchange.config);
    exchange.speaker(4);
    honest.serve("after a reload");
    // The other end: what was under way fails, since a FIFO is no disk. The next round does not.
    let aside = cache.join("aside");
    std::fs::rename(&written, &aside).unwrap();
    // For both, so that it does not hang itself where nobody has it open.
    let fifo = std::fs::OpenOptions::new().read(true).write(true).open(&aside).unwrap();
    measured(&exchange, "rs_irr_cache_write_success", &[], |value| value == 1.0);
    drop(fifo);
    eventually("the answers are on disk", ARRIVE, || {
        let text = std::fs::read_to_string(written.with_extension("json"));
        let text = text.map_err(|error| error.to_string())?;
        ensure(text.contains("203.0.113.0/24"), || text)
    });
    hang(&written);
    refresh(&server, &exchange, 1.0);
    exchange.server.signal("TERM");
    assert_eq!(exchange.server.ended(), Some(0), "it hangs again, and the end does not wait");
}
