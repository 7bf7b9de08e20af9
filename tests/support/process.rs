//! A child process that cannot outlive its test, with its log kept for the failure message.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::wait::{ensure, eventually};

/// How much of a log a failing test shows.
const TAIL_LINES: usize = 40;

/// A running child and the file that holds all it wrote.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` in its own process group, output going to `directory/name.log`.
    pub fn start(name: &str, directory: &Path, mut command: Command) -> Self {
        let log = directory.join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log).expect("log opens");
        let errors = file.try_clone().expect("log opens twice");
        command.stdin(Stdio::null()).stdout(file).stderr(errors).process_group(0);
        let child = command.spawn().unwrap_or_else(|error| panic!("{name} starts: {error}"));
        Self { name: name.to_owned(), child, log }
    }

    /// Everything it has written so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// An error with the end of the log once it has ended.
    pub fn still_runs(&mut self) -> Result<(), String> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(format!("{} ended: {status}\n{}", self.name, self.tail())),
            Err(error) => Err(format!("{}: {error}", self.name)),
        }
    }

    /// Sends a signal by name, such as `HUP`.
    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill")
            .arg(format!("-{signal}"))
            .arg(self.child.id().to_string())
            .status()
            .expect("kill runs");
        assert!(status.success(), "{} takes {signal}", self.name);
    }

    /// SIGTERM, then waits for the end; gives the exit code.
    pub fn terminate(&mut self) -> Option<i32> {
        self.signal("TERM");
        self.ended()
    }

    /// Waits for the end; gives the exit code.
    pub fn ended(&mut self) -> Option<i32> {
        let child = &mut self.child;
        eventually(&format!("{} ends", self.name), Duration::from_secs(60), || {
            let status = child.try_wait().map_err(|error| error.to_string())?;
            status.ok_or_else(|| "still running".to_owned())
        })
        .code()
    }

    /// SIGKILL for it and all it started.
    pub fn kill(&mut self) {
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- end of the log of {}\n{}", self.name, self.tail());
        }
        self.kill();
    }
}

/// Runs a command to its end and gives its standard output, or its complaint.
pub fn output(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure(output.status.success(), || {
        format!("{command:?}: {} {text}", String::from_utf8_lossy(&output.stderr))
    })?;
    Ok(text)
}

/// The program's path, or a failure that names the Debian package which has it.
pub fn require(path: &str, package: &str) -> String {
    let found = if path.starts_with('/') {
        Path::new(path).exists().then(|| path.to_owned())
    } else {
        ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
            .iter()
            .map(|directory| format!("{directory}/{path}"))
            .find(|candidate| Path::new(candidate).exists())
    };
    found.unwrap_or_else(|| {
        panic!("{path} is not installed: this test needs Debian's package {package} (./test.sh installs it)")
    })
}
