//! A service beside the workers, on a thread and a current-thread runtime of its own: what BMP and
//! MRT files cost delays nobody's UPDATEs.

use std::io;
use std::sync::Arc;
use std::thread;

use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use tokio::task::LocalSet;

use crate::config::Config;

/// What such a service is asked. `R` is what only this one understands.
///
/// The queue has no bound: an operator asks, not a peer.
#[derive(Debug)]
pub(crate) enum Control<R> {
    Configure(Arc<Config>),
    Request(R),
    Stop(oneshot::Sender<()>),
}

/// The running service.
#[derive(Debug)]
pub(crate) struct SideThread<R> {
    control: UnboundedSender<Control<R>>,
}

impl<R: Send + 'static> SideThread<R> {
    /// Starts a thread of this name with `service` on it. Before the first [`Self::configure`] it
    /// has nothing to do.
    ///
    /// # Errors
    ///
    /// The system has no room for another thread or its runtime.
    pub(crate) fn start<F>(
        name: &str,
        service: impl FnOnce(UnboundedReceiver<Control<R>>) -> F + Send + 'static,
    ) -> io::Result<Self>
    where
        F: Future<Output = ()> + 'static,
    {
        let (control, controls) = mpsc::unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            LocalSet::new().block_on(&runtime, service(controls));
        })?;
        Ok(Self { control })
    }

    /// Puts a configuration in force.
    pub(crate) fn configure(&self, config: Arc<Config>) {
        // An error means that it is gone, which it has logged.
        let _ = self.control.send(Control::Configure(config));
    }

    /// Asks for what is its own; an answer's sender that is dropped means that it is gone.
    pub(crate) fn request(&self, request: R) {
        let _ = self.control.send(Control::Request(request));
    }

    /// Ends it, when it has finished what it owes to others.
    pub(crate) async fn stop(self) {
        let (done, finished) = oneshot::channel();
        if self.control.send(Control::Stop(done)).is_ok() {
            let _ = finished.await;
        }
    }
}
