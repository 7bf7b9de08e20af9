//! A server that answers as the test says, and is told to answer otherwise.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

/// Where it listens, and what it knows.
#[derive(Debug)]
pub(super) struct Server<S> {
    pub(super) address: SocketAddr,
    shared: Arc<Mutex<Shared<S>>>,
}

#[derive(Debug)]
pub(super) struct Shared<S> {
    /// How it answers.
    pub(super) state: S,
    connections: Vec<TcpStream>,
}

// Not derived, which would ask it of `S`.
impl<S> Clone for Server<S> {
    fn clone(&self) -> Self {
        Self { address: self.address, shared: Arc::clone(&self.shared) }
    }
}

impl<S: Send + 'static> Server<S> {
    /// Has `serve` answer on each connection; its error is the end of that one.
    pub(super) fn start(state: S, serve: fn(&Self, TcpStream) -> io::Result<()>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Shared { state, connections: Vec::new() };
        let server = Self { address, shared: Arc::new(Mutex::new(shared)) };
        let serving = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                serving.lock().connections.push(stream.try_clone().unwrap());
                let each = serving.clone();
                thread::spawn(move || drop(serve(&each, stream)));
            }
        });
        server
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Shared<S>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers otherwise from now on, on new connections.
    pub(super) fn becomes(&self, change: impl FnOnce(&mut S)) {
        let mut shared = self.lock();
        change(&mut shared.state);
        for connection in shared.connections.drain(..) {
            // It may be closed already.
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}
