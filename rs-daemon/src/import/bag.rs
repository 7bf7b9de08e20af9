//! A tree of settings out of which values are taken; what is left was not understood.

use std::collections::BTreeSet;

use serde_json::Value;

/// A tree and which of its values have been taken.
pub(super) struct Bag<'v> {
    /// What to call it in messages.
    name: String,
    root: &'v Value,
    taken: BTreeSet<String>,
}

impl<'v> Bag<'v> {
    pub(super) fn new(name: impl Into<String>, root: &'v Value) -> Self {
        Self { name: name.into(), root, taken: BTreeSet::new() }
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

    pub(super) fn number(&mut self, path: &str) -> Option<u64> {
        let value = self.take(path)?;
        let number = match value {
            Value::String(text) => text.trim().parse().ok(),
            other => other.as_u64(),
        };
        self.or_left(path, number)
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
        let mut asns = Vec::new();
        for value in self.list(path)? {
            match value {
                Value::String(text) => {
                    let words = text.split(|c: char| c == ',' || c.is_whitespace());
                    let words = words.filter(|word| !word.is_empty());
                    asns.extend(
                        words.filter_map(|word| word.trim_start_matches("AS").parse::<u32>().ok()),
                    );
                }
                other => asns.extend(other.as_u64().and_then(|asn| u32::try_from(asn).ok())),
            }
        }
        Some(asns)
    }

    /// Paths and values of what was not taken.
    pub(super) fn left(&self) -> Vec<String> {
        let mut left = Vec::new();
        self.walk("", self.root, &mut left);
        left
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
            Value::String(_) if path.contains("password") => {
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
