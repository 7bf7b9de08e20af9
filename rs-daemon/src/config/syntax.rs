//! What is no TOML: reported statement by statement, so that one forgotten quote or bracket
//! hides no other mistake.
//!
//! A statement that does not parse is reported and blanked out, and the rest is parsed again;
//! offsets stay what they were.

use std::ops::Range;

use toml::de::DeTable;

use super::report::{At, Reports};
use crate::plain::plain;

/// The text with double brackets around each header of single ones that names one of `lists`
/// (`"[[member]]"`), and where those are: of several, TOML would take the first only.
pub(super) fn in_double_brackets(text: &str, lists: &[&'static str]) -> (String, Vec<Single>) {
    let (mut whole, mut single) = (String::with_capacity(text.len()), Vec::new());
    // What looks like a header in a text of several lines is none.
    let has_long_texts = ["\"\"\"", "'''"].iter().any(|quotes| text.contains(quotes));
    for line in text.split_inclusive('\n') {
        let list = lists.iter().find(|list| is_single(line, list));
        let Some(list) = list.filter(|_| !has_long_texts) else {
            whole.push_str(line);
            continue;
        };
        let header = line.trim_start();
        whole.push_str(&line[..indent(line)]);
        single.push(Single { offset: whole.len(), list });
        whole.push_str(list);
        whole.push_str(&header[list.len() - 2..]);
    }
    (whole, single)
}

/// A header in single brackets, of which there may be several.
pub(super) struct Single {
    pub(super) offset: usize,
    /// As it would be right.
    pub(super) list: &'static str,
}

impl Single {
    pub(super) fn report(&self, file: usize, reports: &mut Reports) {
        let message = format!("`{}` is one of a list", &self.list[1..self.list.len() - 1]);
        reports.error(At { file, offset: self.offset }, message, double(self.list));
    }
}

fn double(list: &str) -> String {
    format!("write `{list}`, in double brackets")
}

/// Whether a line is the header of a list, but for its second brackets. A comment may follow; what
/// no comment may have would be reported at a place that is not there.
fn is_single(line: &str, list: &str) -> bool {
    let line = line.trim_start().trim_end_matches(['\r', '\n']);
    let Some(rest) = line.strip_prefix(&list[1..list.len() - 1]) else { return false };
    let rest = rest.trim_start_matches([' ', '\t']);
    rest.is_empty() || rest.starts_with('#') && !rest.chars().any(char::is_control)
}

/// More broken statements than anybody repairs at once; a binary file has many.
const MOST_ERRORS: usize = 100;
const TOML: &str = "the file is TOML: key = value, text in quotes, [tables] in brackets";

/// Reports every broken statement of a text and gives the text without them.
pub(super) fn without_broken(
    text: &str,
    file: usize,
    lists: &[&'static str],
    reports: &mut Reports,
) -> String {
    let mut text = text.to_owned();
    for _ in 0..MOST_ERRORS {
        let errors = DeTable::parse_recoverable(&text).1.into_iter();
        let first = errors.map(|error| (error.span().unwrap_or_default(), error));
        let Some((span, error)) = first.min_by_key(|(span, _)| span.start) else { return text };
        let offset = span.start.min(text.len());
        let start = statement_start(&text, offset);
        let end = statement_end(&text, start);
        let at = if offset <= end { offset } else { start + indent(&text[start..]) };
        let (message, help) = if offset > end {
            ("what begins here is not finished".to_owned(), TOML.to_owned())
        } else if error.message().contains("duplicate") {
            twice(&text, start, span, file, lists, reports)
        } else {
            (error.message().to_owned(), TOML.to_owned())
        };
        reports.error(At { file, offset: at }, message, help);
        for line in line_starts(&text[..end]).filter(|line| *line >= start) {
            reports.broken_line(At { file, offset: line });
        }
        text = blanked(&text, start, end);
    }
    String::new()
}

/// What is said of a key or a header that stands a second time, in the statement that begins at
/// `start`: which it is, and where the first one stands.
fn twice(
    text: &str,
    start: usize,
    span: Range<usize>,
    file: usize,
    lists: &[&'static str],
    reports: &Reports,
) -> (String, String) {
    let statement = text[start..].lines().next().unwrap_or_default();
    let (name, first, help) = if let Some(name) = header_name(statement) {
        let mut before: Vec<_> = line_starts(&text[..start]).filter(|line| *line < start).collect();
        before.retain(|line| text[*line..].lines().next().and_then(header_name) == Some(name));
        let list = format!("[[{name}]]");
        let is_double = statement.trim_start().starts_with("[[");
        let help = match lists.contains(&&*list) {
            true if is_double => format!("write each of them below its own `{list}`"),
            true => double(&list),
            false => "put all its keys below one of them".to_owned(),
        };
        let header = if is_double { list } else { format!("[{name}]") };
        (header, before.last().map(|line| line + indent(&text[*line..])), help)
    } else {
        let key = text.get(span.clone()).unwrap_or_default();
        let help = "leave one of them out".to_owned();
        (key.to_owned(), first_key(text, start, span.start.min(text.len()), key), help)
    };
    let message = match first {
        Some(offset) => {
            format!("`{}` stands at {} already", plain(&name), reports.place(At { file, offset }))
        }
        None => format!("`{}` stands twice", plain(&name)),
    };
    (message, help)
}

/// Where a key stands before `offset`: in the statement of that place, which may be a table in
/// braces, else at the beginning of one below the same header.
fn first_key(text: &str, start: usize, offset: usize, key: &str) -> Option<usize> {
    let is_key = |at: usize| {
        let rest = text[at..].strip_prefix(key);
        rest.is_some_and(|rest| rest.trim_start_matches([' ', '\t']).starts_with('='))
    };
    if start + indent(&text[start..]) < offset {
        let found = text[start..offset].rmatch_indices(key).map(|(at, _)| start + at);
        let begins = |at: &usize| text[start..*at].ends_with(['{', ',', ' ', '\t']);
        return found.filter(begins).find(|at| is_key(*at));
    }
    let before: Vec<_> = line_starts(&text[..start]).filter(|line| *line < start).collect();
    let table = before.iter().rev().take_while(|line| !is_header(&text[**line..]));
    table.map(|line| line + indent(&text[*line..])).find(|at| is_key(*at))
}

/// What stands in the brackets of a header.
fn header_name(line: &str) -> Option<&str> {
    let name = is_header(line).then(|| line.trim_start().trim_start_matches('['))?;
    name.split(']').next()
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
