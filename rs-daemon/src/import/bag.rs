//! A tree of settings out of which values are taken; what is left was not understood.

use std::collections::BTreeSet;

use serde_json::Value;

use super::asn::asn;

/// A tree and which of its values have been taken.
pub(super) struct Bag<'v> {
    /// What to call it in messages.
    name: String,
    root: &'v Value,
    taken: BTreeSet<String>,
    /// Parts of what was taken that were not understood: a note for each.
    lost: Vec<String>,
}

impl<'v> Bag<'v> {
    pub(super) fn new(name: impl Into<String>, root: &'v Value) -> Self {
        Self { name: name.into(), root, taken: BTreeSet::new(), lost: Vec::new() }
    }

    /// The value at a path, `a.b.c`. All below it counts as taken.
    pub(super) fn take(&mut self, path: &str) -> Option<&'v Value> {
        let mut value = self.root;
        for step in path.split('.') {
            value = value.get(step)?;
        }
        self.taken.insert(path.to_owned());
        (!value.is_null()).then_some(value)
    }

    pub(super) fn truth(&mut self, path: &str) -> Option<bool> {
        let value = self.take(path)?;
        let truth = match value {
            Value::Bool(truth) => Some(*truth),
            Value::String(text) => match text.to_ascii_lowercase().as_str() {
                "true" | "on" | "yes" => Some(true),
                "false" | "off" | "no" => Some(false),
                _ => None,
            },
            _ => None,
        };
        self.or_left(path, truth)
    }

    /// A number of the size that our configuration has room for.
    pub(super) fn number<T: TryFrom<u64>>(&mut self, path: &str) -> Option<T> {
        let value = self.take(path)?;
        let number = match value {
            Value::String(text) => text.trim().parse().ok(),
            other => other.as_u64(),
        };
        self.or_left(path, number.and_then(|number| T::try_from(number).ok()))
    }

    pub(super) fn asn(&mut self, path: &str) -> Option<u32> {
        let asn = asn(self.take(path)?);
        self.or_left(path, asn)
    }

    pub(super) fn text(&mut self, path: &str) -> Option<&'v str> {
        let text = self.take(path)?.as_str();
        self.or_left(path, text)
    }

    /// A list; a lone value counts as a list of one.
    pub(super) fn list(&mut self, path: &str) -> Option<Vec<&'v Value>> {
        Some(match self.take(path)? {
            Value::Array(elements) => elements.iter().collect(),
            lone => vec![lone],
        })
    }

    /// AS numbers: a list, or a text with commas between them.
    pub(super) fn asns(&mut self, path: &str) -> Option<Vec<u32>> {
        let mut words = Vec::new();
        for value in self.list(path)? {
            match value {
                Value::String(text) => {
                    let parts = text.split(|c: char| c == ',' || c.is_whitespace());
                    words.extend(parts.filter(|part| !part.is_empty()).map(Value::from));
                }
                other => words.push(other.clone()),
            }
        }
        let mut asns = Vec::new();
        for word in &words {
            match asn(word) {
                Some(asn) if asns.contains(&asn) => {}
                Some(asn) => asns.push(asn),
                None => self.lose(path, word, "is no AS number"),
            }
        }
        Some(asns)
    }

    /// Texts: a list, or one of them.
    pub(super) fn texts(&mut self, path: &str) -> Option<Vec<String>> {
        let mut texts = Vec::new();
        for value in self.list(path)? {
            match value {
                Value::String(text) => texts.push(text.clone()),
                other => self.lose(path, other, "is no text"),
            }
        }
        Some(texts)
    }

    /// Notes a part of what was taken that is not carried over.
    pub(super) fn lose(&mut self, path: &str, part: &Value, why: &str) {
        let part = shortened(part);
        self.lost.push(format!("{}: {path}: {part} {why}: left out", self.name));
    }

    /// A note for each value that was not taken, and for each part that was not understood.
    pub(super) fn left(self) -> Vec<String> {
        let mut left = Vec::new();
        self.walk("", self.root, &mut left);
        let mut notes = self.lost;
        notes.extend(left.into_iter().map(|left| format!("{left}: has no counterpart")));
        notes
    }

    fn walk(&self, path: &str, value: &Value, left: &mut Vec<String>) {
        if self.taken.contains(path) {
            return;
        }
        match value {
            Value::Object(entries) => {
                for (key, value) in entries {
                    let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    self.walk(&below, value, left);
                }
            }
            Value::Null => {}
            // A password would be among the values: the key alone is named.
            _ if path.contains("password") => {
                left.push(format!("{}: {path}", self.name));
            }
            value => left.push(format!("{}: {path} = {}", self.name, shortened(value))),
        }
    }

    /// A value of an unexpected type stays among what was not understood.
    fn or_left<T>(&mut self, path: &str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.taken.remove(path);
        }
        value
    }
}

fn shortened(value: &Value) -> String {
    const LONGEST: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
