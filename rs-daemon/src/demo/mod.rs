//! `rs-daemon demo`: a whole exchange on loopback, for the first minute of a newcomer.
//!
//! Three route servers, a dozen members that really speak BGP to them over TCP, and an RTR cache.
//! No file is read, nothing needs root, nothing leaves 127.0.0.0/8.

mod cache;
mod exchange;
mod member;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::{self, Config};
use crate::control::client::user_socket;
use crate::runtime;

/// Where the looking glass of the demo is.
pub const HTTP: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(127, 0, 0, 1)), 9180);

/// An exchange that waits for its route servers.
#[derive(Debug)]
pub struct Demo {
    cache: TcpListener,
    http: SocketAddr,
    socket: PathBuf,
    port: u16,
}

impl Demo {
    /// Opens the cache's port, so that the configuration can name it; the route servers listen on
    /// `port` of their addresses. Needs a tokio runtime around it.
    ///
    /// # Errors
    /// When there is no free port on loopback.
    pub async fn prepare(http: SocketAddr, socket: PathBuf, port: u16) -> io::Result<Self> {
        let cache = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        Ok(Self { cache, http, socket, port })
    }

    /// The configuration for the daemon.
    ///
    /// # Errors
    /// When the demo's own text is refused, which would be a mistake of ours.
    pub fn config(&self) -> io::Result<Config> {
        let text =
            exchange::configuration(self.http, self.cache.local_addr()?, &self.socket, self.port);
        let mut config = config::parse(Path::new("demo"), &text).map_err(|errors| {
            let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
            io::Error::other(errors.join("\n"))
        })?;
        // Members outside the LAN, IPv6 over IPv4: strange anywhere but here.
        config.warnings.clear();
        Ok(config)
    }

    /// What to tell the user.
    #[must_use]
    pub fn greeting(&self) -> String {
        let rsctl = match sibling("rsctl") {
            Some(path) => path.display().to_string(),
            None => "cargo run --release --bin rsctl --".to_owned(),
        };
        let alder = exchange::MEMBERS[0].asn;
        let elm = exchange::MEMBERS[4].asn;
        let hazel = exchange::MEMBERS[7].asn;
        format!(
            "Demo IX: route servers rs1 (regular), rs2 (transitable) and chaos, {} members.\n\n  \
             looking glass   http://{}/\n  \
             control socket  {}\n\n\
             Try, in another terminal:\n\n  \
             {rsctl} status\n  \
             {rsctl} members rs1\n  \
             {rsctl} routes --rs rs1 --filtered\n  \
             {rsctl} routes --to AS{alder} --rs rs1\n  \
             {rsctl} explain 62.199.0.0/22 --to AS{elm} --rs rs1\n  \
             {rsctl} explain 62.50.8.0/24 --to AS{alder} --rs rs1\n  \
             {rsctl} member AS{hazel}\n  \
             {rsctl} top\n\n\
             Ctrl-C ends it.\n",
            exchange::MEMBERS.len(),
            self.http,
            self.socket.display(),
        )
    }

    /// Runs the cache and the members until `stop`. Members come up as soon as the route servers
    /// listen, and come back when they restart.
    pub async fn run(self, stop: CancellationToken) {
        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(cache::run(self.cache, exchange::vrps(), stop.clone()));
        for member in exchange::MEMBERS {
            for server in member.servers() {
                tasks.spawn(member::run(member, server, self.port, stop.clone()));
            }
        }
        while tasks.join_next().await.is_some() {}
    }
}

/// The demo as a program: everything, until Ctrl-C or SIGTERM.
#[must_use]
pub fn main() -> ExitCode {
    match start_members().and_then(|members| {
        eprintln!("{}", members.greeting);
        let served = runtime::serve(members.config.clone(), None);
        members.end();
        served.map_err(|error| io::Error::other(error.to_string()))
    }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rs-daemon demo: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The members on a thread of their own, as others' routers would be.
struct Members {
    config: Config,
    greeting: String,
    stop: CancellationToken,
    thread: std::thread::JoinHandle<()>,
}

impl Members {
    fn end(self) {
        self.stop.cancel();
        // A member that panicked has said so already.
        let _ = self.thread.join();
    }
}

fn start_members() -> io::Result<Members> {
    // A daemon goes on without its port; a newcomer wants to see the looking glass.
    drop(
        std::net::TcpListener::bind(HTTP)
            .map_err(|error| io::Error::new(error.kind(), format!("HTTP on {HTTP}: {error}")))?,
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let demo = runtime.block_on(Demo::prepare(HTTP, user_socket(), exchange::PORT))?;
    let (config, greeting) = (demo.config()?, demo.greeting());
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let thread = std::thread::Builder::new()
        .name("demo members".to_owned())
        .spawn(move || runtime.block_on(demo.run(stopped)))?;
    Ok(Members { config, greeting, stop, thread })
}

/// A program that lies beside this one.
fn sibling(name: &str) -> Option<PathBuf> {
    let path = std::env::current_exe().ok()?.with_file_name(name);
    path.exists().then_some(path)
}
