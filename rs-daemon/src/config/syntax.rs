//! What is no TOML: reported statement by statement, so that one forgotten quote or bracket
//! hides no other mistake.
//!
//! A statement that does not parse is reported and blanked out, and the rest is parsed again;
//! offsets stay what they were.

use toml::de::DeTable;

use super::report::{At, Reports};

/// More broken statements than anybody repairs at once; a binary file has many.
const MOST_ERRORS: usize = 100;

/// Reports every broken statement of a text and gives the text without them.
pub(super) fn without_broken(text: &str, file: usize, reports: &mut Reports) -> String {
    let mut text = text.to_owned();
    for _ in 0..MOST_ERRORS {
        let errors = DeTable::parse_recoverable(&text).1.into_iter();
        let first = errors.map(|error| (error.span().map_or(0, |span| span.start), error));
        let Some((offset, error)) = first.min_by_key(|(offset, _)| *offset) else { return text };
        let offset = offset.min(text.len());
        let start = statement_start(&text, offset);
        let end = statement_end(&text, start);
        let at = if offset <= end { offset } else { start + indent(&text[start..]) };
        let message = match offset <= end {
            true => error.message().to_owned(),
            false => "what begins here is not finished".to_owned(),
        };
        let help = match error.message().contains("duplicate") {
            true => "a key, and a table in single brackets, may stand once",
            false => "the file is TOML: key = value, text in quotes, [tables] in brackets",
        };
        reports.error(At { file, offset: at }, message, help);
        for line in line_starts(&text[..end]).filter(|line| *line >= start) {
            reports.broken_line(At { file, offset: line });
        }
        text = blanked(&text, start, end);
    }
    String::new()
}

/// The start of the line where the statement begins that cannot be parsed: all before it can.
fn statement_start(text: &str, offset: usize) -> usize {
    let line_end = text[offset..].find('\n').map_or(text.len(), |length| offset + length);
    let starts: Vec<_> = line_starts(&text[..line_end]).collect();
    let begins = |start: &&usize| is_statement(&text[**start..]);
    let clean = |start: &&usize| DeTable::parse(&text[..**start]).is_ok();
    starts.iter().rev().filter(begins).find(clean).copied().unwrap_or_else(|| {
        // Not even a key: the line itself.
        starts.last().copied().unwrap_or(0)
    })
}

/// The end of the statement that begins at `start`: where the next one begins. What follows a
/// broken header cannot be attributed, so it ends where the next table begins.
fn statement_end(text: &str, start: usize) -> usize {
    let is_next = if is_header(&text[start..]) { is_header } else { is_statement };
    line_starts(text)
        .filter(|next| *next > start)
        .find(|next| is_next(&text[*next..]))
        .map_or(text.len(), |next| next - 1)
}

fn line_starts(text: &str) -> impl Iterator<Item = usize> {
    std::iter::once(0).chain(text.match_indices('\n').map(|(newline, _)| newline + 1))
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// Whether a line looks like `key = …` or a header.
fn is_statement(text: &str) -> bool {
    let line = text.lines().next().unwrap_or("").trim_start();
    let key_length = line.find(|c: char| !is_key(c)).unwrap_or(line.len());
    let is_assignment = key_length > 0 && line[key_length..].trim_start().starts_with('=');
    is_assignment || is_header(text)
}

/// Whether a line looks like a header, also one that lacks a bracket.
fn is_header(text: &str) -> bool {
    let line = text.lines().next().unwrap_or("").trim_start();
    let name = line.trim_start_matches('[');
    let key_length = name.find(|c: char| !is_key(c)).unwrap_or(name.len());
    let rest = name[key_length..].trim_start_matches(']').trim_start();
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic());
    line.starts_with('[') && is_name && (rest.is_empty() || rest.starts_with('#'))
}

fn is_key(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// The text with everything from `start` to `end` replaced by blanks, octet for octet.
fn blanked(text: &str, start: usize, end: usize) -> String {
    let blanks = text[start..end].bytes().map(|octet| if octet == b'\n' { '\n' } else { ' ' });
    let mut blanked = text[..start].to_owned();
    blanked.extend(blanks);
    blanked.push_str(&text[end..]);
    blanked
}
