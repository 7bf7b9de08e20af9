//! TOML with comments, in the shape that people write it.

use std::fmt::{Display, Write as _};

use crate::plain::{plain, steers};

/// What stands in [exchange] where no peering LAN is named.
pub(super) const NO_LAN: &str = "# peering_lan = [\"…\"]  # not said";

/// A text that grows line by line.
#[derive(Default)]
pub(super) struct Lines {
    text: String,
}

impl Lines {
    /// A line as it is.
    pub(super) fn line(&mut self, line: impl Display) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{line}");
    }

    /// `key = value`, with the value as it is.
    pub(super) fn key(&mut self, key: &str, value: impl Display) {
        self.line(format_args!("{key} = {value}"));
    }

    /// `key = value`, if there is one.
    pub(super) fn optional(&mut self, key: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.key(key, value);
        }
    }

    pub(super) fn finish(self) -> String {
        self.text
    }
}

/// A string in quotes. JSON's escapes are TOML's, but for DEL, which JSON leaves alone.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007F")
}

/// A name in quotes, with a space and a note for what our configuration refuses in names.
pub(super) fn name(whose: &str, text: &str, notes: &mut Vec<String>) -> String {
    let clean = without_steering(text);
    if clean != text {
        notes.push(format!(
            "{whose}: name = \"{}\": what ends a line, steers a terminal or turns the direction \
             of text became a space",
            plain(text)
        ));
    }
    quoted(clean.trim())
}

fn without_steering(text: &str) -> String {
    text.chars().map(|c| if steers(c) { ' ' } else { c }).collect()
}

/// A list in brackets, each element as it is.
pub(super) fn list<T: Display>(elements: impl IntoIterator<Item = T>) -> String {
    let elements: Vec<_> = elements.into_iter().map(|element| element.to_string()).collect();
    format!("[{}]", elements.join(", "))
}

/// A list of strings.
pub(super) fn strings<T: AsRef<str>>(elements: impl IntoIterator<Item = T>) -> String {
    list(elements.into_iter().map(|element| quoted(element.as_ref())))
}

/// A comment behind a value: one line, whatever was in it.
pub(super) fn comment(text: &str) -> String {
    format!("  # {}", without_steering(text).trim())
}

/// `{ a = 1, b = 2 }` out of those entries that have a value; `None` if none has.
pub(super) fn inline(entries: &[(&str, Option<String>)]) -> Option<String> {
    let entries: Vec<_> = entries
        .iter()
        .filter_map(|(key, value)| value.as_ref().map(|value| format!("{key} = {value}")))
        .collect();
    (!entries.is_empty()).then(|| format!("{{ {} }}", entries.join(", ")))
}
