//! The daemon as a program: configuration, threads, control socket, HTTP, signals, systemd.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::daemon::{Daemon, Options};
use super::handle::RuntimeHandle;
use super::query::ShutdownKind;
use crate::config::{self, Config};
use crate::control::server::ControlListener;
use crate::control::{ControlSettings, Operations};
use crate::http::{self, HttpListener};
use crate::privileges;

/// What a start may take beside waiting for routing data.
const START_MARGIN: Duration = Duration::from_secs(60);
/// Exit status for a configuration that cannot be run.
const EXIT_REFUSED: u8 = 2;

/// Runs the daemon until it is told to stop, as `user` where root started it. Logs through
/// `tracing`; errors that keep it from starting go to stderr, too, where whoever typed the command
/// sees them.
#[must_use]
pub fn run(config_path: &Path, user: Option<&str>) -> ExitCode {
    // First of all: a SIGHUP to a process that has not asked for it ends it.
    let (runtime, signals) = match prepare() {
        Ok(prepared) => prepared,
        Err(error) => {
            eprintln!("rs-daemon: {error}");
            return ExitCode::FAILURE;
        }
    };
    let config = match config::load(config_path) {
        Ok(config) => config,
        Err(errors) => {
            for error in &errors {
                eprintln!("{error}");
            }
            return ExitCode::from(EXIT_REFUSED);
        }
    };
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    raise_descriptor_limit();
    if let Some(user) = user {
        if let Err(error) = privileges::become_user(user, &config) {
            eprintln!("rs-daemon: {error}");
            return ExitCode::FAILURE;
        }
        // A reload reads the files again, as that user.
        for error in config::load(config_path).err().into_iter().flatten() {
            tracing::warn!(user, "a reload will be refused for what root could read: {error}");
        }
    }
    privileges::confine(&privileges::written(&config));
    match serve_on(&runtime, signals, config, Some(config_path.to_owned())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            eprintln!("rs-daemon: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Every connection is a descriptor, and the soft limit of many systems is 1024, for programs that
/// still use select().
fn raise_descriptor_limit() {
    match rlimit::increase_nofile_limit(rlimit::INFINITY) {
        Ok(limit) => tracing::info!(limit, "file descriptors"),
        Err(error) => tracing::warn!(%error, "the limit of file descriptors stays as it was"),
    }
}

/// Runs a configuration, with all that the program has around it.
///
/// # Errors
/// When something cannot be listened on, or a thread cannot be made.
pub fn serve(config: Config, path: Option<PathBuf>) -> Result<(), Box<dyn std::error::Error>> {
    let (runtime, signals) = prepare()?;
    serve_on(&runtime, signals, config, path)
}

/// What signals act upon, and the signals that we obey.
fn prepare() -> io::Result<(Runtime, Signals)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let signals = {
        let _inside = runtime.enter();
        Signals {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        }
    };
    Ok((runtime, signals))
}

/// Those that came since they were asked for, too.
#[derive(Debug)]
struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

fn serve_on(
    runtime: &Runtime,
    signals: Signals,
    config: Config,
    path: Option<PathBuf>,
) -> Result<(), Box<dyn std::error::Error>> {
    let (http, control) = (config.http.clone(), config.control.clone());
    runtime.block_on(async {
        // What must be free is taken before the first member is let in.
        let settings = ControlSettings { socket: control.socket, group: control.group };
        let control = ControlListener::bind(&settings)
            .map_err(|e| format!("control socket {}: {e}", settings.socket.display()))?;
        // Members do not need it: another program that has the port is waited for.
        let http = match http.listen {
            None => None,
            Some(address) => Some((address, HttpListener::bind(address).await)),
        };
        notify(&[starting(config.exchange.data_wait)]);
        let daemon = Daemon::start(config, Options { config_path: path, ..Options::default() })?;
        let handle = daemon.handle().clone();
        let stop = CancellationToken::new();
        let operations = Operations::new(handle.clone());
        tokio::spawn(control.run(operations.clone(), stop.clone()));
        if let Some((address, first)) = http {
            tokio::spawn(http::serve_when_free(address, first, operations, stop.clone()));
        }
        tokio::spawn(obey_signals(signals, handle.clone()));
        tokio::select! {
            () = handle.ready() => {
                notify(&[NotifyState::Ready]);
                tokio::spawn(feed_watchdog(handle.clone()));
            }
            () = handle.stopped() => {}
        }
        handle.stopped().await;
        // Nothing is awaited from here on: connections of `rsctl shutdown` end with this runtime,
        // and so when all this is done.
        stop.cancel();
        notify(&[NotifyState::Stopping]);
        daemon.join();
        Ok(())
    })
}

/// The wait for routing data may be longer than `TimeoutStartSec=` of the unit.
fn starting(data_wait: Duration) -> NotifyState<'static> {
    let longest = (data_wait + START_MARGIN).as_micros();
    NotifyState::ExtendTimeoutUsec(u32::try_from(longest).unwrap_or(u32::MAX))
}

/// SIGHUP reloads; SIGTERM and SIGINT stop, also while a reload is under way.
async fn obey_signals(signals: Signals, handle: RuntimeHandle) {
    let Signals { mut hangup, mut terminate, mut interrupt } = signals;
    let asked = Arc::new(Notify::new());
    tokio::spawn(reload_when_asked(handle.clone(), Arc::clone(&asked)));
    loop {
        tokio::select! {
            _ = hangup.recv() => asked.notify_one(),
            _ = terminate.recv() => handle.shutdown(ShutdownKind::Cease),
            _ = interrupt.recv() => handle.shutdown(ShutdownKind::Cease),
        }
    }
}

/// One reload at a time; those asked for during one are one more after it, with what the file then
/// says. None before the start is over, which systemd is told first.
async fn reload_when_asked(handle: RuntimeHandle, asked: Arc<Notify>) {
    handle.ready().await;
    loop {
        asked.notified().await;
        match NotifyState::monotonic_usec_now() {
            Ok(now) => notify(&[NotifyState::Reloading, now]),
            Err(_) => notify(&[NotifyState::Reloading]),
        }
        // What came of it is logged by the supervisor.
        let _ = handle.reload(None).await;
        notify(&[NotifyState::Ready]);
    }
}

/// With `WatchdogSec=` in the unit: systemd hears of us as long as all threads that serve members
/// answer, and restarts a daemon in which one of them does not.
async fn feed_watchdog(handle: RuntimeHandle) {
    let Some(limit) = watchdog_limit() else { return };
    loop {
        if handle.answers().await.is_err() {
            return;
        }
        let up = handle.status().await.map(|status| {
            format!("{} of {} sessions up", status.sessions_established, status.sessions_configured)
        });
        notify(&[NotifyState::Watchdog, NotifyState::Status(&up.unwrap_or_default())]);
        tokio::time::sleep(limit / 3).await;
    }
}

/// `sd_watchdog_enabled(3)`: without `WATCHDOG_PID` it is for whoever reads it.
fn watchdog_limit() -> Option<Duration> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
    number("WATCHDOG_USEC").filter(|limit| ours && *limit > 0).map(Duration::from_micros)
}

/// Tells systemd, where it is there.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(false, states) {
        tracing::debug!(%error, "systemd was not told");
    }
}
