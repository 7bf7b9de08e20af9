//! JSON for terminals: what `rsctl` prints goes through here, whichever command it comes from.

use std::fmt::Write as _;
use std::io;

use serde::Serialize;

use super::text::is_plain;

/// On one line.
pub(super) fn compact(value: &impl Serialize) -> io::Result<String> {
    Ok(escaped(&serde_json::to_string(value)?))
}

/// With a line for each value.
pub(super) fn pretty(value: &impl Serialize) -> io::Result<String> {
    Ok(escaped(&serde_json::to_string_pretty(value)?))
}

/// The same value with everything that is not plainly printable written as `\uXXXX`: the
/// serialiser escapes no more than it must (RFC 8259 §7), and U+009B or U+202E would reach the
/// terminal. Outside of strings JSON is ASCII, and inside a line feed is an escape already.
fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\n' || is_plain(c) {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a string cannot fail.
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write as _};
    use std::os::unix::net::UnixListener;

    use clap::Parser as _;
    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::*;
    use crate::cli::{Args, Look, Paint, run};
    use crate::control::sample;

    /// A CSI of one character, DEL, a right-to-left override, a byte order mark.
    const EVIL: &str = "a\u{9b}31m\u{7f}\u{202e}b\u{feff}\u{1b}[2J\n\"\\";

    #[test]
    fn the_value_is_the_same_and_nothing_in_it_steers_a_terminal() {
        let value = json!({ EVIL: [EVIL, "Nétworks 日本 🙂", 1.5] });
        for text in [compact(&value).unwrap(), pretty(&value).unwrap()] {
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
            assert!(text.chars().all(|c| c == '\n' || is_plain(c)), "{text:?}");
            assert!(text.contains("Nétworks 日本 🙂"), "what is plain stays as it is");
        }
        assert_eq!(compact(&"\u{e0041}").unwrap(), "\"\\udb40\\udc41\"", "a surrogate pair");
        assert_eq!(pretty(&value).unwrap().lines().count(), 7);
    }

    /// What `rsctl` prints where the daemon gives these answers, one for each connection.
    fn printed(words: &[&str], answers: Vec<Value>) -> String {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let daemon = std::thread::spawn(move || {
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = String::new();
                BufReader::new(&stream).read_line(&mut request).unwrap();
                write!(stream, "{}\n{{\"end\":{{\"items\":1}}}}\n", json!({ "item": answer }))
                    .unwrap();
            }
        });
        let socket = path.to_str().unwrap();
        let args = Args::parse_from([&["rsctl", "--socket", socket], words].concat());
        let now = Timestamp::try_from(sample::time(sample::NOON)).unwrap();
        let mut out = Vec::new();
        run(&args, &mut Look { paint: Paint::Bare, width: None, now, out: &mut out }).unwrap();
        daemon.join().unwrap();
        String::from_utf8(out).unwrap()
    }

    /// A daemon of another version may have let such names in.
    #[test]
    fn a_document_is_lines_and_steers_no_terminal() {
        let document = json!({ "text": "# Evil\u{1b}[31m\u{9b}2J\nrouter bgp 65001\n" });
        let text = printed(&["client-config", "65001", "--style", "frr"], vec![document]);
        assert_eq!(text, "# Evil\\u{1b}[31m\\u{9b}2J\nrouter bgp 65001\n");
    }

    #[test]
    fn no_command_prints_json_that_steers_a_terminal() {
        let mut down = sample::session("rs1", 65001, "192.0.2.1");
        down.state = crate::runtime::status::SessionState::Active;
        down.last_down = Some(EVIL.into());
        let down = serde_json::to_value(down).unwrap();
        let status =
            json!({ "route_servers": [], "rpki": { "vrps": 0, "aspas": 0, "sources": [] } });
        let mut whole = serde_json::to_value(sample::daemon()).unwrap();
        whole.as_object_mut().unwrap().extend(status.as_object().unwrap().clone());
        let document = json!({ "text": EVIL, "data": { "name": EVIL } });
        for (words, answers) in [
            (&["members", "--json"][..], vec![down.clone()]),
            (&["member", "AS65001", "--json"], vec![down.clone()]),
            (&["members", "--report", "--json"], vec![whole, down]),
            (&["ixf", "--json"], vec![document.clone()]),
            (&["ixf"], vec![document]),
        ] {
            let text = printed(words, answers);
            assert!(text.chars().all(|c| c == '\n' || is_plain(c)), "{words:?}: {text:?}");
            let value: Value = serde_json::from_str(&text).unwrap();
            let within = value.to_string();
            assert!(within.contains(&Value::from(EVIL).to_string()), "{words:?}: {within}");
        }
    }
}
