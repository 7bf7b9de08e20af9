//! The book in `docs/`: its chapters, their links and their fenced blocks.

use std::fs;
use std::path::{Path, PathBuf};

/// First line of a block that cannot be run in a test.
pub const LEFT_OUT: &str = "# not run by the tests of this book";

/// A chapter of the book.
#[derive(Debug)]
pub struct Chapter {
    /// Its file in `docs/`.
    pub name: String,
    /// Its text, with what it includes.
    pub text: String,
}

/// A fenced block.
#[derive(Debug, Clone)]
pub struct Block {
    /// The first word behind the fence.
    pub language: String,
    /// What follows it, separated by commas.
    pub marks: Vec<String>,
    /// Its lines.
    pub lines: Vec<String>,
    /// The line of the chapter on which its text begins, from 1.
    pub line: usize,
    /// The last line with text before the fence.
    pub before: String,
}

impl Block {
    /// Whether a mark is there.
    pub fn has(&self, mark: &str) -> bool {
        self.marks.iter().any(|found| found == mark)
    }

    /// What a mark says, as in `file=rs.toml`.
    pub fn value(&self, mark: &str) -> Option<&str> {
        self.marks.iter().find_map(|found| found.strip_prefix(mark)?.strip_prefix('='))
    }

    /// Whether it says of itself that nobody runs it.
    pub fn is_left_out(&self) -> bool {
        self.lines.first().is_some_and(|line| line == LEFT_OUT)
    }

    /// Its text.
    pub fn text(&self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }
}

/// A command of a console block and what it prints.
#[derive(Debug, Clone)]
pub struct Step {
    /// What is typed, continuation lines included.
    pub command: String,
    /// What comes out, line by line.
    pub output: Vec<String>,
    /// The line of the chapter with the command.
    pub line: usize,
}

/// The top of this checkout.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the repository")
}

/// Where the chapters are.
pub fn docs() -> PathBuf {
    repository().join("docs")
}

/// The chapters that SUMMARY.md names, in order, SUMMARY.md itself left out.
pub fn chapters() -> Vec<Chapter> {
    let summary = fs::read_to_string(docs().join("SUMMARY.md")).expect("docs/SUMMARY.md");
    let names = links(&summary).into_iter().map(|(_, target)| target);
    names.map(|name| chapter(&name)).collect()
}

/// One chapter.
pub fn chapter(name: &str) -> Chapter {
    let path = docs().join(name);
    let text = fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("docs/SUMMARY.md names {name}: {error}"));
    let base = path.parent().expect("a file lies in a directory");
    let text = text.lines().map(|line| included(base, line) + "\n").collect();
    Chapter { name: name.to_owned(), text }
}

/// A line, or what mdBook puts in its place: `{{#include FILE}}`, `{{#include FILE:ANCHOR}}`.
fn included(base: &Path, line: &str) -> String {
    let Some(what) = line.strip_prefix("{{#include ").and_then(|rest| rest.strip_suffix("}}"))
    else {
        return line.to_owned();
    };
    let (file, anchor) = what.split_once(':').map_or((what, None), |(file, a)| (file, Some(a)));
    let path = base.join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{line}: {error}"));
    let Some(anchor) = anchor else { return text.trim_end().to_owned() };
    let part: Vec<&str> = text
        .lines()
        .skip_while(|line| !line.contains(&format!("ANCHOR: {anchor} ")))
        .skip(1)
        .take_while(|line| !line.contains(&format!("ANCHOR_END: {anchor} ")))
        .collect();
    assert!(!part.is_empty(), "{line}: no such part in {}", path.display());
    part.join("\n")
}

impl Chapter {
    /// Its fenced blocks.
    pub fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut open: Option<(usize, Block)> = None;
        let mut before = String::new();
        for (number, line) in self.text.lines().enumerate() {
            let trimmed = line.trim_start();
            let indent = line.len() - trimmed.len();
            match (&mut open, trimmed.strip_prefix("```")) {
                (Some(_), Some(_)) => blocks.extend(open.take().map(|(_, block)| block)),
                (Some((outer, block)), None) => {
                    block.lines.push(line.get(*outer..).unwrap_or(trimmed).to_owned());
                }
                (None, Some(info)) => {
                    let mut words = info.split(',').map(|word| word.trim().to_owned());
                    let block = Block {
                        language: words.next().unwrap_or_default(),
                        marks: words.collect(),
                        lines: Vec::new(),
                        line: number + 2,
                        before: before.clone(),
                    };
                    open = Some((indent, block));
                }
                (None, None) if !trimmed.is_empty() => line.clone_into(&mut before),
                (None, None) => {}
            }
        }
        assert!(open.is_none(), "{}: a fence stays open", self.name);
        blocks
    }

    /// The text without its fenced blocks and code spans.
    pub fn prose(&self) -> String {
        let mut inside = false;
        let mut prose = String::new();
        for line in self.text.lines() {
            if line.trim_start().starts_with("```") {
                inside = !inside;
            } else if !inside {
                let pieces: Vec<&str> = line.split('`').collect();
                prose.extend(pieces.iter().step_by(2).copied());
                prose.push('\n');
            }
        }
        prose
    }

    /// The anchors that its headings get from mdBook.
    pub fn anchors(&self) -> Vec<String> {
        let mut inside = false;
        let mut anchors: Vec<String> = Vec::new();
        for line in self.text.lines() {
            if line.trim_start().starts_with("```") {
                inside = !inside;
            }
            let title = line.trim_start_matches('#');
            if inside || title.len() == line.len() || !title.starts_with(' ') {
                continue;
            }
            let anchor = anchor(title);
            let again = anchors.iter().filter(|known| **known == anchor).count();
            anchors.push(if again == 0 { anchor } else { format!("{anchor}-{again}") });
        }
        anchors
    }

    /// What it says about itself in a comment, as in `<!-- book: scene=exchange -->`.
    pub fn mark(&self, key: &str) -> Option<&str> {
        let line = self.text.lines().find_map(|line| line.strip_prefix("<!-- book: "))?;
        let words = line.trim_end_matches("-->").split_whitespace();
        words.into_iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
    }
}

/// A heading's anchor: letters, digits, `-` and `_`; spaces become `-`.
fn anchor(title: &str) -> String {
    let kept = title.trim().chars().filter_map(|letter| match letter {
        ' ' => Some('-'),
        '-' | '_' => Some(letter),
        letter if letter.is_alphanumeric() => Some(letter.to_ascii_lowercase()),
        _ => None,
    });
    kept.collect()
}

/// The links of a text: what is shown, and where they lead.
pub fn links(text: &str) -> Vec<(String, String)> {
    let mut links = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("](") {
        let shown = rest[..at].rsplit('[').next().unwrap_or_default().to_owned();
        rest = &rest[at + 2..];
        let Some(end) = rest.find(')') else { break };
        links.push((shown, rest[..end].to_owned()));
        rest = &rest[end..];
    }
    links
}

/// The commands of a console block.
pub fn steps(block: &Block) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut typing = false;
    for (number, line) in block.lines.iter().enumerate() {
        if let Some(command) = line.strip_prefix("$ ") {
            let line = block.line + number;
            steps.push(Step { command: command.to_owned(), output: Vec::new(), line });
            typing = true;
            continue;
        }
        let Some(step) = steps.last_mut() else {
            panic!("a console block begins with `$ `, not with {line:?}")
        };
        match line.strip_prefix("> ").filter(|_| typing) {
            Some(more) => step.command = format!("{}\n{more}", step.command),
            None => {
                typing = false;
                step.output.push(line.clone());
            }
        }
    }
    steps
}

/// Whether a line came out as it is printed: runs of blanks count as one, `…` stands for anything,
/// and a time of day, a duration, a date or a link-local address for any other.
pub fn matches(printed: &str, seen: &str) -> bool {
    let (printed, seen) = (normal(printed), normal(seen));
    let mut pieces = printed.split('…');
    let Some(mut rest) = pieces.next().and_then(|first| seen.strip_prefix(first)) else {
        return false;
    };
    let pieces: Vec<&str> = pieces.collect();
    let Some((last, middle)) = pieces.split_last() else { return rest.is_empty() };
    for piece in middle {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Whether all of an output is as printed; a line with nothing but `…` stands for any number of
/// lines.
pub fn all_match(printed: &[String], seen: &[&str]) -> bool {
    match (printed.split_first(), seen.split_first()) {
        (None, None) => true,
        (Some((first, printed)), _) if first.trim() == "…" => {
            (0..=seen.len()).any(|skip| all_match(printed, &seen[skip..]))
        }
        (Some((first, printed)), Some((line, seen))) => {
            matches(first, line) && all_match(printed, seen)
        }
        _ => false,
    }
}

fn normal(line: &str) -> String {
    let number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let words = line.split_whitespace().map(|word| {
        let core = word.trim_matches(['(', ')', '[', ']', ',', ';']);
        let (day, time) = core.trim_end_matches('Z').split_once('T').unwrap_or((core, core));
        let parts: Vec<&str> = time.split(':').collect();
        let is_time = parts.len() == 3
            && parts[..2].iter().all(|part| part.len() == 2 && number(part))
            && parts[2].split('.').all(number);
        let is_day = day.split('-').map(str::len).eq([4, 2, 2]) && day.split('-').all(number);
        match core {
            core if is_time || is_day => word.replace(core, "then"),
            _ => without_interfaces(word),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Link-local addresses that the kernel made are others on each run.
fn without_interfaces(word: &str) -> String {
    let mut kept = String::new();
    let mut pieces = word.split("fe80::");
    kept += pieces.next().unwrap_or_default();
    for piece in pieces {
        kept += "fe80::";
        kept += piece.trim_start_matches(|c: char| c.is_ascii_hexdigit() || c == ':');
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn what_varies_matches_and_nothing_else() {
        assert!(matches("up 00:00:05, 3 of 3", "up 01:59:05,   3 of 3"));
        assert!(!matches("up 00:00:05, 3 of 3", "up 00:00:05, 2 of 3"));
        assert!(matches("memory … MB, … workers", "memory 34.1 MB, 2 workers"));
        assert!(!matches("memory … MB", "memory 34.1 kB"));
        assert!(matches("of 2026-11-22 04:00:49 UTC", "of 2027-01-02 23:00:00 UTC"));
        assert!(!matches("64500:1:2", "64500:1:3"));
        assert!(matches("hop fe80::1", "hop fe80::2055:77ff:fed8:2b48"));
        assert!(matches("\"a fe80::1\",\"b\"", "\"a fe80::2:3\",\"b\""));
        assert!(!matches("\"a fe80::1\",\"b\"", "\"a fe80::2:3\",\"c\""));
        assert!(matches("2026-11-22T04:13:13.38Z up", "2026-12-01T00:00:00.123456Z up"));
    }

    #[test]
    fn a_line_of_dots_stands_for_lines() {
        let seen = ["a", "b", "c", "d"];
        assert!(all_match(&lines("a\n…\nd"), &seen));
        assert!(all_match(&lines("…\nb\nc\nd\n…"), &seen));
        assert!(!all_match(&lines("a\n…\nc"), &seen));
        assert!(!all_match(&lines("a\nb\nc"), &seen));
        assert!(!all_match(&[], &seen));
    }

    #[test]
    fn blocks_steps_and_anchors_are_found() {
        let text = "# A `b` c_d\n\nIn `x.toml`:\n\n```toml,file=x.toml\na = 1\n```\n\n## A b c_d\n\n\
                    - one\n\n  ```console,fails\n  $ cat \\\n  > x\n  a = 1\n  $ true\n  ```\n";
        let chapter = Chapter { name: "x.md".to_owned(), text: text.to_owned() };
        assert_eq!(chapter.anchors(), ["a-b-c_d", "a-b-c_d-1"]);
        let blocks = chapter.blocks();
        assert_eq!(blocks[0].value("file"), Some("x.toml"));
        assert_eq!((blocks[0].line, &*blocks[0].before), (6, "In `x.toml`:"));
        assert!(blocks[1].has("fails"));
        let steps = steps(&blocks[1]);
        assert_eq!(steps[0].command, "cat \\\nx");
        assert_eq!(steps[0].output, ["a = 1"]);
        assert_eq!((&*steps[1].command, steps[1].line), ("true", 17));
    }
}
