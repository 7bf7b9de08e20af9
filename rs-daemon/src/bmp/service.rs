//! The thread that the station lives on.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::time::MissedTickBehavior;

use super::station::Station;
use crate::runtime::limits::BMP_CLOSE_TIMEOUT;
use crate::runtime::side_thread::{Control, SideThread};
use crate::runtime::{Command, Inner};

/// A running station, which is only ever configured.
pub(crate) type Service = SideThread<Infallible>;

/// Starts the station. Nothing is monitored before it is configured.
pub(crate) fn start(inner: Arc<Inner>) -> io::Result<Service> {
    SideThread::start("rs-bmp", |controls| run(inner, controls))
}

async fn run(inner: Arc<Inner>, mut controls: UnboundedReceiver<Control<Infallible>>) {
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
                Some(Control::Request(never)) => match never {},
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
        let question = station.ask();
        let told =
            inner.workers.iter().map(|worker| worker.send(Command::TellStation { question }));
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
