//! `rsctl top`, on a terminal and without one.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use serde_json::Value;

use crate::{EXCHANGE, json, until};

/// Another screen without cursor, and back (xterm's control sequences).
const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

fn top(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rsctl"));
    command.arg("--socket").arg(&EXCHANGE.socket).args(["top", "--interval", "1"]).args(words);
    command
}

/// `rsctl top` on a terminal of its own.
struct Terminal {
    keyboard: File,
    /// What was written to it since the last look.
    shown: Arc<Mutex<String>>,
    /// Our side of what the program has.
    slave: OwnedFd,
    child: Child,
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Terminal {
    fn start(lines: u16) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        let keyboard = File::from(master);
        resize(&keyboard, lines);
        let mut command = top(&[]);
        let end = || Stdio::from(slave.try_clone().unwrap());
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        let shown = Arc::new(Mutex::new(String::new()));
        let (mut screen, text) = (keyboard.try_clone().unwrap(), Arc::clone(&shown));
        std::thread::spawn(move || {
            let mut octets = [0; 65_536];
            while let Ok(n @ 1..) = screen.read(&mut octets) {
                text.lock().unwrap().push_str(&String::from_utf8_lossy(&octets[..n]));
            }
        });
        Self { keyboard, shown, slave, child }
    }

    fn shows(&self, text: &str) {
        until(text, || self.shown.lock().unwrap().contains(text));
    }

    /// What is shown from here on says this.
    fn shows_next(&self, text: &str) {
        self.shown.lock().unwrap().clear();
        self.shows(text);
    }

    fn press(&mut self, keys: &str, then: &str) {
        self.shown.lock().unwrap().clear();
        self.keyboard.write_all(keys.as_bytes()).unwrap();
        self.shows(then);
    }

    fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        until("the end", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    fn reads_lines(&self) -> bool {
        let modes = tcgetattr(&self.slave).unwrap().local_modes;
        modes.contains(LocalModes::ICANON | LocalModes::ECHO)
    }
}

fn resize(terminal: &File, lines: u16) {
    let size = Winsize { ws_row: lines, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(terminal, size).unwrap();
}

#[test]
fn top_has_a_screen_of_its_own_scrolls_and_leaves_the_terminal_as_it_was() {
    let mut terminal = Terminal::start(12);
    terminal.shows(ENTER);
    terminal.shows("1-7 of 23");
    assert!(!terminal.reads_lines(), "keys count at once");
    terminal.press("\x1b[B", "2-8 of 23");
    terminal.press("\x1b[6~", "9-15 of 23");
    terminal.press("k", "8-14 of 23");
    terminal.press("G", "17-23 of 23");
    terminal.press("\x1b[H", "1-7 of 23");
    resize(&terminal.keyboard, 20);
    terminal.shows_next("1-15 of 23");
    terminal.press("q", LEAVE);
    assert!(terminal.ended().success());
    assert!(terminal.reads_lines(), "as it was");
}

/// Ctrl-C does not leave a terminal without echo behind.
#[test]
fn top_leaves_the_terminal_as_it_was_on_ctrl_c() {
    let mut terminal = Terminal::start(24);
    terminal.shows("of 23");
    terminal.press("\x03", LEAVE);
    assert!(terminal.ended().success());
    assert!(terminal.reads_lines(), "as it was");
}

/// Without a terminal `rsctl top` prints a picture, or a line of JSON, for each look.
#[test]
fn top_goes_into_a_pipe() {
    let first = |json: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rsctl"));
        command.arg("--socket").arg(&EXCHANGE.socket).args(["top", "--interval", "1"]).args(json);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first: Vec<_> = lines.by_ref().take(4).map(Result::unwrap).collect();
        child.kill().unwrap();
        child.wait().unwrap();
        first
    };
    let lines = first(&[]);
    assert!(lines[0].starts_with("up "), "{lines:?}");
    assert!(!lines.concat().contains('\x1b'), "no sequences in a pipe: {lines:?}");
    let document = json("/api/v1/openapi.json");
    for line in first(&["--json"]) {
        let look: Value = serde_json::from_str(&line).unwrap();
        let schema = &document["components"]["schemas"]["TopLook"];
        crate::schema::check(&document, schema, &look, "top");
    }
}
