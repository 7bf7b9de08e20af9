//! Closing a connection so that the peer gets to see the last NOTIFICATION.

use std::rc::Rc;
use std::time::Duration;

use super::connection::Connection;
use super::limits::LINGERING_PER_SESSION;
use super::session_task::Peer;
use super::stream::Stream;

/// Writes what is left, then reads into the void until the peer closes too or `time` is over: a
/// socket closed with unread input answers with a reset, which can overtake the NOTIFICATION.
///
/// No more than [`LINGERING_PER_SESSION`] at once: a member could hold every descriptor else.
pub(super) fn close(peer: &Rc<Peer>, connection: Rc<Connection>, time: Duration) {
    if time.is_zero() || connection.is_broken() {
        return;
    }
    if let Stream::Memory(end) = &connection.stream {
        end.open_window();
        connection.retry();
        connection.flush();
        return;
    }
    if peer.lingering.get() >= LINGERING_PER_SESSION {
        connection.retry();
        connection.flush();
        return;
    }
    let peer = Rc::clone(peer);
    for count in [&peer.lingering, &peer.worker.lingering] {
        count.set(count.get() + 1);
    }
    let tasks = peer.worker.engine.stats.tasks.clone();
    tokio::task::spawn_local(tasks.counted(async move {
        // Whether the peer was quick enough changes nothing.
        let _ = tokio::time::timeout(time, drain(&connection)).await;
        for count in [&peer.lingering, &peer.worker.lingering] {
            count.set(count.get().saturating_sub(1));
        }
    }));
}

async fn drain(connection: &Connection) {
    let Stream::Tcp(stream) = &connection.stream else { return };
    while !connection.queue.borrow().is_empty() && !connection.is_broken() {
        if stream.writable().await.is_err() {
            return;
        }
        connection.retry();
        connection.flush();
    }
    if socket2::SockRef::from(stream).shutdown(std::net::Shutdown::Write).is_err() {
        return;
    }
    let mut void = [0; 4096];
    loop {
        if stream.readable().await.is_err() {
            return;
        }
        match connection.read(&mut void) {
            Ok(Some(0)) | Err(_) => return,
            Ok(Some(_) | None) => {}
        }
    }
}
