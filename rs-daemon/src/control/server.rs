//! The listening side of the control socket.
//!
//! Who may open the socket may do everything: file permission (0660 and a group) is the access
//! control. What one client does, or does not do, holds up nobody: requests are short, reads and
//! writes have a time limit, connections are counted, long answers are written page by page.

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::operations::Operations;
use super::protocol::{Command, Line, MAX_REQUEST_OCTETS, Refusal, RefusalKind, Request, VERSION};
use crate::privileges;
use crate::runtime::limits::REFUSED_LOG_INTERVAL;
use crate::runtime::local_sockets::{Accepting, LocalSocket};
use crate::runtime::log_limit::LogLimit;

/// Clients at once. More are told so and closed.
const MAX_CONNECTIONS: usize = 32;
/// Longest wait for a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest wait for a client to take what is written.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// How often it is looked whether the socket is where clients look for it.
const LOOK: Duration = Duration::from_secs(2);
/// Octets collected before they are written.
const WRITE_BUFFER_OCTETS: usize = 64 * 1024;

/// Where to listen and who may connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlSettings {
    /// The socket's path. Its directory is made if it is missing.
    pub socket: PathBuf,
    /// The group that may connect, by name or number.
    pub group: Option<String>,
}

/// The socket's file, removed when it is dropped.
#[derive(Debug)]
pub struct ControlListener {
    listener: UnixListener,
    settings: ControlSettings,
    /// Device and inode of our file: at the path may be somebody else's by now.
    file: (u64, u64),
}

impl Drop for ControlListener {
    fn drop(&mut self) {
        if self.is_in_place() {
            // Gone since: that is what we want.
            let _ = std::fs::remove_file(&self.settings.socket);
        }
    }
}

impl ControlListener {
    /// Opens the socket. One that a dead process left behind is replaced, a living one is not.
    ///
    /// # Errors
    /// When the path is in use or cannot be written. Needs a tokio runtime around it.
    pub fn bind(settings: &ControlSettings) -> io::Result<Self> {
        let path = &settings.socket;
        if let Some(directory) = path.parent() {
            std::fs::create_dir_all(directory)?;
        }
        check_unused(path)?;
        // Permissions are set before the name appears: nobody can connect in between.
        let mut temporary = path.clone().into_os_string();
        temporary.push(format!(".{}", std::process::id()));
        let temporary = PathBuf::from(temporary);
        let _ = std::fs::remove_file(&temporary);
        let listener = UnixListener::bind(&temporary)?;
        let ready = set_access(&temporary, settings.group.as_deref())
            .and_then(|()| identity(&temporary))
            .and_then(|file| std::fs::rename(&temporary, path).map(|()| file));
        match ready {
            Ok(file) => Ok(Self { listener, settings: settings.clone(), file }),
            Err(error) => {
                let _ = std::fs::remove_file(&temporary);
                Err(error)
            }
        }
    }

    fn is_in_place(&self) -> bool {
        identity(&self.settings.socket).is_ok_and(|file| file == self.file)
    }

    /// A socket without its file answers nobody: made anew, unless another daemon has taken the
    /// path.
    fn keep_in_place(&mut self, health: &LocalSocket) {
        if self.is_in_place() {
            return;
        }
        let path = self.settings.socket.display().to_string();
        match Self::bind(&self.settings) {
            Ok(new) => {
                *self = new;
                health.is_lost();
                health.is_up();
                warn!(path, "control socket: its file was gone, it is made anew");
            }
            Err(error) => {
                if health.is_down() {
                    error!(path, %error, "control socket: its file is gone or another's: rsctl cannot connect");
                }
            }
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.settings.socket
    }

    /// Answers until `stop`.
    pub async fn run(mut self, operations: Operations, stop: CancellationToken) {
        let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let health = &operations.runtime().local_sockets().control;
        health.is_up();
        let mut accepting = Accepting::new("control socket");
        let mut refused = LogLimit::new(REFUSED_LOG_INTERVAL);
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = self.listener.accept() => accepted,
                _ = look.tick() => {
                    self.keep_in_place(health);
                    continue;
                }
            };
            let stream = match accepted {
                Ok((stream, _)) => {
                    accepting.succeeded();
                    stream
                }
                Err(error) => {
                    health.accept_failed(&mut accepting, &error).await;
                    continue;
                }
            };
            let slot = Arc::clone(&slots).try_acquire_owned();
            if slot.is_err() {
                health.refuses();
                if let Some(unsaid) = refused.admit(Instant::now()) {
                    warn!(
                        client = client_name(&stream),
                        unsaid, "control socket: too many clients"
                    );
                }
            }
            let operations = operations.clone();
            let stop = stop.clone();
            tokio::spawn(async move {
                let client = client_name(&stream);
                let (read, write) = stream.into_split();
                let mut lines = Lines::new(write);
                let Ok(_slot) = slot else {
                    let text = format!("more than {MAX_CONNECTIONS} clients at once");
                    let _ = lines.refuse(Refusal::new(RefusalKind::Limit, text)).await;
                    return;
                };
                tokio::select! {
                    () = stop.cancelled() => {}
                    served = serve_client(&operations, &client, BufReader::new(read), &mut lines) => {
                        if let Err(error) = served {
                            info!(client, %error, "control socket: client gone");
                        }
                    }
                }
            });
        }
    }
}

/// Opens the socket and answers until `stop`.
///
/// # Errors
/// When the socket cannot be opened.
pub async fn serve(
    settings: &ControlSettings,
    operations: Operations,
    stop: CancellationToken,
) -> io::Result<()> {
    ControlListener::bind(settings)?.run(operations, stop).await;
    Ok(())
}

/// Device and inode.
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    std::fs::symlink_metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

fn check_unused(path: &Path) -> io::Result<()> {
    let kind = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !kind.is_socket() {
        let text = format!("{} is there and is not a socket", path.display());
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => {
            let text = format!("another daemon answers at {}", path.display());
            Err(io::Error::new(io::ErrorKind::AddrInUse, text))
        }
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(error) => Err(error),
    }
}

fn set_access(path: &Path, group: Option<&str>) -> io::Result<()> {
    if let Some(group) = group {
        std::os::unix::fs::chown(path, None, Some(privileges::group_id(group)?)).map_err(
            |error| {
                let text =
                    format!("{error}: only root, or a member of the group {group}, may give it");
                io::Error::new(error.kind(), text)
            },
        )?;
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))
}

fn client_name(stream: &UnixStream) -> String {
    match stream.peer_cred() {
        Ok(who) => format!("uid {} pid {}", who.uid(), who.pid().unwrap_or(0)),
        Err(_) => "unknown".to_owned(),
    }
}

/// Answers what comes on `read` until it ends, for whoever brings the connection.
///
/// # Errors
/// When the client can no longer be read or written to.
pub async fn serve_stream(
    operations: &Operations,
    client: &str,
    read: impl AsyncRead + Unpin,
    write: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    serve_client(operations, client, BufReader::new(read), &mut Lines::new(write)).await
}

async fn serve_client(
    operations: &Operations,
    client: &str,
    mut read: BufReader<impl AsyncRead + Unpin>,
    lines: &mut Lines<impl AsyncWrite + Unpin>,
) -> io::Result<()> {
    loop {
        let command = match read_request(&mut read).await? {
            Asked::Nothing => return Ok(()),
            Asked::Command(command) => command,
            Asked::Nonsense(refusal) => return lines.refuse(refusal).await,
        };
        // Who gave it is worth a line in the log.
        if command.acts() {
            info!(client, ?command, "control socket: order");
        }
        let stops = matches!(command, Command::Shutdown { .. });
        match answer(operations, command, lines).await {
            Ok(()) if stops => {
                lines.end().await?;
                // That the connection ends says that the daemon has.
                return std::future::pending().await;
            }
            Ok(()) => lines.end().await?,
            Err(Failure::Refused(refusal)) => lines.refuse(refusal).await?,
            Err(Failure::Gone(error)) => return Err(error),
        }
    }
}

enum Asked {
    Nothing,
    Command(Command),
    Nonsense(Refusal),
}

async fn read_request(read: &mut BufReader<impl AsyncRead + Unpin>) -> io::Result<Asked> {
    let mut line = Vec::new();
    let most = MAX_REQUEST_OCTETS as u64 + 1;
    let Ok(got) = timeout(REQUEST_TIMEOUT, read.take(most).read_until(b'\n', &mut line)).await
    else {
        return Ok(Asked::Nothing);
    };
    if got? == 0 {
        return Ok(Asked::Nothing);
    }
    if line.len() > MAX_REQUEST_OCTETS {
        let text = format!("a request is a line of at most {MAX_REQUEST_OCTETS} octets");
        return Ok(Asked::Nonsense(Refusal::new(RefusalKind::Limit, text)));
    }
    Ok(parse_request(&line))
}

fn parse_request(line: &[u8]) -> Asked {
    #[derive(serde::Deserialize)]
    struct AnyVersion {
        version: u16,
    }
    match serde_json::from_slice::<Request>(line) {
        Ok(request) if request.version == VERSION => Asked::Command(request.request),
        other => {
            // Another version's request may have any shape, so its number is looked at first.
            let theirs = serde_json::from_slice::<AnyVersion>(line).map(|any| any.version);
            Asked::Nonsense(match (theirs, other) {
                (Ok(version), _) if version != VERSION => Refusal::new(
                    RefusalKind::Version,
                    format!("rsctl speaks version {version}, this daemon {VERSION}"),
                ),
                (_, Err(error)) => Refusal::invalid(format!("not a request: {error}")),
                (_, Ok(_)) => Refusal::invalid("not a request"),
            })
        }
    }
}

/// Why an answer ends early.
enum Failure {
    Refused(Refusal),
    Gone(io::Error),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Gone(error)
    }
}

async fn answer(
    operations: &Operations,
    command: Command,
    lines: &mut Lines<impl AsyncWrite + Unpin>,
) -> Result<(), Failure> {
    match command {
        Command::Status => lines.item(&operations.status().await?).await?,
        Command::Members { route_server } => {
            for session in operations.sessions(route_server.as_deref()).await? {
                lines.item(&session).await?;
            }
        }
        Command::Member(peer) => lines.item(&operations.session(&peer).await?).await?,
        Command::Routes(query) => {
            let mut walk = operations.routes(&query).await?;
            while let Some(page) = walk.next_page().await? {
                for route in &page {
                    lines.item(route).await?;
                }
            }
        }
        Command::Explain(query) => lines.item(&operations.explain(&query).await?).await?,
        Command::Diff { file } => lines.item(&operations.diff(Path::new(&file)).await?).await?,
        Command::Reload => lines.item(&operations.reload().await?).await?,
        Command::Session { action, peer, reason } => {
            lines.item(&operations.act(action, &peer, reason).await?).await?;
        }
        Command::Drain { on } => lines.item(&operations.drain(on).await?).await?,
        Command::Shutdown { graceful } => lines.item(&operations.shutdown(graceful)).await?,
        Command::Rpki => lines.item(&operations.rpki()).await?,
        Command::Irr { refresh: true } => lines.item(&operations.irr_refresh().await?).await?,
        Command::Irr { refresh: false } => {
            for set in operations.irr() {
                lines.item(&set).await?;
            }
            for policy in operations.rpsl() {
                lines.item(&policy).await?;
            }
        }
        Command::Bmp => {
            for collector in operations.bmp() {
                lines.item(&collector).await?;
            }
        }
        Command::MrtDump { route_server } => {
            lines.item(&operations.mrt_dump(route_server).await?).await?;
        }
        Command::Policy { route_server, markdown } => {
            lines.item(&operations.policy(&route_server, markdown).await?).await?;
        }
        Command::Ixf => lines.item(&operations.ixf().await?).await?,
        Command::AsSet { name, route_server, family } => {
            let document = operations.as_set(&name, &route_server, family.as_deref()).await?;
            lines.item(&document).await?;
        }
        Command::ClientConfig { asn, style } => {
            lines.item(&operations.client_config(asn, &style).await?).await?;
        }
    }
    Ok(())
}

/// The answering half of a connection.
struct Lines<W> {
    write: W,
    buffer: Vec<u8>,
    items: u64,
}

impl<W: AsyncWrite + Unpin> Lines<W> {
    fn new(write: W) -> Self {
        Self { write, buffer: Vec::new(), items: 0 }
    }

    async fn item<T: Serialize>(&mut self, item: &T) -> io::Result<()> {
        self.items += 1;
        self.push(&Line::Item(item))?;
        if self.buffer.len() >= WRITE_BUFFER_OCTETS {
            self.flush().await?;
        }
        Ok(())
    }

    async fn end(&mut self) -> io::Result<()> {
        let items = std::mem::take(&mut self.items);
        self.push(&Line::<()>::End { items })?;
        self.flush().await
    }

    async fn refuse(&mut self, refusal: Refusal) -> io::Result<()> {
        self.items = 0;
        self.push(&Line::<()>::Error(refusal))?;
        self.flush().await
    }

    fn push<T: Serialize>(&mut self, line: &Line<T>) -> io::Result<()> {
        serde_json::to_writer(&mut self.buffer, line)?;
        self.buffer.push(b'\n');
        Ok(())
    }

    async fn flush(&mut self) -> io::Result<()> {
        timeout(WRITE_TIMEOUT, self.write.write_all(&self.buffer)).await??;
        self.buffer.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_is_told_so() {
        let Asked::Nonsense(refusal) = parse_request(br#"{"version":9,"request":{"x":1}}"#) else {
            panic!("taken");
        };
        assert_eq!(refusal.kind, RefusalKind::Version);
        let Asked::Nonsense(refusal) = parse_request(b"GET / HTTP/1.0") else { panic!("taken") };
        assert_eq!(refusal.kind, RefusalKind::Invalid);
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_a_living_one_and_a_file_are_not() {
        let directory = tempfile::tempdir().unwrap();
        let settings =
            ControlSettings { socket: directory.path().join("sub/control.sock"), group: None };
        let first = ControlListener::bind(&settings).unwrap();
        let mode = std::fs::metadata(first.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o660);
        let error = ControlListener::bind(&settings).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);

        let stale = directory.path().join("stale.sock");
        drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
        ControlListener::bind(&ControlSettings { socket: stale, group: None }).unwrap();

        let file = directory.path().join("file");
        std::fs::write(&file, "precious").unwrap();
        let error = ControlListener::bind(&ControlSettings { socket: file.clone(), group: None });
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(file).unwrap(), "precious");
    }
}
