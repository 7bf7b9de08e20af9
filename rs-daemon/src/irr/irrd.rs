//! The IRRd query protocol: one-line queries that begin with `!`, answered by `A<length>`, data
//! and `C`, or by `C` (nothing), `D` (no such key), `E` (several), `F text` (an error).
//!
//! Queries are pipelined: a window of them is written before the first answer is read, so that a
//! thousand AS numbers cost a few round trips.

use std::io;
use std::time::Duration;

use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::IrrError;

/// Queries under way at once: few enough for any server's input buffer.
const WINDOW: usize = 128;
/// How long a server may take for one answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
/// How long a connection attempt may take.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// An answer larger than this is refused: the largest as-sets expand to a few megabytes.
const GREATEST_ANSWER_OCTETS: usize = 64 << 20;

/// All answers of one refresh together; those of the largest exchanges are a tenth of it.
const MOST_OCTETS: u64 = 512 << 20;

/// The longest line that is no data: a length, an error's words.
const GREATEST_LINE_OCTETS: u64 = 1024;

/// An answer that is not an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The data, words apart by white space.
    Data(String),
    /// The query succeeded and there is nothing.
    Nothing,
    /// No such object.
    NotFound,
    /// The server does not do it: its words.
    Refused(String),
}

impl Answer {
    /// The words of the data.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        let text = if let Self::Data(text) = self { text.as_str() } else { "" };
        text.split_whitespace()
    }
}

/// A connection.
pub struct IrrdClient<S = TcpStream> {
    server: String,
    stream: BufReader<S>,
    sources: Vec<String>,
    /// Octets of answers so far.
    octets: u64,
}

impl IrrdClient {
    /// Connects and selects the sources; empty: the server's own choice.
    pub async fn connect(server: &str, sources: &[String]) -> Result<Self, IrrError> {
        let failed = |source| IrrError::Connection { server: server.to_owned(), source };
        let connecting = timeout(CONNECT_LIMIT, TcpStream::connect(server)).await;
        let socket = connecting
            .unwrap_or_else(|_| {
                Err(io::Error::new(io::ErrorKind::TimedOut, "no answer within 10 s"))
            })
            .map_err(failed)?;
        socket.set_nodelay(true).map_err(failed)?;
        let mut client = Self { sources: sources.to_vec(), ..Self::over(server, socket) };
        // `!!` keeps the connection open and is not answered; `!n` names the client.
        client.write("!!\n").await.map_err(failed)?;
        client.query_all(&["!nrs-daemon".to_owned()]).await?;
        if let Some(select) = client.select(None) {
            client.query_all(&[select]).await?;
        }
        Ok(client)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> IrrdClient<S> {
    /// Over a connection that is there; nothing has been said on it yet.
    pub fn over(server: &str, stream: S) -> Self {
        let stream = BufReader::with_capacity(64 * 1024, stream);
        Self { server: server.to_owned(), stream, sources: Vec::new(), octets: 0 }
    }

    /// The query that selects a database, or the configured ones again.
    pub(crate) fn select(&self, source: Option<&str>) -> Option<String> {
        match source {
            Some(source) => Some(format!("!s{source}")),
            None if self.sources.is_empty() => None,
            None => Some(format!("!s{}", self.sources.join(","))),
        }
    }

    /// Where no sources are configured, finds out which ones the server chooses, so that they can
    /// be selected again after another.
    pub(crate) async fn learn_sources(&mut self) -> Result<(), IrrError> {
        if self.sources.is_empty() {
            let answers = self.query_all(&["!s-lc".to_owned()]).await?;
            let text = answers.iter().flat_map(Answer::words).collect::<String>();
            self.sources = text.split(',').filter(|s| !s.is_empty()).map(str::to_owned).collect();
        }
        Ok(())
    }

    async fn write(&mut self, text: &str) -> io::Result<()> {
        self.stream.get_mut().write_all(text.as_bytes()).await
    }

    /// Asks all queries; answers are in their order. One that is refused fails them all.
    pub async fn query_all(&mut self, queries: &[String]) -> Result<Vec<Answer>, IrrError> {
        let answers = self.query_each(queries).await?;
        for (query, answer) in queries.iter().zip(&answers) {
            self.accepted(query, answer)?;
        }
        Ok(answers)
    }

    /// An error if the server has refused the query.
    pub(crate) fn accepted(&self, query: &str, answer: &Answer) -> Result<(), IrrError> {
        let Answer::Refused(answer) = answer else { return Ok(()) };
        let (server, query, answer) = (self.server.clone(), query.to_owned(), answer.clone());
        Err(IrrError::Protocol { server, query, answer })
    }

    /// Asks all queries, a window at a time; answers are in their order.
    pub async fn query_each(&mut self, queries: &[String]) -> Result<Vec<Answer>, IrrError> {
        let mut answers = Vec::with_capacity(queries.len());
        for window in queries.chunks(WINDOW) {
            let mut text = window.join("\n");
            text.push('\n');
            let server = self.server.clone();
            let failed = |source| IrrError::Connection { server, source };
            self.write(&text).await.map_err(failed)?;
            for query in window {
                answers.push(self.answer(query).await?);
            }
        }
        Ok(answers)
    }

    async fn answer(&mut self, query: &str) -> Result<Answer, IrrError> {
        let read = timeout(ANSWER_LIMIT, self.read_answer()).await;
        let read = read.unwrap_or_else(|_| {
            Err(io::Error::new(io::ErrorKind::TimedOut, "no answer within 30 s"))
        });
        let answered =
            read.map_err(|source| IrrError::Connection { server: self.server.clone(), source })?;
        if let Ok(Answer::Data(text)) = &answered {
            self.octets += text.len() as u64;
            if self.octets > MOST_OCTETS {
                return Err(self.too_much("octets", MOST_OCTETS));
            }
        }
        answered.map_err(|answer| IrrError::Protocol {
            server: self.server.clone(),
            query: query.to_owned(),
            answer,
        })
    }

    /// An error about what nobody has so much of.
    pub(crate) fn too_much(&self, what: &'static str, limit: u64) -> IrrError {
        IrrError::TooMuch { server: self.server.clone(), what, limit }
    }

    async fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        let mut limited = (&mut self.stream).take(GREATEST_LINE_OCTETS);
        if limited.read_until(b'\n', &mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if limited.limit() == 0 && !line.ends_with(b"\n") {
            // Its rest would be taken for the next answer.
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a line of over 1024 octets"));
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    /// One answer, or the line that is none.
    async fn read_answer(&mut self) -> io::Result<Result<Answer, String>> {
        let line = self.line().await?;
        if let Some(length) = line.strip_prefix('A').and_then(|l| l.parse::<usize>().ok()) {
            if length > GREATEST_ANSWER_OCTETS {
                return Ok(Err(line));
            }
            // The length is the server's word: memory grows with what really comes.
            let mut data = Vec::new();
            let read = (&mut self.stream).take(length as u64).read_to_end(&mut data).await?;
            if read != length {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            // The length counts the last newline; some servers send one more before `C`.
            let mut end = self.line().await?;
            if end.is_empty() {
                end = self.line().await?;
            }
            let text = String::from_utf8_lossy(&data).into_owned();
            return Ok(if end.starts_with('C') { Ok(Answer::Data(text)) } else { Err(end) });
        }
        Ok(match line.as_bytes().first() {
            Some(b'C') => Ok(Answer::Nothing),
            Some(b'D') => Ok(Answer::NotFound),
            Some(b'F') => Ok(Answer::Refused(line)),
            _ => Err(line),
        })
    }
}
