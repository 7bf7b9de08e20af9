//! The asking side: blocking, because `rsctl` has nothing else to do.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::protocol::{Command, Line, Refusal, Request};

/// The daemon's socket where the configuration names none.
pub const DEFAULT_SOCKET: &str = "/run/rs-daemon/control.sock";

/// Longest silence within an answer. A diff of a large table is the longest that anything takes.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(120);

/// Where the demo puts its control socket, and where `rsctl` looks when there is none at
/// [`DEFAULT_SOCKET`].
#[must_use]
pub fn user_socket() -> PathBuf {
    ["XDG_RUNTIME_DIR", "TMPDIR"]
        .iter()
        .find_map(|name| std::env::var_os(name).filter(|value| !value.is_empty()))
        .map_or_else(|| PathBuf::from("/tmp"), PathBuf::from)
        .join("rs-daemon/control.sock")
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No daemon there.
    #[error("no route server answers at {tried}: {source}{}", remedy(source))]
    Connect {
        /// The paths.
        tried: String,
        /// What the system said last.
        source: std::io::Error,
    },
    /// The daemon says no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The connection broke.
    #[error("the answer broke off: {0}")]
    Broken(#[from] std::io::Error),
    /// The answer is not of this version.
    #[error("the daemon's answer is not understood (another version?): {0}")]
    Shape(#[from] serde_json::Error),
    /// It was told to stop, and is still there.
    #[error("the route server was told to stop and has not ended within {} s: its log says why", ANSWER_TIMEOUT.as_secs())]
    StillThere,
    /// The connection ended before the answer did.
    #[error("the answer is incomplete: the daemon closed the connection")]
    Incomplete,
}

/// What to do about it, where that is not plain.
fn remedy(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::PermissionDenied => {
            "; the socket is for root and the `group` of [control]"
        }
        std::io::ErrorKind::NotFound => "; is it running, and is this its `socket` of [control]?",
        std::io::ErrorKind::ConnectionRefused => "; nothing has this socket open any more",
        _ => "",
    }
}

/// A connection for one request.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
}

impl Client {
    /// Connects to `socket`, or to the first of the two usual places that answers.
    ///
    /// # Errors
    /// When nothing listens there.
    pub fn connect(socket: Option<&Path>) -> Result<Self, ClientError> {
        let paths = match socket {
            Some(path) => vec![path.to_owned()],
            None => vec![PathBuf::from(DEFAULT_SOCKET), user_socket()],
        };
        let mut last = std::io::Error::from(std::io::ErrorKind::NotFound);
        for path in &paths {
            match UnixStream::connect(path) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
                    stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
                    return Ok(Self { stream });
                }
                // A socket that may not be opened says more than one that is not there.
                Err(error) if last.kind() == std::io::ErrorKind::NotFound => last = error,
                Err(_) => {}
            }
        }
        let tried: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
        Err(ClientError::Connect { tried: tried.join(" or "), source: last })
    }

    /// Asks, and hands each item of the answer to `each` as it comes. A daemon that was told to stop
    /// is waited for until it has: who starts another one next must not find this one still there.
    ///
    /// # Errors
    /// When the daemon says no or the answer does not arrive whole.
    pub fn ask<T: DeserializeOwned>(
        mut self,
        command: Command,
        mut each: impl FnMut(T) -> std::io::Result<()>,
    ) -> Result<(), ClientError> {
        let stops_the_daemon = matches!(command, Command::Shutdown { .. });
        let mut line = serde_json::to_vec(&Request::new(command))?;
        line.push(b'\n');
        // Who is refused for lack of room is told why before the request is read; and a pipe that
        // breaks here is not that of whoever reads our output.
        let _ = self.stream.write_all(&line);
        let mut reader = BufReader::new(self.stream);
        let mut text = String::new();
        loop {
            text.clear();
            if reader.read_line(&mut text)? == 0 {
                return Err(ClientError::Incomplete);
            }
            match serde_json::from_str::<Line<T>>(&text)? {
                Line::Item(item) => each(item)?,
                Line::End { .. } => {
                    if stops_the_daemon {
                        // The connection ends with the daemon, and be it with a reset.
                        let kind = reader.read(&mut [0]).err().map(|error| error.kind());
                        if let Some(ErrorKind::WouldBlock | ErrorKind::TimedOut) = kind {
                            return Err(ClientError::StillThere);
                        }
                    }
                    return Ok(());
                }
                Line::Error(refusal) => return Err(refusal.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    fn answered_with(answer: &'static [u8]) -> Result<(), ClientError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let client = Client::connect(Some(&path)).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(answer).unwrap();
        drop(stream);
        client.ask(Command::Status, |_: serde_json::Value| Ok(()))
    }

    #[test]
    fn a_daemon_that_hangs_up_is_no_broken_pipe_of_ours() {
        let error = answered_with(b"").unwrap_err();
        assert!(matches!(error, ClientError::Incomplete), "{error:?}");
    }

    /// Who asks hangs up when it has its answer, but for one who told the daemon to stop.
    #[test]
    fn a_daemon_that_stops_is_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        let listener = UnixListener::bind(&path).unwrap();
        for command in [Command::Status, Command::Shutdown { graceful: true }] {
            let waits = command != Command::Status;
            let client = Client::connect(Some(&path)).unwrap();
            let (mut stream, _) = listener.accept().unwrap();
            let asking = std::thread::spawn(|| client.ask(command, |_: serde_json::Value| Ok(())));
            let mut asked = BufReader::new(stream.try_clone().unwrap());
            asked.read_line(&mut String::new()).unwrap();
            stream.write_all(b"{\"item\":1}\n{\"end\":{\"items\":1}}\n").unwrap();
            if waits {
                stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
            }
            let hung_up = asked.read(&mut [0]);
            assert_eq!(hung_up.is_err(), waits, "{hung_up:?}");
            drop((stream, asked));
            asking.join().unwrap().unwrap();
        }
    }

    #[test]
    fn what_is_said_before_the_request_was_read_is_heard() {
        let refusal = b"{\"error\":{\"kind\":\"limit\",\"message\":\"too many\",\"choices\":[]}}\n";
        let error = answered_with(refusal).unwrap_err();
        assert!(matches!(error, ClientError::Refused(_)), "{error:?}");
    }

    #[test]
    fn no_connection_says_what_to_do() {
        let text = |kind: std::io::ErrorKind| {
            let source = std::io::Error::from(kind);
            ClientError::Connect { tried: "/run/x".to_owned(), source }.to_string()
        };
        assert!(text(std::io::ErrorKind::PermissionDenied).contains("`group`"));
        assert!(text(std::io::ErrorKind::NotFound).contains("is it running"));
    }
}
