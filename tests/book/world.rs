//! A machine of one's own for a chapter: namespaces for processes, network and mounts.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use rs_tests::support::book::{self, Block, Step};
use rs_tests::support::process::require;
use rs_tests::support::rs::programs;
use rs_tests::support::wait::eventually;
use tempfile::TempDir;

/// How long a command may take.
const LIMIT: Duration = Duration::from_secs(60);
/// How long what only looks may take to see what is printed.
const ARRIVE: Duration = Duration::from_secs(30);
/// How long it is looked at before what is there is written into the book.
const SETTLE: Duration = Duration::from_secs(7);

/// What a shell finds there before the first command.
const BEGIN: &str = "mount -t tmpfs none /run && mkdir /run/netns && mount -t tmpfs none /var/lib \
                     && ip link set lo up && exec bash --norc";

/// A shell in its own world; all that was started in it ends with it.
pub(crate) struct World {
    shell: Child,
    typed: ChildStdin,
    commands: usize,
    directory: TempDir,
}

/// What a command did.
pub(crate) struct Done {
    pub(crate) status: i32,
    pub(crate) text: String,
    /// Whether it printed what the book says.
    pub(crate) matches: bool,
}

impl World {
    pub(crate) fn new() -> Self {
        require("unshare", "util-linux");
        require("bird", "bird2");
        require("curl", "curl");
        let directory = TempDir::new().expect("a temporary directory");
        fs::create_dir(directory.path().join("here")).expect("a working directory");
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"])
            .args(["bash", "-c", BEGIN])
            .env_clear()
            .env("PATH", format!("{}:{path}:/usr/sbin:/sbin", programs().display()))
            .env("HOME", directory.path())
            .env("TMPDIR", directory.path())
            .env("LC_ALL", "C.UTF-8")
            .current_dir(directory.path().join("here"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit());
        let mut shell = command.spawn().expect("unshare runs; these tests need root");
        let typed = shell.stdin.take().expect("a pipe");
        Self { shell, typed, commands: 0, directory }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.directory.path().join("here").join(file)
    }

    /// Writes a file that the book shows.
    pub(crate) fn write(&mut self, file: &str, text: &str) {
        fs::write(self.path(file), text).expect("a file of the book is written");
    }

    /// Changes a file as a `diff` block shows it.
    pub(crate) fn change(&mut self, file: &str, block: &Block) {
        let with = |marks: &[char]| -> String {
            let lines = block.lines.iter().filter(|line| line.starts_with(marks));
            lines.map(|line| format!("{}\n", &line[1..])).collect()
        };
        let (old, new) = (with(&[' ', '-']), with(&[' ', '+']));
        let text = fs::read_to_string(self.path(file)).expect("the file to change");
        assert_eq!(text.matches(&old).count(), 1, "{file} has not once\n{old}\nin\n{text}");
        self.write(file, &text.replace(&old, &new));
    }

    /// Runs a command; what only looks is run until it prints what the book says.
    pub(crate) fn run(&mut self, step: &Step, blessing: bool) -> Done {
        let until = Instant::now() + if blessing { SETTLE } else { ARRIVE };
        loop {
            let mut done = self.once(&step.command);
            let lines: Vec<&str> = done.text.lines().collect();
            done.matches = book::all_match(&step.output, &lines);
            let again = only_looks(&step.command) && Instant::now() < until;
            if done.matches || !again {
                return done;
            }
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    /// Runs a command in the shell.
    pub(crate) fn once(&mut self, command: &str) -> Done {
        self.commands += 1;
        let number = self.commands;
        let place = self.directory.path().to_owned();
        let file = |name: &str| place.join(format!("{name}.{number}"));
        fs::write(file("command"), format!("{command}\n")).expect("a command is written");
        let line = format!(
            ". {} > {} 2>&1 < /dev/null; echo $? > {status}.new; mv {status}.new {status}\n",
            file("command").display(),
            file("output").display(),
            status = file("status").display()
        );
        self.typed.write_all(line.as_bytes()).expect("the shell reads");
        let status = eventually(command, LIMIT, || {
            if let Ok(Some(status)) = self.shell.try_wait() {
                panic!("{command}: the shell ended: {status}");
            }
            fs::read_to_string(file("status")).map_err(|_| {
                let text = fs::read_to_string(file("output")).unwrap_or_default();
                format!("still running: {text}")
            })
        });
        let text = fs::read(file("output")).expect("its output");
        Done {
            status: status.trim().parse().expect("an exit status"),
            text: String::from_utf8_lossy(&text).into_owned(),
            matches: false,
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Takes the first process of the namespace along, and that one all others.
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

/// Whether a command changes nothing, so that it can be run again.
fn only_looks(command: &str) -> bool {
    let words: Vec<&str> =
        command.split_whitespace().filter(|word| !word.starts_with('-')).collect();
    let has = |word: &str| words.contains(&word);
    match words.first() {
        Some(&"rsctl") => {
            !["reload", "session", "drain", "shutdown", "refresh"].into_iter().any(has)
        }
        Some(&"birdc") => has("show"),
        Some(&"ip") => has("show") || has("route"),
        Some(first) => ["curl", "cat", "tail", "grep", "ls"].contains(first),
        None => false,
    }
}
