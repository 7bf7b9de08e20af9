//! The thread that the station lives on.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use tokio::task::LocalSet;
use tokio::time::MissedTickBehavior;

use super::station::Station;
use crate::config::Config;
use crate::runtime::limits::BMP_CLOSE_TIMEOUT;
use crate::runtime::{Command, Inner};

/// What the station is asked.
#[derive(Debug)]
enum Control {
    Configure(Arc<Config>),
    Stop(oneshot::Sender<()>),
}

/// A running station.
#[derive(Debug)]
pub(crate) struct Service {
    control: UnboundedSender<Control>,
}

impl Service {
    /// Starts the thread. Nothing is monitored before the first [`Self::configure`].
    pub(crate) fn start(inner: Arc<Inner>) -> io::Result<Self> {
        let (control, controls) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("rs-bmp".to_owned()).spawn(move || {
            LocalSet::new().block_on(&runtime, run(inner, controls));
        })?;
        Ok(Self { control })
    }

    /// Puts a configuration in force.
    pub(crate) fn configure(&self, config: Arc<Config>) {
        // An error means that it is gone, which it has logged.
        let _ = self.control.send(Control::Configure(config));
    }

    /// Ends it, when collectors were told.
    pub(crate) async fn stop(self) {
        let (done, finished) = oneshot::channel();
        if self.control.send(Control::Stop(done)).is_ok() {
            let _ = finished.await;
        }
    }
}

async fn run(inner: Arc<Inner>, mut controls: UnboundedReceiver<Control>) {
    let tap = Arc::clone(&inner.engine.bmp);
    let (notices, mut noticed) = mpsc::unbounded_channel();
    let (answers, mut numbers) = mpsc::unbounded_channel();
    let mut station = Station::new(Arc::clone(&inner), notices);
    let room = std::rc::Rc::clone(&station.room);
    let mut statistics = None;
    loop {
        tokio::select! {
            control = controls.recv() => match control {
                Some(Control::Configure(config)) => {
                    statistics = config.bmp.statistics.map(ticks);
                    station.configure(&config);
                    let on = !config.bmp.collectors.is_empty();
                    hear_of_sessions(&inner, on, &mut station);
                    if !on {
                        station.forget_sessions();
                    }
                }
                Some(Control::Stop(done)) => {
                    // What happened last is told, too.
                    station.take_events();
                    tap.switch(false);
                    close(station).await;
                    let _ = done.send(());
                    return;
                }
                None => return,
            },
            () = tap.doorbell.heard() => station.take_events(),
            Some(notice) = noticed.recv() => station.on_notice(notice),
            () = room.notified() => station.go_on(),
            () = tick(statistics.as_mut()) => {
                if let Some(gathering) = station.gather() {
                    let answers = answers.clone();
                    tokio::task::spawn_local(async move {
                        let _ = answers.send(gathering.await);
                    });
                }
            }
            Some(numbers) = numbers.recv() => station.tell_numbers(&numbers),
        }
    }
}

/// Has the workers say which sessions are up and what becomes of them, or has them stop.
fn hear_of_sessions(inner: &Inner, on: bool, station: &mut Station) {
    let was = inner.engine.bmp.is_on();
    inner.engine.bmp.switch(on);
    if on && !was {
        let told = inner.workers.iter().map(|worker| worker.send(Command::TellStation));
        // A worker that is gone has no sessions.
        station.hear_from(told.filter(Result::is_ok).count());
    }
}

fn ticks(interval: Duration) -> tokio::time::Interval {
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + interval, interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

async fn tick(ticks: Option<&mut tokio::time::Interval>) {
    match ticks {
        Some(ticks) => {
            ticks.tick().await;
        }
        None => std::future::pending().await,
    }
}

async fn close(station: Station) {
    let tasks = station.close();
    let all = async {
        for task in tasks {
            // One that panicked has said so.
            let _ = task.await;
        }
    };
    if tokio::time::timeout(BMP_CLOSE_TIMEOUT, all).await.is_err() {
        tracing::warn!("BMP: a collector does not take its last words");
    }
}
