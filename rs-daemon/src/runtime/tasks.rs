//! How many tasks of the workers are alive.
//!
//! Tokio's own count leaves out what a `LocalSet` runs, and sessions are just that.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::ends_all::EndsAll;

/// A number of tasks that follows their beginnings and ends.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks(Arc<AtomicU64>);

/// Counts for as long as it lives, which is as long as its task: an aborted one drops it too.
struct Alive(Tasks);

impl Tasks {
    pub(crate) fn alive(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// The same future, counted from now until it is dropped.
    pub(crate) fn counted<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        self.0.fetch_add(1, Ordering::Relaxed);
        let alive = Alive(self.clone());
        async move {
            let _alive = alive;
            EndsAll::with(future).await
        }
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_counts_until_it_has_ended_or_was_aborted() {
        let tasks = Tasks::default();
        let ends = tokio::spawn(tasks.counted(async { 7 }));
        let waits = tokio::spawn(tasks.counted(std::future::pending::<()>()));
        assert_eq!(tasks.alive(), 2);
        assert_eq!(ends.await.unwrap(), 7);
        assert_eq!(tasks.alive(), 1);
        waits.abort();
        assert!(waits.await.unwrap_err().is_cancelled());
        assert_eq!(tasks.alive(), 0);
    }
}
