//! The terminal: how large it is, and a screen of its own for as long as one is wanted.

use std::io::{self, Write, stdin, stdout};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// How often is looked whether the terminal has another size.
const LOOK: Duration = Duration::from_millis(100);
/// Another screen, without cursor; what was there before comes back when it is left.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l";
const LEAVE: &[u8] = b"\x1b[?25h\x1b[?1049l";

/// Lines and columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) lines: usize,
    pub(super) columns: usize,
}

/// Of standard output; `None` where that is no terminal, or one that does not say.
pub(super) fn size() -> Option<Size> {
    let size = tcgetwinsize(stdout()).ok()?;
    let (lines, columns) = (usize::from(size.ws_row), usize::from(size.ws_col));
    (lines > 0 && columns > 0).then_some(Size { lines, columns })
}

/// What somebody did at the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Quit,
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    /// Anything else: look again, now.
    Again,
    /// The window has another size.
    Resized,
}

/// Our screen. It is left when this goes out of scope.
#[derive(Debug)]
pub(super) struct Screen {
    before: Termios,
}

impl Screen {
    /// `None` unless input and output are a terminal.
    pub(super) fn enter() -> io::Result<Option<Self>> {
        let (Ok(before), Some(_)) = (tcgetattr(stdin()), size()) else { return Ok(None) };
        let mut keys = before.clone();
        // Key by key, unseen; Ctrl-C is a key, so that the screen is left properly.
        keys.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG);
        tcsetattr(stdin(), OptionalActions::Now, &keys)?;
        let screen = Self { before };
        let mut out = stdout().lock();
        out.write_all(ENTER)?;
        out.flush()?;
        Ok(Some(screen))
    }

    /// The next key within `wait`.
    pub(super) fn key(&self, wait: Duration) -> io::Result<Option<Key>> {
        let (until, before) = (Instant::now() + wait, size());
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            let pause = Timespec::try_from(left.min(LOOK)).map_err(io::Error::other)?;
            let stdin = stdin();
            let mut wanted = [PollFd::new(&stdin, PollFlags::IN)];
            match poll(&mut wanted, Some(&pause)) {
                Ok(0) | Err(rustix::io::Errno::INTR) if size() != before => {
                    return Ok(Some(Key::Resized));
                }
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return self.read().map(Some),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn read(&self) -> io::Result<Key> {
        let mut octets = [0; 16];
        let length = rustix::io::read(stdin(), &mut octets)?;
        Ok(meaning(&octets[..length]))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Nobody can be told here that it did not work.
        let _ = tcsetattr(stdin(), OptionalActions::Now, &self.before);
        let mut out = stdout().lock();
        let _ = out.write_all(LEAVE).and_then(|()| out.flush());
    }
}

/// What a terminal sends for a key. Nothing: it is gone.
fn meaning(octets: &[u8]) -> Key {
    match octets {
        b"" | b"q" | b"Q" | b"\x1b" | b"\x03" | b"\x04" => Key::Quit,
        b"k" | b"\x1b[A" | b"\x1bOA" => Key::Up,
        b"j" | b"\x1b[B" | b"\x1bOB" => Key::Down,
        b"\x1b[5~" => Key::PageUp,
        b"\x1b[6~" => Key::PageDown,
        b"g" | b"\x1b[H" | b"\x1bOH" | b"\x1b[1~" => Key::First,
        b"G" | b"\x1b[F" | b"\x1bOF" | b"\x1b[4~" => Key::Last,
        _ => Key::Again,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_known_by_what_terminals_send() {
        for quit in [&b"q"[..], b"\x1b", b"\x03", b""] {
            assert_eq!(meaning(quit), Key::Quit);
        }
        assert_eq!(meaning(b"\x1b[B"), Key::Down);
        assert_eq!(meaning(b"\x1b[6~"), Key::PageDown);
        assert_eq!(meaning(b" "), Key::Again);
    }
}
