//! RPSL objects as text (RFC 2622 §2).

/// The attributes of one object, in order.
#[derive(Debug, Default)]
pub(super) struct Object {
    attributes: Vec<(String, String)>,
}

impl Object {
    /// An object out of its text.
    pub(super) fn parse(text: &str) -> Self {
        let mut object = Self::default();
        text.lines().for_each(|line| object.push_line(line.trim_end()));
        object
    }

    /// Takes a line that is not empty: an attribute, or the continuation of one, which begins
    /// with white space or `+`. Comments are left out.
    pub(super) fn push_line(&mut self, line: &str) {
        if line.is_empty() || line.starts_with(['#', '%']) {
            return;
        }
        let without_comment = line.split('#').next().unwrap_or_default();
        if line.starts_with([' ', '\t', '+']) {
            if let Some((_, value)) = self.attributes.last_mut() {
                value.push(' ');
                value.push_str(without_comment.trim_start_matches('+').trim());
            }
        } else if let Some((name, value)) = without_comment.split_once(':') {
            self.attributes.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    pub(super) fn clear(&mut self) {
        self.attributes.clear();
    }

    /// Class and key.
    pub(super) fn class(&self) -> Option<(&str, &str)> {
        self.attributes.first().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(super) fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.attributes.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The values of all attributes of a name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.attributes.iter().filter(move |a| a.0 == name).map(|a| a.1.as_str())
    }

    /// A list attribute's entries, over all its lines.
    pub(super) fn list<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.all(name)
            .flat_map(|v| v.split(|c: char| c == ',' || c.is_whitespace()))
            .filter(|w| !w.is_empty())
    }

    /// The database, in upper case.
    pub(super) fn source(&self) -> String {
        self.all("source").next().unwrap_or_default().to_ascii_uppercase()
    }
}
