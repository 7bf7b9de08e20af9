//! IRR servers that are gone, talk nonsense, stop in the middle of an answer, or have lost their
//! data.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use rs_tests::support::wait::{ensure, eventually};

use crate::exchange::{ARRIVE, Exchange, Honest, logged, measured, route, times_logged};

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
    connections: Vec<TcpStream>,
    /// Answers that were begun and not ended.
    stopped: usize,
}

/// A server that knows route objects of each member for 203.0.113.0/24 alone.
#[derive(Debug, Clone)]
struct Server {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let state = State { manner: Manner::Good, connections: Vec::new(), stopped: 0 };
        let address = listener.local_addr().unwrap();
        let server = Self { address, state: Arc::new(Mutex::new(state)) };
        let serving = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                serving.lock().connections.push(stream.try_clone().unwrap());
                let each = serving.clone();
                thread::spawn(move || drop(each.serve(stream)));
            }
        });
        server
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers like this from now on; connections end.
    fn becomes(&self, manner: Manner) {
        let mut state = self.lock();
        state.manner = manner;
        for connection in state.connections.drain(..) {
            let _ = connection.shutdown(std::net::Shutdown::Both);
        }
    }

    fn serve(&self, mut stream: TcpStream) -> std::io::Result<()> {
        for line in BufReader::new(stream.try_clone()?).lines() {
            let line = line?;
            let mut state = self.lock();
            let answer = match (state.manner, line.as_str()) {
                // Its other handle does not keep it open.
                (Manner::Gone, _) => return stream.shutdown(std::net::Shutdown::Both),
                (_, "!!") => continue,
                (_, other) if !other.starts_with("!g") && !other.starts_with("!6") => "C\n",
                (Manner::Garbage, _) => "HTTP/1.1 400 Bad Request\r\n\r\n",
                (Manner::Empty, _) => "D\n",
                (Manner::Stops, _) => {
                    state.stopped += 1;
                    "A15\n203."
                }
                (Manner::Good, query) if query.starts_with("!6") => "C\n",
                (Manner::Good, _) => "A15\n203.0.113.0/24\nC\n",
            };
            stream.write_all(answer.as_bytes())?;
        }
        Ok(())
    }
}

fn exchange(server: &Server) -> Exchange {
    Exchange::with(&["", ""], |config| {
        config.import = config.import.replace("irr = \"off\"", "irr = \"reject\"");
        let text = format!("[irr]\nserver = \"{}\"\nrefresh = \"1h\"", server.address);
        *config = config.clone().text(&text);
    })
}

const SUCCESS: &str = "rs_irr_last_refresh_success";

/// Another refresh, of which this comes.
fn refresh(exchange: &Exchange, success: f64) {
    exchange.server.act(&["irr", "refresh"]);
    measured(exchange, SUCCESS, &[], |value| value == success);
}

fn fails_and_comes_back(manner: Manner, says: &str) {
    let server = Server::start();
    let exchange = exchange(&server);
    measured(&exchange, SUCCESS, &[], |value| value == 1.0);
    let mut honest = Honest::new(&exchange);
    honest.sender.announce(&route(2, "198.51.100.0/24", ""));
    honest.serve("with a good server");
    server.becomes(manner);
    refresh(&exchange, 0.0);
    logged(&exchange, "IRR refresh failed, the last good sets stay in force");
    logged(&exchange, says);
    assert!(exchange.metric("rs_irr_refresh_failures_total", &[]).unwrap() >= 1.0);
    honest.serve("with a bad server");
    assert_eq!(honest.receiver.routes().len(), 1, "what no set allows stays out");
    server.becomes(Manner::Good);
    refresh(&exchange, 1.0);
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

/// While an answer is awaited, members are served and reloads take effect; when its time is over
/// (beside the code: `irr/irrd.rs`) or the connection ends, the last good sets stay.
#[test]
fn a_server_that_stops_in_the_middle_of_an_answer_holds_up_nobody() {
    let server = Server::start();
    let mut exchange = exchange(&server);
    measured(&exchange, SUCCESS, &[], |value| value == 1.0);
    let mut honest = Honest::new(&exchange);
    server.becomes(Manner::Stops);
    exchange.server.act(&["irr", "refresh"]);
    eventually("an answer is awaited", ARRIVE, || {
        ensure(server.lock().stopped > 0, || "not asked".to_owned())
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
    own.next_hop = Some(crate::exchange::next_hop(9));
    honest.sender.withdraw("203.0.113.0/24");
    other.announce(&own);
    honest.receiver.wait_routes("the new session's route", ARRIVE, |seen| {
        ensure(seen.contains(&own), || format!("{seen:?}"))
    });
    server.becomes(Manner::Gone);
    measured(&exchange, SUCCESS, &[], |value| value == 0.0);
    server.becomes(Manner::Good);
    refresh(&exchange, 1.0);
    assert!(times_logged(&exchange, "IRR refresh failed") >= 1);
    honest.serve("with a good server again");
}
