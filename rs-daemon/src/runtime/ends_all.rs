//! The end of the process where the state of sessions or tables is no longer what it should be.

use std::thread;

/// Held by a thread or task that has tables or sessions: one that panics leaves members with what
/// nobody changes any more, behind a daemon that answers. To end is better: sessions go down, or
/// their members keep the routes until the next process is there.
pub(super) struct EndsAll;

impl EndsAll {
    /// The same future, whose panic is the end.
    pub(super) async fn with<F: Future>(future: F) -> F::Output {
        let _ends_all = Self;
        future.await
    }
}

impl Drop for EndsAll {
    fn drop(&mut self) {
        // Also while tokio catches the panic of a task, which drops the task's future.
        if thread::panicking() {
            tracing::error!("a part of the route server has panicked: the process ends");
            std::process::abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::Command;

    use tokio::task::LocalSet;

    use super::super::tasks::Tasks;

    const SIGABRT: i32 = 6;

    /// Runs this test again, in a process that may end.
    #[test]
    fn a_task_that_panics_is_not_gone_in_silence() {
        const AGAIN: &str = "RS_TEST_PANICS";
        if std::env::var_os(AGAIN).is_some() {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let local = LocalSet::new();
            let task = local.spawn_local(Tasks::default().counted(async { panic!("a fault") }));
            local.block_on(&runtime, async { drop(task.await) });
            return;
        }
        let mut command = Command::new(std::env::current_exe().unwrap());
        let name = std::thread::current().name().unwrap().to_owned();
        command.args(["--exact", &name]).env(AGAIN, "1");
        let output = command.output().unwrap();
        assert_eq!(output.status.signal(), Some(SIGABRT), "{output:?}");
    }
}
